//! The pivot of the stack: turns one call into attempts, one channel after the other.
//!
//! **What it does.** Draws channels from the call's candidates until one gives an answer that is final, the
//! candidates or the time are used up, or a failure says that no other channel would do better. See
//! [`FailoverPolicy`] for the bounds and the module `decide` for the rules.
//!
//! **Where it stands.** Innermost on the call side. The service inside takes [`Attempt`]s; there is one for all
//! channels, because the channel is part of the attempt.
//!
//! **Time.** The call's deadline is never moved. The first attempt of a call that may be repeated gets only a
//! share of it while another channel could still be tried, so that a hanging provider leaves time for a better
//! one.
//!
//! **A new catalogue** in the middle of a call: what is under way goes on, and the call fails over only to channels
//! that the new catalogue still has.
//!
//! **What it says.** As tracing events: `lasso.failover.fast_fail` when a failed attempt is followed by another;
//! `lasso.failover.circuit_open` when a breaker refuses a channel that was chosen before it opened;
//! `lasso.failover.degraded_mode` when a call begins on a channel on probation because no other is left, and
//! `lasso.failover.degraded_success` when that goes well; `lasso.failover.exhaustion` when there is no channel at all.
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
mod store;

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tower::{Layer, Service};

pub use self::future::ResponseFuture;
pub use self::store::Failovers;
use super::{Call, Failure, Reply};
use crate::attempt::Attempt;

/// The bounds of failing over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FailoverPolicy {
    /// The most channels that are sent to for one call. An attempt that provably never left this process does
    /// not count.
    pub max_attempts: u32,
    /// The share of the total time that a first attempt may use while another channel is left, from 0 to 1.
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
    failovers: Option<Failovers>,
}

impl FailoverLayer {
    /// With these bounds.
    pub const fn new(policy: FailoverPolicy) -> Self {
        Self { policy, failovers: None }
    }

    /// Counts failovers here.
    pub const fn count(mut self, failovers: Failovers) -> Self {
        self.failovers = Some(failovers);
        self
    }
}

impl<S> Layer<S> for FailoverLayer {
    type Service = FailoverService<S>;

    fn layer(&self, inner: S) -> FailoverService<S> {
        FailoverService { inner, policy: self.policy, failovers: self.failovers }
    }
}

/// The service of [`FailoverLayer`].
#[derive(Clone)]
pub struct FailoverService<S> {
    inner: S,
    policy: FailoverPolicy,
    failovers: Option<Failovers>,
}

impl<S> FailoverService<S> {
    /// Around a service of attempts.
    pub const fn new(inner: S, policy: FailoverPolicy) -> Self {
        Self { inner, policy, failovers: None }
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
        call.candidates();
        // The future takes the service that was polled ready and leaves the clone, which was not.
        let clone = self.inner.clone();
        let ready = std::mem::replace(&mut self.inner, clone);
        ResponseFuture::new(Arc::new(call), ready, self.policy, self.failovers)
    }
}

impl<S: fmt::Debug> fmt::Debug for FailoverService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailoverService").field("inner", &self.inner).field("policy", &self.policy).finish()
    }
}
