//! What providers did in the past, in a database file, for people to look at. Nothing is ever routed by it.
//!
//! **What is written.** Once in an interval one task takes what every series (profile, chain, provider, method,
//! transport) did since the time before, and how breakers changed, and commits it in one transaction, on a thread for blocking work. Calls
//! neither wait for it nor notice it. A process that is killed loses at most the calls since its last commit: what is
//! in the file is whole, because pages that are in use are never overwritten and a commit is one switch from the old
//! state to the new one. A process that ends in order writes a last time.
//!
//! **How much.** [`HistoryPolicy::retention`] bounds the age, [`HistoryPolicy::max_bytes`] the size of the file; about
//! a quarter of the size are snapshots, the rest is room for the database to work in. The oldest go first.
//!
//! **When the file cannot be had** (a folder that is read-only, another process that has it open, a full disk), the
//! log says so once, with the path, and the router serves without history. Every interval tries again and then writes
//! what has accumulated. So a process that takes over from another has the file as soon as the other one is gone.
//!
//! **When the file is damaged** it is renamed to `history.damaged-1.redb` (or the next number that is free), the log
//! says so, and a new one begins. This program never deletes a file.
//!
//! ```text
//! Benchmarks ── Ledger ──► Archive ──► Summing ──► GET /api/history (by the hour), /api/series (by the step of a chart)
//!               what is    the file    by spans
//!               new
//! Breakers ──── BreakerLog ──┴─────────────────► GET /api/breakers
//! ```

mod archive;
mod breakers;
mod bytes;
mod codec;
mod error;
mod ledger;
mod open;
mod query;
mod recorder;
mod snapshot;
mod spans;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use self::archive::{Archive, Bounds};
pub(crate) use self::breakers::Entries;
pub use self::breakers::{BreakerEntry, BreakerLog, BreakerPage, BreakerQuery, Place};
pub use self::error::Error;
pub(crate) use self::query::HOUR;
pub use self::query::{HistoryQuery, SeriesFilter};
pub(crate) use self::recorder::Recorder;
pub use self::snapshot::{SeriesName, Tallies, Tally};
pub use self::spans::{Page, Span};

/// The name of the file in its folder.
const FILE: &str = "history.redb";

/// The shortest time between two snapshots: without any, nothing else would ever be done.
const LEAST_INTERVAL: Duration = Duration::from_millis(1);

/// Where the history is kept, and how much of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryPolicy {
    /// The folder of the file.
    pub folder: PathBuf,
    /// The time between two snapshots; one millisecond where it is shorter than that.
    pub interval: Duration,
    /// For how long snapshots are kept.
    pub retention: Duration,
    /// The size of the file, in bytes.
    pub max_bytes: u64,
}

/// A handle on the history; clones share the file.
#[derive(Clone, Debug)]
pub struct History {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    archive: Archive,
    policy: HistoryPolicy,
    /// Who may read: one at a time, because a long answer takes memory and a thread.
    turn: Arc<Semaphore>,
}

impl History {
    /// A history by this policy. The file is opened by the task that writes, not here.
    #[must_use]
    pub fn new(mut policy: HistoryPolicy) -> Self {
        policy.interval = policy.interval.max(LEAST_INTERVAL);
        let bounds = Bounds { retention: policy.retention, max_bytes: policy.max_bytes };
        let archive = Archive::new(policy.folder.join(FILE), bounds);
        Self { shared: Arc::new(Shared { archive, policy, turn: Arc::new(Semaphore::new(1)) }) }
    }

    /// The time between two snapshots.
    #[must_use]
    pub fn interval(&self) -> Duration {
        self.shared.policy.interval
    }

    /// Sums up the spans that a query touches and makes an answer of them, on a thread for blocking work and one query
    /// at a time. A page is bounded; see [`Page::next_from`].
    ///
    /// Cancel safety: a read whose future is dropped goes on to its end, unheard, and keeps the next one waiting.
    ///
    /// # Errors
    ///
    /// If the file is not open, or cannot be read.
    pub async fn read<T: Send + 'static>(
        &self,
        query: HistoryQuery,
        answer: impl FnOnce(&HistoryQuery, Page) -> T + Send + 'static,
    ) -> Result<T, Error> {
        self.in_turn(move |archive| archive.read(&query).map(|page| answer(&query, page))).await
    }

    /// The changes of breakers that a query asks for and that are written down: the newest, and a few more than an
    /// answer has. Reads as [`read`](Self::read) does.
    pub(crate) async fn breakers(&self, query: BreakerQuery) -> Result<Entries, Error> {
        self.in_turn(move |archive| archive.read_changes(&query)).await
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        reading: impl FnOnce(&Archive) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let shared = self.shared.clone();
        // Never closed.
        let turn = shared.turn.clone().acquire_owned().await.map_err(|_| Error::Closed)?;
        let read = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            reading(&shared.archive)
        });
        // A panic is the database's, and the next round of writing finds out what is wrong.
        read.await.unwrap_or(Err(Error::Closed))
    }
}
