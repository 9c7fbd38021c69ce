//! One channel on the list of a call, and how far the call got with it.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use super::{Demotion, Tier};
use crate::call::Reasons;
use crate::catalog::{Category, ChannelKey, InstanceKey, Transport};

/// One channel of one provider, considered for one call.
#[derive(Debug)]
pub struct Candidate {
    /// The provider's position in the chain.
    pub provider: u16,
    /// Where the channel's state is kept.
    pub channel: ChannelKey,
    /// The instance behind the channel.
    pub instance: InstanceKey,
    /// The channel's protocol.
    pub transport: Transport,
    /// Chosen by name: stands before all others, whatever the strategy says.
    pub pinned: bool,
    /// What speaks against the channel without ruling it out.
    pub demotion: Demotion,
    /// What rules the channel out, as a short name such as `circuit_open`. A channel that is only out for a declared
    /// parameter limit is in [`limit`](Self::limit) instead.
    pub excluded: Option<&'static str>,
    /// How long the exclusion will last, where that is known.
    pub retry_after: Option<Duration>,
    /// A declared limit that the call's parameters exceed. Dropped in a second pass if every channel has one.
    pub limit: Option<&'static str>,
    /// Everything that was said about the channel, where somebody wants to know.
    pub reasons: Option<Box<Reasons>>,
    state: AtomicU32,
    began_micros: AtomicU32,
    upstream_nanos: AtomicU64,
}

impl Candidate {
    /// What excludes a channel whose node is too far behind the others.
    pub const LAGGING: &'static str = "lagging";

    /// A channel that nothing speaks against.
    #[must_use]
    pub const fn new(
        provider: u16,
        channel: ChannelKey,
        instance: InstanceKey,
        transport: Transport,
    ) -> Self {
        Self {
            provider,
            channel,
            instance,
            transport,
            pinned: false,
            demotion: Demotion::NONE,
            excluded: None,
            retry_after: None,
            limit: None,
            reasons: None,
            state: AtomicU32::new(FRESH),
            began_micros: AtomicU32::new(0),
            upstream_nanos: AtomicU64::new(0),
        }
    }

    /// As it was before anything was drawn, and without reasons.
    pub(super) fn fresh(&self) -> Self {
        Self {
            pinned: self.pinned,
            demotion: self.demotion,
            excluded: self.excluded,
            limit: self.limit,
            ..Self::new(self.provider, self.channel, self.instance, self.transport)
        }
    }

    /// The channel's health as seen at selection.
    #[must_use]
    pub const fn tier(&self) -> Tier {
        Tier {
            half_open: self.demotion.contains(Demotion::HALF_OPEN),
            limited: self.demotion.contains(Demotion::LIMITED),
        }
    }

    /// How far the call got with this channel.
    #[must_use]
    pub fn progress(&self) -> Progress {
        // Relaxed here and below: each word says everything by itself.
        let state = self.state.load(Ordering::Relaxed);
        match state & KIND {
            FRESH | DEFERRED => Progress::Untried,
            DROPPED => Progress::Dropped,
            TAKEN => Progress::Taken,
            ANSWERED => Progress::Answered,
            SKIPPED => Progress::Skipped(category(state)),
            _ => Progress::Failed(category(state)),
        }
    }

    /// Whether the call was sent to this channel, or would have been if there were a way there. Not so where this
    /// process refused, by a breaker or for want of room.
    #[must_use]
    pub fn was_tried(&self) -> bool {
        match self.progress() {
            Progress::Taken | Progress::Answered => true,
            Progress::Failed(category) => category != Category::LocalCapacityRejection,
            Progress::Untried | Progress::Dropped | Progress::Skipped(_) => false,
        }
    }

    /// Time spent waiting for this channel.
    #[must_use]
    pub fn upstream(&self) -> Duration {
        Duration::from_nanos(self.upstream_nanos.load(Ordering::Relaxed))
    }

    /// How long after the call was received the waiting for this channel began.
    #[must_use]
    pub fn began(&self) -> Duration {
        Duration::from_micros(self.began_micros.load(Ordering::Relaxed).into())
    }

    /// Writes down the time spent waiting for this channel, and how long after the call was received that began.
    pub fn set_upstream(&self, began: Duration, time: Duration) {
        let micros = u32::try_from(began.as_micros()).unwrap_or(u32::MAX);
        self.began_micros.store(micros, Ordering::Relaxed);
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.upstream_nanos.store(nanos, Ordering::Relaxed);
    }

    /// Writes down that the channel gave the call's answer.
    pub fn answered(&self) {
        self.state.store(ANSWERED, Ordering::Relaxed);
    }

    pub(super) fn failed(&self, category: Category) {
        self.state.store(FAILED | (category as u32) << CATEGORY_SHIFT, Ordering::Relaxed);
    }

    /// Writes down that the channel was not sent to after all.
    pub fn skipped(&self, category: Category) {
        self.state.store(SKIPPED | (category as u32) << CATEGORY_SHIFT, Ordering::Relaxed);
    }

    /// Takes the channel if it is untried and its turn is this one. One taker gets it.
    pub(super) fn take(&self, turn: Turn) -> bool {
        self.moves(turn as u32, TAKEN)
    }

    /// Puts a taken channel back, to be tried after the others.
    pub(super) fn put_back(&self) {
        self.state.store(DEFERRED, Ordering::Relaxed);
    }

    /// Has an untried channel tried after the others. Does nothing where somebody just took it.
    pub(super) fn defer(&self) {
        self.moves(FRESH, DEFERRED);
    }

    /// Takes an untried channel out. Does nothing where somebody just took it: it may finish.
    pub(super) fn drop_untried(&self) {
        let _ = self.moves(FRESH, DROPPED) || self.moves(DEFERRED, DROPPED);
    }

    fn moves(&self, from: u32, to: u32) -> bool {
        self.state.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

/// A copy of the word, with nothing shared.
impl Clone for Candidate {
    fn clone(&self) -> Self {
        Self {
            state: AtomicU32::new(self.state.load(Ordering::Relaxed)),
            began_micros: AtomicU32::new(self.began_micros.load(Ordering::Relaxed)),
            upstream_nanos: AtomicU64::new(self.upstream_nanos.load(Ordering::Relaxed)),
            reasons: self.reasons.clone(),
            ..*self
        }
    }
}

/// When an untried channel is tried.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub(super) enum Turn {
    /// In ranked order.
    Regular = FRESH,
    /// After all others of its tier.
    Late = DEFERRED,
}

const KIND: u32 = 0xff;
const CATEGORY_SHIFT: u32 = 8;
const FRESH: u32 = 0;
const DEFERRED: u32 = 1;
const DROPPED: u32 = 2;
const TAKEN: u32 = 3;
const ANSWERED: u32 = 4;
const SKIPPED: u32 = 5;
const FAILED: u32 = 6;

fn category(state: u32) -> Category {
    Category::ALL[(state >> CATEGORY_SHIFT) as usize]
}

/// How far a call got with a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Its turn has not come.
    Untried,
    /// Taken out after another channel's failure ruled it out.
    Dropped,
    /// Being tried.
    Taken,
    /// It gave the answer.
    Answered,
    /// Its turn came, and nothing was sent.
    Skipped(Category),
    /// It was sent to and failed.
    Failed(Category),
}
