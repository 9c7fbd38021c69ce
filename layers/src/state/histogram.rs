//! Latencies counted on a logarithmic scale: percentiles of any span of time, from the difference of two readings.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Buckets of one octave. A bucket reaches from its lower bound to 1.26 times that.
const PER_OCTAVE: usize = 3;
/// The shortest latency that is told apart is two to this power, in nanoseconds: 131 µs.
const SHORTEST_LOG2: u32 = 17;
/// From here on, 34.4 s, latencies are not told apart: few calls may take longer than 30.
const LONGEST_LOG2: u32 = 35;
/// Where the second and the third bucket of an octave begin, for the first one.
const THIRDS: [u64; 2] = [165_141, 208_064];

/// How many buckets there are: two are for what lies outside of the scale.
pub const BUCKETS: usize = (LONGEST_LOG2 - SHORTEST_LOG2) as usize * PER_OCTAVE + 2;

/// Counts the latencies of a series from its beginning. Takes 224 bytes, and one relaxed addition for each latency.
pub struct LatencyCounts([AtomicU32; BUCKETS]);

impl LatencyCounts {
    /// Counts one.
    pub fn add(&self, latency: Duration) {
        // Relaxed: a reader may see one of two latencies before the other, and both the next time.
        self.0[bucket(latency)].fetch_add(1, Ordering::Relaxed);
    }

    /// The counts until now.
    #[must_use]
    pub fn read(&self) -> LatencyReading {
        LatencyReading(std::array::from_fn(|at| self.0[at].load(Ordering::Relaxed)))
    }
}

impl Default for LatencyCounts {
    fn default() -> Self {
        Self([const { AtomicU32::new(0) }; BUCKETS])
    }
}

impl fmt::Debug for LatencyCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LatencyCounts").finish_non_exhaustive()
    }
}

/// What [`LatencyCounts`] said at one moment. Means nothing by itself: the counts begin anew at 2^32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LatencyReading([u32; BUCKETS]);

impl LatencyReading {
    /// What was counted since an earlier reading of the same series; with fewer than 2^31 latencies in any bucket
    /// since, it is exact.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Histogram {
        let mut new = Histogram::default();
        for ((new, now), then) in new.0.iter_mut().zip(self.0).zip(earlier.0) {
            let grown = now.wrapping_sub(then);
            // A count that seems to have shrunk is one of a record that began anew.
            *new = u64::from(if grown > i32::MAX as u32 { now } else { grown });
        }
        new
    }
}

/// Nothing counted yet.
impl Default for LatencyReading {
    fn default() -> Self {
        Self([0; BUCKETS])
    }
}

/// How many latencies lie where on the scale. The histograms of two spans add up to that of both.
///
/// The scale has three buckets an octave from 131 µs to 34.4 s. A percentile is the geometric middle of the bucket
/// that holds it, so between these two it is off by at most 12.3 %.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram([u64; BUCKETS]);

impl Histogram {
    /// Counts latencies into a bucket. Nothing where there is no such bucket.
    pub fn count(&mut self, bucket: usize, latencies: u64) -> Option<()> {
        let count = self.0.get_mut(bucket)?;
        *count = count.saturating_add(latencies);
        Some(())
    }

    /// Adds what was counted elsewhere.
    pub fn add(&mut self, other: &Self) {
        for (sum, more) in self.0.iter_mut().zip(other.0) {
            *sum = sum.saturating_add(more);
        }
    }

    /// The buckets that are not empty, in the order of their latencies, and what is in them.
    pub fn buckets(&self) -> impl Iterator<Item = (usize, u64)> {
        self.0.iter().copied().enumerate().filter(|(_, count)| *count > 0)
    }

    /// The latency that a share of the calls, from 0 to 1, did not exceed, to 12.3 %; nothing if there were no calls.
    /// What is below the scale is said to be at its beginning, what is above at its end.
    #[must_use]
    pub fn at(&self, share: f64) -> Option<Duration> {
        let total = self.0.iter().fold(0_u64, |total, count| total.saturating_add(*count));
        let rank = ((total as f64 * share).ceil() as u64).clamp(1, total.max(1));
        let mut seen = 0_u64;
        let holder = self.buckets().find(|(_, count)| {
            seen = seen.saturating_add(*count);
            seen >= rank
        });
        holder.map(|(bucket, _)| middle(bucket))
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self([0; BUCKETS])
    }
}

fn bucket(latency: Duration) -> usize {
    let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
    let Some(log2) = nanos.checked_ilog2().filter(|log2| *log2 >= SHORTEST_LOG2) else { return 0 };
    if log2 >= LONGEST_LOG2 {
        return BUCKETS - 1;
    }
    let octave = log2 - SHORTEST_LOG2;
    let within = nanos >> octave;
    let third = THIRDS.map(|begin| usize::from(within >= begin));
    1 + octave as usize * PER_OCTAVE + third[0] + third[1]
}

/// The geometric middle of a bucket, or the end of the scale.
fn middle(bucket: usize) -> Duration {
    let thirds = match bucket {
        0 => 0.0,
        outside if outside == BUCKETS - 1 => (BUCKETS - 2) as f64,
        inside => inside as f64 - 0.5,
    };
    let log2 = f64::from(SHORTEST_LOG2) + thirds / PER_OCTAVE as f64;
    Duration::from_nanos(log2.exp2() as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The largest relative error, half a bucket: 2^(1/6) - 1.
    const ERROR: f64 = 0.1225;

    fn of(millis: impl IntoIterator<Item = u64>) -> Histogram {
        let counts = LatencyCounts::default();
        millis.into_iter().for_each(|millis| counts.add(Duration::from_millis(millis)));
        counts.read().since(&LatencyReading::default())
    }

    fn error(found: Option<Duration>, nanos: u64) -> f64 {
        (found.unwrap().as_nanos() as f64 / nanos as f64 - 1.0).abs()
    }

    #[test]
    fn counts_take_less_than_256_bytes() {
        assert!(size_of::<LatencyCounts>() <= 256);
    }

    #[test]
    fn no_calls_have_no_percentiles() {
        assert_eq!(of([]).at(0.5), None);
        assert_eq!(of([]).buckets().count(), 0);
    }

    #[test]
    fn percentiles_are_ranks() {
        let hundred = of(1..=100);
        for (share, millis) in [(0.0, 1), (0.5, 50), (0.95, 95), (0.99, 99), (1.0, 100)] {
            assert!(
                error(hundred.at(share), millis * 1_000_000) <= ERROR,
                "{share}: {:?}",
                hundred.at(share)
            );
        }
        // One slow call in a hundred is the hundredth, not the ninety-ninth.
        let one_slow = of((0..99).map(|_| 10).chain([9_000]));
        assert!(error(one_slow.at(0.99), 10_000_000) <= ERROR);
        assert!(error(one_slow.at(0.995), 9_000_000_000) <= ERROR);
    }

    #[test]
    fn what_lies_outside_is_at_the_ends_of_the_scale() {
        assert_eq!(of([0]).at(0.5), Some(Duration::from_nanos(1 << 17)));
        assert_eq!(of([600_000]).at(0.5), Some(Duration::from_nanos(1 << 35)));
        let counts = LatencyCounts::default();
        counts.add(Duration::MAX);
        assert_eq!(
            counts.read().since(&LatencyReading::default()).buckets().collect::<Vec<_>>(),
            [(BUCKETS - 1, 1)]
        );
    }

    #[test]
    fn a_difference_holds_what_came_between_also_over_the_end_of_the_numbers() {
        let mut earlier = LatencyReading::default();
        let mut later = LatencyReading::default();
        earlier.0[7] = u32::MAX - 1;
        later.0[7] = 3;
        (earlier.0[9], later.0[9]) = (10, 12);
        assert_eq!(later.since(&earlier).buckets().collect::<Vec<_>>(), [(7, 5), (9, 2)]);
        // A record that began anew.
        (earlier.0[7], later.0[7]) = (1_000, 4);
        assert_eq!(later.since(&earlier).buckets().next(), Some((7, 4)));
    }

    #[test]
    fn histograms_add_up() {
        let mut sum = of([10, 10, 2_000]);
        sum.add(&of([10, 500]));
        assert_eq!(sum, of([10, 10, 10, 500, 2_000]));
        assert_eq!(sum.count(BUCKETS, 1), None);
        sum.count(5, u64::MAX).unwrap();
        sum.count(5, 1).unwrap();
        assert_eq!(sum.at(0.5), Some(middle(5)));
    }

    proptest! {
        #[test]
        fn a_latency_is_found_to_an_eighth(nanos in 1_u64 << 17..1 << 35) {
            let counts = LatencyCounts::default();
            counts.add(Duration::from_nanos(nanos));
            let found = counts.read().since(&LatencyReading::default()).at(1.0);
            prop_assert!(error(found, nanos) <= ERROR, "{found:?} is not {nanos} ns");
        }

        #[test]
        fn a_longer_latency_is_in_no_earlier_bucket(one in any::<u64>(), other in any::<u64>()) {
            let (less, more) = (one.min(other), one.max(other));
            prop_assert!(bucket(Duration::from_nanos(less)) <= bucket(Duration::from_nanos(more)));
        }
    }
}
