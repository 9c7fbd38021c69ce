//! A breaker as many threads change it.

use std::sync::atomic::{AtomicU64, Ordering};

use super::machine::{Event, Machine, Step};
use super::policy::BreakerPolicy;

/// A [`Machine`] in one atomic word.
///
/// Relaxed throughout: the word is the whole state, so a compare-and-swap alone puts all changes into one order,
/// and no other memory is published with it.
///
/// `A` is always [`AtomicU64`], except where all orders in which threads can get at the word are tried out.
#[derive(Debug, Default)]
pub(super) struct Word<A = AtomicU64> {
    packed: A,
}

/// What a word needs of an atomic integer.
pub(super) trait Atomic {
    fn load(&self, order: Ordering) -> u64;

    /// As the one of the standard library; it may fail without reason.
    fn compare_exchange_weak(
        &self,
        current: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64>;
}

impl<A: Atomic> Word<A> {
    /// The breaker at this moment.
    pub(super) fn machine(&self) -> Machine {
        Machine::unpack(self.packed.load(Ordering::Relaxed))
    }

    /// The epoch to let a call through in, if the breaker is closed.
    pub(super) fn closed_epoch(&self) -> Option<u16> {
        let packed = self.packed.load(Ordering::Relaxed);
        Machine::is_closed(packed).then(|| Machine::epoch_of(packed))
    }

    /// Whether it is closed and without failures, so that a success changes nothing.
    pub(super) fn is_untroubled(&self) -> bool {
        Machine::is_untroubled(self.packed.load(Ordering::Relaxed))
    }

    /// Applies an event: the machine before it, and the step that was taken. Of any number of threads, each sees
    /// the step of its own event and of no other one.
    pub(super) fn apply(&self, event: Event, policy: &BreakerPolicy) -> (Machine, Step) {
        let mut current = self.packed.load(Ordering::Relaxed);
        loop {
            let before = Machine::unpack(current);
            let step = before.apply(event, policy);
            let next = step.next.pack();
            // An event that changes nothing writes nothing.
            if next == current {
                return (before, step);
            }
            match self.packed.compare_exchange_weak(current, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return (before, step),
                Err(seen) => current = seen,
            }
        }
    }
}

impl Atomic for AtomicU64 {
    fn load(&self, order: Ordering) -> u64 {
        self.load(order)
    }

    fn compare_exchange_weak(
        &self,
        current: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        self.compare_exchange_weak(current, new, success, failure)
    }
}

#[cfg(test)]
#[path = "word_model.rs"]
mod model;
