//! Tallies for tests.

use lasso_layers::catalog::Transport;

use super::snapshot::{SeriesName, Snapshot, Tallies, Tally};

/// Of rows of provider, method, successes, failures and microseconds.
pub(super) fn tallies(rows: &[(&str, &str, u64, u64, u64)]) -> Tallies {
    let rows = rows.iter().map(|(provider, method, successes, failures, latency_micros)| {
        let name = SeriesName {
            provider: (*provider).to_owned(),
            method: (*method).to_owned(),
            transport: Transport::Http,
        };
        let tally = Tally {
            successes: *successes,
            failures: *failures,
            latency_micros: *latency_micros,
            updated_ms: 0,
        };
        (name, tally)
    });
    rows.collect()
}

pub(super) fn snapshot(profile: &str, chain: &str, tallies: Tallies) -> Snapshot {
    Snapshot { profile: profile.to_owned(), chain: chain.to_owned(), tallies }
}
