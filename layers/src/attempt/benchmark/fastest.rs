//! The strategy `fastest`.

use std::time::Duration;

use tokio::time::Instant;

use super::examine::{self, Prospect};
use super::order::{PerCandidate, arrange};
use super::{Benchmarks, Summary, evidence};
use crate::call::{Candidate, Facts, RankContext, Ranker};

/// Which records [`Fastest`] believes, and how often it looks at channels that are not the fastest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FastestPolicy {
    /// The fewest attempts that say something.
    pub min_calls: u64,
    /// Providers that succeed less often come last, however fast they are.
    pub min_success_rate: f64,
    /// Records are believed for this long after their last outcome.
    pub staleness: Duration,
    /// The largest share of calls, from 0 to 1, that try another channel than the best one first; 0 is never.
    pub explore: f64,
    /// Only channels without an outcome for this long are tried so.
    pub recheck: Duration,
}

impl Default for FastestPolicy {
    fn default() -> Self {
        Self {
            min_calls: 3,
            min_success_rate: 0.9,
            staleness: Duration::from_secs(600),
            explore: 0.03,
            recheck: Duration::from_secs(30),
        }
    }
}

/// The lowest latency first, per method and transport, by what was measured lately.
///
/// A channel that is not known, or no longer, is taken for slower than most that are known; among such, the
/// one that answered its last probe sooner comes first, and chance decides for the rest, so that all get
/// known in time. A small share of the calls goes to a channel that is not the best, to find out whether it
/// has become it.
#[derive(Clone, Copy, Debug)]
pub struct Fastest {
    benchmarks: Benchmarks,
    policy: FastestPolicy,
}

/// What is known about a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Known(Duration),
    Unknown,
    /// It fails too often; without a latency if it never succeeded.
    Unreliable(Option<Duration>),
}

/// The place of a channel; the smallest is first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    unreliable: bool,
    latency: Duration,
    /// Of two with the same latency the one that was measured is first.
    unknown: Option<Hint>,
}

/// What an unknown channel is ordered by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Hint {
    probe: Duration,
    chance: u64,
}

/// A candidate on its way to its place.
#[derive(Clone, Copy)]
struct Ranked {
    rank: Rank,
    prospect: Prospect,
    /// Where it stood before.
    from: usize,
}

impl Fastest {
    /// Ranks by these records.
    #[must_use]
    pub const fn new(benchmarks: Benchmarks, policy: FastestPolicy) -> Self {
        Self { benchmarks, policy }
    }

    fn standing(&self, summary: &Summary, now: Instant) -> Standing {
        if summary.calls() < self.policy.min_calls || !summary.is_fresh(now, self.policy.staleness) {
            return Standing::Unknown;
        }
        match summary.trend.latency() {
            Some(latency) if summary.trend.success_rate() >= self.policy.min_success_rate => {
                Standing::Known(latency)
            }
            latency => Standing::Unreliable(latency),
        }
    }

    /// What is known about a candidate, and whether that is due for another look.
    fn assess(&self, context: &RankContext<'_>, candidate: &Candidate) -> (Standing, bool) {
        let Some(summary) = evidence::of(self.benchmarks, context, candidate) else {
            return (Standing::Unknown, true);
        };
        let standing = self.standing(&summary, context.now);
        (standing, standing == Standing::Unknown || !summary.is_fresh(context.now, self.policy.recheck))
    }

    fn place(
        &self,
        candidate: &Candidate,
        standing: Standing,
        baseline: Duration,
        rng: &mut fastrand::Rng,
    ) -> Rank {
        match standing {
            Standing::Known(latency) => Rank { unreliable: false, latency, unknown: None },
            Standing::Unknown => {
                let probe = self.benchmarks.probe_latency(candidate.channel).unwrap_or(Duration::MAX);
                let hint = Hint { probe, chance: rng.u64(..) };
                Rank { unreliable: false, latency: baseline, unknown: Some(hint) }
            }
            Standing::Unreliable(latency) => {
                Rank { unreliable: true, latency: latency.unwrap_or(Duration::MAX), unknown: None }
            }
        }
    }

    /// Orders candidates of the same rank: the lower 95th percentile of the last latencies first, then HTTP, then
    /// by id. Percentiles cost a sort, so they are only asked for here.
    fn settle_ties(&self, context: &RankContext<'_>, candidates: &[Candidate], order: &mut [Ranked]) {
        for tied in order.chunk_by_mut(|one, other| one.rank == other.rank) {
            if tied.len() > 1 {
                tied.sort_by_cached_key(|ranked| {
                    let candidate = &candidates[ranked.from];
                    let latencies = self.benchmarks.recent(evidence::series(context, candidate));
                    let id = &context.plan.provider(candidate.provider).id;
                    (latencies.at(0.95), candidate.transport, id)
                });
            }
        }
    }
}

impl Ranker for Fastest {
    fn rank(&self, context: &RankContext<'_>, rng: &mut fastrand::Rng, candidates: &mut [Candidate]) {
        let assessed: PerCandidate<(Standing, bool)> =
            candidates.iter().map(|candidate| self.assess(context, candidate)).collect();
        let baseline = baseline(&assessed);
        let ranked =
            candidates.iter().zip(assessed).enumerate().map(|(from, (candidate, (standing, is_due)))| {
                let latency = match standing {
                    Standing::Known(latency) | Standing::Unreliable(Some(latency)) => latency,
                    Standing::Unknown | Standing::Unreliable(None) => baseline,
                };
                let prospect = Prospect { latency, is_due, is_sound: examine::is_sound(candidate) };
                Ranked { rank: self.place(candidate, standing, baseline, rng), prospect, from }
            });
        let mut order: PerCandidate<Ranked> = ranked.collect();
        order.sort_unstable_by_key(|ranked| ranked.rank);
        self.settle_ties(context, candidates, &mut order);
        if examine::may_examine(context.call) {
            let prospects = order.iter().map(|ranked| ranked.prospect);
            if let Some(examined) = examine::choose(self.policy.explore, rng, prospects) {
                order[..=examined].rotate_right(1);
            }
        }
        arrange(candidates, order.iter().map(|ranked| ranked.from).collect());
    }

    fn scores(&self, context: &RankContext<'_>, candidates: &[Candidate]) -> Vec<Facts> {
        let assessed: PerCandidate<(Standing, bool)> =
            candidates.iter().map(|candidate| self.assess(context, candidate)).collect();
        let baseline = baseline(&assessed);
        let score = |(candidate, (standing, is_due)): (&Candidate, &(Standing, bool))| {
            let (standing, latency) = match *standing {
                Standing::Known(latency) => ("known", Some(latency)),
                Standing::Unknown => ("unknown", Some(baseline)),
                Standing::Unreliable(latency) => ("unreliable", latency),
            };
            let summary = evidence::of(self.benchmarks, context, candidate);
            Facts::none()
                .with("standing", standing)
                .with_known("latency_ms", latency)
                .with("baseline_ms", baseline)
                .with("calls", summary.map_or(0, |summary| summary.calls()))
                .with_known("success_rate", summary.map(|summary| summary.trend.success_rate()))
                .with_known("probe_ms", self.benchmarks.probe_latency(candidate.channel))
                // A small share of calls goes to such a channel although another is faster.
                .with("recheck_due", *is_due)
        };
        candidates.iter().zip(&assessed).map(score).collect()
    }
}

/// What the channels are taken for that nothing is known about.
fn baseline(assessed: &[(Standing, bool)]) -> Duration {
    evidence::baseline(assessed.iter().filter_map(|(standing, _)| match standing {
        Standing::Known(latency) => Some(*latency),
        Standing::Unknown | Standing::Unreliable(_) => None,
    }))
}
