//! Remembers which channels asked for fewer requests.
//!
//! **What it does.** When a provider answers with a rate limit, its channel is limited for as long as the
//! answer says, or for a default time. A limited channel is used after the others; nobody waits for it, and
//! its breaker does not hear of it.
//!
//! **When to use it.** With providers that have quotas, which is all public ones.
//!
//! **Where it stands.** Inside the breaker and outside everything that measures: an attempt that is put off
//! here was never sent. The same [`Paces`] are a [`Filter`](crate::call::Filter) of
//! [`Stage::RateLimit`](crate::call::Stage), which demotes. This layer only acts where a channel became
//! limited after that: it refuses with category `rate_limit`, and failover puts the channel back behind
//! those that are still untried. When its turn comes again it is used, limited or not.
//!
//! **Policy.** One [`PacePolicy`] for all channels of a [`Paces`]. Limits are shared by all profiles that
//! name the same upstream.
//!
//! **What it counts.** Failures of category `rate_limit` from upstream. A limit is only ever made longer.
//! A result of an attempt that began while the channel was limited proves that there is room again and
//! ends the limit; an error, or a result of an earlier attempt, proves nothing.
//!
//! **Cancel safety.** Dropping the future leaves nothing behind.
//!
//! ```
//! use lasso_layers::attempt::Attempt;
//! use lasso_layers::attempt::pace::{PaceLayer, PacePolicy, Paces};
//! use lasso_layers::call::{Body, Failure, Reply};
//! use tower::{ServiceBuilder, service_fn};
//!
//! let paces = Paces::new(PacePolicy::default());
//! let stack = ServiceBuilder::new().layer(PaceLayer::new(paces)).service(service_fn(
//!     async |_: Attempt| Ok::<_, Failure>(Reply::Result(Body::Full("{}".into()))),
//! ));
//! # let _ = stack;
//! ```

mod layer;
mod service;
mod store;

pub use self::layer::PaceLayer;
pub use self::service::{Pace, ResponseFuture};
pub use self::store::{PacePolicy, Paces};
