//! How much one client may ask of one profile.
//!
//! **What it does.** Takes one token for each request from the bucket of (profile, client). An empty bucket refuses
//! the whole request with the time until the next token. Who the client is, the edge has decided: see
//! [`Origin::client`](crate::call::Origin::client).
//!
//! **Cost.** One token per HTTP request and per WebSocket frame. A batch is one request: the dry run that prepares it
//! pays, its items are free. A call without a client, such as one that this process makes for itself, is free too.
//!
//! **Limits** are those of the resolved profile, read anew for each call, so that a reload takes effect at once.
//!
//! **When to use it.** With clients that are not trusted to keep to what was agreed.
//!
//! **Where it stands.** Inside [`GuardLayer`](crate::call), outside everything that touches providers or is answered
//! from a cache: it counts what clients ask, not what it costs.
//!
//! **What it counts.** Nothing but tokens; refusals are seen by the layer that observes calls.
//!
//! **Cancel safety.** A token that was taken stays taken. Otherwise its future is the inner service's.
//!
//! **Without a plan** (no [`ProfileLayer`](crate::edge) outside) a call that has a client is refused with an internal
//! error.
//!
//! ```
//! use lasso_layers::call::rate_limit::{Limits, RateLimitLayer};
//!
//! let limits = Limits::new();
//! let layer = RateLimitLayer::new(limits.clone());
//! // A background task drops the buckets of clients that went away.
//! limits.sweep(tokio::time::Instant::now());
//! ```

mod bucket;
mod limits;

use std::future::{Ready, ready};
use std::task::{Context, Poll};
use std::time::Duration;

use http::StatusCode;
use tower::{Layer, Service};

pub use self::limits::Limits;
use super::{Call, Either, Failure, Rejection, Reply, unplanned};
use crate::catalog::{Category, ClientLimit};
use crate::wire::{ErrorObject, code};

/// Limits the requests of each client; see the [module](self).
#[derive(Clone, Debug)]
#[must_use]
pub struct RateLimitLayer {
    limits: Limits,
}

impl RateLimitLayer {
    /// With the buckets kept in `limits`.
    pub const fn new(limits: Limits) -> Self {
        Self { limits }
    }
}

impl<S> Layer<S> for RateLimitLayer {
    type Service = RateLimitService<S>;

    fn layer(&self, inner: S) -> RateLimitService<S> {
        RateLimitService::new(inner, self.limits.clone())
    }
}

/// The service of [`RateLimitLayer`].
#[derive(Clone, Debug)]
pub struct RateLimitService<S> {
    inner: S,
    limits: Limits,
}

impl<S> RateLimitService<S> {
    /// Around a service of calls.
    pub const fn new(inner: S, limits: Limits) -> Self {
        Self { inner, limits }
    }

    fn charge(&self, call: &Call) -> Result<(), Failure> {
        let Some(client) = call.origin.client else { return Ok(()) };
        if call.batch.is_some() {
            return Ok(());
        }
        let profile = call.plan().ok_or_else(unplanned)?.profile();
        self.limits
            .take(&profile.slug, client, profile.limit, call.received)
            .map_err(|wait| refusal(profile.limit, wait).into())
    }
}

impl<S> Service<Call> for RateLimitService<S>
where
    S: Service<Call, Response = Reply>,
    S::Error: Into<Failure>,
{
    type Response = Reply;
    type Error = Failure;
    type Future = Either<S::Future, Ready<Result<Reply, Failure>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, call: Call) -> Self::Future {
        match self.charge(&call) {
            Ok(()) => Either::Left(self.inner.call(call)),
            Err(failure) => Either::Right(ready(Err(failure))),
        }
    }
}

fn refusal(limit: ClientLimit, wait: Duration) -> Rejection {
    // Rounded up, so that nobody comes back too early.
    let millis = u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX).max(1);
    let rps = limit.rps;
    let message = format!("Rate limit exceeded: {rps} requests per second, bursts of {}", limit.burst);
    let error = ErrorObject::new(code::SERVER_ERROR, message)
        .with_data(format!(r#"{{"retry_after_ms":{millis},"rate_limit":{rps}}}"#));
    Rejection::new(Category::RateLimit, error)
        .whole_request(StatusCode::TOO_MANY_REQUESTS)
        .retry_after(Duration::from_millis(millis))
}
