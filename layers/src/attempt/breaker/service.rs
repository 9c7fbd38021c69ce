//! The breaker as a tower service.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project::pin_project;
use tokio::time::Instant;
use tower::Service;

use super::{Breakers, Permit};
use crate::attempt::Attempt;
use crate::call::{Body, Failure, Reply};

/// The service of [`CircuitBreakerLayer`](super::CircuitBreakerLayer).
#[derive(Clone, Debug)]
pub struct CircuitBreaker<S> {
    inner: S,
    breakers: Breakers,
}

impl<S> CircuitBreaker<S> {
    /// Around a service of attempts.
    pub const fn new(inner: S, breakers: Breakers) -> Self {
        Self { inner, breakers }
    }
}

impl<S> Service<Attempt> for CircuitBreaker<S>
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
        // The clock is read only where the answer depends on it.
        let admission = match self.breakers.admit_closed(attempt.key()) {
            Some(permit) => Ok(permit),
            None => self.breakers.admit(attempt.channel(), Instant::now()),
        };
        let state = match admission {
            Ok(permit) => {
                let inner = self.inner.call(attempt.clone());
                State::Admitted { inner, permit: Some(permit), attempt }
            }
            Err(refusal) => State::Refused(Some(refusal.into())),
        };
        ResponseFuture { state }
    }
}

/// The future of [`CircuitBreaker`].
#[pin_project]
pub struct ResponseFuture<F> {
    #[pin]
    state: State<F>,
}

#[pin_project(project = StateProj)]
enum State<F> {
    /// Waiting for nothing; the failure is taken when it is handed out.
    Refused(Option<Failure>),
    /// Waiting for the outcome; the permit is taken when it is there.
    Admitted {
        #[pin]
        inner: F,
        permit: Option<Permit>,
        attempt: Attempt,
    },
}

impl<F, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Reply, E>>,
    E: Into<Failure>,
{
    type Output = Result<Reply, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Refused(failure) => {
                Poll::Ready(Err(failure.take().expect("a future is not polled after its end")))
            }
            StateProj::Admitted { inner, permit, attempt } => {
                let result = ready!(inner.poll(cx)).map_err(Into::into);
                let permit = permit.take().expect("a future is not polled after its end");
                Poll::Ready(match result {
                    Ok(Reply::Result(Body::Stream(stream))) => {
                        let stream = permit.settle_at_end(stream, attempt.channel().clone());
                        Ok(Reply::Result(Body::Stream(stream)))
                    }
                    Err(failure) if attempt.was_cut_short(&failure) => {
                        drop(permit);
                        Err(failure)
                    }
                    result => {
                        permit.settle(attempt.channel(), &result, Instant::now);
                        result
                    }
                })
            }
        }
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
