//! Counting as a tower service.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project::pin_project;
use tokio::time::Instant;
use tower::Service;

use super::Stalls;
use crate::attempt::Attempt;
use crate::call::{Failure, Reply};
use crate::catalog::{Category, ChannelKey};

/// The service of [`StallLayer`](super::StallLayer).
#[derive(Clone, Debug)]
pub struct Stall<S> {
    inner: S,
    stalls: Stalls,
}

impl<S> Stall<S> {
    /// Around a service of attempts.
    pub const fn new(inner: S, stalls: Stalls) -> Self {
        Self { inner, stalls }
    }
}

impl<S> Service<Attempt> for Stall<S>
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
        let key = attempt.key();
        // Not the call's arrival: its body may have taken long to arrive too, which is not the provider's silence.
        self.stalls.sent(key, Instant::now());
        ResponseFuture { inner: self.inner.call(attempt), stalls: self.stalls, key }
    }
}

/// The future of [`Stall`].
#[pin_project]
pub struct ResponseFuture<F> {
    #[pin]
    inner: F,
    stalls: Stalls,
    key: ChannelKey,
}

impl<F, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Reply, E>>,
    E: Into<Failure>,
{
    type Output = Result<Reply, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.inner.poll(cx)).map_err(Into::into);
        let is_silence = matches!(&result, Err(failure) if failure.category() == Category::Timeout);
        if !is_silence {
            this.stalls.heard(*this.key);
        }
        Poll::Ready(result)
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("key", &self.key).finish_non_exhaustive()
    }
}
