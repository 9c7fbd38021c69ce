//! Asks every upstream now and then whether it is there, and whether it is on the right chain.
//!
//! Traffic alone cannot close a breaker while other providers are healthy, because those are preferred; and it
//! notices a dead provider only at a client's expense. Probes do both.

mod schedule;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use lasso_layers::call::Failure;
use lasso_layers::catalog::{Category, Channel, InstanceKey};
use tokio::time::{Instant, MissedTickBehavior, interval};

use self::schedule::{Change, Health, Outcome, Schedule};
use super::ask::{Answer, Asker, fault, told};
use super::flights::Flights;
use super::strangers::Strangers;
use super::targets::{Target, targets};
use crate::runtime::Runtime;

/// How long a provider is used last after it asked a probe for fewer requests.
const LIMITED: Duration = Duration::from_secs(60);

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
    strangers: Strangers,
    /// The catalogue that the schedules are made of; 0 before the first.
    generation: u64,
    chains: BTreeMap<u64, Schedule>,
    targets: HashMap<InstanceKey, Target>,
}

impl Prober {
    /// Writes what it learns into the stores of `runtime` and into `strangers`.
    pub(crate) fn new(runtime: Runtime, asker: Asker, policy: ProbePolicy, strangers: Strangers) -> Self {
        let (chains, targets) = (BTreeMap::new(), HashMap::new());
        Self { runtime, asker, policy, strangers, generation: 0, chains, targets }
    }

    /// Probes for as long as it is polled. A slow probe keeps nobody else waiting.
    pub(crate) async fn run(mut self) {
        let mut ticks = interval(self.policy.tick);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut flights = Flights::new();
        loop {
            // Both branches are cancel safe.
            tokio::select! {
                now = ticks.tick() => {
                    self.follow();
                    self.start_due(now, &mut flights);
                }
                (instance, answer) = flights.landed() => self.settle(instance, answer, Instant::now()),
            }
        }
    }

    /// Takes over the catalogue in force if it is a new one.
    fn follow(&mut self) {
        let catalog = self.runtime.live.load();
        if catalog.generation() == self.generation {
            return;
        }
        self.generation = catalog.generation();
        let found = targets(&catalog);
        let mut chains: BTreeMap<u64, Vec<(InstanceKey, Duration)>> = BTreeMap::new();
        for target in &found {
            chains.entry(target.chain_id()).or_default().push((target.instance(), target.interval));
        }
        for chain_id in chains.keys() {
            self.chains.entry(*chain_id).or_insert_with(|| Schedule::new(self.runtime.entropy.clone()));
        }
        self.chains.retain(|chain_id, schedule| {
            schedule.adopt(chains.get(chain_id).map_or(&[], Vec::as_slice));
            !schedule.is_empty()
        });
        self.targets = found.into_iter().map(|target| (target.instance(), target)).collect();
        self.strangers.keep(|instance| self.targets.contains_key(&instance));
    }

    fn start_due(&mut self, now: Instant, flights: &mut Flights<Answer>) {
        for schedule in self.chains.values_mut() {
            let Some(instance) = schedule.due(now) else { continue };
            let target = self.targets[&instance].clone();
            flights.start(instance, self.asker.clone().quantity(target, "eth_chainId", self.policy.timeout));
        }
    }

    /// Learns from an answer. Without one the probe itself went wrong, which says nothing about the upstream.
    fn settle(&mut self, instance: InstanceKey, answer: Option<Answer>, now: Instant) {
        // The instance may have left meanwhile.
        let Some(target) = self.targets.get(&instance) else { return };
        let channel = target.channel();
        let verdict = answer.map(|answer| (judge(answer.outcome, channel.chain_id), answer.latency));
        let (outcome, failure) = match verdict {
            Some((Ok(()), latency)) => {
                self.strangers.remove(instance);
                self.runtime.benchmarks.probed(channel.key, latency);
                self.runtime.breakers.probe_succeeded(channel, now);
                (Outcome::Good, None)
            }
            Some((Err(wrong), _)) => {
                if let Wrong::Chain(_) = wrong {
                    self.strangers.insert(instance);
                }
                let failure = wrong.into_failure();
                self.runtime.breakers.probe_failed(channel, &failure, now);
                (outcome(&failure), Some(failure))
            }
            None => (Outcome::Failed, None),
        };
        if outcome == Outcome::Limited && self.runtime.paces.remaining(channel.key, now).is_none() {
            self.runtime.paces.limit(channel, Some(LIMITED), now);
        }
        let schedule = self.chains.get_mut(&channel.chain_id).expect("every target is in a schedule");
        if let Some(change) = schedule.settle(instance, outcome, now) {
            log(channel, change, failure.as_ref());
        }
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

fn outcome(failure: &Failure) -> Outcome {
    match failure.category() {
        Category::RateLimit => Outcome::Limited,
        Category::AuthError => Outcome::Refused,
        _ => Outcome::Failed,
    }
}

/// Writes down what operators want to know: when an upstream is lost, and when it is back.
fn log(channel: &Channel, change: Change, failure: Option<&Failure>) {
    let (from, to) = (change.from.as_str(), change.to.as_str());
    match (change.from, change.to) {
        (_, Health::Unhealthy | Health::Misconfigured) => tracing::warn!(
            event = "lasso.probe.unhealthy",
            instance_id = %channel.instance_id,
            provider_id = %channel.known_as,
            chain_id = channel.chain_id,
            from,
            to,
            failures = change.failures,
            error_category = failure.map(|failure| failure.category().as_str()),
            error_message = failure.map(told),
            "upstream fails its probes",
        ),
        (Health::Unhealthy | Health::Misconfigured, Health::Healthy) => tracing::info!(
            event = "lasso.probe.recovered",
            instance_id = %channel.instance_id,
            provider_id = %channel.known_as,
            chain_id = channel.chain_id,
            from,
            to,
            "upstream answers its probes again",
        ),
        _ => tracing::debug!(
            event = "lasso.probe.changed",
            instance_id = %channel.instance_id,
            provider_id = %channel.known_as,
            chain_id = channel.chain_id,
            from,
            to,
            "health of an upstream changed",
        ),
    }
}
