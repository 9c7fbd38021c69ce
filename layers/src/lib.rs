//! Tower layers for routing Ethereum JSON-RPC over many providers.
//!
//! A **call** ([`call::Call`]) is one JSON-RPC item that a client asked for. An **attempt** ([`attempt::Attempt`]) is
//! one try of it on one channel: one provider over one transport. Layers of calls and layers of attempts are different
//! types, and `FailoverLayer` is the one that turns one into the other. Both kinds answer with a [`call::Reply`], which
//! is final, or with a [`call::Failure`], after which another channel may do better.
//!
//! Nothing here opens a socket, reads a file or spawns a task. The upstream is any HTTP client that is a tower service,
//! the server any that takes one.
//!
//! # Rooms
//!
//! | Module | Holds |
//! |---|---|
//! | [`wire`] | JSON-RPC in bytes: envelopes, ids, errors; no value trees |
//! | [`catalog`] | immutable descriptions: profiles, chains, providers, methods, error categories |
//! | [`state`] | structures that outlive a request |
//! | [`call`] | calls, and the layers that see each call once |
//! | [`attempt`] | attempts, and the layers that see each try once |
//! | [`edge`] | HTTP: requests into calls, attempts into requests, paths into routes; messages of sockets into calls |
//!
//! # The stack, outermost first
//!
//! | Layer | Feature | Leave it out, and |
//! |---|---|---|
//! | `ObserveLayer` | `observe` | nothing is logged, and there is no metadata |
//! | `ProfileLayer` | `profile` | no call is routed: what is further in needs the plan |
//! | `GuardLayer` | `guard` | wallet methods and filters are forwarded |
//! | `RateLimitLayer` | `rate-limit` | clients may ask as much as they like |
//! | `SubscribeLayer` | `subscribe` | subscriptions are forwarded to a provider, and nobody hears from them |
//! | `InflightLayer` | `inflight` | one socket may have any number of calls under way |
//! | `CandidateLayer` | `candidate` | there is nothing to try |
//! | `StrategyLayer` | `strategy` | channels are tried in configured order |
//! | `FailoverLayer` | `failover` | calls do not become attempts |
//! | `CircuitBreakerLayer` | `circuit-breaker` | a dead provider is asked each time |
//! | `PaceLayer` | `pace` | a provider that asks for fewer requests gets as many |
//! | `BenchmarkLayer` | `benchmark` | nothing is measured |
//! | `StallLayer` | `stall` | a provider that hangs is asked until attempts on it time out |
//! | `TimeoutLayer` | `timeout` | a provider that hangs hangs its clients |
//! | `ClassifyLayer` | `classify` | an upstream's JSON-RPC error is the answer, whatever it says |
//!
//! `Ingress` in front and `EgressLayer` at the end come with the feature `http`, `Sockets` in front with `socket`;
//! `full` has everything but `test-util`.
//! Without features this is the vocabulary for writing layers of one's own.
//!
//! State is in stores that are made once and handed to layers as cheap handles: the same `Breakers` are a layer that
//! counts failures and a filter that keeps channels off the list. Users' own say in selection has the same traits:
//! [`call::Filter`] and [`call::Ranker`].
//!
//! Clients that stay connected have a [`call::session`], which their calls carry: `SubscribeLayer` and `InflightLayer`
//! go by it and let calls without one pass.
//!
//! A provider with a WebSocket address has a channel for it, which `EgressLayer` cannot send to. The filter `HttpOnly`
//! leaves those channels out.
//!
//! # All of it
//!
#![cfg_attr(feature = "full", doc = "```")]
#![cfg_attr(not(feature = "full"), doc = "```text")]
//! use http_body_util::Full;
//! use lasso_layers::attempt::{benchmark::*, breaker::*, classify::*, pace::*, stall::*, timeout::*};
//! use lasso_layers::call::{candidate::*, failover::*, guard::*, observe::*, rate_limit::*, strategy::*};
//! use lasso_layers::call::{BoxError, Call, Reply, Route, Stage};
//! use lasso_layers::catalog::{ChainSpec, Live, ProfileSpec, ProviderSpec, Strategy};
//! use lasso_layers::edge::{egress::*, profile::*};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let node = ProviderSpec::http("node", "http://127.0.0.1:8545");
//! let profile = ProfileSpec::new("default").chain(ChainSpec::new("ethereum", 1).provider(node));
//! let live = Live::new(vec![profile]).expect("the profile is valid");
//! let breakers = Breakers::new(BreakerPolicy::default());
//! let paces = Paces::new(PacePolicy::default());
//! let stalls = Stalls::new(StallPolicy::default());
//! let benchmarks = Benchmarks::new();
//! let candidates = CandidateLayer::new()
//!     .filter(Stage::Liveness, HttpOnly)
//!     .filter(Stage::Liveness, stalls)
//!     .filter(Stage::Circuit, breakers)
//!     .filter(Stage::RateLimit, paces);
//! let fastest = Fastest::new(benchmarks, FastestPolicy::default());
//!
//! let stack = ServiceBuilder::new()
//!     .layer(ObserveLayer::new(ObservePolicy::default()))
//!     .layer(ProfileLayer::new(live, ProfilePolicy::default()))
//!     .layer(GuardLayer::new(GuardPolicy::default()))
//!     .layer(RateLimitLayer::new(Limits::new()))
//!     .layer(candidates)
//!     .layer(StrategyLayer::new().ranker(Strategy::Fastest, fastest))
//!     .layer(FailoverLayer::new(FailoverPolicy::default()))
//!     .layer(CircuitBreakerLayer::new(breakers))
//!     .layer(PaceLayer::new(paces))
//!     .layer(BenchmarkLayer::new(benchmarks))
//!     .layer(StallLayer::new(stalls))
//!     .layer(TimeoutLayer::new())
//!     .layer(ClassifyLayer::new())
//!     .layer(EgressLayer::new(EgressPolicy::default()))
//!     .service(service_fn(async |_: http::Request<_>| {
//!         // Any HTTP client: this one always hears the same.
//!         let reply = r#"{"jsonrpc":"2.0","id":7,"result":"0x10"}"#;
//!         Ok::<_, BoxError>(http::Response::new(Full::from(reply)))
//!     }));
//!
//! let request = lasso_layers::wire::Request::new("7", "eth_blockNumber", "[]").unwrap();
//! let call = Call::new(Route::to_chain("ethereum"), request, tokio::time::Instant::now());
//! assert!(matches!(stack.oneshot(call).await, Ok(Reply::Result(_))));
//! # });
//! ```

#![cfg_attr(not(test), warn(clippy::disallowed_methods, clippy::disallowed_types))]

pub mod attempt;
pub mod call;
pub mod catalog;
pub mod edge;
pub mod state;
#[cfg(feature = "test-util")]
pub mod testing;
pub mod wire;
