//! What all sessions of a process share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use super::Ending;

/// How many bytes may wait for the clients of this process, and what became of those that waited in vain. A handle:
/// clones share everything.
///
/// A delivery exists once, however many clients it waits for, and counts once: from when it is first left for one of them
/// until the last one has taken it. What fills a gap is counted and refused to nobody.
#[derive(Clone, Debug)]
pub struct OutboxBudget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limit: usize,
    /// Bytes of live deliveries. Atomics publish nothing here: each is a number of its own.
    live: AtomicUsize,
    /// Bytes of deliveries that fill a gap.
    filled: AtomicUsize,
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
            live: AtomicUsize::new(0),
            filled: AtomicUsize::new(0),
            overruns: Default::default(),
            ends: Default::default(),
            dropped_at_end: AtomicU64::new(0),
            dropped_unsubscribed: AtomicU64::new(0),
        }))
    }

    /// How many bytes of live deliveries wait for clients now. These are what the limit is for.
    #[must_use]
    pub fn live_bytes(&self) -> usize {
        self.0.live.load(Relaxed)
    }

    /// How many bytes of deliveries that fill a gap wait for clients now.
    #[must_use]
    pub fn filled_bytes(&self) -> usize {
        self.0.filled.load(Relaxed)
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

    /// Whether more live bytes wait than may.
    pub(super) fn is_overrun(&self) -> bool {
        self.live_bytes() > self.0.limit
    }

    /// Takes room, whether there is some or not.
    pub(super) fn charge(&self, bytes: usize, is_filled: bool) {
        self.of(is_filled).fetch_add(bytes, Relaxed);
    }

    pub(super) fn refund(&self, bytes: usize, is_filled: bool) {
        self.of(is_filled).fetch_sub(bytes, Relaxed);
    }

    fn of(&self, is_filled: bool) -> &AtomicUsize {
        if is_filled { &self.0.filled } else { &self.0.live }
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
