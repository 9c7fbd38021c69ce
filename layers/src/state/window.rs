//! How many calls there were in the last minute.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// Seconds that are kept: a power of two, and more than the minute that is asked for.
const KEPT: u64 = 64;
const COUNT_BITS: u32 = 20;
const COUNT_MAX: u64 = (1 << COUNT_BITS) - 1;

/// Counts of calls, one for each of the last 64 seconds.
///
/// One word holds one second: which one it is, its calls and its failures. The first call of a second takes the
/// word over from the second that was there 64 seconds before, so that nothing ever has to be swept. Each count
/// ends at about a million.
pub struct CallWindow {
    seconds: [AtomicU64; KEPT as usize],
}

/// Calls of a span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WindowCount {
    /// All of them.
    pub calls: u64,
    /// Those that failed.
    pub failures: u64,
}

/// One second, unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Second {
    /// How often all words were used before: the second without the part that is the word's place. 24 bits of it
    /// last for decades.
    round: u64,
    count: WindowCount,
}

impl CallWindow {
    /// Counts a call that ended in this second, seen from any fixed origin. A second that has left the window
    /// is not counted any more.
    pub fn add(&self, second: u64, failed: bool) {
        let step = |word| Second::unpack(word).after(second / KEPT, failed).map(Second::pack);
        // Relaxed: each word says everything by itself.
        let _ = self.word(second).fetch_update(Ordering::Relaxed, Ordering::Relaxed, step);
    }

    /// The calls of the last `seconds`, the one that has just begun included; 64 at most.
    #[must_use]
    pub fn last(&self, seconds: u64, now: u64) -> WindowCount {
        let first = (now + 1).saturating_sub(seconds.min(KEPT));
        let counts = (first..=now).filter_map(|second| {
            let found = Second::unpack(self.word(second).load(Ordering::Relaxed));
            (found.round == second / KEPT).then_some(found.count)
        });
        counts.fold(WindowCount::default(), |sum, count| WindowCount {
            calls: sum.calls + count.calls,
            failures: sum.failures + count.failures,
        })
    }

    const fn word(&self, second: u64) -> &AtomicU64 {
        &self.seconds[(second % KEPT) as usize]
    }
}

impl Second {
    /// With one more call, or nothing if the call is of a round that is over.
    fn after(self, round: u64, failed: bool) -> Option<Self> {
        if self.round > round {
            return None;
        }
        let count = if self.round == round { self.count } else { WindowCount::default() };
        let add = |count: u64, more| (count + u64::from(more)).min(COUNT_MAX);
        let count = WindowCount { calls: add(count.calls, true), failures: add(count.failures, failed) };
        Some(Self { round, count })
    }

    const fn pack(self) -> u64 {
        self.round << (2 * COUNT_BITS) | self.count.calls << COUNT_BITS | self.count.failures
    }

    const fn unpack(word: u64) -> Self {
        let count = WindowCount { calls: word >> COUNT_BITS & COUNT_MAX, failures: word & COUNT_MAX };
        Self { round: word >> (2 * COUNT_BITS), count }
    }
}

impl Default for CallWindow {
    fn default() -> Self {
        Self { seconds: [const { AtomicU64::new(0) }; KEPT as usize] }
    }
}

impl fmt::Debug for CallWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallWindow").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn count(calls: u64, failures: u64) -> WindowCount {
        WindowCount { calls, failures }
    }

    #[test]
    fn calls_leave_the_window_second_by_second() {
        let window = CallWindow::default();
        for second in 0..100 {
            window.add(second, second % 2 == 0);
        }
        assert_eq!(window.last(1, 99), count(1, 0));
        assert_eq!(window.last(30, 99), count(30, 15));
        assert_eq!(window.last(60, 99), count(60, 30));
        assert_eq!(window.last(60, 129), count(30, 15));
        assert_eq!(window.last(60, 159), count(0, 0));
        assert_eq!(window.last(60, 100_000), count(0, 0));
    }

    #[test]
    fn the_first_minute_is_shorter() {
        let window = CallWindow::default();
        assert_eq!(window.last(60, 0), count(0, 0));
        window.add(0, false);
        assert_eq!(window.last(60, 0), count(1, 0));
        assert_eq!(window.last(60, 59), count(1, 0));
        assert_eq!(window.last(60, 60), count(0, 0));
    }

    #[test]
    fn a_late_call_does_not_undo_a_newer_second() {
        let window = CallWindow::default();
        window.add(70, false);
        window.add(70 - KEPT, true);
        assert_eq!(window.last(60, 70), count(1, 0));
    }

    #[test]
    fn counts_end_instead_of_running_over() {
        let full = Second { round: 3, count: count(COUNT_MAX, COUNT_MAX - 1) };
        let after = full.after(3, true).unwrap().after(3, true).unwrap();
        assert_eq!(after.count, count(COUNT_MAX, COUNT_MAX));
        assert_eq!(Second::unpack(after.pack()), after);
    }

    #[test]
    fn threads_lose_no_call() {
        let window = CallWindow::default();
        std::thread::scope(|scope| {
            for failed in [true, false, false, false] {
                let window = &window;
                scope.spawn(move || (0..4_000).for_each(|call| window.add(call / 1_000, failed)));
            }
        });
        assert_eq!(window.last(60, 3), count(16_000, 4_000));
    }

    proptest! {
        #[test]
        fn a_window_agrees_with_a_list_of_all_calls(
            calls in proptest::collection::vec((0_u64..5, any::<bool>()), 0..300), span in 0_u64..80, later in 0_u64..80,
        ) {
            let window = CallWindow::default();
            let mut now = 0;
            let all: Vec<(u64, bool)> = calls.into_iter().map(|(step, failed)| {
                now += step;
                window.add(now, failed);
                (now, failed)
            }).collect();
            let now = now + later;
            let within = || all.iter().filter(|(second, _)| now - second < span.min(KEPT));
            let failures = within().filter(|(_, failed)| *failed).count() as u64;
            prop_assert_eq!(window.last(span, now), count(within().count() as u64, failures));
        }
    }
}
