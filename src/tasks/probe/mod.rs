//! Asks every upstream now and then whether it is there, and whether it is on the right chain.
//!
//! Traffic alone cannot close a breaker while other providers are healthy, because those are preferred; and it
//! notices a dead provider only at a client's expense. Probes do both.

mod log;
mod schedule;

use std::collections::BTreeMap;
use std::time::Duration;

use lasso_layers::call::Failure;
use lasso_layers::catalog::InstanceKey;
use lasso_layers::state::Entropy;
use lasso_layers::state::health::{Aspect, Report};
use tokio::time::{Instant, MissedTickBehavior, interval};

use self::schedule::Schedule;
use super::ask::{Answer, Asker, fault, noted};
use super::flights::Flights;
use super::outcome::{self, Outcome};
use super::targets::{Target, targets};
use crate::runtime::Runtime;

/// When and how upstreams are probed. How often one upstream is probed is said by the profiles.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProbePolicy {
    /// At most one probe of a chain starts in this time.
    pub(crate) tick: Duration,
    /// How long a probe may take.
    pub(crate) timeout: Duration,
}

/// Probes the upstreams of all chains.
#[derive(Debug)]
pub(crate) struct Prober {
    runtime: Runtime,
    asker: Asker,
    policy: ProbePolicy,
    entropy: Entropy,
    /// The catalogue that the schedules are made of; 0 before the first.
    generation: u64,
    chains: BTreeMap<u64, Schedule>,
    targets: BTreeMap<InstanceKey, Target>,
}

impl Prober {
    /// Writes what it learns into the stores of `runtime`. Waits vary by `entropy`.
    pub(crate) fn new(runtime: Runtime, asker: Asker, policy: ProbePolicy, entropy: Entropy) -> Self {
        let (chains, targets) = (BTreeMap::new(), BTreeMap::new());
        Self { runtime, asker, policy, entropy, generation: 0, chains, targets }
    }

    /// Probes for as long as it is polled. A slow probe keeps nobody else waiting.
    pub(crate) async fn run(mut self) {
        let mut ticks = interval(self.policy.tick);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut flights = Flights::new();
        loop {
            // Both branches are cancel safe. Biased, so that the same run happens again from the same seed, and answers
            // first, so that a tick knows all that is known; each answer was asked for at a tick, so ticks get their
            // turn.
            tokio::select! {
                biased;
                (instance, answer) = flights.landed() => self.settle(instance, answer, Instant::now()),
                now = ticks.tick() => {
                    self.follow(&mut flights);
                    self.start_due(now, &mut flights);
                }
            }
        }
    }

    /// Takes over the catalogue in force if it is a new one.
    fn follow(&mut self, flights: &mut Flights<Answer>) {
        let catalog = self.runtime.live.load();
        if catalog.generation() == self.generation {
            return;
        }
        self.generation = catalog.generation();
        let found = targets(&catalog);
        let mut chains: BTreeMap<u64, Vec<(InstanceKey, Duration)>> = BTreeMap::new();
        for target in &found {
            chains.entry(target.chain_id()).or_default().push((target.instance(), target.watch.interval));
        }
        for chain_id in chains.keys() {
            self.chains.entry(*chain_id).or_insert_with(|| Schedule::new(self.entropy.clone()));
        }
        self.chains.retain(|chain_id, schedule| {
            schedule.adopt(chains.get(chain_id).map_or(&[], Vec::as_slice));
            !schedule.is_empty()
        });
        let found = found.into_iter().map(|target| (target.instance(), target)).collect();
        let before = std::mem::replace(&mut self.targets, found);
        let stays = |instance| self.targets.contains_key(&instance);
        flights.keep(stays);
        for instance in before.into_keys().filter(|instance| !stays(*instance)) {
            self.runtime.strangers.remove(instance);
            self.runtime.health.forget(instance, Aspect::Probe);
        }
    }

    fn start_due(&mut self, now: Instant, flights: &mut Flights<Answer>) {
        for schedule in self.chains.values_mut() {
            let Some(instance) = schedule.due(now) else { continue };
            let target = self.targets[&instance].clone();
            flights.start(instance, self.asker.clone().quantity(target, "eth_chainId", self.policy.timeout));
        }
    }

    /// Learns from an answer.
    fn settle(&mut self, instance: InstanceKey, answer: Option<Answer>, now: Instant) {
        // Where an instance leaves, so do its questions.
        let Some(target) = self.targets.get(&instance) else { return };
        let channel = target.channel();
        let latency = answer.as_ref().map(|answer| answer.latency);
        let (outcome, failure) = match answer.map(|answer| judge(answer.outcome, channel.chain_id)) {
            Some(Ok(())) => (Outcome::Good, None),
            Some(Err(wrong)) => {
                if let Wrong::Chain(_) = wrong {
                    self.runtime.strangers.insert(instance);
                    // A poll may have come before the probe.
                    self.runtime.heights.forget(channel.chain_id, instance);
                }
                let failure = wrong.into_failure();
                (outcome::tell(&self.runtime, channel, &failure, now), Some(failure))
            }
            // The probe went wrong, which no breaker has to hear of; it is tried again as if the upstream had failed.
            None => (Outcome::Failed, None),
        };
        if let (Outcome::Good, Some(latency)) = (outcome, latency) {
            self.runtime.strangers.remove(instance);
            self.runtime.benchmarks.probed(channel.key, latency);
            self.runtime.breakers.probe_succeeded(channel, now);
        }
        let schedule = self.chains.get_mut(&channel.chain_id).expect("every target is in a schedule");
        let change = schedule.settle(instance, outcome, now).expect("every target is in a schedule");
        log::change(channel, change, failure.as_ref());
        let report = Report {
            status: change.to,
            failures: change.failures,
            latency: latency.filter(|_| outcome == Outcome::Good),
            error: failure.as_ref().map(noted),
        };
        self.runtime.health.report(instance, Aspect::Probe, report, now);
    }
}

/// What is wrong with an answer.
enum Wrong {
    /// There is none.
    Failed(Failure),
    /// It comes from another chain; the failure names both.
    Chain(Failure),
}

impl Wrong {
    fn into_failure(self) -> Failure {
        match self {
            Self::Failed(failure) | Self::Chain(failure) => failure,
        }
    }
}

fn judge(outcome: Result<u64, Failure>, expected: u64) -> Result<(), Wrong> {
    match outcome {
        Ok(chain_id) if chain_id == expected => Ok(()),
        Ok(chain_id) => {
            Err(Wrong::Chain(fault(format!("wrong chain: expected id {expected}, the node has {chain_id}"))))
        }
        Err(failure) => Err(Wrong::Failed(failure)),
    }
}

#[cfg(test)]
mod tests;
