//! What one stream did so far, for people to read.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use smol_str::SmolStr;

/// A stream at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamReport {
    /// The profile whose clients subscribed.
    pub profile: SmolStr,
    /// EIP-155 id of its chain.
    pub chain_id: u64,
    /// The only provider it may come from, if it is bound to one.
    pub pin: Option<SmolStr>,
    /// `newHeads`, `logs` or `newPendingTransactions`.
    pub topic: &'static str,
    /// The filter of a stream of logs, as JSON.
    pub filter: Option<String>,
    /// Subscriptions of clients that it serves.
    pub subscribers: usize,
    /// How it is.
    pub state: StreamState,
    /// Id of the provider that serves it, as the profile has it.
    pub provider: Option<SmolStr>,
    /// Number of the last block that it told of.
    pub last_block: Option<u64>,
    /// How often it left a provider.
    pub failovers: u64,
    /// Blocks that were filled in after that.
    pub filled_blocks: u64,
    /// When it began.
    pub started: SystemTime,
}

/// How a stream is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamState {
    /// No provider has confirmed it yet.
    #[default]
    Starting,
    /// A provider serves it.
    Live,
    /// It lost its provider and is on its way to another one.
    FailingOver,
    /// Nobody could take it over in time; it is tried again.
    Degraded,
}

impl StreamState {
    const ALL: [Self; 4] = [Self::Starting, Self::Live, Self::FailingOver, Self::Degraded];

    /// The name on pages: `starting`, `live`, `failing_over` or `degraded`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Live => "live",
            Self::FailingOver => "failing_over",
            Self::Degraded => "degraded",
        }
    }
}

/// What the task of a stream writes down about it.
///
/// All atomics are relaxed: each figure stands for itself.
#[derive(Debug)]
pub(super) struct Record {
    started: SystemTime,
    state: AtomicU8,
    /// The number of the last block plus one; 0 before the first.
    blocks: AtomicU64,
    failovers: AtomicU64,
    filled: AtomicU64,
    /// Changes with a failover, so a lock does.
    provider: Mutex<Option<SmolStr>>,
}

/// The figures of a [`Record`] at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Figures {
    pub(super) started: SystemTime,
    pub(super) state: StreamState,
    pub(super) last_block: Option<u64>,
    pub(super) failovers: u64,
    pub(super) filled_blocks: u64,
    pub(super) provider: Option<SmolStr>,
}

impl Record {
    /// A provider serves the stream, and is up to date.
    pub(super) fn served_by(&self, provider: Option<SmolStr>) {
        *self.provider.lock().unwrap_or_else(PoisonError::into_inner) = provider;
        self.set(StreamState::Live);
    }

    /// The last block that was told of.
    pub(super) fn told(&self, block: u64) {
        self.blocks.store(block.saturating_add(1), Ordering::Relaxed);
    }

    /// The stream left its provider.
    pub(super) fn failed_over(&self) {
        self.failovers.fetch_add(1, Ordering::Relaxed);
        self.set(StreamState::FailingOver);
    }

    /// A provider did not serve the stream, or no longer does: a failover if it did.
    pub(super) fn lost(&self) {
        if self.state.load(Ordering::Relaxed) == StreamState::Live as u8 {
            self.failed_over();
        }
    }

    /// So many blocks were filled in.
    pub(super) fn filled(&self, blocks: u64) {
        self.filled.fetch_add(blocks, Ordering::Relaxed);
    }

    /// Nobody could take the stream over in time.
    pub(super) fn degraded(&self) {
        self.set(StreamState::Degraded);
    }

    pub(super) fn figures(&self) -> Figures {
        Figures {
            started: self.started,
            state: StreamState::ALL[usize::from(self.state.load(Ordering::Relaxed))],
            last_block: self.blocks.load(Ordering::Relaxed).checked_sub(1),
            failovers: self.failovers.load(Ordering::Relaxed),
            filled_blocks: self.filled.load(Ordering::Relaxed),
            provider: self.provider.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    fn set(&self, state: StreamState) {
        self.state.store(state as u8, Ordering::Relaxed);
    }
}

/// Of a stream that begins now.
impl Default for Record {
    fn default() -> Self {
        Self {
            started: SystemTime::now(),
            state: AtomicU8::new(StreamState::Starting as u8),
            blocks: AtomicU64::new(0),
            failovers: AtomicU64::new(0),
            filled: AtomicU64::new(0),
            provider: Mutex::new(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_follows_its_stream() {
        let record = Record::default();
        let state = || record.figures().state;
        assert_eq!((state(), record.figures().last_block), (StreamState::Starting, None));
        record.served_by(Some("a".into()));
        record.told(0);
        assert_eq!((state(), record.figures().last_block), (StreamState::Live, Some(0)));
        record.failed_over();
        assert_eq!(state(), StreamState::FailingOver);
        record.degraded();
        assert_eq!(state(), StreamState::Degraded);
        record.lost();
        assert_eq!(record.figures().failovers, 1, "it was lost before");
        record.served_by(Some("b".into()));
        record.filled(3);
        let figures = record.figures();
        assert_eq!((figures.state, figures.failovers, figures.filled_blocks), (StreamState::Live, 1, 3));
        assert_eq!(figures.provider.as_deref(), Some("b"));
    }

    #[test]
    fn every_state_is_read_as_it_was_written() {
        for state in StreamState::ALL {
            let record = Record::default();
            record.set(state);
            assert_eq!(record.figures().state, state, "{}", state.as_str());
        }
    }
}
