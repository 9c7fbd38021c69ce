//! In which order the channels of a call are tried.
//!
//! **What it does.** Lets the call's strategy order the candidates, then puts healthy ones before limited and
//! half-open ones ([`TierOrder`]). A strategy never removes a channel.
//!
//! **When to use it.** With more than one provider of a chain. Without it they are asked in configured order.
//!
//! **Where it stands.** Directly inside [`CandidateLayer`](crate::call::candidate::CandidateLayer).
//!
//! **Strategies.** `load_balanced` and `priority` are built in; others are given with
//! [`StrategyLayer::ranker`]. A strategy that nobody gave is served as `load_balanced`.
//!
//! **Without candidates** (no `CandidateLayer` outside) the call passes through unchanged.
//!
//! **What it counts.** Nothing.
//!
//! **Cancel safety.** Adds no state of its own: its future is the inner service's.
//!
//! ```
//! use lasso_layers::call::strategy::{StrategyLayer, TierOrder};
//!
//! let layer = StrategyLayer::new().tier_order(TierOrder::LimitedFirst);
//! ```

mod built_in;

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use tower::{Layer, Service};

use self::built_in::{LoadBalanced, Priority};
use super::{Call, Candidate, Demotion, Facts, Failure, RankContext, Ranker, Reply, Tier};
use crate::catalog::Strategy;
use crate::state::Entropy;

/// Which comes first among the channels that are not perfectly healthy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TierOrder {
    /// Limited channels before half-open ones: a limited one refuses quickly, a half-open one may use up a
    /// whole attempt.
    #[default]
    LimitedFirst,
    /// Half-open channels before limited ones.
    HalfOpenFirst,
}

impl TierOrder {
    const fn rank(self, tier: Tier) -> u8 {
        match (self, tier.half_open, tier.limited) {
            (_, false, false) => 0,
            (Self::LimitedFirst, false, true) | (Self::HalfOpenFirst, true, false) => 1,
            (Self::LimitedFirst, true, false) | (Self::HalfOpenFirst, false, true) => 2,
            (_, true, true) => 3,
        }
    }
}

/// Orders the candidates of a call; see the [module](self).
#[derive(Clone)]
#[must_use]
pub struct StrategyLayer {
    rankers: [Arc<dyn Ranker>; Strategy::ALL.len()],
    tier_order: TierOrder,
    entropy: Entropy,
}

impl StrategyLayer {
    /// The built-in strategies.
    pub fn new() -> Self {
        let load_balanced: Arc<dyn Ranker> = Arc::new(LoadBalanced);
        let mut rankers = std::array::from_fn(|_| load_balanced.clone());
        rankers[Strategy::Priority.index()] = Arc::new(Priority);
        Self { rankers, tier_order: TierOrder::default(), entropy: Entropy::default() }
    }

    /// Gives or replaces a strategy.
    pub fn ranker(mut self, strategy: Strategy, ranker: impl Ranker + 'static) -> Self {
        self.rankers[strategy.index()] = Arc::new(ranker);
        self
    }

    /// Sets the order of the health tiers.
    pub const fn tier_order(mut self, order: TierOrder) -> Self {
        self.tier_order = order;
        self
    }

    /// Sets where random numbers come from.
    pub fn entropy(mut self, entropy: Entropy) -> Self {
        self.entropy = entropy;
        self
    }
}

impl Default for StrategyLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for StrategyLayer {
    type Service = StrategyService<S>;

    fn layer(&self, inner: S) -> StrategyService<S> {
        StrategyService { inner, layer: Arc::new(self.clone()) }
    }
}

impl fmt::Debug for StrategyLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StrategyLayer").field("tier_order", &self.tier_order).finish_non_exhaustive()
    }
}

/// The service of [`StrategyLayer`].
#[derive(Clone, Debug)]
pub struct StrategyService<S> {
    inner: S,
    layer: Arc<StrategyLayer>,
}

impl<S> Service<Call> for StrategyService<S>
where
    S: Service<Call, Response = Reply, Error = Failure>,
{
    type Response = Reply;
    type Error = Failure;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut call: Call) -> S::Future {
        if let Some(mut shortlist) = call.shortlist.take() {
            self.layer.order(&call, &mut shortlist);
            call.shortlist = Some(shortlist);
        }
        self.inner.call(call)
    }
}

impl StrategyLayer {
    /// Orders a shortlist as the layer's service does: usable channels first, the pinned provider's before all
    /// others; among the rest the strategy's order within each tier. Without a plan nothing is moved.
    pub fn order(&self, call: &Call, shortlist: &mut [Candidate]) {
        let Some(plan) = call.plan() else { return };
        shortlist.sort_by_key(|candidate| (candidate.excluded.is_some(), !candidate.pinned));
        let usable = shortlist.partition_point(|candidate| candidate.excluded.is_none());
        let pinned = shortlist[..usable].partition_point(|candidate| candidate.pinned);
        let ranked = &mut shortlist[pinned..usable];
        let context = RankContext { call, plan, now: call.received };
        let ranker = &self.rankers[plan.strategy.index()];
        ranker.rank(&context, &mut self.entropy.rng(), ranked);
        if call.wants_reasons() {
            note_scores(ranked, ranker.scores(&context, ranked));
            self.note_tiers(&mut shortlist[..usable]);
        }
        let ranked = &mut shortlist[pinned..usable];
        ranked.sort_by_key(|candidate| {
            let demotion = candidate.demotion;
            let tier = self.tier_order.rank(candidate.tier());
            (tier, demotion.contains(Demotion::STALLED), demotion.contains(Demotion::BEHIND))
        });
    }

    fn note_tiers(&self, usable: &mut [Candidate]) {
        for candidate in usable {
            let tier = self.tier_order.rank(candidate.tier()) + 1;
            if let Some(reasons) = &mut candidate.reasons {
                reasons.tier = Some(tier);
            }
        }
    }
}

fn note_scores(ranked: &mut [Candidate], scores: Vec<Facts>) {
    for (candidate, score) in ranked.iter_mut().zip(scores) {
        if let Some(reasons) = &mut candidate.reasons {
            reasons.score = score;
        }
    }
}
