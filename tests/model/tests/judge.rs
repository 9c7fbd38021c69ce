//! The judge itself: a player that only passes on what it is told keeps every promise where providers are perfect, and
//! breaks the one that belongs to each fault as soon as one is not.

use std::collections::BTreeSet;
use std::time::Duration;

use lasso_model::draw;
use lasso_model::player::Player;
use lasso_model::scenario::{Fault, Habits, Kind, Scenario, TakesBack, Turn, Window};
use lasso_model::world::play;
use lasso_rpc::streams::block::BlockHash;
use lasso_rpc::streams::coordinator::{Action, End, Input, Lease, Refusal};
use tokio::time::Instant;

/// Subscribes once and passes everything on.
#[derive(Default)]
struct Naive {
    kind: Option<Kind>,
    /// What is emitted instead of every so many payloads.
    twist: Option<fn(Action) -> Vec<Action>>,
    emitted: usize,
}

impl Naive {
    fn emit(&mut self, payload: bytes::Bytes, out: &mut Vec<Action>) {
        let action = Action::Emit { payloads: vec![payload], filled: false };
        self.emitted += 1;
        match self.twist.filter(|_| self.emitted.is_multiple_of(5)) {
            Some(twist) => out.extend(twist(action)),
            None => out.push(action),
        }
    }
}

impl Player for Naive {
    fn start(&mut self, _now: Instant, out: &mut Vec<Action>) {
        out.push(Action::Choose);
    }

    fn handle(&mut self, input: Input, _now: Instant, out: &mut Vec<Action>) {
        match (input, self.kind) {
            (Input::Candidates(peers), _) => out.push(Action::Subscribe { lease: Lease(1), peer: peers[0] }),
            (Input::Confirmed { .. }, _) => out.push(Action::Established),
            (Input::Head { header, .. }, Some(Kind::Heads)) => self.emit(header.payload, out),
            (Input::Log { log, .. }, Some(Kind::Logs)) => self.emit(log.payload, out),
            _ => {}
        }
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn tip(&self) -> Option<(u64, BlockHash)> {
        None
    }
}

/// Histories of a restless chain with perfect providers, before `spoil` makes them less so.
fn scenarios(kind: Kind, spoil: impl Fn(&mut Scenario)) -> impl Iterator<Item = Scenario> {
    (0..60).map(draw::scenario).filter(move |scenario| scenario.kind == kind).map(move |mut scenario| {
        scenario.late_logs = false;
        // Deeper than what a stream has seen is another matter: here each begins long before.
        scenario.moves.iter_mut().enumerate().for_each(|(nth, step)| {
            step.turn = match step.turn {
                Turn::SetBack(_) => Turn::Extend(1),
                _ if nth < 12 => Turn::Extend(1),
                _ if nth % 7 == 0 && nth + 20 < 30 => Turn::Reorg { depth: 3, length: 2 },
                turn => turn,
            };
        });
        scenario.moves[13].turn = Turn::Reorg { depth: 3, length: 2 };
        for provider in &mut scenario.providers {
            provider.habits = Habits::GOOD;
            provider.windows.clear();
            provider.refuses = false;
            provider.announces_each = true;
            provider.takes_back = TakesBack::NewestFirst;
        }
        scenario.log_rate = 0.8;
        spoil(&mut scenario);
        scenario
    })
}

/// The promises that are broken, over all histories.
fn broken(
    kind: Kind,
    twist: Option<fn(Action) -> Vec<Action>>,
    spoil: impl Fn(&mut Scenario),
) -> Vec<&'static str> {
    let rules: BTreeSet<&str> = scenarios(kind, spoil)
        .filter_map(|scenario| {
            play(&scenario, false, |_, _| Naive { kind: Some(kind), twist, emitted: 0 }).violation
        })
        .map(|violation| violation.rule)
        .collect();
    rules.into_iter().collect()
}

fn habits(change: impl Fn(&mut Habits) + Copy) -> impl Fn(&mut Scenario) {
    move |scenario| scenario.providers.iter_mut().for_each(|provider| change(&mut provider.habits))
}

fn fault(fault: Fault) -> impl Fn(&mut Scenario) {
    move |scenario| {
        let (from, until) = (scenario.calm.mul_f64(0.3), scenario.calm);
        scenario
            .providers
            .iter_mut()
            .for_each(|provider| provider.windows = vec![Window { from, until, fault }]);
    }
}

#[test]
fn passing_on_what_perfect_providers_say_keeps_every_promise() {
    assert_eq!(broken(Kind::Heads, None, |_| ()), [""; 0]);
    assert_eq!(broken(Kind::Logs, None, |_| ()), [""; 0]);
}

#[test]
fn a_head_that_comes_twice_is_seen() {
    assert_eq!(broken(Kind::Heads, None, habits(|habits| habits.repeats = 0.1)), ["emits a block twice"]);
}

#[test]
fn a_head_that_is_left_out_is_seen() {
    let rules = broken(Kind::Heads, None, habits(|habits| habits.loses_heads = 0.1));
    assert!(rules.contains(&"leaves a gap silently"), "{rules:?}");
    let each = |scenario: &mut Scenario| scenario.providers.iter_mut().for_each(|p| p.announces_each = false);
    assert!(broken(Kind::Heads, None, each).contains(&"leaves a gap silently"));
    let rules = broken(Kind::Heads, Some(|_| Vec::new()), |_| ());
    assert!(rules.contains(&"leaves a gap silently"), "{rules:?}");
}

#[test]
fn heads_out_of_order_are_seen() {
    let late = habits(|habits| habits.head_jitter = Duration::from_secs(8));
    let rules = broken(Kind::Heads, None, late);
    assert!(rules.contains(&"leaves a gap silently"), "{rules:?}");
}

#[test]
fn a_head_that_does_not_exist_is_seen() {
    assert_eq!(broken(Kind::Heads, None, fault(Fault::Lying)), ["emits what does not exist"]);
}

#[test]
fn a_stream_that_falls_silent_is_seen() {
    let rules = broken(Kind::Heads, None, fault(Fault::Down));
    assert!(rules.contains(&"is not at the head in the end"), "{rules:?}");
    let rules = broken(Kind::Logs, None, fault(Fault::Down));
    assert!(rules.contains(&"has not all logs"), "{rules:?}");
}

#[test]
fn a_log_that_comes_twice_is_seen() {
    let rules = broken(Kind::Logs, None, habits(|habits| habits.repeats = 0.1));
    assert!(rules.contains(&"emits a log twice"), "{rules:?}");
}

#[test]
fn a_log_that_is_left_out_is_seen() {
    let rules = broken(Kind::Logs, None, habits(|habits| habits.loses_logs = 0.1));
    assert!(rules.contains(&"leaves logs out"), "{rules:?}");
    let rules = broken(Kind::Logs, None, habits(|habits| habits.loses_some_logs = 0.1));
    assert!(rules.contains(&"leaves logs out"), "{rules:?}");
}

#[test]
fn withdrawals_in_the_wrong_order_are_seen() {
    let wrong = |takes_back| {
        move |scenario: &mut Scenario| {
            scenario.providers.iter_mut().for_each(|provider| provider.takes_back = takes_back);
        }
    };
    assert_eq!(
        broken(Kind::Logs, None, wrong(TakesBack::OldestFirst)),
        ["does not take the newest back first"]
    );
    let rules = broken(Kind::Logs, None, wrong(TakesBack::Never));
    assert!(rules.contains(&"mixes branches"), "{rules:?}");
}

#[test]
fn logs_that_nobody_has_cannot_be_taken_back() {
    let twice: fn(Action) -> Vec<Action> = |action| match &action {
        Action::Emit { payloads, .. } if payloads[0].windows(14).any(|text| text == b"\"removed\":true") => {
            vec![action.clone(), action]
        }
        _ => vec![action],
    };
    assert_eq!(broken(Kind::Logs, Some(twice), |_| ()), ["takes back what the client does not have"]);
}

#[test]
fn giving_up_without_need_is_seen() {
    let ends: fn(Action) -> Vec<Action> = |_| vec![Action::End(End::OutOfTime)];
    let rules = broken(Kind::Heads, Some(ends), |_| ());
    assert_eq!(rules, ["ends a best-effort stream", "ends without need"]);
    let refuses: fn(Action) -> Vec<Action> = |_| vec![Action::Refuse(Refusal::Rejected)];
    assert_eq!(broken(Kind::Heads, Some(refuses), |_| ()), ["refuses without need"]);
}

#[test]
fn a_seed_gives_the_same_history_each_time() {
    let told = |seed| {
        let scenario = draw::scenario(seed);
        let player = |_: &Scenario, _| Naive { kind: Some(scenario.kind), ..Naive::default() };
        let played = play(&scenario, false, player);
        (played.violation, played.tally)
    };
    (0..50).for_each(|seed| assert_eq!(told(seed), told(seed)));
    assert_ne!(told(1).1, told(2).1);
}
