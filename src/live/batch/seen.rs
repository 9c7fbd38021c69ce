//! Which calls were told of before.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use foldhash::HashSet;
use tokio::time::Instant;

use crate::live::view::DecisionView;

/// How long a call is remembered.
const REMEMBERED: Duration = Duration::from_secs(120);
/// Calls that are remembered at most.
const MOST: usize = 50_000;

/// Remembers calls, so that one that is heard of by two ways is told once: from the calls that are kept and from the
/// feed, or from another node.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Digests: clients choose the names of requests. Nobody can make two of the same digest.
    digests: HashSet<u64>,
    /// With the time they came, the oldest first.
    order: VecDeque<(Instant, u64)>,
    state: RandomState,
}

impl Seen {
    /// Whether it was not heard of lately. It is remembered.
    ///
    /// The items of a batch have one request id, so more than that is compared.
    pub(super) fn is_new(&mut self, decision: &DecisionView, now: Instant) -> bool {
        let is_over = |(at, _): &(Instant, u64)| now.saturating_duration_since(*at) >= REMEMBERED;
        while self.order.front().is_some_and(is_over) || self.order.len() >= MOST {
            if let Some((_, oldest)) = self.order.pop_front() {
                self.digests.remove(&oldest);
            }
        }
        let digest = self.state.hash_one(decision.identity());
        let is_new = self.digests.insert(digest);
        if is_new {
            self.order.push_back((now, digest));
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::testing::decision;

    #[test]
    fn a_call_is_new_once_in_two_minutes() {
        let (mut seen, now) = (Seen::default(), Instant::now());
        let at = |seconds| now + Duration::from_secs(seconds);
        assert!(seen.is_new(&decision(1, true), now) && seen.is_new(&decision(2, true), at(60)));
        assert!(!seen.is_new(&decision(1, true), at(119)));
        assert!(seen.is_new(&decision(1, true), at(120)));
        assert!(!seen.is_new(&decision(2, true), at(179)));
    }

    #[test]
    fn no_more_than_fifty_thousand_are_remembered() {
        let (mut seen, now) = (Seen::default(), Instant::now());
        assert!((0..MOST as u64).all(|number| seen.is_new(&decision(number, true), now)));
        (0..1_000).for_each(|number| assert!(seen.is_new(&decision(MOST as u64 + number, true), now)));
        assert_eq!((seen.order.len(), seen.digests.len()), (MOST, MOST));
        assert!(seen.is_new(&decision(0, true), now), "it was the oldest");
    }

    #[test]
    fn the_items_of_a_batch_are_told_apart() {
        let (mut seen, now) = (Seen::default(), Instant::now());
        let item = decision(1, true);
        let other = DecisionView { nanos: item.nanos + 1, ..item.clone() };
        assert!(seen.is_new(&item, now) && seen.is_new(&other, now) && !seen.is_new(&other, now));
    }
}
