//! What a number came to in the last minute.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// Seconds that are kept: a power of two, and more than the minute that is asked for.
const KEPT: u64 = 64;
const SUM_BITS: u32 = 40;
const SUM_MAX: u64 = (1 << SUM_BITS) - 1;

/// Sums of a number, one for each of the last 64 seconds: the [`CallWindow`](super::CallWindow) for what is not one call
/// at a time.
///
/// One word holds one second: which one it is and its sum, which ends at about 10¹².
pub struct SumWindow {
    seconds: [AtomicU64; KEPT as usize],
}

impl SumWindow {
    /// Adds to the sum of this second, seen from any fixed origin. A second that has left the window is not added to any
    /// more.
    pub fn add(&self, second: u64, amount: u64) {
        let round = second / KEPT;
        let step = |word: u64| {
            let before = match (word >> SUM_BITS).cmp(&round) {
                std::cmp::Ordering::Less => 0,
                std::cmp::Ordering::Equal => word & SUM_MAX,
                std::cmp::Ordering::Greater => return None,
            };
            Some(round << SUM_BITS | before.saturating_add(amount).min(SUM_MAX))
        };
        // Relaxed: each word says everything by itself.
        let _ = self.word(second).fetch_update(Ordering::Relaxed, Ordering::Relaxed, step);
    }

    /// The sum of the last `seconds`, the one that has just begun included; 64 at most.
    #[must_use]
    pub fn last(&self, seconds: u64, now: u64) -> u64 {
        let first = (now + 1).saturating_sub(seconds.min(KEPT));
        let sums = (first..=now).map(|second| (second, self.word(second).load(Ordering::Relaxed)));
        sums.filter(|(second, word)| word >> SUM_BITS == second / KEPT).map(|(_, word)| word & SUM_MAX).sum()
    }

    const fn word(&self, second: u64) -> &AtomicU64 {
        &self.seconds[(second % KEPT) as usize]
    }
}

impl Default for SumWindow {
    fn default() -> Self {
        Self { seconds: [const { AtomicU64::new(0) }; KEPT as usize] }
    }
}

impl fmt::Debug for SumWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SumWindow").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sums_end_instead_of_running_over() {
        let window = SumWindow::default();
        window.add(70, u64::MAX);
        window.add(70, 1);
        assert_eq!(window.last(60, 70), SUM_MAX);
        window.add(70 - KEPT, 1);
        assert_eq!(window.last(1, 70), SUM_MAX, "a late one changes nothing");
    }

    proptest! {
        #[test]
        fn a_window_agrees_with_a_list_of_all_amounts(
            amounts in proptest::collection::vec((0_u64..5, 0_u64..1_000_000), 0..300), span in 0_u64..80, later in 0_u64..80,
        ) {
            let window = SumWindow::default();
            let mut now = 0;
            let all: Vec<(u64, u64)> = amounts.into_iter().map(|(step, amount)| {
                now += step;
                window.add(now, amount);
                (now, amount)
            }).collect();
            let now = now + later;
            let within = all.iter().filter(|(second, _)| now - second < span.min(KEPT));
            prop_assert_eq!(window.last(span, now), within.map(|(_, amount)| amount).sum::<u64>());
        }
    }
}
