//! The pivot of the stack: turns one call into attempts, one channel after the other.
//!
//! **What it does.** Draws channels from the call's candidates until one gives an answer that is final, the
//! candidates or the time are used up, or a failure says that no other channel would do better. See
//! [`FailoverPolicy`] for the bounds and the module `decide` for the rules.
//!
//! **Where it stands.** Innermost on the call side. The service inside takes [`Attempt`]s; there is one for all
//! channels, because the channel is part of the attempt.
//!
//! **Time.** The call's deadline is never moved. An attempt of a call that may be sent again, a signed transaction
//! included, gets only a share of the time while another channel could still be tried, so that hanging providers leave
//! some for a better one: the first attempt a share of all, later ones the same share of what is left. A channel on
//! probation that is busy is no such prospect.
//!
//! **One instance, two names.** Where two providers of a chain are one instance, a call is sent to it once.
//!
//! **A new catalogue** in the middle of a call: what is under way goes on, and nothing more is sent to a channel that
//! the new catalogue does not have. With [`FailoverLayer::reselect`] the call also chooses anew, once, so that it finds
//! the channels that are new. A call whose attempts all failed does the same under the catalogue it has: what lagged or
//! was open when it was planned may be well by then.
//!
//! **What it says.** As tracing events: `lasso.failover.fast_fail` when a failed attempt is followed by another;
//! `lasso.failover.circuit_open` when a breaker refuses a channel that was chosen before it opened;
//! `lasso.failover.degraded_mode` when a call begins on a channel on probation because no other is left, and
//! `lasso.failover.degraded_success` when that goes well; `lasso.failover.exhaustion` when there is no channel at all, after
//! `lasso.failover.lagging` where lag is a reason.
//!
//! **What it counts**, into [`Failovers`] where it is given one: how often calls left a provider for another channel.
//!
//! **Without candidates** (no `CandidateLayer` outside) there is nothing to draw from, and the call fails.
//!
//! **Cancel safety.** Dropping the future drops the attempt in flight; nobody is blamed for it. Outcomes of
//! attempts that are over stay in the call's journal.
//!
//! ```
//! use lasso_layers::call::failover::{FailoverLayer, FailoverPolicy};
//!
//! let layer = FailoverLayer::new(FailoverPolicy { max_attempts: 3, ..FailoverPolicy::default() });
//! ```

mod decide;
mod ending;
mod events;
mod future;
mod reselect;
mod store;

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;
use tower::{Layer, Service};

pub use self::future::ResponseFuture;
use self::reselect::Reselect;
pub use self::store::Failovers;
use super::{Call, Candidate, Candidates, Failure, Reply};
use crate::attempt::Attempt;

/// The target of the tracing events of this layer, for filters.
pub const EVENTS: &str = module_path!();

/// The bounds of failing over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FailoverPolicy {
    /// The most channels that are tried for one call: the first ones in ranked order.
    pub max_attempts: u32,
    /// The share of the time that an attempt may use while another channel can be expected to take the call after it,
    /// from 0 to 1: of all the time for the first attempt, of what is left for later ones.
    pub first_attempt_share: f64,
    /// The least time an attempt is started with.
    pub min_attempt: Duration,
}

impl Default for FailoverPolicy {
    fn default() -> Self {
        Self { max_attempts: 10, first_attempt_share: 0.6, min_attempt: Duration::from_millis(25) }
    }
}

/// Turns calls into attempts; see the [module](self).
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct FailoverLayer {
    policy: FailoverPolicy,
    reselect: Option<Reselect>,
    failovers: Option<Failovers>,
}

impl FailoverLayer {
    /// With these bounds.
    pub const fn new(policy: FailoverPolicy) -> Self {
        Self { policy, reselect: None, failovers: None }
    }

    /// Counts failovers here.
    pub const fn count(mut self, failovers: Failovers) -> Self {
        self.failovers = Some(failovers);
        self
    }

    /// Says how a call chooses its channels anew: when another catalogue came into force after it was planned and before
    /// its next attempt, and when all it chose first have failed. `choose` gets the call under its new plan and answers
    /// ranked candidates; give it what the layers outside do:
    ///
    /// ```
    /// use lasso_layers::call::failover::{FailoverLayer, FailoverPolicy};
    /// # #[cfg(all(feature = "candidate", feature = "strategy"))]
    /// # {
    /// use lasso_layers::call::candidate::CandidateLayer;
    /// use lasso_layers::call::strategy::StrategyLayer;
    ///
    /// let (candidates, strategies) = (CandidateLayer::new(), StrategyLayer::new());
    /// let layer = FailoverLayer::new(FailoverPolicy::default()).reselect(move |call, now| {
    ///     let mut shortlist = candidates.shortlist(call, now);
    ///     strategies.order(call, &mut shortlist);
    ///     shortlist
    /// });
    /// # }
    /// ```
    ///
    /// It is kept for the rest of the process: the services and futures made from the layer hold a plain pointer.
    pub fn reselect(
        mut self,
        choose: impl Fn(&Call, Instant) -> Vec<Candidate> + Send + Sync + 'static,
    ) -> Self {
        self.reselect = Some(Reselect::new(choose));
        self
    }
}

impl<S> Layer<S> for FailoverLayer {
    type Service = FailoverService<S>;

    fn layer(&self, inner: S) -> FailoverService<S> {
        FailoverService { inner, policy: self.policy, reselect: self.reselect, failovers: self.failovers }
    }
}

/// The service of [`FailoverLayer`].
#[derive(Clone)]
pub struct FailoverService<S> {
    inner: S,
    policy: FailoverPolicy,
    reselect: Option<Reselect>,
    failovers: Option<Failovers>,
}

impl<S> FailoverService<S> {
    /// Around a service of attempts.
    pub const fn new(inner: S, policy: FailoverPolicy) -> Self {
        Self { inner, policy, reselect: None, failovers: None }
    }
}

impl<S> Service<Call> for FailoverService<S>
where
    S: Service<Attempt, Response = Reply> + Clone,
    S::Error: Into<Failure>,
{
    type Response = Reply;
    type Error = Failure;
    type Future = ResponseFuture<S>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut call: Call) -> ResponseFuture<S> {
        if let Some(shortlist) = &mut call.shortlist {
            Candidates::bound(shortlist, self.policy.max_attempts);
        }
        call.candidates();
        // The future takes the service that was polled ready and leaves the clone, which was not.
        let clone = self.inner.clone();
        let ready = std::mem::replace(&mut self.inner, clone);
        ResponseFuture::new(Arc::new(call), ready, self.policy, self.reselect, self.failovers)
    }
}

impl<S: fmt::Debug> fmt::Debug for FailoverService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailoverService").field("inner", &self.inner).field("policy", &self.policy).finish()
    }
}
