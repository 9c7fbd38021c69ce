//! The least that still breaks a promise.

use std::time::Duration;

use crate::oracle::Violation;
use crate::scenario::{Habits, Scenario, TakesBack, Turn};

/// Leaves out of a scenario whatever is not needed for the same promise to be broken, and says what is left.
pub fn shrink(scenario: Scenario, plays: impl Fn(&Scenario) -> Option<Violation>) -> Scenario {
    let Some(found) = plays(&scenario) else {
        return scenario;
    };
    let breaks = |scenario: &Scenario| plays(scenario).is_some_and(|other| other.rule == found.rule);
    let mut least = scenario;
    loop {
        let before = least.clone();
        for simpler in simplifications(&before) {
            let mut candidate = least.clone();
            simpler(&mut candidate);
            if breaks(&candidate) {
                least = candidate;
            }
        }
        if format!("{least:?}") == format!("{before:?}") {
            return least;
        }
    }
}

type Simplification = Box<dyn Fn(&mut Scenario)>;

/// Each of them leaves one thing out. What is gone already stays gone.
fn simplifications(of: &Scenario) -> Vec<Simplification> {
    let mut all: Vec<Simplification> = vec![
        Box::new(|scenario| scenario.deepest = 6),
        Box::new(|scenario| scenario.late_logs = false),
        Box::new(|scenario| scenario.echoes = false),
        Box::new(|scenario| scenario.blooms = true),
        Box::new(|scenario| scenario.false_positives = 0.0),
        Box::new(|scenario| scenario.policy.verify_all_logs = false),
        Box::new(|scenario| scenario.policy.history = 4096),
        Box::new(|scenario| scenario.policy.live_buffer = 101),
        Box::new(|scenario| scenario.policy.concurrency = 8),
        Box::new(|scenario| scenario.policy.attempts = 11),
    ];
    for index in 0..of.providers.len() {
        for window in of.providers[index].windows.clone() {
            all.push(Box::new(move |scenario| {
                scenario.providers[index].windows.retain(|other| *other != window);
            }));
        }
        let habits: [fn(&mut Habits); 15] = [
            |habits| habits.head_jitter = Duration::ZERO,
            |habits| habits.log_jitter = Duration::ZERO,
            |habits| habits.repeats = 0.0,
            |habits| habits.late_repeats = 0.0,
            |habits| habits.loses_heads = 0.0,
            |habits| habits.loses_logs = 0.0,
            |habits| habits.loses_some_logs = 0.0,
            |habits| habits.fails = 0.0,
            |habits| habits.dawdles = 0.0,
            |habits| habits.nulls = 0.0,
            |habits| habits.index_lag = Duration::ZERO,
            |habits| habits.wrong_logs = 0.0,
            |habits| habits.orphans = 0.0,
            |habits| habits.headless = 0.0,
            |habits| habits.dated = 0.0,
        ];
        for habit in habits {
            all.push(Box::new(move |scenario| habit(&mut scenario.providers[index].habits)));
        }
        all.push(Box::new(move |scenario| {
            let provider = &mut scenario.providers[index];
            provider.takes_back = TakesBack::NewestFirst;
            provider.announces_each = true;
            provider.forgets = false;
        }));
        all.push(Box::new(move |scenario| scenario.providers[index].delay = Duration::ZERO));
    }
    for step in of.moves.iter().copied().filter(|step| step.turn != Turn::Extend(1)) {
        all.push(Box::new(move |scenario| {
            if let Some(found) = scenario.moves.iter_mut().find(|other| **other == step) {
                found.turn = Turn::Extend(1);
            }
        }));
    }
    all
}
