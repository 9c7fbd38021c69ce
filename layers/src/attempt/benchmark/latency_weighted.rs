//! The strategy `latency_weighted`.

use std::time::Duration;

use super::order::{PerCandidate, arrange};
use super::{Benchmarks, evidence};
use crate::call::{Candidate, Facts, RankContext, Ranker};

/// How strongly [`LatencyWeighted`] prefers low latency.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LatencyWeightedPolicy {
    /// The power that the ratio of latencies is raised to; 0 ignores latency.
    pub beta: f64,
    /// Differences below this latency do not matter.
    pub floor: Duration,
    /// The least weight of any channel, so that none is forgotten; the best possible weight is 1.
    pub explore_floor: f64,
    /// With fewer attempts than this a channel weighs less.
    pub min_calls: u64,
    /// Success rates below this one weigh as much as this one.
    pub min_success_rate: f64,
    /// Records are believed for this long after their last outcome.
    pub staleness: Duration,
}

impl Default for LatencyWeightedPolicy {
    fn default() -> Self {
        Self {
            beta: 3.0,
            floor: Duration::from_millis(30),
            explore_floor: 0.05,
            min_calls: 3,
            min_success_rate: 0.85,
            staleness: Duration::from_secs(600),
        }
    }
}

/// A random order in which a channel's chance to be first grows with its speed and reliability.
///
/// Each channel draws an exponentially distributed number with its weight as the rate, and the smallest is
/// first: with weights 2 and 1 the chances are exactly 2 to 1, and the order of the rest follows the same
/// law.
#[derive(Clone, Copy, Debug)]
pub struct LatencyWeighted {
    benchmarks: Benchmarks,
    policy: LatencyWeightedPolicy,
}

/// What is known about a channel.
#[derive(Clone, Copy, Debug)]
enum Standing {
    Unknown,
    /// It has a record that is too old, or that holds no success.
    Unbelieved,
    Measured(Measured),
}

#[derive(Clone, Copy, Debug)]
struct Measured {
    latency: Duration,
    calls: u64,
    success_rate: f64,
}

/// What the measured candidates have in common. Weights are single floats: powers and logarithms are most of what ranking
/// costs, and a chance need not be exact to more than seven digits.
#[derive(Clone, Copy, Debug)]
struct Field {
    /// The lowest latency, not below the floor, in seconds.
    best: f32,
    /// The weight of a channel without a record.
    newcomer: f32,
}

impl LatencyWeighted {
    /// Ranks by these records.
    #[must_use]
    pub const fn new(benchmarks: Benchmarks, policy: LatencyWeightedPolicy) -> Self {
        Self { benchmarks, policy }
    }

    fn assess(&self, context: &RankContext<'_>, candidate: &Candidate) -> Standing {
        let Some(summary) = evidence::of(self.benchmarks, context, candidate) else {
            return Standing::Unknown;
        };
        match summary.trend.latency() {
            Some(latency) if summary.is_fresh(context.now, self.policy.staleness) => {
                let (calls, success_rate) = (summary.calls(), summary.trend.success_rate());
                Standing::Measured(Measured { latency, calls, success_rate })
            }
            _ => Standing::Unbelieved,
        }
    }

    /// Nothing where no channel is measured that others could be compared with.
    fn field(&self, standings: &[Standing]) -> Option<Field> {
        let measured = || {
            standings.iter().filter_map(|standing| match standing {
                Standing::Measured(measured) => Some(measured),
                Standing::Unknown | Standing::Unbelieved => None,
            })
        };
        let best = self.floored(measured().map(|measured| measured.latency).min()?);
        let qualified = measured().filter(|measured| {
            measured.calls >= self.policy.min_calls && measured.success_rate >= self.policy.min_success_rate
        });
        let baseline = evidence::baseline(qualified.map(|measured| measured.latency));
        // Nothing speaks for a newcomer: it is taken for a little unreliable, and half believed.
        let newcomer = self.share(best, baseline) * 0.95 * 0.5;
        Some(Field { best, newcomer: newcomer.max(self.policy.explore_floor as f32) })
    }

    fn weight(&self, field: Field, standing: Standing) -> f32 {
        let policy = &self.policy;
        let explore_floor = policy.explore_floor as f32;
        let Measured { latency, calls, success_rate } = match standing {
            Standing::Unknown => return field.newcomer,
            Standing::Unbelieved => return explore_floor,
            Standing::Measured(measured) => measured,
        };
        let success_rate = success_rate as f32;
        let scale = if calls >= policy.min_calls { 1.0 } else { calls as f32 / policy.min_calls as f32 };
        let confidence = (0.6 * (calls as f32).log10() / 3.0 + 0.4 * success_rate).clamp(0.0, 1.0);
        let share = self.share(field.best, latency);
        (share * success_rate.max(policy.min_success_rate as f32) * confidence * scale).max(explore_floor)
    }

    fn share(&self, best: f32, latency: Duration) -> f32 {
        (best / self.floored(latency)).powf(self.policy.beta as f32)
    }

    fn floored(&self, latency: Duration) -> f32 {
        latency.max(self.policy.floor).as_secs_f32()
    }
}

impl Ranker for LatencyWeighted {
    fn rank(&self, context: &RankContext<'_>, rng: &mut fastrand::Rng, candidates: &mut [Candidate]) {
        let standings: PerCandidate<Standing> =
            candidates.iter().map(|candidate| self.assess(context, candidate)).collect();
        let Some(field) = self.field(&standings) else { return rng.shuffle(candidates) };
        let draw = |(from, standing)| {
            // From (0, 1]: the logarithm is finite and not above zero.
            let chance = 1.0 - rng.f32();
            (-chance.ln() / self.weight(field, standing), from)
        };
        let mut order: PerCandidate<(f32, usize)> = standings.into_iter().enumerate().map(draw).collect();
        order.sort_unstable_by(|(one, _), (other, _)| one.total_cmp(other));
        arrange(candidates, order.iter().map(|(_, from)| *from).collect());
    }

    fn scores(&self, context: &RankContext<'_>, candidates: &[Candidate]) -> Vec<Facts> {
        let standings: PerCandidate<Standing> =
            candidates.iter().map(|candidate| self.assess(context, candidate)).collect();
        let field = self.field(&standings);
        let score = |standing| {
            // With nothing to compare with, all weigh the same.
            let weight = field.map_or(1.0, |field| self.weight(field, standing));
            let facts = Facts::none().with("weight", f64::from(weight));
            match standing {
                Standing::Unknown => facts.with("standing", "unknown"),
                Standing::Unbelieved => facts.with("standing", "unbelieved"),
                Standing::Measured(Measured { latency, calls, success_rate }) => facts
                    .with("standing", "known")
                    .with("latency_ms", latency)
                    .with("calls", calls)
                    .with("success_rate", success_rate),
            }
        };
        standings.into_iter().map(score).collect()
    }
}
