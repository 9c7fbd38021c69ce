//! Ends an attempt that takes too long.
//!
//! **What it does.** Waits for the inner service until the attempt's own deadline. What is not there by then
//! is given up and becomes a [`Failure`] of category `timeout`. Whether the upstream executed the request is
//! unknown at that point, and the failure says so; unless the request is [held](Attempt::hold) still, because no
//! connection could be made: then it was not sent, and will not be.
//!
//! **When to use it.** Always: nothing else bounds an attempt.
//!
//! **Where it stands.** Inside [`benchmark`](crate::attempt), so that a timeout is a recorded outcome and not
//! a missing sample, and inside the breaker, which counts it. Outside whatever classifies and sends.
//!
//! **Policy.** None of its own. The deadline comes with the attempt; failover decides it. It covers the time
//! until the reply begins: a body that is streamed to the client is not cut off.
//!
//! **What it counts.** Nothing.
//!
//! **Cost.** The timer is set only when the inner service has no answer at the first poll.
//!
//! **Cancel safety.** Dropping the future drops the exchange and the timer, and leaves nothing behind. Giving
//! up an HTTP/1 exchange costs its connection.
//!
//! ```
//! use lasso_layers::attempt::Attempt;
//! use lasso_layers::attempt::timeout::TimeoutLayer;
//! use lasso_layers::call::{Body, Failure, Reply};
//! use tower::{ServiceBuilder, service_fn};
//!
//! let stack = ServiceBuilder::new().layer(TimeoutLayer::new()).service(service_fn(
//!     async |_: Attempt| Ok::<_, Failure>(Reply::Result(Body::Full("{}".into()))),
//! ));
//! # let _ = stack;
//! ```

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project::pin_project;
use tokio::time::{Sleep, sleep_until};
use tower::{Layer, Service};

use super::Attempt;
use crate::call::{Failure, Reply, TransportKind};

/// Ends attempts at their deadline; see the [module](self).
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct TimeoutLayer(());

impl TimeoutLayer {
    /// The layer. It has no options.
    pub const fn new() -> Self {
        Self(())
    }
}

impl<S> Layer<S> for TimeoutLayer {
    type Service = Timeout<S>;

    fn layer(&self, inner: S) -> Timeout<S> {
        Timeout::new(inner)
    }
}

/// The service of [`TimeoutLayer`].
#[derive(Clone, Debug)]
pub struct Timeout<S> {
    inner: S,
}

impl<S> Timeout<S> {
    /// Around a service of attempts.
    pub const fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S> Service<Attempt> for Timeout<S>
where
    S: Service<Attempt, Response = Reply>,
    S::Error: Into<Failure>,
{
    type Response = Reply;
    type Error = Failure;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, attempt: Attempt) -> ResponseFuture<S::Future> {
        ResponseFuture { inner: self.inner.call(attempt.clone()), attempt, sleep: None }
    }
}

/// The future of [`Timeout`]. Has to be polled where tokio's timers run.
#[pin_project]
pub struct ResponseFuture<F> {
    #[pin]
    inner: F,
    attempt: Attempt,
    /// Set once the inner future has to be waited for.
    #[pin]
    sleep: Option<Sleep>,
}

impl<F, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Reply, E>>,
    E: Into<Failure>,
{
    type Output = Result<Reply, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        // The answer first: one that is there at the deadline counts.
        if let Poll::Ready(result) = this.inner.poll(cx) {
            return Poll::Ready(result.map_err(Into::into));
        }
        if this.sleep.is_none() {
            this.sleep.set(Some(sleep_until(this.attempt.deadline)));
        }
        ready!(this.sleep.as_pin_mut().expect("the timer was just set").poll(cx));
        let (dispatch, transport) = (this.attempt.give_up(), this.attempt.transport());
        Poll::Ready(Err(Failure::transport(TransportKind::Timeout, dispatch, transport)))
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("attempt", &self.attempt).finish_non_exhaustive()
    }
}
