//! One of two futures.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project::pin_project;

/// One of two futures with the same kind of outcome: usually the inner service's, or an answer that needs no
/// waiting. The errors of the left one are converted to those of the right one.
#[pin_project(project = EitherProj)]
#[derive(Debug)]
pub enum Either<L, R> {
    /// Waits for the inner service.
    Left(#[pin] L),
    /// Answers by itself.
    Right(#[pin] R),
}

impl<L, R, T, E, F> Future for Either<L, R>
where
    L: Future<Output = Result<T, E>>,
    R: Future<Output = Result<T, F>>,
    E: Into<F>,
{
    type Output = Result<T, F>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, F>> {
        match self.project() {
            EitherProj::Left(future) => future.poll(cx).map_err(Into::into),
            EitherProj::Right(future) => future.poll(cx),
        }
    }
}
