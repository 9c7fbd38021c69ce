//! The strategies that need no measurements.

use crate::call::{Candidate, Facts, RankContext, Ranker};

/// A uniform shuffle: no memory, so every usable channel is first equally often.
pub(super) struct LoadBalanced;

impl Ranker for LoadBalanced {
    fn rank(&self, _: &RankContext<'_>, rng: &mut fastrand::Rng, candidates: &mut [Candidate]) {
        rng.shuffle(candidates);
    }
}

/// Ascending priority, then HTTP before WebSocket, then configured order.
pub(super) struct Priority;

impl Ranker for Priority {
    fn rank(&self, context: &RankContext<'_>, _: &mut fastrand::Rng, candidates: &mut [Candidate]) {
        candidates.sort_by_key(|candidate| {
            let provider = context.plan.provider(candidate.provider);
            (provider.priority, candidate.transport, candidate.provider)
        });
    }

    fn scores(&self, context: &RankContext<'_>, candidates: &[Candidate]) -> Vec<Facts> {
        let priority = |candidate: &Candidate| context.plan.provider(candidate.provider).priority;
        candidates.iter().map(|candidate| Facts::none().with("priority", priority(candidate))).collect()
    }
}
