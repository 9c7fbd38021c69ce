//! The latencies of the last hundred successes.

use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::time::Duration;

/// How many latencies are kept.
const KEPT: usize = 100;
/// The shortest and the longest latency that are told apart, in microseconds.
const SHORTEST: f64 = 50.0;
const LONGEST: f64 = 120e6;
/// Level 0 means that there is nothing yet.
const LEVELS: f64 = 254.0;

/// The latencies of the last hundred successes, for percentiles.
///
/// Each takes one byte on a logarithmic scale from 50 µs to two minutes, which is exact to 3 %.
pub struct RecentLatencies {
    next: AtomicU32,
    levels: [AtomicU8; KEPT],
}

impl RecentLatencies {
    /// Adds one, in place of the oldest.
    pub fn add(&self, latency: Duration) {
        // Relaxed: a reader that mixes two moments still sees latencies that occurred.
        let at = self.next.fetch_add(1, Ordering::Relaxed) as usize % KEPT;
        self.levels[at].store(level(latency), Ordering::Relaxed);
    }

    /// What is there now.
    #[must_use]
    pub fn snapshot(&self) -> Percentiles {
        let mut levels: Vec<u8> = self.levels.iter().map(|level| level.load(Ordering::Relaxed)).collect();
        levels.retain(|level| *level != 0);
        levels.sort_unstable();
        Percentiles { levels }
    }
}

impl Default for RecentLatencies {
    fn default() -> Self {
        Self { next: AtomicU32::new(0), levels: [const { AtomicU8::new(0) }; KEPT] }
    }
}

impl fmt::Debug for RecentLatencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecentLatencies").finish_non_exhaustive()
    }
}

/// Sorted latencies at one moment.
#[derive(Clone, Debug, Default)]
pub struct Percentiles {
    levels: Vec<u8>,
}

impl Percentiles {
    /// The latency that a share of the calls, from 0 to 1, did not exceed; zero if there were no calls.
    #[must_use]
    pub fn at(&self, share: f64) -> Duration {
        let rank = (self.levels.len() as f64 * share).round() as usize;
        self.levels.get(rank.saturating_sub(1)).map_or(Duration::ZERO, |level| latency(*level))
    }
}

/// All latencies together.
impl<'a> FromIterator<&'a Self> for Percentiles {
    fn from_iter<I: IntoIterator<Item = &'a Self>>(parts: I) -> Self {
        let mut levels: Vec<u8> = parts.into_iter().flat_map(|part| &part.levels).copied().collect();
        levels.sort_unstable();
        Self { levels }
    }
}

fn level(latency: Duration) -> u8 {
    let micros = (latency.as_secs_f64() * 1e6).clamp(SHORTEST, LONGEST);
    (1.0 + (micros / SHORTEST).ln() / (LONGEST / SHORTEST).ln() * LEVELS).round() as u8
}

fn latency(level: u8) -> Duration {
    let share = (f64::from(level) - 1.0) / LEVELS;
    Duration::from_secs_f64(SHORTEST * (LONGEST / SHORTEST).powf(share) / 1e6)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(millis: impl IntoIterator<Item = u64>) -> Percentiles {
        let recent = RecentLatencies::default();
        millis.into_iter().for_each(|millis| recent.add(Duration::from_millis(millis)));
        recent.snapshot()
    }

    fn about(latency: Duration, millis: f64) -> bool {
        (latency.as_secs_f64() * 1e3 / millis - 1.0).abs() < 0.03
    }

    #[test]
    fn nothing_is_zero() {
        assert_eq!(of([]).at(0.95), Duration::ZERO);
    }

    #[test]
    fn percentiles_are_ranks() {
        let percentiles = of(1..=100);
        for share in [0.5, 0.95, 0.99, 1.0] {
            assert!(about(percentiles.at(share), share * 100.0), "{share}");
        }
        assert!(about(of([7]).at(0.01), 7.0));
        assert!(about(of([10, 20, 30]).at(0.5), 20.0));
    }

    #[test]
    fn only_the_last_hundred_count() {
        let percentiles = of((0..100).map(|_| 5_000).chain((0..100).map(|_| 10)));
        assert!(about(percentiles.at(1.0), 10.0));
    }

    #[test]
    fn parts_are_ranked_together() {
        let all: Percentiles = [of([30, 10]), of([]), of([20])].iter().collect();
        assert!(about(all.at(0.5), 20.0));
        assert!(about(all.at(1.0), 30.0));
        assert_eq!(all.at(0.4), all.at(0.0));
    }

    proptest! {
        #[test]
        fn a_latency_is_kept_to_three_percent(micros in 50_u64..120_000_000) {
            let kept = latency(level(Duration::from_micros(micros)));
            prop_assert!(about(kept, micros as f64 / 1e3));
        }
    }
}
