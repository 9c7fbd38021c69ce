//! The strategy `fastest`.

use std::time::Duration;

use tokio::time::Instant;

use super::evidence::{self, Latencies};
use super::{Benchmarks, Summary};
use crate::call::{Candidate, Facts, RankContext, Ranker};
use crate::catalog::Transport;

/// Which records [`Fastest`] believes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FastestPolicy {
    /// The fewest attempts that say something.
    pub min_calls: u64,
    /// Providers that succeed less often come last, however fast they are.
    pub min_success_rate: f64,
    /// Records are believed for this long after their last outcome.
    pub staleness: Duration,
}

impl Default for FastestPolicy {
    fn default() -> Self {
        Self { min_calls: 3, min_success_rate: 0.9, staleness: Duration::from_secs(600) }
    }
}

/// The lowest mean latency first, per method and transport.
///
/// A channel that is not known, or no longer, is taken for slower than most that are known; among such, the
/// one that answered its last probe sooner comes first, and chance decides for the rest, so that all get
/// known in time.
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
    /// It fails too often.
    Unreliable(Duration),
}

/// The place of a channel; the smallest is first. Fields that do not apply are zero.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Rank<'a> {
    unreliable: bool,
    latency: Duration,
    /// Of two with the same latency the one that was measured is first.
    unknown: bool,
    probe: Duration,
    chance: u64,
    transport: Transport,
    provider: &'a str,
}

impl Fastest {
    /// Ranks by these records.
    #[must_use]
    pub const fn new(benchmarks: Benchmarks, policy: FastestPolicy) -> Self {
        Self { benchmarks, policy }
    }

    fn standing(&self, summary: Option<Summary>, now: Instant) -> Standing {
        let Some(summary) = summary else { return Standing::Unknown };
        if !summary.is_fresh(now, self.policy.staleness) || summary.calls() < self.policy.min_calls {
            return Standing::Unknown;
        }
        match summary.trend.latency() {
            None => Standing::Unreliable(Duration::MAX),
            Some(mean) if summary.trend.success_rate() < self.policy.min_success_rate => {
                Standing::Unreliable(mean)
            }
            Some(mean) => Standing::Known(mean),
        }
    }

    /// What the channels are taken for that nothing is known about.
    fn baseline(&self, context: &RankContext<'_>, candidates: &[Candidate]) -> Duration {
        let known = candidates.iter().filter_map(|candidate| {
            match self.standing(evidence::of(self.benchmarks, context, candidate), context.now) {
                Standing::Known(mean) => Some(mean),
                Standing::Unknown | Standing::Unreliable(_) => None,
            }
        });
        evidence::baseline(known.collect::<Latencies>())
    }

    /// What one channel is ranked by.
    fn score(&self, context: &RankContext<'_>, baseline: Duration, candidate: &Candidate) -> Facts {
        let summary = evidence::of(self.benchmarks, context, candidate);
        let (standing, latency) = match self.standing(summary, context.now) {
            Standing::Known(latency) => ("known", Some(latency)),
            Standing::Unreliable(latency) => ("unreliable", Some(latency).filter(|it| *it != Duration::MAX)),
            Standing::Unknown => ("unknown", Some(baseline)),
        };
        Facts::none()
            .with("standing", standing)
            .with_known("latency_ms", latency)
            .with("baseline_ms", baseline)
            .with("calls", summary.map_or(0, |summary| summary.calls()))
            .with_known("success_rate", summary.map(|summary| summary.success_rate()))
            .with_known("probe_ms", self.benchmarks.probe_latency(candidate.channel))
    }
}

impl Ranker for Fastest {
    fn rank(&self, context: &RankContext<'_>, rng: &mut fastrand::Rng, candidates: &mut [Candidate]) {
        let standing = |candidate: &Candidate| {
            self.standing(evidence::of(self.benchmarks, context, candidate), context.now)
        };
        let baseline = self.baseline(context, candidates);
        candidates.sort_by_cached_key(|candidate| {
            let rank = Rank {
                unreliable: false,
                latency: baseline,
                unknown: false,
                probe: Duration::ZERO,
                chance: 0,
                transport: candidate.transport,
                provider: &context.plan.provider(candidate.provider).id,
            };
            match standing(candidate) {
                Standing::Known(latency) => Rank { latency, ..rank },
                Standing::Unreliable(latency) => Rank { unreliable: true, latency, ..rank },
                Standing::Unknown => {
                    let probe = self.benchmarks.probe_latency(candidate.channel).unwrap_or(Duration::MAX);
                    Rank { unknown: true, probe, chance: rng.u64(..), ..rank }
                }
            }
        });
    }

    fn scores(&self, context: &RankContext<'_>, candidates: &[Candidate]) -> Vec<Facts> {
        let baseline = self.baseline(context, candidates);
        candidates.iter().map(|candidate| self.score(context, baseline, candidate)).collect()
    }
}
