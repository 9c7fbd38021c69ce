//! The strategy `latency_weighted`.

use std::time::Duration;

use tokio::time::Instant;

use super::order::{PerCandidate, arrange};
use super::{Benchmarks, Summary, evidence};
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

/// What the fresh records of the candidates have in common.
#[derive(Clone, Copy, Debug)]
struct Field {
    /// The lowest latency, not below the floor, in seconds.
    best: f64,
    /// The weight of a channel without a record.
    newcomer: f64,
}

impl LatencyWeighted {
    /// Ranks by these records.
    #[must_use]
    pub const fn new(benchmarks: Benchmarks, policy: LatencyWeightedPolicy) -> Self {
        Self { benchmarks, policy }
    }

    fn summaries(
        &self,
        context: &RankContext<'_>,
        candidates: &[Candidate],
    ) -> PerCandidate<Option<Summary>> {
        candidates.iter().map(|candidate| evidence::of(self.benchmarks, context, candidate)).collect()
    }

    /// Nothing where no channel has a fresh latency to compare with.
    fn field(&self, summaries: &[Option<Summary>], now: Instant) -> Option<Field> {
        let measured =
            || summaries.iter().flatten().filter_map(|summary| Some((summary, self.latency(summary, now)?)));
        let best = self.floored(measured().map(|(_, latency)| latency).min()?);
        let qualified = measured().filter(|(summary, _)| {
            summary.calls() >= self.policy.min_calls
                && summary.trend.success_rate() >= self.policy.min_success_rate
        });
        let baseline = evidence::baseline(qualified.map(|(_, latency)| latency));
        // Nothing speaks for a newcomer: it is taken for a little unreliable, and half believed.
        let newcomer = self.share(best, baseline) * 0.95 * 0.5;
        Some(Field { best, newcomer: newcomer.max(self.policy.explore_floor) })
    }

    fn weight(&self, field: Field, summary: Option<&Summary>, now: Instant) -> f64 {
        let policy = &self.policy;
        let Some(summary) = summary else { return field.newcomer };
        let Some(latency) = self.latency(summary, now) else { return policy.explore_floor };
        let (calls, success_rate) = (summary.calls() as f64, summary.trend.success_rate());
        let confidence = (0.6 * calls.log10() / 3.0 + 0.4 * success_rate).clamp(0.0, 1.0);
        let scale = if summary.calls() >= policy.min_calls { 1.0 } else { calls / policy.min_calls as f64 };
        let weight =
            self.share(field.best, latency) * success_rate.max(policy.min_success_rate) * confidence * scale;
        weight.max(policy.explore_floor)
    }

    /// What a channel is measured at, if that is still believed.
    fn latency(&self, summary: &Summary, now: Instant) -> Option<Duration> {
        summary.trend.latency().filter(|_| summary.is_fresh(now, self.policy.staleness))
    }

    fn share(&self, best: f64, latency: Duration) -> f64 {
        (best / self.floored(latency)).powf(self.policy.beta)
    }

    fn floored(&self, latency: Duration) -> f64 {
        latency.max(self.policy.floor).as_secs_f64()
    }
}

impl Ranker for LatencyWeighted {
    fn rank(&self, context: &RankContext<'_>, rng: &mut fastrand::Rng, candidates: &mut [Candidate]) {
        let summaries = self.summaries(context, candidates);
        let Some(field) = self.field(&summaries, context.now) else { return rng.shuffle(candidates) };
        let draw = |(from, summary): (usize, &Option<Summary>)| {
            let weight = self.weight(field, summary.as_ref(), context.now);
            // From (0, 1]: the logarithm is finite and not above zero.
            let chance = 1.0 - rng.f64();
            (-chance.ln() / weight, from)
        };
        let mut order: PerCandidate<(f64, usize)> = summaries.iter().enumerate().map(draw).collect();
        order.sort_unstable_by(|(one, _), (other, _)| one.total_cmp(other));
        arrange(candidates, order.iter().map(|(_, from)| *from).collect());
    }

    fn scores(&self, context: &RankContext<'_>, candidates: &[Candidate]) -> Vec<Facts> {
        let summaries = self.summaries(context, candidates);
        let field = self.field(&summaries, context.now);
        let score = |summary: &Option<Summary>| {
            let weight = |field| self.weight(field, summary.as_ref(), context.now);
            Facts::none()
                // With nothing to compare with, all weigh the same.
                .with("weight", field.map_or(1.0, weight))
                .with_known("latency_ms", summary.and_then(|summary| summary.trend.latency()))
                .with("calls", summary.map_or(0, |summary| summary.calls()))
                .with_known("success_rate", summary.map(|summary| summary.trend.success_rate()))
        };
        summaries.iter().map(score).collect()
    }
}
