//! One series: how a provider does with one method over one transport.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::catalog::{MethodId, ProviderKey, Transport};
use crate::state::{AtomicTrend, LatencyCounts, LatencyReading, Origin, RecentLatencies, Trend, millis};

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

/// The record of one series.
///
/// Relaxed but for the successes: a reader that sees one of the numbers without the others is off by the calls that
/// end meanwhile. A success is counted after its latency and read before it, so that a mean may be too high by those
/// and never too low, and so that every success that was read is in the distribution.
pub(super) struct Cell {
    successes: AtomicU64,
    failures: AtomicU64,
    /// The latencies of all successes together.
    nanos: AtomicU64,
    /// When the last outcome was recorded, in milliseconds since the origin.
    updated: AtomicU64,
    trend: AtomicTrend,
    recent: RecentLatencies,
    /// The latencies of all successes.
    latencies: LatencyCounts,
}

impl Cell {
    /// An empty record. It counts as touched now, so that it does not expire before its first outcome.
    pub(super) fn new(now: u64) -> Self {
        Self {
            successes: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            nanos: AtomicU64::new(0),
            updated: AtomicU64::new(now),
            trend: AtomicTrend::default(),
            recent: RecentLatencies::default(),
            latencies: LatencyCounts::default(),
        }
    }

    pub(super) fn success(&self, latency: Duration, now: u64) {
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        let silence = self.touch(now);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
        self.latencies.add(latency);
        let successes = self.successes.fetch_add(1, Ordering::Release) + 1;
        let calls = successes + self.failures.load(Ordering::Relaxed);
        self.trend.update(|trend| trend.succeeded(latency, successes, calls, silence));
        self.recent.add(latency);
    }

    pub(super) fn failure(&self, now: u64) {
        let silence = self.touch(now);
        let calls =
            self.failures.fetch_add(1, Ordering::Relaxed) + 1 + self.successes.load(Ordering::Relaxed);
        self.trend.update(|trend| trend.failed(calls, silence));
    }

    pub(super) fn summary(&self, origin: Origin) -> Summary {
        Summary {
            successes: self.successes.load(Ordering::Acquire),
            failures: self.failures.load(Ordering::Relaxed),
            total_latency: Duration::from_nanos(self.nanos.load(Ordering::Relaxed)),
            updated: origin.instant(self.updated.load(Ordering::Relaxed)),
            trend: self.trend.load(),
        }
    }

    pub(super) const fn recent(&self) -> &RecentLatencies {
        &self.recent
    }

    /// How the latencies of all successes are distributed. Read after the [`summary`](Self::summary), it has all of
    /// the summary's successes.
    pub(super) fn latencies(&self) -> LatencyReading {
        self.latencies.read()
    }

    /// Whether nothing was recorded for longer than this.
    pub(super) fn is_idle(&self, now: u64, retention: Duration) -> bool {
        now.saturating_sub(self.updated.load(Ordering::Relaxed)) > millis(retention)
    }

    /// Notes an outcome at `now`, and returns the time since the one before.
    fn touch(&self, now: u64) -> Duration {
        let mut before = self.updated.load(Ordering::Relaxed);
        // Under load most calls end in the millisecond of the one before: nothing has to be written then.
        if before < now {
            before = self.updated.fetch_max(now, Ordering::Relaxed);
        }
        Duration::from_millis(now.saturating_sub(before))
    }
}

/// How a provider did with a method.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// How many attempts succeeded.
    pub successes: u64,
    /// How many failed.
    pub failures: u64,
    /// The latencies of the successes together.
    pub total_latency: Duration,
    /// When the last outcome was recorded.
    pub updated: Instant,
    /// How it does lately. This is what strategies rank by.
    pub trend: Trend,
}

impl Summary {
    /// How many attempts there were.
    #[must_use]
    pub const fn calls(&self) -> u64 {
        self.successes + self.failures
    }

    /// The share of all attempts that succeeded, from 0 to 1.
    #[must_use]
    pub fn success_rate(&self) -> f64 {
        match self.calls() {
            0 => 0.0,
            calls => self.successes as f64 / calls as f64,
        }
    }

    /// The mean latency of all successes; nothing if there were none, so that a provider that only fails
    /// does not look fast.
    #[must_use]
    pub fn mean_latency(&self) -> Option<Duration> {
        let nanos = u64::try_from(self.total_latency.as_nanos()).unwrap_or(u64::MAX);
        nanos.checked_div(self.successes).map(Duration::from_nanos)
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

    #[test]
    fn a_series_takes_less_than_450_bytes() {
        assert!(size_of::<Cell>() <= 450);
    }

    #[test]
    fn means_are_over_successes_and_rates_over_all() {
        let cell = Cell::new(0);
        cell.success(Duration::from_millis(10), 0);
        cell.success(Duration::from_millis(30), 0);
        cell.failure(0);
        let summary = cell.summary(Origin::now());
        assert_eq!((summary.successes, summary.failures, summary.calls()), (2, 1, 3));
        assert_eq!(summary.mean_latency(), Some(Duration::from_millis(20)));
        assert!((summary.success_rate() - 2.0 / 3.0).abs() < 1e-9);
        assert_eq!(summary.trend.latency(), Some(Duration::from_millis(20)));
        assert!((summary.trend.success_rate() - 2.0 / 3.0).abs() < 1e-6);
    }

    #[test]
    fn the_trend_follows_a_change_that_the_mean_hardly_shows() {
        let cell = Cell::new(0);
        (0..10_000).for_each(|at| cell.success(Duration::from_millis(20), at));
        (10_000..10_300).for_each(|at| cell.success(Duration::from_millis(500), at));
        let summary = cell.summary(Origin::now());
        assert!(summary.mean_latency() < Some(Duration::from_millis(40)));
        assert!(summary.trend.latency() > Some(Duration::from_millis(490)));
    }

    #[test]
    fn a_series_is_idle_once_it_was_silent_for_longer_than_the_retention() {
        let cell = Cell::new(5);
        cell.failure(10);
        assert!(!cell.is_idle(110, Duration::from_millis(100)));
        assert!(cell.is_idle(111, Duration::from_millis(100)));
    }
}
