//! Asks every upstream how far it is.
//!
//! Polling never stops. Where heads come over a subscription as well, it only slows down, so that the silence of one
//! source is noticed and the other already there.

mod lag;
mod log;
mod poll;

use std::collections::{BTreeMap, btree_map};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use lasso_layers::attempt::breaker::BreakerState;
use lasso_layers::catalog::InstanceKey;
use lasso_layers::state::health::{Aspect, Report};
use lasso_layers::state::heights::{Observation, Source};
use tokio::time::{Instant, MissedTickBehavior, interval};

use self::lag::LagWatch;
use self::poll::Poll;
use super::ask::{Answer, Asker, noted};
use super::flights::Flights;
use super::outcome::{self, Outcome};
use super::targets::{Target, targets};
use crate::runtime::Runtime;

/// How exactly polls keep their times, and how soon a new catalogue is noticed.
const BEAT: Duration = Duration::from_millis(100);
/// First polls are spread over at most this long.
const SPREAD: Duration = Duration::from_secs(2);

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
    /// The catalogue that `nodes` are made of; 0 before the first.
    generation: u64,
    nodes: BTreeMap<InstanceKey, Node>,
}

#[derive(Debug)]
struct Node {
    target: Target,
    poll: Poll,
    lag: LagWatch,
}

impl HeadPoller {
    /// Writes heights into the stores of `runtime`; leaves strangers alone.
    pub(crate) fn new(runtime: Runtime, asker: Asker, policy: HeadsPolicy) -> Self {
        Self { runtime, asker, policy, generation: 0, nodes: BTreeMap::new() }
    }

    /// Polls for as long as it is polled itself. A slow upstream keeps nobody else waiting.
    pub(crate) async fn run(mut self) {
        let mut beats = interval(BEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut flights = Flights::new();
        loop {
            // Both branches are cancel safe. Biased, so that the same run happens again from the same seed, and answers
            // first, so that a beat knows all that is known; each answer was asked for at a beat, so beats get their
            // turn.
            tokio::select! {
                biased;
                (instance, answer) = flights.landed() => self.settle(instance, answer, Instant::now()),
                now = beats.tick() => {
                    self.follow(now, &mut flights);
                    self.start_due(now, &mut flights);
                }
            }
        }
    }

    /// Takes over the catalogue in force if it is a new one. Instances in both keep their times.
    fn follow(&mut self, now: Instant, flights: &mut Flights<Answer>) {
        let catalog = self.runtime.live.load();
        if catalog.generation() == self.generation {
            return;
        }
        self.generation = catalog.generation();
        let mut gone = std::mem::take(&mut self.nodes);
        for target in targets(&catalog) {
            let mut node = match gone.remove(&target.instance()) {
                Some(node) => Node { target, ..node },
                None => Node {
                    poll: Poll::new(target.watch.interval, now + stagger(&target)),
                    lag: LagWatch::default(),
                    target,
                },
            };
            node.poll.set_interval(node.target.watch.interval, now);
            self.nodes.insert(node.target.instance(), node);
        }
        flights.keep(|instance| self.nodes.contains_key(&instance));
        for (instance, node) in gone {
            self.forget(&node.target, instance);
        }
    }

    fn forget(&self, target: &Target, instance: InstanceKey) {
        self.runtime.heights.forget(target.chain_id(), instance);
        self.runtime.health.forget(instance, Aspect::BlockSync);
    }

    fn start_due(&mut self, now: Instant, flights: &mut Flights<Answer>) {
        let mut strangers = Vec::new();
        for (instance, node) in &mut self.nodes {
            let target = &node.target;
            if !node.poll.take_turn(now, || is_streamed(&self.runtime, target, now)) {
                continue;
            }
            if self.runtime.strangers.contains(*instance) {
                strangers.push(*instance);
                continue;
            }
            // Open: whether it is back is for probes to find out, and a poll that is not made is no failure.
            //
            // On probation a poll is made without a slot and reports its outcome as a signal. Slots are few and there
            // for clients: a poll in one would turn a client away for a number nobody waits for. What slots keep from
            // an upstream that has just come back, a crowd, one poll an interval is not.
            if self.runtime.breakers.status(target.channel().key, now).state == BreakerState::Open {
                continue;
            }
            node.poll.sent();
            let question =
                self.asker.clone().quantity(target.clone(), "eth_blockNumber", self.policy.timeout);
            flights.start(*instance, question);
        }
        // They may have been asked before their first probe.
        for instance in strangers {
            self.forget(&self.nodes[&instance].target, instance);
        }
    }

    /// Learns from an answer.
    fn settle(&mut self, instance: InstanceKey, answer: Option<Answer>, now: Instant) {
        // Where an instance leaves, so do its questions.
        let btree_map::Entry::Occupied(mut entry) = self.nodes.entry(instance) else { return };
        let Node { target, poll, lag } = entry.get_mut();
        let channel = target.channel();
        // Without an answer the poll itself went wrong.
        let Some(Answer { outcome: height, latency }) = answer else { return poll.lost() };
        if height.is_ok() && self.runtime.strangers.contains(instance) {
            return poll.lost();
        }
        let (outcome, failure) = match height {
            Ok(height) => {
                let observation = Observation::new(height, now, Source::Http).with_latency(latency);
                self.runtime.heights.record(channel.chain_id, instance, observation);
                let consensus = self.runtime.heights.consensus(channel.chain_id, now);
                self.runtime.observed.height_known(channel, consensus);
                self.runtime.breakers.probe_succeeded(channel, now);
                (Outcome::Good, None)
            }
            Err(failure) => (outcome::tell(&self.runtime, channel, &failure, now), Some(failure)),
        };
        if let Some(news) = poll.settle(outcome) {
            log::polls(channel, news, failure.as_ref());
        }
        let report = Report {
            status: poll.status,
            failures: poll.failures,
            latency: failure.is_none().then_some(latency),
            error: failure.as_ref().map(noted),
        };
        self.runtime.health.report(instance, Aspect::BlockSync, report, now);

        let block_time = target.plan().chain().block_time;
        let standing = self.runtime.heights.standing(channel.chain_id, instance, block_time, now);
        let threshold = target.watch.lag_alert;
        let change = standing
            .and_then(|standing| standing.optimistic_lag())
            .and_then(|blocks| lag.look(blocks, threshold));
        if let Some(change) = change {
            log::lag(channel, change, threshold);
        }
    }
}

/// Whether the instance's heads come by themselves: the last one is younger than it takes to miss the next.
fn is_streamed(runtime: &Runtime, target: &Target, now: Instant) -> bool {
    let last = runtime.heights.last_streamed(target.chain_id(), target.instance());
    last.is_some_and(|last| now.saturating_duration_since(last) < target.watch.heads_timeout)
}

/// How long the first poll waits: different for each instance and the same in every run, so that instances are not
/// all asked at the same moment.
fn stagger(target: &Target) -> Duration {
    let channel = target.channel();
    let mut hasher = DefaultHasher::new();
    (channel.chain_id, &channel.instance_id).hash(&mut hasher);
    let spread = target.watch.interval.min(SPREAD).as_millis().max(1);
    Duration::from_millis((u128::from(hasher.finish()) % spread) as u64)
}

#[cfg(test)]
mod tests;
