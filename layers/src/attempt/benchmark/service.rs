//! Measuring as a tower service.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project::pin_project;
use tokio::time::Instant;
use tower::Service;

use super::{Benchmarks, Series};
use crate::attempt::Attempt;
use crate::call::{Body, Dispatch, Failure, Reply};
use crate::catalog::Category;

/// The service of [`BenchmarkLayer`](super::BenchmarkLayer).
#[derive(Clone, Debug)]
pub struct Benchmark<S> {
    inner: S,
    benchmarks: Benchmarks,
}

impl<S> Benchmark<S> {
    /// Around a service of attempts.
    pub const fn new(inner: S, benchmarks: Benchmarks) -> Self {
        Self { inner, benchmarks }
    }
}

impl<S> Service<Attempt> for Benchmark<S>
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
        let start = Instant::now();
        let inner = self.inner.call(attempt.clone());
        ResponseFuture { inner, start, attempt, benchmarks: self.benchmarks }
    }
}

/// The future of [`Benchmark`].
#[pin_project]
pub struct ResponseFuture<F> {
    #[pin]
    inner: F,
    start: Instant,
    attempt: Attempt,
    benchmarks: Benchmarks,
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
        if !went_upstream(&result) {
            return Poll::Ready(result);
        }
        Poll::Ready(record(*this.benchmarks, this.attempt, *this.start, result))
    }
}

/// Whether the provider had a part in the outcome. It had one in a connection that it did not take, or not in time,
/// although nothing was sent.
fn went_upstream(result: &Result<Reply, Failure>) -> bool {
    match result {
        Ok(_) => true,
        Err(Failure::Rejected(_) | Failure::Exhausted(_)) => false,
        Err(failure) => {
            failure.dispatch() != Dispatch::NotSent
                || matches!(failure.category(), Category::NetworkError | Category::Timeout)
        }
    }
}

/// Whether a failure is one of the provider.
fn counts(attempt: &Attempt, failure: &Failure) -> bool {
    failure.category().counts_in_benchmarks() && !attempt.was_cut_short(failure)
}

/// Records an outcome. The one of a streamed result is only known at its end; how long it took is already.
fn record(
    benchmarks: Benchmarks,
    attempt: &Attempt,
    start: Instant,
    result: Result<Reply, Failure>,
) -> Result<Reply, Failure> {
    let now = Instant::now();
    let time = now - start;
    attempt.candidate().set_upstream(start.saturating_duration_since(attempt.call().received), time);
    attempt.call().journal().add_upstream(time);
    let series = Series {
        provider: attempt.provider().key,
        transport: attempt.transport(),
        method: attempt.call().method,
    };
    match result {
        Ok(Reply::Result(Body::Stream(stream))) => {
            let stream = stream.on_end(move |end| match end {
                Ok(()) => benchmarks.success(series, time, Instant::now()),
                Err(_) => benchmarks.failure(series, Instant::now()),
            });
            return Ok(Reply::Result(Body::Stream(stream)));
        }
        Ok(Reply::Result(Body::Full(_))) => benchmarks.success(series, time, now),
        Err(ref failure) if counts(attempt, failure) => benchmarks.failure(series, now),
        Ok(Reply::Error(_)) | Err(_) => {}
    }
    result
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("attempt", &self.attempt).finish_non_exhaustive()
    }
}
