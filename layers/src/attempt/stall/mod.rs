//! Notices a channel that stopped answering before its attempts time out.
//!
//! **What it does.** A provider that hangs gets no breaker opened until attempts on it are over, which takes seconds;
//! under load hundreds of calls follow the first one into the trap. This layer counts the attempts that were sent on a
//! channel since it was last heard of. Once a few of them wait and the first of those has waited for a while, the
//! channel is stalled: used last within its health tier, until it is heard of again.
//!
//! **When to use it.** With more than one provider and more than a few calls a second. A channel with little traffic
//! never counts as stalled.
//!
//! **Where it stands.** Anywhere between the breaker and the timeout. The same [`Stalls`] are a
//! [`Filter`](crate::call::Filter) of [`Stage::Liveness`](crate::call::Stage), which demotes and rules nothing out: a
//! provider that is slow, and not dead, loses nothing but a few calls to others that were idle.
//!
//! **Policy.** One [`StallPolicy`] for all channels of a [`Stalls`].
//!
//! **What it counts.** Every attempt that is sent. Any outcome but a timeout is a sign of life, a refused connection too:
//! that one is for the breaker. Silence is forgotten after a time, by when the breaker has its timeouts.
//!
//! **Cancel safety.** An attempt that is dropped stays counted: that its client left says nothing about whether the
//! provider would have answered. The next sign of life clears it.
//!
//! ```
//! use lasso_layers::attempt::Attempt;
//! use lasso_layers::attempt::stall::{StallLayer, StallPolicy, Stalls};
//! use lasso_layers::call::{Body, Failure, Reply};
//! use tower::{ServiceBuilder, service_fn};
//!
//! let stalls = Stalls::new(StallPolicy::default());
//! let stack = ServiceBuilder::new().layer(StallLayer::new(stalls)).service(service_fn(
//!     async |_: Attempt| Ok::<_, Failure>(Reply::Result(Body::Full("{}".into()))),
//! ));
//! # let _ = stack;
//! ```

mod layer;
mod service;
mod silence;
mod store;

pub use self::layer::StallLayer;
pub use self::service::{ResponseFuture, Stall};
pub use self::store::{StallPolicy, Stalls};
