//! What the records say about the candidates of one call.

use std::time::Duration;

use smallvec::SmallVec;

use super::{Benchmarks, Series, Summary};
use crate::call::{Candidate, RankContext};

/// Latencies of the candidates of a call; few calls have more candidates than fit in place.
pub(super) type Latencies = SmallVec<[Duration; 16]>;

/// The record of a candidate for the method of the call.
pub(super) fn of(
    benchmarks: Benchmarks,
    context: &RankContext<'_>,
    candidate: &Candidate,
) -> Option<Summary> {
    benchmarks.read(Series {
        provider: context.plan.provider(candidate.provider).key,
        transport: candidate.transport,
        method: context.call.method,
    })
}

/// What a channel is taken for that nothing is known about: slower than most of those that are known.
pub(super) fn baseline(mut known: Latencies) -> Duration {
    const UNKNOWN: Duration = Duration::from_millis(500);
    const MOST: Duration = Duration::from_secs(10);
    known.sort_unstable();
    // The 75th percentile by nearest rank.
    let rank = (known.len() * 3).div_ceil(4);
    rank.checked_sub(1).map_or(UNKNOWN, |index| known[index].min(MOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_baseline_is_the_nearest_rank_of_three_quarters() {
        let of = |millis: &[u64]| baseline(millis.iter().copied().map(Duration::from_millis).collect());
        for (known, expected) in [
            (&[][..], 500),
            (&[7], 7),
            (&[20, 10], 20),
            (&[30, 10, 20], 30),
            (&[40, 10, 30, 20], 30),
            (&[60_000], 10_000),
        ] {
            assert_eq!(of(known), Duration::from_millis(expected), "{known:?}");
        }
    }
}
