//! What the records say about the candidates of one call.

use std::time::Duration;

use super::order::PerCandidate;
use super::{Benchmarks, Series, Summary};
use crate::call::{Candidate, RankContext};

/// The records that a candidate is ranked by.
pub(super) fn series(context: &RankContext<'_>, candidate: &Candidate) -> Series {
    Series {
        provider: context.plan.provider(candidate.provider).key,
        transport: candidate.transport,
        method: context.call.method,
    }
}

/// What is known about a candidate for the method of the call.
pub(super) fn of(
    benchmarks: Benchmarks,
    context: &RankContext<'_>,
    candidate: &Candidate,
) -> Option<Summary> {
    benchmarks.read(series(context, candidate))
}

/// What a channel is taken for that nothing is known about: slower than most of those that are known.
pub(super) fn baseline(known: impl Iterator<Item = Duration>) -> Duration {
    const UNKNOWN: Duration = Duration::from_millis(500);
    const MOST: Duration = Duration::from_secs(10);
    let mut known: PerCandidate<Duration> = known.collect();
    // The 75th percentile by nearest rank.
    let Some(index) = (known.len() * 3).div_ceil(4).checked_sub(1) else { return UNKNOWN };
    let (_, latency, _) = known.select_nth_unstable(index);
    (*latency).min(MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_baseline_is_the_nearest_rank_of_three_quarters() {
        for (known, expected) in [
            (&[][..], 500),
            (&[7], 7),
            (&[20, 10], 20),
            (&[30, 10, 20], 30),
            (&[40, 10, 30, 20], 30),
            (&[60_000], 10_000),
        ] {
            let baseline = baseline(known.iter().copied().map(Duration::from_millis));
            assert_eq!(baseline, Duration::from_millis(expected), "{known:?}");
        }
    }
}
