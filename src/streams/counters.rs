//! What streams did so far, and how many there are.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Counts streams and what happens to them. A handle: clones share the figures.
#[derive(Clone, Default)]
pub struct StreamCounters {
    store: Arc<Store>,
}

/// All atomics are relaxed: each figure stands for itself.
#[derive(Default)]
struct Store {
    streams: AtomicU64,
    subscribers: AtomicU64,
    upstream: AtomicU64,
    failovers: AtomicU64,
    completed: AtomicU64,
    filled: AtomicU64,
    left_out: AtomicU64,
    exhausted: AtomicU64,
    reorgs: AtomicU64,
    late_logs: AtomicU64,
    /// By chain and reason. Drops are rare, so a lock does.
    dropped: Mutex<BTreeMap<(u64, &'static str), u64>>,
}

/// The figures at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamFigures {
    /// Streams there are.
    pub streams: u64,
    /// Subscriptions of clients there are.
    pub subscribers: u64,
    /// Upstream subscriptions there are.
    pub upstream_subscriptions: u64,
    /// How often a stream left a provider.
    pub failovers: u64,
    /// How often one went on after that without a gap.
    pub recovered: u64,
    /// Blocks that were filled in.
    pub filled_blocks: u64,
    /// Blocks that were left out because the chain's policy is best effort.
    pub left_out_blocks: u64,
    /// Streams that were ended because they could not be continued.
    pub exhausted: u64,
    /// Reorganisations that streams followed.
    pub reorgs: u64,
    /// Logs that came when those of their block had been passed on, and were passed on behind them.
    pub late_logs: u64,
    /// Events that were not passed on, by the chain's number and the reason.
    pub dropped: BTreeMap<(u64, &'static str), u64>,
}

/// Reasons for which an event is not passed on, beside those of the coordinator.
#[derive(Debug)]
pub(super) struct Drops;

impl Drops {
    /// It lacks what an event must have.
    pub(super) const MALFORMED: &'static str = "malformed";
    /// It is larger than what is passed on.
    pub(super) const TOO_LARGE: &'static str = "too_large";
    /// The same transaction was passed on before.
    pub(super) const DUPLICATE: &'static str = "duplicate";
}

/// What there may be several of.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Stream,
    Subscriber,
    Upstream,
}

/// One of those that there are, until it is dropped.
#[derive(Debug)]
pub(super) struct Counted {
    counters: StreamCounters,
    kind: Kind,
}

impl StreamCounters {
    /// The figures now.
    #[must_use]
    pub fn figures(&self) -> StreamFigures {
        let store = &*self.store;
        let read = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        StreamFigures {
            streams: read(&store.streams),
            subscribers: read(&store.subscribers),
            upstream_subscriptions: read(&store.upstream),
            failovers: read(&store.failovers),
            recovered: read(&store.completed),
            filled_blocks: read(&store.filled),
            left_out_blocks: read(&store.left_out),
            exhausted: read(&store.exhausted),
            reorgs: read(&store.reorgs),
            late_logs: read(&store.late_logs),
            dropped: store.dropped.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    pub(super) fn stream(&self) -> Counted {
        self.counted(Kind::Stream)
    }

    pub(super) fn subscriber(&self) -> Counted {
        self.counted(Kind::Subscriber)
    }

    pub(super) fn upstream(&self) -> Counted {
        self.counted(Kind::Upstream)
    }

    pub(super) fn failed_over(&self) {
        add(&self.store.failovers, 1);
    }

    pub(super) fn recovered(&self, filled: u64) {
        add(&self.store.completed, 1);
        add(&self.store.filled, filled);
    }

    pub(super) fn left_out(&self, blocks: u64) {
        add(&self.store.left_out, blocks);
    }

    pub(super) fn exhausted(&self) {
        add(&self.store.exhausted, 1);
    }

    pub(super) fn reorganised(&self) {
        add(&self.store.reorgs, 1);
    }

    pub(super) fn late_log(&self) {
        add(&self.store.late_logs, 1);
    }

    pub(super) fn dropped(&self, chain_id: u64, reason: &'static str) {
        let mut dropped = self.store.dropped.lock().unwrap_or_else(PoisonError::into_inner);
        *dropped.entry((chain_id, reason)).or_default() += 1;
    }

    fn counted(&self, kind: Kind) -> Counted {
        add(self.gauge(kind), 1);
        Counted { counters: self.clone(), kind }
    }

    fn gauge(&self, kind: Kind) -> &AtomicU64 {
        match kind {
            Kind::Stream => &self.store.streams,
            Kind::Subscriber => &self.store.subscribers,
            Kind::Upstream => &self.store.upstream,
        }
    }
}

impl fmt::Debug for StreamCounters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.figures(), f)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.counters.gauge(self.kind).fetch_sub(1, Ordering::Relaxed);
    }
}

fn add(figure: &AtomicU64, by: u64) {
    figure.fetch_add(by, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_counted_until_it_goes() {
        let counters = StreamCounters::default();
        let (stream, _subscriber) = (counters.stream(), counters.subscriber());
        assert_eq!((counters.figures().streams, counters.figures().subscribers), (1, 1));
        drop(stream);
        assert_eq!((counters.figures().streams, counters.figures().subscribers), (0, 1));
    }

    #[test]
    fn drops_are_counted_by_chain_and_reason() {
        let counters = StreamCounters::default();
        for (chain_id, reason) in [(1, "a"), (1, "b"), (1, "a"), (10, "a")] {
            counters.dropped(chain_id, reason);
        }
        let counted = BTreeMap::from([((1, "a"), 2), ((1, "b"), 1), ((10, "a"), 1)]);
        assert_eq!(counters.figures().dropped, counted);
    }
}
