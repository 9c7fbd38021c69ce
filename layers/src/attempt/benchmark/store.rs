//! The records of all providers.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::catalog::{ChannelKey, MethodId, ProviderKey, Transport};
use crate::state::{Origin, Percentiles, RecentLatencies, Shared, Table};

/// What is recorded apart: one method of one provider over one transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Series {
    /// The provider, as the profile has it.
    pub provider: ProviderKey,
    /// The protocol.
    pub transport: Transport,
    /// The method; all that the registry does not know are one.
    pub method: MethodId,
}

/// How providers did, by method. A handle: clones share the records.
#[derive(Clone, Copy)]
pub struct Benchmarks {
    store: Shared<Store>,
}

struct Store {
    providers: Table<Row>,
    /// The last latency of a probe by channel, in nanoseconds; 0 where there was none.
    probes: Table<AtomicU64>,
    origin: Origin,
}

/// The records of one provider. Those of a transport come into being with its first record.
#[derive(Default)]
struct Row {
    http: OnceLock<Methods>,
    ws: OnceLock<Methods>,
}

/// By method; a provider is asked for few of them.
type Methods = Box<[OnceLock<Box<Cell>>]>;

/// One series. Relaxed throughout: a reader that sees a sum without its count is off by one call.
struct Cell {
    method: MethodId,
    successes: AtomicU64,
    failures: AtomicU64,
    /// The latencies of all successes together.
    nanos: AtomicU64,
    /// When the last outcome was recorded, in milliseconds since the origin.
    updated: AtomicU64,
    recent: RecentLatencies,
}

impl Benchmarks {
    /// Nothing recorded.
    #[must_use]
    pub fn new() -> Self {
        let store = Store { providers: Table::new(), probes: Table::new(), origin: Origin::now() };
        Self { store: Shared::new(store) }
    }

    /// Records a success and how long it took.
    pub fn success(&self, series: Series, latency: Duration, now: Instant) {
        let cell = self.open(series);
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        cell.nanos.fetch_add(nanos, Ordering::Relaxed);
        cell.successes.fetch_add(1, Ordering::Relaxed);
        cell.recent.add(latency);
        self.touch(cell, now);
    }

    /// Records a failure. Its duration says nothing about how fast the provider is.
    pub fn failure(&self, series: Series, now: Instant) {
        let cell = self.open(series);
        cell.failures.fetch_add(1, Ordering::Relaxed);
        self.touch(cell, now);
    }

    /// Notes how long a probe of a channel took: a hint for as long as nothing better is known.
    pub fn probed(&self, channel: ChannelKey, latency: Duration) {
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX).max(1);
        self.store.probes.cell(channel.index()).store(nanos, Ordering::Relaxed);
    }

    /// How long the last probe of a channel took.
    #[must_use]
    pub fn probe_latency(&self, channel: ChannelKey) -> Option<Duration> {
        match self.store.probes.cell(channel.index()).load(Ordering::Relaxed) {
            0 => None,
            nanos => Some(Duration::from_nanos(nanos)),
        }
    }

    /// Forgets the last probe of a channel that is no longer used.
    pub fn forget_probe(&self, channel: ChannelKey) {
        self.store.probes.cell(channel.index()).store(0, Ordering::Relaxed);
    }

    /// The record of a series, once it has one.
    #[must_use]
    pub fn read(&self, series: Series) -> Option<Summary> {
        let cell = self.methods(series.provider, series.transport)?[series.method.index()].get()?;
        Some(self.summary(cell))
    }

    /// The latencies of the last successes of a series.
    #[must_use]
    pub fn recent(&self, series: Series) -> Percentiles {
        let methods = self.methods(series.provider, series.transport);
        let cell = methods.and_then(|methods| methods[series.method.index()].get());
        cell.map(|cell| cell.recent.snapshot()).unwrap_or_default()
    }

    /// Every method that a provider has a record for over a transport.
    pub fn of_provider(
        &self,
        provider: ProviderKey,
        transport: Transport,
    ) -> impl Iterator<Item = (MethodId, Summary)> {
        let cells = self.methods(provider, transport).into_iter().flatten().filter_map(OnceLock::get);
        cells.map(|cell| (cell.method, self.summary(cell)))
    }

    fn summary(&self, cell: &Cell) -> Summary {
        Summary {
            successes: cell.successes.load(Ordering::Relaxed),
            failures: cell.failures.load(Ordering::Relaxed),
            total_latency: Duration::from_nanos(cell.nanos.load(Ordering::Relaxed)),
            updated: self.store.origin.instant(cell.updated.load(Ordering::Relaxed)),
        }
    }

    fn touch(&self, cell: &Cell, now: Instant) {
        cell.updated.fetch_max(self.store.origin.millis(now), Ordering::Relaxed);
    }

    fn open(&self, series: Series) -> &Cell {
        let row = self.store.providers.cell(series.provider.index());
        let methods = row
            .transport(series.transport)
            .get_or_init(|| std::iter::repeat_with(OnceLock::new).take(MethodId::COUNT + 1).collect());
        methods[series.method.index()].get_or_init(|| Box::new(Cell::new(series.method)))
    }

    fn methods(&self, provider: ProviderKey, transport: Transport) -> Option<&Methods> {
        self.store.providers.cell(provider.index()).transport(transport).get()
    }
}

impl Default for Benchmarks {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Benchmarks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Benchmarks").finish_non_exhaustive()
    }
}

impl Row {
    const fn transport(&self, transport: Transport) -> &OnceLock<Methods> {
        match transport {
            Transport::Http => &self.http,
            Transport::Ws => &self.ws,
        }
    }
}

impl Cell {
    fn new(method: MethodId) -> Self {
        Self {
            method,
            successes: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            nanos: AtomicU64::new(0),
            updated: AtomicU64::new(0),
            recent: RecentLatencies::default(),
        }
    }
}

/// How a provider did with a method so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// How many attempts succeeded.
    pub successes: u64,
    /// How many failed.
    pub failures: u64,
    /// The latencies of the successes together.
    pub total_latency: Duration,
    /// When the last outcome was recorded.
    pub updated: Instant,
}

impl Summary {
    /// How many attempts there were.
    #[must_use]
    pub const fn calls(&self) -> u64 {
        self.successes + self.failures
    }

    /// The share of attempts that succeeded, from 0 to 1.
    #[must_use]
    pub fn success_rate(&self) -> f64 {
        match self.calls() {
            0 => 0.0,
            calls => self.successes as f64 / calls as f64,
        }
    }

    /// The mean latency of the successes; nothing if there were none, so that a provider that only fails
    /// does not look fast.
    #[must_use]
    pub fn mean_latency(&self) -> Option<Duration> {
        let nanos = u64::try_from(self.total_latency.as_nanos()).unwrap_or(u64::MAX);
        nanos.checked_div(self.successes).map(Duration::from_nanos)
    }

    /// How good the provider is, for a leaderboard: reliable, fast and much used are better. Zero without a
    /// success.
    #[must_use]
    pub fn score(&self) -> f64 {
        let Some(mean) = self.mean_latency() else { return 0.0 };
        let speed = 1000.0 / (1000.0 + mean.as_secs_f64() * 1000.0);
        self.success_rate() * speed * (self.calls().max(1) as f64).log10()
    }

    /// Whether the last outcome is at most this old.
    #[must_use]
    pub fn is_fresh(&self, now: Instant, staleness: Duration) -> bool {
        now.saturating_duration_since(self.updated) <= staleness
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(successes: u64, failures: u64, mean: u64) -> Summary {
        let total_latency = Duration::from_millis(mean * successes);
        Summary { successes, failures, total_latency, updated: Instant::now() }
    }

    #[test]
    fn a_series_takes_less_than_two_hundred_bytes() {
        assert!(size_of::<Cell>() <= 200);
    }

    #[test]
    fn case_69_without_a_success_there_is_no_mean_and_no_score() {
        assert_eq!(summary(0, 5, 0).mean_latency(), None);
        assert!(summary(0, 5, 0).score().abs() < f64::EPSILON);
    }

    #[test]
    fn scores_follow_the_formula() {
        for (successes, failures, mean, expected) in
            [(1, 0, 10, 0.0), (1000, 0, 0, 3.0), (500, 500, 1000, 0.75)]
        {
            let score = summary(successes, failures, mean).score();
            assert!((score - expected).abs() < 1e-9, "{score} is not {expected}");
        }
    }
}
