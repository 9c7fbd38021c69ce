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
    slow: [AtomicU64; Overrun::ALL.len()],
    continuity_exhausted: AtomicU64,
    dropped_at_end: AtomicU64,
    dropped_unsubscribed: AtomicU64,
}

/// Which limit a client that does not read ran over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Overrun {
    /// [`SessionPolicy::outbox_messages`](super::SessionPolicy::outbox_messages).
    Messages,
    /// [`SessionPolicy::outbox_bytes`](super::SessionPolicy::outbox_bytes).
    Bytes,
    /// The limit of the [budget](OutboxBudget).
    Node,
}

/// What happened to sessions so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionCounts {
    /// Ended because more deliveries waited than may.
    pub slow_messages: u64,
    /// Ended because more bytes waited than may.
    pub slow_bytes: u64,
    /// Ended because the process had no room, and deliveries waited.
    pub slow_node: u64,
    /// Ended because a stream lost its thread.
    pub continuity_exhausted: u64,
    /// Deliveries that nobody read because their session ended, for whatever reason.
    pub dropped_at_end: u64,
    /// Deliveries that nobody read because their subscription was given up.
    pub dropped_unsubscribed: u64,
}

impl Overrun {
    /// Every limit, in declaration order.
    pub const ALL: [Self; 3] = [Self::Messages, Self::Bytes, Self::Node];
}

impl OutboxBudget {
    /// With room for so many bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Shared {
            limit,
            queued: AtomicUsize::new(0),
            slow: Default::default(),
            continuity_exhausted: AtomicU64::new(0),
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
        let [slow_messages, slow_bytes, slow_node] = [0, 1, 2].map(|at: usize| self.0.slow[at].load(Relaxed));
        SessionCounts {
            slow_messages,
            slow_bytes,
            slow_node,
            continuity_exhausted: self.0.continuity_exhausted.load(Relaxed),
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

    pub(super) fn count_slow(&self, limit: Overrun) {
        self.0.slow[limit as usize].fetch_add(1, Relaxed);
    }

    pub(super) fn count_end(&self, ending: Ending) {
        if ending == Ending::ContinuityExhausted {
            self.0.continuity_exhausted.fetch_add(1, Relaxed);
        }
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
