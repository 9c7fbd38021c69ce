//! Tallies and a log for tests.

use std::io;
use std::sync::{Arc, Mutex};

use lasso_layers::catalog::Transport;
use lasso_layers::state::Histogram;
use tracing::subscriber::DefaultGuard;

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
            latencies: Histogram::default(),
        };
        (name, tally)
    });
    rows.collect()
}

pub(super) fn snapshot(profile: &str, chain: &str, tallies: Tallies) -> Snapshot {
    Snapshot { profile: profile.to_owned(), chain: chain.to_owned(), tallies }
}

/// What was logged on this thread.
#[derive(Clone, Default)]
pub(super) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(super) fn listen(&self) -> DefaultGuard {
        let log = self.clone();
        let lines = tracing_subscriber::fmt().with_ansi(false).with_writer(move || log.clone());
        tracing::subscriber::set_default(lines.finish())
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
