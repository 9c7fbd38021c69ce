//! How a strategy orders channels.

use tokio::time::Instant;

use super::{Call, Candidate, Facts, Plan};

/// A strategy: puts the channels that are left into the order in which they are to be tried.
///
/// Health tiers are applied afterwards and keep this order within each tier.
pub trait Ranker: Send + Sync {
    /// Orders `candidates`, all of which may be used. Never adds or removes one.
    fn rank(&self, context: &RankContext<'_>, rng: &mut fastrand::Rng, candidates: &mut [Candidate]);

    /// What each of the channels that were ranked together was ranked by, in the order of `candidates`; nothing at all
    /// where only chance decides. Asked after [`rank`](Self::rank) where somebody wants to know: measurements may have
    /// moved on by a call in between.
    fn scores(&self, context: &RankContext<'_>, candidates: &[Candidate]) -> Vec<Facts> {
        let _ = (context, candidates);
        Vec::new()
    }
}

/// What a strategy may look at.
#[derive(Clone, Copy, Debug)]
pub struct RankContext<'a> {
    /// The call.
    pub call: &'a Call,
    /// Its resolved route.
    pub plan: &'a Plan,
    /// The time of the selection.
    pub now: Instant,
}
