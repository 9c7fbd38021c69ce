//! What clients had in the last minutes, counted whether somebody watches or not.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use foldhash::HashMap;
use lasso_layers::call::observe::{Observer, Report};
use lasso_layers::catalog::{Chain, ProviderKey};
use lasso_layers::state::{CallWindow, Origin, Shared, SumWindow, Table};
use smol_str::SmolStr;
use tokio::time::Instant;

use super::view::{Share, percent, round};
use crate::observe::{Event, Listener};

/// What one step of the counts by provider stands for. A [`CallWindow`] has 64 steps, which are five minutes then.
const STEP: u64 = 5;
/// How many steps are looked at: five minutes.
const STEPS: u64 = 60;

/// Counts the calls of clients, by chain and by the provider that answered. What the router asks on its own behalf is
/// left out. A handle: clones share the counts.
#[derive(Clone, Copy)]
pub(crate) struct Tally {
    store: Shared<Store>,
}

struct Store {
    /// Replaced whole when a chain is first called; there are no more of them than were ever configured.
    chains: ArcSwap<Profiles>,
    providers: Table<OnceLock<Box<CallWindow>>>,
    origin: Origin,
}

/// By slug and chain id.
type Profiles = HashMap<SmolStr, HashMap<u64, Arc<Counts>>>;

/// The calls of one chain of one profile, by second.
#[derive(Debug, Default)]
struct Counts {
    calls: CallWindow,
    /// Of those that had a result.
    micros: SumWindow,
    failovers: SumWindow,
}

/// The calls of a span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    /// All of them.
    pub(crate) calls: u64,
    /// Those that were not answered with a result.
    pub(crate) failures: u64,
    /// How long the others took together.
    pub(crate) time: Duration,
    /// Channels that calls were sent to after their first.
    pub(crate) failovers: u64,
}

impl Tally {
    /// Nothing counted.
    #[must_use]
    pub(crate) fn new() -> Self {
        let (chains, providers, origin) = (ArcSwap::default(), Table::new(), Origin::now());
        Self { store: Shared::new(Store { chains, providers, origin }) }
    }

    /// What clients had of a chain in the last `window`, in whole seconds and at most 64 of them.
    #[must_use]
    pub(crate) fn of_chain(&self, profile: &str, chain_id: u64, window: Duration, now: Instant) -> Sum {
        let profiles = self.store.chains.load();
        let Some(counts) = profiles.get(profile).and_then(|chains| chains.get(&chain_id)) else {
            return Sum::default();
        };
        let (seconds, now) = (window.as_secs(), self.second(now));
        let calls = counts.calls.last(seconds, now);
        Sum {
            calls: calls.calls,
            failures: calls.failures,
            time: Duration::from_micros(counts.micros.last(seconds, now)),
            failovers: counts.failovers.last(seconds, now),
        }
    }

    /// Who answered the calls of a chain in the last five minutes, the busiest first; without those that had none.
    #[must_use]
    pub(crate) fn shares(&self, chain: &Chain, now: Instant) -> Vec<Share> {
        let calls = |key| self.calls(key, now);
        let counted = chain.providers.iter().map(|provider| (provider, calls(provider.key)));
        let counted: Vec<_> = counted.filter(|(_, calls)| *calls > 0).collect();
        let all = counted.iter().map(|(_, calls)| calls).sum();
        let share = |(provider, calls): &(&lasso_layers::catalog::Provider, u64)| Share {
            provider: provider.id.clone(),
            share: percent(*calls, all).unwrap_or_default(),
            calls: *calls,
        };
        let mut shares: Vec<_> = counted.iter().map(share).collect();
        shares.sort_by_key(|share| std::cmp::Reverse(share.calls));
        shares
    }

    fn calls(&self, provider: ProviderKey, now: Instant) -> u64 {
        let window = self.store.providers.cell(provider.index()).get();
        window.map_or(0, |window| window.last(STEPS, self.second(now) / STEP).calls)
    }

    fn second(&self, now: Instant) -> u64 {
        self.store.origin.millis(now) / 1_000
    }

    fn counts(&self, profile: &SmolStr, chain_id: u64) -> Arc<Counts> {
        let known = |profiles: &Profiles| profiles.get(profile)?.get(&chain_id).cloned();
        if let Some(counts) = known(&self.store.chains.load()) {
            return counts;
        }
        self.store.chains.rcu(|profiles| {
            let mut profiles = Profiles::clone(profiles);
            profiles.entry(profile.clone()).or_default().entry(chain_id).or_default();
            profiles
        });
        known(&self.store.chains.load()).expect("a chain that is counted once is counted for good")
    }
}

impl Observer for Tally {
    fn finished(&self, report: &Report<'_>) {
        let Some(plan) = report.plan().filter(|_| !report.is_own()) else { return };
        let second = self.second(Instant::now());
        let counts = self.counts(&plan.profile().slug, plan.chain().chain_id);
        let failed = report.error().is_some();
        counts.calls.add(second, failed);
        if !failed {
            counts.micros.add(second, u64::try_from(report.end_to_end().as_micros()).unwrap_or(u64::MAX));
        }
        let failovers = report.retries();
        if failovers > 0 {
            counts.failovers.add(second, failovers.into());
        }
        if let Some((provider, _)) = report.selected() {
            let window = self.store.providers.cell(provider.key.index()).get_or_init(Box::default);
            window.add(second / STEP, failed);
        }
    }
}

impl Listener for Tally {
    fn noted(&self, _: &Event) {}
}

impl Default for Tally {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tally").finish_non_exhaustive()
    }
}

impl Sum {
    /// The mean time of a call with a result, in milliseconds.
    #[must_use]
    pub(crate) fn mean_ms(&self) -> Option<f64> {
        let successes = self.calls.checked_sub(self.failures).filter(|successes| *successes > 0)?;
        Some(round(self.time.as_secs_f64() * 1e3 / successes as f64, 2))
    }
}

impl std::ops::Add for Sum {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            calls: self.calls + other.calls,
            failures: self.failures + other.failures,
            time: self.time + other.time,
            failovers: self.failovers + other.failovers,
        }
    }
}
