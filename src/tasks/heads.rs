//! Asks every upstream how far it is.

use std::collections::{HashMap, hash_map};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use lasso_layers::attempt::breaker::BreakerState;
use lasso_layers::call::Failure;
use lasso_layers::catalog::{Channel, InstanceKey};
use lasso_layers::state::heights::{Observation, Source};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::ask::{Answer, Asker, told};
use super::flights::Flights;
use super::strangers::Strangers;
use super::targets::{Target, targets};
use crate::runtime::Runtime;

/// How exactly polls keep their times, and how soon a new catalogue is noticed.
const BEAT: Duration = Duration::from_millis(100);
/// First polls are spread over at most this long.
const SPREAD: Duration = Duration::from_secs(2);
/// Consecutive failures that are worth a line in the log.
const UNHEALTHY: u32 = 5;

/// How heights are asked for. How often one upstream is asked is said by the profiles.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeadsPolicy {
    /// How long an answer may take.
    pub(crate) timeout: Duration,
}

/// Polls the heights of all instances, each at its own interval.
#[derive(Debug)]
pub(crate) struct HeadPoller {
    runtime: Runtime,
    asker: Asker,
    policy: HeadsPolicy,
    strangers: Strangers,
    /// The catalogue that `polls` are made of; 0 before the first.
    generation: u64,
    polls: HashMap<InstanceKey, Poll>,
}

#[derive(Debug)]
struct Poll {
    target: Target,
    due: Instant,
    in_flight: bool,
    /// Consecutive.
    failures: u32,
}

impl HeadPoller {
    /// Writes heights into the stores of `runtime`; leaves `strangers` alone.
    pub(crate) fn new(runtime: Runtime, asker: Asker, policy: HeadsPolicy, strangers: Strangers) -> Self {
        Self { runtime, asker, policy, strangers, generation: 0, polls: HashMap::new() }
    }

    /// Polls for as long as it is polled itself. A slow upstream keeps nobody else waiting.
    pub(crate) async fn run(mut self) {
        let mut beats = interval(BEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut flights = Flights::new();
        loop {
            // Both branches are cancel safe.
            tokio::select! {
                now = beats.tick() => {
                    self.follow(now);
                    self.start_due(now, &mut flights);
                }
                (instance, answer) = flights.landed() => self.settle(instance, answer, Instant::now()),
            }
        }
    }

    /// Takes over the catalogue in force if it is a new one. Instances in both keep their times.
    fn follow(&mut self, now: Instant) {
        let catalog = self.runtime.live.load();
        if catalog.generation() == self.generation {
            return;
        }
        self.generation = catalog.generation();
        let mut gone = std::mem::take(&mut self.polls);
        for target in targets(&catalog) {
            let poll = match gone.remove(&target.instance()) {
                Some(poll) => Poll { due: poll.due.min(now + target.interval), target, ..poll },
                None => Poll { due: now + stagger(&target), target, in_flight: false, failures: 0 },
            };
            self.polls.insert(poll.target.instance(), poll);
        }
        for target in gone.into_values().map(|poll| poll.target) {
            self.runtime.heights.forget(target.chain_id(), target.instance());
        }
    }

    fn start_due(&mut self, now: Instant, flights: &mut Flights<Answer>) {
        for (instance, poll) in &mut self.polls {
            if poll.in_flight || now < poll.due {
                continue;
            }
            poll.advance(now);
            let channel = poll.target.channel();
            if self.strangers.contains(*instance) {
                // It may have been asked before its first probe.
                self.runtime.heights.forget(channel.chain_id, *instance);
                continue;
            }
            // Whether it is back is for probes to find out.
            if self.runtime.breakers.status(channel.key, now).state == BreakerState::Open {
                continue;
            }
            poll.in_flight = true;
            let question =
                self.asker.clone().quantity(poll.target.clone(), "eth_blockNumber", self.policy.timeout);
            flights.start(*instance, question);
        }
    }

    /// Learns from an answer. Without one the poll itself went wrong, which says nothing about the upstream.
    fn settle(&mut self, instance: InstanceKey, answer: Option<Answer>, now: Instant) {
        // The instance may have left meanwhile.
        let hash_map::Entry::Occupied(mut entry) = self.polls.entry(instance) else { return };
        let poll = entry.get_mut();
        poll.in_flight = false;
        let channel = poll.target.channel();
        match answer.map(|answer| answer.outcome) {
            Some(Ok(_)) if self.strangers.contains(instance) => {}
            Some(Ok(height)) => {
                let observation = Observation::new(height, now, Source::Http).with_latency(Duration::ZERO);
                self.runtime.heights.record(channel.chain_id, instance, observation);
                self.runtime.breakers.probe_succeeded(channel, now);
                if poll.failures >= UNHEALTHY {
                    log_recovered(channel, poll.failures);
                }
                poll.failures = 0;
            }
            Some(Err(failure)) => {
                poll.failures = poll.failures.saturating_add(1);
                if poll.failures == UNHEALTHY {
                    log_unhealthy(channel, &failure);
                }
            }
            None => {}
        }
    }
}

impl Poll {
    /// Sets the time of the next poll. What was missed is left out.
    fn advance(&mut self, now: Instant) {
        let next = self.due + self.target.interval;
        self.due = if next > now { next } else { now + self.target.interval };
    }
}

/// How long the first poll waits: different for each instance and the same in every run, so that instances are not
/// all asked at the same moment.
fn stagger(target: &Target) -> Duration {
    let channel = target.channel();
    let mut hasher = DefaultHasher::new();
    (channel.chain_id, &channel.instance_id).hash(&mut hasher);
    let spread = target.interval.min(SPREAD).as_millis().max(1);
    Duration::from_millis((u128::from(hasher.finish()) % spread) as u64)
}

fn log_unhealthy(channel: &Channel, failure: &Failure) {
    tracing::warn!(
        event = "lasso.block_sync.unhealthy",
        instance_id = %channel.instance_id,
        provider_id = %channel.known_as,
        chain_id = channel.chain_id,
        failures = UNHEALTHY,
        error_category = failure.category().as_str(),
        error_message = told(failure),
        "upstream does not tell its height",
    );
}

fn log_recovered(channel: &Channel, failures: u32) {
    tracing::info!(
        event = "lasso.block_sync.recovered",
        instance_id = %channel.instance_id,
        provider_id = %channel.known_as,
        chain_id = channel.chain_id,
        failures,
        "upstream tells its height again",
    );
}
