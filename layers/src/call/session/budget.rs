//! What all sessions of a process share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use super::Ending;

/// How many bytes may wait for the clients of this process, and what became of those that waited in vain. A handle:
/// clones share everything.
///
/// A delivery counts in full for every client it waits for, although its bytes exist once.
#[derive(Clone, Debug)]
pub struct OutboxBudget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limit: usize,
    /// Atomics publish nothing here: each is a number of its own.
    queued: AtomicUsize,
    overruns: [AtomicU64; Overrun::ALL.len()],
    ends: [AtomicU64; Ending::ALL.len()],
    dropped_at_end: AtomicU64,
    dropped_unsubscribed: AtomicU64,
}

/// Which limit a client that does not read ran over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overrun {
    /// The messages of its outbox.
    Messages,
    /// The bytes of its outbox.
    Bytes,
    /// The bytes of all outboxes.
    Node,
}

/// What happened to sessions so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionCounts {
    /// Ended with [`Ending::SlowConsumer`], for these three reasons or for one outside of the outbox.
    pub slow_consumer: u64,
    /// More deliveries waited for a subscription than may.
    pub over_messages: u64,
    /// More bytes waited than may.
    pub over_bytes: u64,
    /// The process had no room, and deliveries waited.
    pub over_budget: u64,
    /// Ended with [`Ending::ContinuityExhausted`].
    pub continuity_exhausted: u64,
    /// Deliveries that nobody read because their session ended, for whatever reason.
    pub dropped_at_end: u64,
    /// Deliveries that nobody read because their subscription was given up.
    pub dropped_unsubscribed: u64,
}

impl Overrun {
    /// Every limit, in declaration order.
    const ALL: [Self; 3] = [Self::Messages, Self::Bytes, Self::Node];
}

impl OutboxBudget {
    /// With room for so many bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Shared {
            limit,
            queued: AtomicUsize::new(0),
            overruns: Default::default(),
            ends: Default::default(),
            dropped_at_end: AtomicU64::new(0),
            dropped_unsubscribed: AtomicU64::new(0),
        }))
    }

    /// How many bytes wait for clients now, gap fillers left out.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.0.queued.load(Relaxed)
    }

    /// What happened so far.
    #[must_use]
    pub fn counts(&self) -> SessionCounts {
        let overruns = |limit: Overrun| self.0.overruns[limit as usize].load(Relaxed);
        let ends = |ending: Ending| self.0.ends[ending as usize].load(Relaxed);
        SessionCounts {
            slow_consumer: ends(Ending::SlowConsumer),
            over_messages: overruns(Overrun::Messages),
            over_bytes: overruns(Overrun::Bytes),
            over_budget: overruns(Overrun::Node),
            continuity_exhausted: ends(Ending::ContinuityExhausted),
            dropped_at_end: self.0.dropped_at_end.load(Relaxed),
            dropped_unsubscribed: self.0.dropped_unsubscribed.load(Relaxed),
        }
    }

    /// Takes room and says whether it was there; it is taken either way.
    pub(super) fn charge(&self, bytes: usize) -> bool {
        self.0.queued.fetch_add(bytes, Relaxed).saturating_add(bytes) <= self.0.limit
    }

    pub(super) fn refund(&self, bytes: usize) {
        if bytes > 0 {
            self.0.queued.fetch_sub(bytes, Relaxed);
        }
    }

    pub(super) fn count_overrun(&self, limit: Overrun) {
        self.0.overruns[limit as usize].fetch_add(1, Relaxed);
    }

    pub(super) fn count_end(&self, ending: Ending) {
        self.0.ends[ending as usize].fetch_add(1, Relaxed);
    }

    pub(super) fn count_dropped_at_end(&self, deliveries: usize) {
        self.0.dropped_at_end.fetch_add(deliveries as u64, Relaxed);
    }

    pub(super) fn count_dropped_unsubscribed(&self, deliveries: usize) {
        self.0.dropped_unsubscribed.fetch_add(deliveries as u64, Relaxed);
    }
}

impl Default for OutboxBudget {
    /// 128 MiB.
    fn default() -> Self {
        Self::new(128 << 20)
    }
}
