//! The silence of all channels.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::silence::Silence;
use crate::call::{Demotion, Facts, Filter, Subject, Verdict};
use crate::catalog::ChannelKey;
use crate::state::{Origin, Shared, Table};

/// When a channel counts as stalled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StallPolicy {
    /// How many attempts have to wait; 0 means never.
    pub waiting: u32,
    /// For how long the first of them has to.
    pub after: Duration,
    /// When silence is forgotten. By then breakers know what is the matter.
    pub expires: Duration,
}

impl Default for StallPolicy {
    fn default() -> Self {
        Self { waiting: 5, after: Duration::from_millis(200), expires: Duration::from_secs(10) }
    }
}

/// The attempts that wait, of all channels. A handle: clones share them.
#[derive(Clone, Copy)]
pub struct Stalls {
    store: Shared<Store>,
}

struct Store {
    cells: Table<Cell>,
    policy: StallPolicy,
    origin: Origin,
}

/// A packed [`Silence`], on a cache line of its own because every attempt writes it. Relaxed throughout: the word says
/// everything by itself, and a sign of life that is overtaken by another attempt is followed by the next one.
#[derive(Default)]
#[repr(align(64))]
struct Cell(AtomicU64);

impl Stalls {
    /// Nobody waits.
    #[must_use]
    pub fn new(policy: StallPolicy) -> Self {
        Self { store: Shared::new(Store { cells: Table::new(), policy, origin: Origin::now() }) }
    }

    /// Notes that an attempt is sent.
    pub fn sent(&self, key: ChannelKey, now: Instant) {
        let now = self.store.origin.millis(now);
        let sent = |word| Some(Silence::unpack(word).sent(now, &self.store.policy).pack());
        // Never fails: the closure always has a next word.
        let _ = self.cell(key).fetch_update(Ordering::Relaxed, Ordering::Relaxed, sent);
    }

    /// Notes a sign of life: nobody waits in vain.
    pub fn heard(&self, key: ChannelKey) {
        self.cell(key).store(0, Ordering::Relaxed);
    }

    /// Whether attempts on the channel wait without anything being heard of it.
    #[must_use]
    pub fn is_stalled(&self, key: ChannelKey, now: Instant) -> bool {
        let word = self.cell(key).load(Ordering::Relaxed);
        word != 0 && Silence::unpack(word).is_stalled(self.store.origin.millis(now), &self.store.policy)
    }

    fn cell(&self, key: ChannelKey) -> &AtomicU64 {
        &self.store.cells.cell(key.index()).0
    }
}

/// [`Stage::Liveness`](crate::call::Stage): a stalled channel is demoted.
impl Filter for Stalls {
    fn check(&self, subject: &Subject<'_>) -> Verdict {
        if self.is_stalled(subject.channel.key, subject.now) {
            Verdict::Demote(Demotion::STALLED)
        } else {
            Verdict::Keep
        }
    }

    fn explain(&self, subject: &Subject<'_>) -> (Verdict, Facts) {
        let waiting = Silence::unpack(self.cell(subject.channel.key).load(Ordering::Relaxed)).waiting();
        (self.check(subject), Facts::none().with("waiting", waiting))
    }
}

impl fmt::Debug for Stalls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stalls").field("policy", &self.store.policy).finish_non_exhaustive()
    }
}
