//! The file: a table of snapshots and one of changes of breakers, each in the order of time.

use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;
use std::{fmt, fs};

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};

use super::breakers::{self, BreakerQuery, Entries};
use super::snapshot::{Snapshot, add_all};
use super::spans::{Page, Summing};
use super::{Error, HistoryQuery, codec, open};

/// Snapshots by time in milliseconds since 1970, profile and chain: a text of its own for each, so that no slug can
/// be mistaken for two. What is too old is the head of the table.
const SNAPSHOTS: TableDefinition<'_, (u64, &str, &str), &[u8]> = TableDefinition::new("snapshots");

/// How many bytes the rows of both tables have, in a single row: to count them would be to read them all.
const SIZE: TableDefinition<'_, (), u64> = TableDefinition::new("size");

/// What a row costs beside its texts and its value.
const ROW_BYTES: u64 = 32;

/// The share of the file that rows may take. Pages are never overwritten in place and are up to 1.6 times as large as
/// what is in them, and the file doubles when it has no free page; with a quarter it stays below its bound.
const SHARE: u64 = 4;

/// The most series in one page of an answer; the span that crosses the line is finished.
const MAX_ROWS: usize = 10_000;

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) retention: Duration,
    pub(super) max_bytes: u64,
}

/// The file, open or not. Every method blocks.
pub(super) struct Archive {
    path: PathBuf,
    bounds: Bounds,
    /// Held alone to open, to close and to compact; shared to read and to append.
    database: RwLock<Option<Database>>,
}

impl Archive {
    /// Touches nothing before the first [`append`](Self::append).
    pub(super) const fn new(path: PathBuf, bounds: Bounds) -> Self {
        Self { path, bounds, database: RwLock::new(None) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes snapshots of this time, in milliseconds since 1970, and changes of breakers, and drops what is beyond the bounds: all of it or
    /// nothing, whatever happens to the process meanwhile. One caller at a time.
    ///
    /// Opens the file if it is not open, and closes it when something fails: a database that met an error of the file
    /// system works no more until it is opened anew.
    pub(super) fn append(&self, now_ms: u64, snapshots: &[Snapshot], changes: &Entries) -> Result<(), Error> {
        if self.shared().is_none() {
            let database = open::open(&self.path)?;
            *self.alone() = Some(database);
        }
        let done = self.try_append(now_ms, snapshots, changes);
        if done.is_err() {
            self.close();
        }
        done
    }

    fn try_append(&self, now_ms: u64, snapshots: &[Snapshot], changes: &Entries) -> Result<(), Error> {
        let transaction = self.shared().as_ref().ok_or(Error::Closed)?.begin_write()?;
        if write(&transaction, now_ms, snapshots, changes, self.bounds)? {
            transaction.commit()?;
        } else {
            transaction.abort()?;
        }
        // The bound was lowered since the file grew.
        let is_too_large = fs::metadata(&self.path).is_ok_and(|file| file.len() > self.bounds.max_bytes);
        if is_too_large && let Some(database) = self.alone().as_mut() {
            database.compact()?;
        }
        Ok(())
    }

    /// Sums up the spans that a query touches.
    pub(super) fn read(&self, query: &HistoryQuery) -> Result<Page, Error> {
        let guard = self.shared();
        let transaction = guard.as_ref().ok_or(Error::Closed)?.begin_read()?;
        let step = query.step.max(1);
        let mut summing = Summing::new(step, MAX_ROWS);
        let mut unreadable = 0_u64;
        // A process that never had a call has no table yet.
        let table = match transaction.open_table(SNAPSHOTS) {
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(summing.finish()),
            table => table?,
        };
        let from = (query.from / step * step).saturating_mul(1000);
        let to = query.to.div_ceil(step).saturating_mul(step).saturating_mul(1000);
        for row in table.range((from, "", "")..(to, "", ""))? {
            let (key, value) = row?;
            let (taken_ms, profile, chain) = key.value();
            if profile != query.profile || query.chain.as_deref().is_some_and(|wanted| wanted != chain) {
                continue;
            }
            if !summing.has_room(taken_ms) {
                break;
            }
            match codec::decode(value.value()) {
                Some(mut tallies) => {
                    tallies.retain(|name, _| query.only.wants(name));
                    summing.add(taken_ms, chain, tallies);
                }
                None => unreadable += 1,
            }
        }
        if unreadable > 0 {
            // Left by a later version of this program.
            tracing::warn!(
                event = "lasso.history.unreadable",
                snapshots = unreadable,
                "snapshots were left out"
            );
        }
        Ok(summing.finish())
    }

    /// The newest changes of breakers that a query asks for, and a few more than an answer has.
    pub(super) fn read_changes(&self, query: &BreakerQuery) -> Result<Entries, Error> {
        let guard = self.shared();
        let transaction = guard.as_ref().ok_or(Error::Closed)?.begin_read()?;
        breakers::read(&transaction, query)
    }

    /// Gives the file free, until the next [`append`](Self::append).
    pub(super) fn close(&self) {
        self.alone().take();
    }

    fn shared(&self) -> RwLockReadGuard<'_, Option<Database>> {
        self.database.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn alone(&self) -> RwLockWriteGuard<'_, Option<Database>> {
        self.database.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether anything was changed.
fn write(
    transaction: &WriteTransaction,
    now_ms: u64,
    snapshots: &[Snapshot],
    changes: &Entries,
    bounds: Bounds,
) -> Result<bool, Error> {
    let mut table = transaction.open_table(SNAPSHOTS)?;
    let mut sizes = transaction.open_table(SIZE)?;
    let before = sizes.get(())?.map_or(0, |size| size.value());
    let mut size = before;
    for Snapshot { profile, chain, tallies } in snapshots {
        let key = (now_ms, profile.as_str(), chain.as_str());
        // There is one already where the clock was set back to the very millisecond.
        let same_time = table.get(key)?.and_then(|value| codec::decode(value.value()));
        let value = match same_time {
            None => codec::encode(tallies),
            Some(mut sums) => {
                add_all(&mut sums, tallies.clone());
                codec::encode(&sums)
            }
        };
        size += row_bytes(key, &value);
        if let Some(replaced) = table.insert(key, value.as_slice())? {
            size = size.saturating_sub(row_bytes(key, replaced.value()));
        }
    }
    let oldest_ms = now_ms.saturating_sub(u64::try_from(bounds.retention.as_millis()).unwrap_or(u64::MAX));
    let mut changed = transaction.open_table(breakers::TABLE)?;
    size += breakers::insert(&mut changed, changes)?;
    loop {
        let snapshot = table.first()?.map(|(key, _)| key.value().0);
        let change = changed.first()?.map(|(key, _)| key.value().0);
        let Some(oldest) = snapshot.into_iter().chain(change).min() else { break };
        if oldest >= oldest_ms && size <= bounds.max_bytes / SHARE {
            break;
        }
        let freed = if change == Some(oldest) {
            breakers::pop_oldest(&mut changed)?
        } else {
            table.pop_first()?.map_or(0, |(key, value)| row_bytes(key.value(), value.value()))
        };
        size = size.saturating_sub(freed);
    }
    sizes.insert((), size)?;
    Ok(!snapshots.is_empty() || !changes.is_empty() || size != before)
}

/// What a row counts for.
const fn row_bytes((_, profile, chain): (u64, &str, &str), value: &[u8]) -> u64 {
    (profile.len() + chain.len() + value.len()) as u64 + ROW_BYTES
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Archive")
            .field("path", &self.path)
            .field("bounds", &self.bounds)
            .finish_non_exhaustive()
    }
}
