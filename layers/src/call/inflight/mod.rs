//! How many calls of one socket may be under way.
//!
//! **What it does.** Takes one of the [permits](crate::call::session::SessionPolicy::max_inflight) of the call's session
//! and holds it until the reply is complete: until it is there, and of a reply that streams until its last byte has been
//! taken or the rest has been given up. Without a permit the call is refused with -32008, which nobody is to blame for.
//!
//! **When to use it.** Where clients stay connected: one socket can ask for more at once than all of its upstreams
//! bear, and nothing else bounds it.
//!
//! **Where it stands.** Inside [`GuardLayer`](crate::call) and `SubscribeLayer`, so that what is answered here needs no
//! permit, and outside everything that touches providers.
//!
//! **What it counts.** Nothing; refusals are seen by the layer that observes calls.
//!
//! **Cancel safety.** Dropping the future, or the reply, returns the permit.
//!
//! **Without a session** a call passes, and so does a dry run, which forwards nothing.
//!
//! ```
//! use lasso_layers::call::inflight::InflightLayer;
//! use lasso_layers::call::session::{OutboxBudget, Session, SessionPolicy};
//! use lasso_layers::call::{Call, Failure, Reply, Route};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let stack = ServiceBuilder::new()
//!     .layer(InflightLayer::new())
//!     .service(service_fn(async |_: Call| -> Result<Reply, Failure> { unreachable!("nothing is forwarded") }));
//!
//! // A client that may have nothing under way.
//! let policy = SessionPolicy { max_inflight: 0, ..SessionPolicy::default() };
//! let session = Session::new(policy, OutboxBudget::default());
//! let request = lasso_layers::wire::Request::new("1", "eth_call", "[]").unwrap();
//! let mut call = Call::new(Route::to_chain("ethereum"), request, tokio::time::Instant::now());
//! call.session = Some(session.for_call());
//! assert_eq!(stack.oneshot(call).await.unwrap_err().error().code, -32008);
//! # });
//! ```

use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll, ready as ready_or_pending};

use pin_project::pin_project;
use tower::{Layer, Service};

use super::session::Permit;
use super::{Body, Call, Either, Failure, Reply};
use crate::catalog::Category;
use crate::wire::{ErrorObject, code};

/// Bounds the calls of one socket that are under way; see the [module](self).
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct InflightLayer(());

impl InflightLayer {
    /// With the limit that each session has.
    pub const fn new() -> Self {
        Self(())
    }
}

impl<S> Layer<S> for InflightLayer {
    type Service = InflightService<S>;

    fn layer(&self, inner: S) -> InflightService<S> {
        InflightService::new(inner)
    }
}

/// The service of [`InflightLayer`].
#[derive(Clone, Debug)]
pub struct InflightService<S> {
    inner: S,
}

impl<S> InflightService<S> {
    /// Around a service of calls.
    pub const fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S> Service<Call> for InflightService<S>
where
    S: Service<Call, Response = Reply>,
    S::Error: Into<Failure>,
{
    type Response = Reply;
    type Error = Failure;
    type Future = Either<Permitted<S::Future>, Ready<Result<Reply, Failure>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, call: Call) -> Self::Future {
        let permit = match &call.session {
            Some(session) if !call.dry_run => match session.permit() {
                Some(permit) => Some(permit),
                None => return Either::Right(ready(Err(refusal()))),
            },
            _ => None,
        };
        Either::Left(Permitted { inner: self.inner.call(call), permit })
    }
}

/// A call that is under way.
#[pin_project]
#[derive(Debug)]
pub struct Permitted<F> {
    #[pin]
    inner: F,
    permit: Option<Permit>,
}

impl<F, E> Future for Permitted<F>
where
    F: Future<Output = Result<Reply, E>>,
    E: Into<Failure>,
{
    type Output = Result<Reply, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Reply, Failure>> {
        let this = self.project();
        let reply = ready_or_pending!(this.inner.poll(cx)).map_err(Into::into);
        let permit = this.permit.take();
        Poll::Ready(match (reply, permit) {
            // Whoever listens for the end is dropped with the stream, and the permit with either.
            (Ok(Reply::Result(Body::Stream(stream))), Some(permit)) => {
                Ok(Reply::Result(Body::Stream(stream.on_end(move |_| drop(permit)))))
            }
            (reply, _) => reply,
        })
    }
}

fn refusal() -> Failure {
    let error = ErrorObject::new(code::CAPACITY, "Local request capacity unavailable");
    Failure::rejected(Category::LocalCapacityRejection, error)
}
