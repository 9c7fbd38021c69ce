//! Pacing as a tower service.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project::pin_project;
use tokio::time::Instant;
use tower::Service;

use super::Paces;
use super::store::Seen;
use crate::attempt::Attempt;
use crate::call::{Candidate, Demotion, Failure, Progress, Rejection, Reply};
use crate::catalog::Category;
use crate::wire::{ErrorObject, code};

/// The service of [`PaceLayer`](super::PaceLayer).
#[derive(Clone, Debug)]
pub struct Pace<S> {
    inner: S,
    paces: Paces,
}

impl<S> Pace<S> {
    /// Around a service of attempts.
    pub const fn new(inner: S, paces: Paces) -> Self {
        Self { inner, paces }
    }
}

impl<S> Service<Attempt> for Pace<S>
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
        let seen = self.paces.seen(attempt.key());
        let state = match self.paces.left(seen, Instant::now).filter(|_| can_wait(&attempt)) {
            Some(left) => State::PutOff(Some(put_off(left))),
            None => {
                let inner = self.inner.call(attempt.clone());
                State::Sent { inner, paces: self.paces, seen, attempt }
            }
        };
        ResponseFuture { state }
    }
}

/// Whether it makes sense to try others before this limited channel: only for those of its own tier, because it would
/// be drawn again before any other.
fn can_wait(attempt: &Attempt) -> bool {
    let candidate = attempt.candidate();
    let known_at_selection = candidate.demotion.contains(Demotion::LIMITED);
    // A provider chosen by name goes first, limited or not.
    if attempt.insist || known_at_selection || candidate.pinned {
        return false;
    }
    let is_better = |other: &Candidate| {
        other.tier() == candidate.tier()
            && other.excluded.is_none()
            && other.limit.is_none()
            && other.progress() == Progress::Untried
    };
    attempt.call().journal().candidates().is_some_and(|candidates| candidates.all().iter().any(is_better))
}

fn put_off(left: Duration) -> Failure {
    let error = ErrorObject::new(code::RATE_LIMITED, "Provider asked for fewer requests");
    Rejection::new(Category::RateLimit, error).retry_after(left).into()
}

/// The future of [`Pace`].
#[pin_project]
pub struct ResponseFuture<F> {
    #[pin]
    state: State<F>,
}

#[pin_project(project = StateProj)]
enum State<F> {
    /// Waiting for nothing; the failure is taken when it is handed out.
    PutOff(Option<Failure>),
    /// Waiting for the outcome.
    Sent {
        #[pin]
        inner: F,
        paces: Paces,
        seen: Seen,
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
            StateProj::PutOff(failure) => {
                Poll::Ready(Err(failure.take().expect("a future is not polled after its end")))
            }
            StateProj::Sent { inner, paces, seen, attempt } => {
                let result = ready!(inner.poll(cx)).map_err(Into::into);
                match &result {
                    Ok(Reply::Result(_)) => paces.disproved(attempt.key(), *seen),
                    // An error can be had without any work, and a refusal by this process is no word of the provider.
                    Ok(Reply::Error(_)) | Err(Failure::Rejected(_)) => {}
                    Err(failure) if failure.category() == Category::RateLimit => {
                        paces.limit(attempt.channel(), failure.retry_after(), Instant::now());
                    }
                    Err(_) => {}
                }
                Poll::Ready(result)
            }
        }
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
