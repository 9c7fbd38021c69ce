//! What waits to be told: which events are told in detail, how many at once and how often.
//!
//! Pure: time is an argument.

mod pace;
mod sampler;
mod seen;

use std::collections::VecDeque;

use tokio::time::Instant;

pub(crate) use self::pace::Pace;
use self::sampler::Sampler;
use self::seen::Seen;
use super::view::{EventKind, EventView};

/// Events that wait at most; of more the oldest are given up.
const WAITING: usize = 4_096;

/// The events of one profile that have not been told yet.
#[derive(Debug)]
pub(crate) struct Pending {
    events: VecDeque<EventView>,
    seen: Seen,
    sampler: Sampler,
    /// The id of the next event.
    next: u64,
    sampled_out: u64,
    dropped: u64,
}

/// What is told at once.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Portion {
    /// Oldest first.
    pub(crate) events: Vec<EventView>,
    /// Successes since the last portion that were left out, because there were too many of them.
    pub(crate) sampled_out: u64,
    /// Events since the last portion that were lost.
    pub(crate) dropped: u64,
}

impl Pending {
    /// Nothing waits. Of each chain and origin at most so many successes a second are told in detail.
    #[must_use]
    pub(crate) fn new(max_successes_per_second: u32) -> Self {
        Self {
            events: VecDeque::new(),
            seen: Seen::default(),
            sampler: Sampler::new(max_successes_per_second),
            next: 1,
            sampled_out: 0,
            dropped: 0,
        }
    }

    /// Takes an event in. Whether it is the first time that it is heard of.
    pub(crate) fn offer(&mut self, kind: EventKind, now: Instant) -> bool {
        if let EventKind::Decision(decision) = &kind {
            if !self.seen.is_new(decision, now) {
                return false;
            }
            if !self.sampler.admits(decision, now) {
                self.sampled_out += 1;
                return true;
            }
        }
        if self.events.len() == WAITING {
            self.events.pop_front();
            self.dropped += 1;
        }
        self.events.push_back(EventView { id: self.next, kind });
        self.next += 1;
        true
    }

    /// Notes events that were lost before they came here.
    pub(crate) const fn lost(&mut self, events: u64) {
        self.dropped += events;
    }

    /// How many events wait.
    #[must_use]
    pub(crate) fn waiting(&self) -> usize {
        self.events.len()
    }

    /// The oldest events, at most so many, and all counts.
    pub(crate) fn take(&mut self, most: usize) -> Portion {
        let most = most.min(self.events.len());
        Portion {
            events: self.events.drain(..most).collect(),
            sampled_out: std::mem::take(&mut self.sampled_out),
            dropped: std::mem::take(&mut self.dropped),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::testing::{block, call};

    fn ids(portion: &Portion) -> Vec<u64> {
        portion.events.iter().map(|event| event.id).collect()
    }

    #[test]
    fn events_are_told_in_order_a_portion_at_a_time() {
        let (mut pending, now) = (Pending::new(256), Instant::now());
        for height in 0..5 {
            assert!(pending.offer(block(height), now));
        }
        assert_eq!(ids(&pending.take(3)), [1, 2, 3]);
        assert_eq!(ids(&pending.take(3)), [4, 5]);
        assert_eq!((pending.waiting(), pending.take(3)), (0, Portion::default()));
    }

    // streaming-and-operations, section 5.8: successes beyond the limit are counted, failures are always told.
    #[test]
    fn what_is_left_out_is_counted() {
        let (mut pending, now) = (Pending::new(10), Instant::now());
        (0..100).for_each(|number| assert!(pending.offer(call(number, true), now)));
        (100..120).for_each(|number| assert!(pending.offer(call(number, false), now)));
        let portion = pending.take(1_000);
        assert_eq!((portion.events.len(), portion.sampled_out, portion.dropped), (30, 90, 0));
    }

    #[test]
    fn a_decision_that_comes_twice_is_told_and_counted_once() {
        let (mut pending, now) = (Pending::new(1), Instant::now());
        assert!(pending.offer(call(1, true), now));
        assert!(!pending.offer(call(1, true), now));
        assert!(pending.offer(call(2, true), now), "left out, but new");
        let portion = pending.take(10);
        assert_eq!((portion.events.len(), portion.sampled_out), (1, 1));
    }

    #[test]
    fn too_many_at_once_push_out_the_oldest() {
        let (mut pending, now) = (Pending::new(1), Instant::now());
        assert!((0..WAITING as u64 + 3).all(|height| pending.offer(block(height), now)));
        pending.lost(4);
        let portion = pending.take(1);
        assert_eq!((ids(&portion), portion.dropped, pending.waiting()), (vec![4], 7, WAITING - 1));
    }
}
