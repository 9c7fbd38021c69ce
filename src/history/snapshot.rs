//! What is written down.

use std::collections::BTreeMap;
use std::time::Duration;

use lasso_layers::catalog::Transport;
use lasso_layers::state::Histogram;

/// One method of one provider over one transport, by name: the numbers of one process mean nothing to the next.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeriesName {
    /// The provider's id.
    pub provider: String,
    /// The method, or `other`.
    pub method: String,
    /// The protocol.
    pub transport: Transport,
}

/// What a series did within some time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many attempts succeeded.
    pub successes: u64,
    /// How many failed.
    pub failures: u64,
    /// The latencies of the successes together, in microseconds.
    pub latency_micros: u64,
    /// When the last outcome was recorded, in milliseconds since 1970.
    pub updated_ms: u64,
    /// The latencies of the successes. It is empty where an earlier version wrote the tally, and may hold calls that
    /// ended while it was taken.
    pub latencies: Histogram,
}

impl Tally {
    /// How many attempts there were.
    #[must_use]
    pub const fn calls(&self) -> u64 {
        self.successes.saturating_add(self.failures)
    }

    /// The share of attempts that succeeded, from 0 to 1.
    #[must_use]
    pub fn success_rate(&self) -> f64 {
        if self.calls() == 0 { 0.0 } else { self.successes as f64 / self.calls() as f64 }
    }

    /// The mean latency of the successes; nothing if there were none.
    #[must_use]
    pub fn mean_latency(&self) -> Option<Duration> {
        self.latency_micros.checked_div(self.successes).map(Duration::from_micros)
    }

    /// Adds what the same series did at another time. Sums of sums weigh every call the same.
    pub(super) fn add(&mut self, other: &Self) {
        self.successes = self.successes.saturating_add(other.successes);
        self.failures = self.failures.saturating_add(other.failures);
        self.latency_micros = self.latency_micros.saturating_add(other.latency_micros);
        if other.updated_ms > self.updated_ms {
            self.updated_ms = other.updated_ms;
        }
        self.latencies.add(&other.latencies);
    }
}

/// Tallies by series.
pub type Tallies = BTreeMap<SeriesName, Tally>;

/// Adds tallies to tallies.
pub(super) fn add_all(sums: &mut Tallies, more: Tallies) {
    for (name, tally) in more {
        sums.entry(name).or_default().add(&tally);
    }
}

/// What the providers of one chain of one profile did within some time. Series without a call are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Snapshot {
    /// The profile's slug.
    pub(super) profile: String,
    /// The chain's key in the profile.
    pub(super) chain: String,
    /// What each series did.
    pub(super) tallies: Tallies,
}
