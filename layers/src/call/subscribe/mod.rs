//! Subscriptions of clients that can be pushed to.
//!
//! **What it does.** Answers `eth_subscribe` and `eth_unsubscribe` of calls that have a
//! [session](crate::call::session); every other call passes. A subscription is made by a [`Subscriptions`], which is
//! handed a [`Subscriber`] to push to, and answers once an upstream has confirmed: only then the client gets an id.
//!
//! **Parameters.** `["newHeads"]`, `["logs"]`, `["logs", {filter}]` and `["newPendingTransactions"]`; see
//! [`Topic::parse`]. Anything else is refused with -32602.
//!
//! **Limits.** A client has as many subscriptions as its [session](crate::call::session::SessionPolicy) allows, those
//! that are being established included; one more is refused with -32008. What is not established by the call's deadline
//! is given up. As a notification, `eth_subscribe` is refused: nobody would learn the id.
//!
//! **`eth_unsubscribe`** says `true` once for each subscription of this session, and `false` for every other id. The
//! subscription has ended when it says so.
//!
//! **When to use it.** In front of a source of events, where clients come over sockets.
//!
//! **Where it stands.** Inside `GuardLayer`, which tells clients without a socket where to go, inside the client limit,
//! because who subscribes to one filter after the other has upstreams work for it, and outside everything that forwards:
//! subscriptions are no requests to providers, and need none of the permits of `InflightLayer`.
//!
//! **What it counts.** Nothing. The session counts what is dropped, the source what it is asked for.
//!
//! **Cancel safety.** A call that is dropped half-way leaves nothing behind: its slot is given back, and the guard of a
//! subscription that nobody will hear of is dropped.
//!
//! **Without a session** a call passes, and so does a dry run.
//!
//! ```
//! use lasso_layers::call::session::*;
//! use lasso_layers::call::subscribe::{SubscribeLayer, Subscriptions, Topic};
//! use lasso_layers::call::{Body, Call, Failure, Reply, Route};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! /// Confirms everything and has no news.
//! #[derive(Clone)]
//! struct Silence;
//!
//! impl Subscriptions for Silence {
//!     type Guard = ();
//!
//!     async fn subscribe(&self, _: &Call, _: Topic, _: Subscriber) -> Result<(), Failure> {
//!         Ok(())
//!     }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let stack = ServiceBuilder::new()
//!     .layer(SubscribeLayer::new(Silence))
//!     .service(service_fn(async |_: Call| -> Result<Reply, Failure> { unreachable!("nothing is forwarded") }));
//!
//! let session = Session::new(SessionPolicy::default(), OutboxBudget::default());
//! let request = lasso_layers::wire::Request::new("1", "eth_subscribe", r#"["newHeads"]"#).unwrap();
//! let mut call = Call::new(Route::to_chain("ethereum"), request, tokio::time::Instant::now());
//! call.session = Some(session.for_call());
//! assert!(matches!(stack.oneshot(call).await, Ok(Reply::Result(Body::Full(_)))));
//! assert_eq!(session.subscriptions(), 1);
//! # });
//! ```

mod bloom;
mod filter;
mod refusal;
mod service;
mod topic;

use std::future::Future;

pub use self::bloom::BloomBuilder;
pub use self::filter::{LogFilter, LogKey};
pub use self::refusal::{CreationFailure, PinProblem};
pub use self::service::{SubscribeLayer, SubscribeService};
pub use self::topic::Topic;
use super::session::Subscriber;
use super::{Call, Failure};

/// Where subscriptions come from.
pub trait Subscriptions: Clone + Send + Sync + 'static {
    /// What a subscription rests on. Dropping it ends the subscription at once, from whatever thread.
    type Guard: Send + 'static;

    /// Subscribes a client and answers once it will be told everything from now on.
    ///
    /// Pushes may come before that; the session keeps them until the client knows their id. The future is dropped when
    /// the call's deadline passes or the client leaves, and then nothing may stay.
    fn subscribe(
        &self,
        call: &Call,
        topic: Topic,
        subscriber: Subscriber,
    ) -> impl Future<Output = Result<Self::Guard, Failure>> + Send;
}
