//! What happens next: events by their time, and of one time in the order in which they were put in.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Duration;

/// The events that are still to come.
#[derive(Debug)]
pub struct Queue<E> {
    heap: BinaryHeap<Due<E>>,
    put: u64,
}

#[derive(Debug)]
struct Due<E> {
    at: Duration,
    nth: u64,
    event: E,
}

impl<E> Queue<E> {
    /// Nothing will happen.
    #[must_use]
    pub const fn new() -> Self {
        Self { heap: BinaryHeap::new(), put: 0 }
    }

    /// Something will happen.
    pub fn put(&mut self, at: Duration, event: E) {
        self.heap.push(Due { at, nth: self.put, event });
        self.put += 1;
    }

    /// When something happens next.
    #[must_use]
    pub fn next_at(&self) -> Option<Duration> {
        self.heap.peek().map(|due| due.at)
    }

    /// Takes what happens next.
    pub fn take(&mut self) -> Option<E> {
        self.heap.pop().map(|due| due.event)
    }
}

impl<E> Default for Queue<E> {
    fn default() -> Self {
        Self::new()
    }
}

// === impl Due ===

impl<E> Due<E> {
    const fn key(&self) -> (Duration, u64) {
        (self.at, self.nth)
    }
}

impl<E> PartialEq for Due<E> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<E> Eq for Due<E> {}

impl<E> PartialOrd for Due<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Due<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        // The heap gives the greatest first.
        other.key().cmp(&self.key())
    }
}
