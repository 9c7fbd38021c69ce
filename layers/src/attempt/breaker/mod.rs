//! Stops sending to a channel that keeps failing, and finds out when it is back.
//!
//! **What it does.** A breaker per channel counts consecutive failures. Enough of them open it, and
//! attempts on the channel are refused at once instead of failing slowly. After a while it lets a few
//! attempts through; if those succeed it closes, if one fails it opens again for longer. See
//! [`BreakerPolicy`] for the numbers.
//!
//! **When to use it.** Wherever more than one provider can answer: a refusal sends failover to the next one.
//!
//! **Where it stands.** Outermost on the attempt side, so that it hears timeouts and classified errors, and
//! so that a refusal costs next to nothing. Refusals of layers further in say nothing about the provider
//! and are not counted. The same [`Breakers`] are a [`Filter`](crate::call::Filter) of
//! [`Stage::Circuit`](crate::call::Stage): channels that would refuse are not even listed.
//!
//! **Policy.** One [`BreakerPolicy`] for all channels of a [`Breakers`]; the breakers are shared by all
//! profiles that name the same upstream.
//!
//! **What it counts.** A result is a success; one that is streamed is a success at its end, and a failure of the
//! connection if it breaks off before. A failure counts if its category
//! [penalises](crate::catalog::Category::penalises). All else, such as a revert or a rate limit, neither
//! counts nor ends a row of failures, and neither does a timeout of a call whose client [chose
//! less](crate::attempt::Attempt::was_cut_short) than the usual time. Changes of state are tracing events `lasso.circuit_breaker.*` and are
//! told to [observers](Breakers::observe); so are failures that [count](Breakers::observe_failures).
//!
//! **Probation.** An attempt holds one of the few slots of a half-open breaker until its answer is there or begins. One
//! that is streamed is still judged at its end, but holds no slot meanwhile: a client that reads slowly, or not at
//! all, takes nothing from others.
//!
//! **Cancel safety.** An attempt that is dropped gives its half-open slot back and blames nobody; a stream that is
//! dropped blames nobody. An outcome that arrives after the breaker has changed its state changes nothing.
//!
//! ```
//! use lasso_layers::attempt::Attempt;
//! use lasso_layers::attempt::breaker::{BreakerPolicy, Breakers, CircuitBreakerLayer};
//! use lasso_layers::call::{Body, Failure, Reply};
//! use tower::{ServiceBuilder, service_fn};
//!
//! let breakers = Breakers::new(BreakerPolicy { success_threshold: 1, ..BreakerPolicy::default() });
//! let stack = ServiceBuilder::new().layer(CircuitBreakerLayer::new(breakers)).service(service_fn(
//!     async |_: Attempt| Ok::<_, Failure>(Reply::Result(Body::Full("{}".into()))),
//! ));
//! # let _ = stack;
//! ```

mod event;
mod layer;
mod machine;
mod permit;
mod policy;
mod reason;
mod service;
mod store;
mod word;

pub use self::event::{BreakerState, LastError, Transition};
pub use self::layer::CircuitBreakerLayer;
pub use self::permit::{Permit, Refusal};
pub use self::policy::{BreakerPolicy, CategoryThresholds, ProbeRecovery};
pub use self::reason::Reason;
pub use self::service::{CircuitBreaker, ResponseFuture};
pub use self::store::{BreakerStatus, Breakers};

/// The target of the tracing events of breakers, for filters.
pub const EVENTS: &str = module_path!();
