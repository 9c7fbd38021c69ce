//! What is written down about a call while it runs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::{Candidate, Candidates, Plan, Premises};
use crate::catalog::Provider;

/// The shared record of one call: its plan, its candidates with what became of each, and durations.
///
/// Layers further in write, layers further out and the edge read. Every entry is written once or is a sum,
/// so no lock is needed.
#[derive(Debug, Default)]
pub struct Journal {
    plan: OnceLock<Plan>,
    candidates: OnceLock<Candidates>,
    premises: OnceLock<Premises>,
    selection_start: OnceLock<Instant>,
    selection_nanos: AtomicU64,
    upstream_nanos: AtomicU64,
    /// The candidates whose request is known to be still in this process, one bit for each of the first 64. Whoever
    /// clears a bit decides whether the request leaves, so changes of one bit have one order; nothing else is read
    /// because of it, so relaxed is enough.
    held: AtomicU64,
    meta: OnceLock<Metadata>,
    /// Where the record goes on after the call was planned anew.
    successor: OnceLock<Arc<Self>>,
}

/// The routing metadata of one call: two JSON objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Everything there is to say.
    pub full: Bytes,
    /// Without what was said about each candidate, for where there is little room.
    pub brief: Bytes,
}

impl Journal {
    /// Writes the plan down. The first one stands.
    pub fn set_plan(&self, plan: Plan) {
        // A second plan for one call would tear it between two snapshots.
        let _ = self.plan.set(plan);
    }

    /// The plan, once there is one.
    #[must_use]
    pub fn plan(&self) -> Option<&Plan> {
        self.plan.get()
    }

    /// The candidates, making them at the first call.
    pub fn open_candidates(&self, make: impl FnOnce() -> Candidates) -> &Candidates {
        self.candidates.get_or_init(make)
    }

    /// The candidates, once dispatching began.
    #[must_use]
    pub fn candidates(&self) -> Option<&Candidates> {
        self.candidates.get()
    }

    /// Writes down what the channels were selected by, where somebody wants to know. The first selection stands.
    pub fn set_premises(&self, premises: Premises) {
        // A later selection of the same call is for the same parameters.
        let _ = self.premises.set(premises);
    }

    /// What the channels were selected by, if it was written down.
    #[must_use]
    pub fn premises(&self) -> Option<&Premises> {
        self.premises.get()
    }

    /// Writes the routing metadata down that the client asked for. The first one stands.
    pub fn set_meta(&self, meta: Metadata) {
        // Only the outermost layer reports on a call, and a call ends once.
        let _ = self.meta.set(meta);
    }

    /// What the client is told about the routing, once the call was routed and if the client asked.
    #[must_use]
    pub fn meta(&self) -> Option<&Metadata> {
        self.meta.get()
    }

    /// The journal of the same call under another plan: durations go on, candidates begin anew. Whoever asks
    /// first decides the plan; all others get the same journal.
    #[must_use]
    pub fn succeeded_by(&self, plan: Plan) -> Arc<Self> {
        let go_on = || {
            Arc::new(Self {
                plan: OnceLock::from(plan),
                selection_start: self.selection_start.clone(),
                selection_nanos: AtomicU64::new(nanos(self.selection())),
                upstream_nanos: AtomicU64::new(nanos(self.upstream())),
                ..Self::default()
            })
        };
        self.successor.get_or_init(go_on).clone()
    }

    /// The journal that the call is in by now: this one, unless the call was planned anew.
    #[must_use]
    pub fn latest(&self) -> &Self {
        let mut journal = self;
        while let Some(successor) = journal.successor.get() {
            journal = successor;
        }
        journal
    }

    /// The channels that were [tried](Candidate::was_tried), in ranked order, with their providers; those of a plan that
    /// was replaced meanwhile first.
    pub fn attempts(&self) -> impl Iterator<Item = (&Provider, &Candidate)> {
        let journals = std::iter::successors(Some(self), |journal| journal.successor.get().map(Arc::as_ref));
        let lists = journals.filter_map(|journal| Some((journal.plan()?, journal.candidates()?)));
        lists.flat_map(|(plan, candidates)| {
            let tried = candidates.all().iter().filter(|candidate| candidate.was_tried());
            tried.map(|candidate| (plan.provider(candidate.provider), candidate))
        })
    }

    /// Whether it can be noted of the candidate at `index` that its request is held.
    pub(crate) const fn can_hold(index: usize) -> bool {
        index < u64::BITS as usize
    }

    /// Notes that the request to the candidate at `index` is held in this process.
    pub(crate) fn hold(&self, index: usize) {
        self.held.fetch_or(bit(index), Ordering::Relaxed);
    }

    /// Ends that. Whether it was so; of several who ask, one is told.
    pub(crate) fn release(&self, index: usize) -> bool {
        self.held.fetch_and(!bit(index), Ordering::Relaxed) & bit(index) != 0
    }

    // The durations below are sums that are read after the answer is there: relaxed is enough.

    /// Notes when the selection of channels began.
    pub fn selection_began(&self, now: Instant) {
        // The first selection of a call is the one that counts.
        let _ = self.selection_start.set(now);
    }

    /// Notes that the first channel is about to be used.
    pub fn selection_ended(&self, now: Instant) {
        // Once: a channel that could not be reached is drawn after too, but its time is not that of choosing.
        if let Some(start) = self.selection_start.get()
            && self.selection_nanos.load(Ordering::Relaxed) == 0
        {
            self.selection_nanos.store(nanos(now - *start).max(1), Ordering::Relaxed);
        }
    }

    /// When the selection of channels began, if it did.
    #[must_use]
    pub fn selection_start(&self) -> Option<Instant> {
        self.selection_start.get().copied()
    }

    /// Time spent on selecting channels.
    #[must_use]
    pub fn selection(&self) -> Duration {
        Duration::from_nanos(self.selection_nanos.load(Ordering::Relaxed))
    }

    /// Adds time spent waiting for an upstream.
    pub fn add_upstream(&self, time: Duration) {
        self.upstream_nanos.fetch_add(nanos(time), Ordering::Relaxed);
    }

    /// Time spent waiting for upstreams, over all attempts.
    #[must_use]
    pub fn upstream(&self) -> Duration {
        Duration::from_nanos(self.upstream_nanos.load(Ordering::Relaxed))
    }
}

/// The bit of a candidate, none past the width of the word.
const fn bit(index: usize) -> u64 {
    if Journal::can_hold(index) { 1 << index } else { 0 }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
