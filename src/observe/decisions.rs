//! The latest decisions.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;

use super::Decision;

/// How many catalogues decisions keep alive.
const CATALOGUES: u64 = 8;

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

    /// The decisions on the request of this name: one, or one for each item of a batch. Of a name that was used before
    /// the latest ones.
    #[must_use]
    pub fn of_request(&self, id: &str) -> Vec<Arc<Decision>> {
        let mut found = Vec::<Arc<Decision>>::new();
        for decision in self.newest().filter(|decision| decision.request_id == id) {
            let is_same = |known: &Arc<Decision>| known.batch_index == decision.batch_index;
            let is_of_other = |known: &Arc<Decision>| known.batch_size != decision.batch_size;
            if !found.iter().any(|known| is_same(known) || is_of_other(known)) {
                found.push(decision);
            }
        }
        found
    }

    /// Lets go of what decisions hold of catalogues from long before this generation: a configuration that changes more
    /// often than calls come must not be kept a thousand times. Such decisions stay, without their reasons.
    pub(crate) fn follow(&self, generation: u64) {
        for slot in &self.slots {
            slot.rcu(|kept| {
                let is_old =
                    |it: &&Arc<Decision>| it.generation().is_some_and(|its| its + CATALOGUES <= generation);
                match kept.as_ref().filter(is_old) {
                    Some(old) => Some(Arc::new(old.without_reasons())),
                    None => kept.clone(),
                }
            });
        }
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lasso_layers::testing;

    use super::super::decision::sample;
    use super::*;

    fn ids(decisions: &Decisions) -> Vec<String> {
        decisions.newest().map(|decision| decision.request_id.to_string()).collect()
    }

    #[test]
    fn the_latest_are_kept_newest_first() {
        let decisions = Decisions::new(3);
        assert!(decisions.is_empty());
        for id in 0..5 {
            decisions.push(Arc::new(sample(&id.to_string())));
        }
        assert_eq!(ids(&decisions), ["4", "3", "2"]);
        assert_eq!(decisions.len(), 3);
        assert!(decisions.of_request("1").is_empty());
        assert_eq!(decisions.of_request("3").len(), 1);
    }

    #[test]
    fn nothing_is_kept_where_nothing_is_to_be() {
        let decisions = Decisions::new(0);
        decisions.push(Arc::new(sample("a")));
        assert!(decisions.is_empty() && decisions.newest().next().is_none());
    }

    #[test]
    fn a_batch_is_found_whole_and_a_name_that_is_used_again_means_the_latest() {
        let decisions = Decisions::new(10);
        let push = |batch_size: Option<usize>, batch_index, ts_ms| {
            decisions.push(Arc::new(Decision { batch_size, batch_index, ts_ms, ..sample("a") }));
        };
        push(None, None, 1);
        for ts_ms in [10, 20] {
            push(Some(2), Some(1), ts_ms);
            push(Some(2), Some(0), ts_ms + 1);
        }
        let found: Vec<_> = decisions.of_request("a").iter().map(|it| (it.batch_index, it.ts_ms)).collect();
        assert_eq!(found, [(Some(0), 21), (Some(1), 20)]);
        push(None, None, 30);
        let found: Vec<_> = decisions.of_request("a").iter().map(|it| it.ts_ms).collect();
        assert_eq!(found, [30]);
    }

    #[test]
    fn the_reasons_of_calls_from_many_catalogues_ago_are_let_go() {
        let live = testing::live(testing::chain(&["a"]));
        let decisions = Decisions::new(2);
        let push = |id: &str| {
            let journal =
                testing::planned(&live, testing::call("eth_call", "[]"), Duration::ZERO).journal().clone();
            decisions.push(Arc::new(Decision { journal, ..sample(id) }));
        };
        push("old");
        let first = live.load().generation();
        decisions.follow(first + CATALOGUES - 1);
        let has_reasons = |id: &str| decisions.of_request(id)[0].journal.plan().is_some();
        assert!(has_reasons("old"));
        decisions.follow(first + CATALOGUES);
        push("new");
        assert_eq!(["old", "new"].map(has_reasons), [false, true]);
        assert_eq!(ids(&decisions), ["new", "old"]);
    }

    #[test]
    fn readers_and_writers_do_not_disturb_each_other() {
        let decisions = Decisions::new(64);
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let decisions = &decisions;
                scope.spawn(move || {
                    (0..1000).for_each(|id| decisions.push(Arc::new(sample(&format!("{writer}-{id}")))));
                });
            }
            for _ in 0..100 {
                assert!(decisions.newest().count() <= 64);
            }
        });
        assert_eq!(decisions.newest().count(), 64);
    }
}
