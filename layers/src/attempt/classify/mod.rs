//! Says of every upstream error what kind it is.
//!
//! **What it does.** Turns codes, messages, data and HTTP statuses of refusals into a
//! [`Category`](crate::catalog::Category). An error that is the answer to the client's request, such as a revert,
//! stays a reply. Any other becomes a [`Failure`] with its category, the upstream's wish when to be asked again, and
//! an error object that is fit for clients: it never shows a body that is not JSON-RPC, an address or a key.
//!
//! **Where it stands.** Innermost: everyone outside sees categories and never codes or texts. The service inside
//! answers with JSON-RPC errors unclassified, and with HTTP statuses as
//! [`TransportKind::Status`]; failures of other kinds pass as they are.
//!
//! **Rules.** The `error_rules` of the attempt's provider come first, for statuses without a JSON-RPC error too; see
//! [`classify`] for the rest of the order.
//! For HTTP statuses:
//!
//! | Status | with a JSON-RPC error in the body | without |
//! |---|---|---|
//! | 429 | `rate_limit`, code -32005 | the same |
//! | 401, 403 | `auth_error`, or `rate_limit` where the error says so | `auth_error` |
//! | others | classified | `server_error`, code -32002 |
//!
//! **What it counts.** Two `DEBUG` events, `lasso.error_classification.classified` and
//! `lasso.capabilities.error_rule_match`; and every classification, into [`Classifications`] where it is given one.
//!
//! **Cancel safety.** It holds no state; the attempt inside is dropped with the future.
//!
//! ```
//! use lasso_layers::attempt::Attempt;
//! use lasso_layers::attempt::classify::ClassifyLayer;
//! use lasso_layers::call::{BoxError, Reply};
//! use tower::{Layer, service_fn};
//!
//! let transport = service_fn(|attempt: Attempt| async move {
//!     Err::<Reply, BoxError>(format!("nobody serves {attempt:?}").into())
//! });
//! let classified = ClassifyLayer::new().layer(transport);
//! # let _ = classified;
//! ```

mod classification;
mod counts;
mod hints;
mod phrases;
mod rules;
mod secrets;
mod table;
mod verdict;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project::pin_project;
use tower::{Layer, Service};

pub use self::classification::{Path, classify};
pub use self::counts::Classifications;
pub use self::secrets::hide as hide_secrets;
use self::verdict::Verdict;
use super::Attempt;
use crate::call::{Failure, Reply, TransportFailure, TransportKind};

/// Classifies upstream errors; see the [module](self).
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct ClassifyLayer {
    counts: Option<Classifications>,
}

impl ClassifyLayer {
    /// The layer. Rules come with the provider.
    pub const fn new() -> Self {
        Self { counts: None }
    }

    /// Counts classifications here.
    pub const fn count(mut self, counts: Classifications) -> Self {
        self.counts = Some(counts);
        self
    }
}

impl<S> Layer<S> for ClassifyLayer {
    type Service = Classify<S>;

    fn layer(&self, inner: S) -> Classify<S> {
        Classify { inner, counts: self.counts }
    }
}

/// The service of [`ClassifyLayer`].
#[derive(Clone, Debug)]
pub struct Classify<S> {
    inner: S,
    counts: Option<Classifications>,
}

impl<S> Classify<S> {
    /// Around a service that talks to upstreams.
    pub const fn new(inner: S) -> Self {
        Self { inner, counts: None }
    }
}

impl<S> Service<Attempt> for Classify<S>
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
        ResponseFuture { inner: self.inner.call(attempt.clone()), attempt, counts: self.counts }
    }
}

/// The future of [`Classify`].
#[pin_project]
pub struct ResponseFuture<F> {
    #[pin]
    inner: F,
    attempt: Attempt,
    counts: Option<Classifications>,
}

impl<F, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Reply, E>>,
    E: Into<Failure>,
{
    type Output = Result<Reply, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let outcome = ready!(this.inner.poll(cx)).map_err(Into::into);
        Poll::Ready(settle(outcome, this.attempt, *this.counts))
    }
}

/// Classifies what needs it.
fn settle(
    outcome: Result<Reply, Failure>,
    attempt: &Attempt,
    counts: Option<Classifications>,
) -> Result<Reply, Failure> {
    let verdict = match outcome {
        Ok(Reply::Error(reply)) => Verdict::of_error(*reply, attempt, counts),
        Err(Failure::Transport(failure)) => match *failure {
            TransportFailure { kind: TransportKind::Status(status), .. } => {
                Verdict::of_status(status, attempt, counts)
            }
            other => return Err(Failure::Transport(Box::new(other))),
        },
        Ok(Reply::Result(_)) | Err(_) => return outcome,
    };
    verdict.into_outcome(attempt)
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("attempt", &self.attempt).finish_non_exhaustive()
    }
}
