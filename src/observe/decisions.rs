//! The latest decisions.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;

use super::Decision;

/// A ring of the latest decisions. Writers take no lock, so a reader that goes through all of it holds nobody up.
pub struct Decisions {
    slots: Box<[ArcSwapOption<Decision>]>,
    /// How many there ever were. It only hands out slots, which publish their content by themselves: relaxed is enough.
    pushed: AtomicU64,
}

impl Decisions {
    /// Keeps that many; none at all if that is what is wanted.
    #[must_use]
    pub fn new(kept: usize) -> Self {
        Self { slots: (0..kept).map(|_| ArcSwapOption::empty()).collect(), pushed: AtomicU64::new(0) }
    }

    /// Keeps a decision in place of the oldest one.
    pub fn push(&self, decision: Arc<Decision>) {
        if !self.slots.is_empty() {
            let place = self.pushed.fetch_add(1, Ordering::Relaxed);
            self.slot(place).store(Some(decision));
        }
    }

    /// How many are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        let pushed = usize::try_from(self.pushed.load(Ordering::Relaxed)).unwrap_or(usize::MAX);
        pushed.min(self.slots.len())
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The decisions, newest first. One that is written meanwhile is seen in the place of the one it replaces.
    pub fn newest(&self) -> impl Iterator<Item = Arc<Decision>> {
        let pushed = self.pushed.load(Ordering::Relaxed);
        let oldest = pushed.saturating_sub(self.slots.len() as u64);
        (oldest..pushed).rev().filter_map(|place| self.slot(place).load_full())
    }

    fn slot(&self, place: u64) -> &ArcSwapOption<Decision> {
        &self.slots[(place % self.slots.len() as u64) as usize]
    }
}

impl fmt::Debug for Decisions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decisions")
            .field("capacity", &self.slots.len())
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
