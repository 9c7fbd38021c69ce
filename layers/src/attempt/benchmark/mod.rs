//! Measures how channels do, per method, and ranks them by it.
//!
//! **What it does.** Takes the time of every attempt and records one outcome for it: how often a provider
//! succeeds and how fast it is, for each method and transport.
//!
//! **When to use it.** With the strategies [`Fastest`] and [`LatencyWeighted`], which rank by these
//! records, and for a leaderboard.
//!
//! **Where it stands.** Outside the timeout, so that a timeout is an outcome, and inside everything that
//! refuses or waits on our side, so that our own doings are not the upstream's latency.
//!
//! **Policy.** None for recording; each strategy has its own. Records are kept per provider of a profile:
//! profiles that share an upstream may have different contracts with it.
//!
//! **What it counts.** A result is a success with its latency: the time until the reply began, streaming to
//! the client not included. A failure counts where its category [says
//! so](crate::catalog::Category::counts_in_benchmarks). Errors that are answers, rate limits and refusals
//! of this process count nothing. The time spent is written into the call's journal for every attempt that
//! went upstream.
//!
//! **Cancel safety.** An attempt that is dropped is not recorded.
//!
//! ```
//! use lasso_layers::attempt::Attempt;
//! use lasso_layers::attempt::benchmark::{BenchmarkLayer, Benchmarks, Fastest, FastestPolicy};
//! use lasso_layers::call::{Body, Failure, Reply};
//! use tower::{ServiceBuilder, service_fn};
//!
//! let benchmarks = Benchmarks::new();
//! let ranker = Fastest::new(benchmarks, FastestPolicy::default());
//! let stack = ServiceBuilder::new().layer(BenchmarkLayer::new(benchmarks)).service(service_fn(
//!     async |_: Attempt| Ok::<_, Failure>(Reply::Result(Body::Full("{}".into()))),
//! ));
//! # let _ = (stack, ranker);
//! ```

mod board;
mod evidence;
mod fastest;
mod latency_weighted;
mod layer;
mod series;
mod service;
mod store;

pub use self::board::{MethodRow, Row, Totals, TransportRow};
pub use self::fastest::{Fastest, FastestPolicy};
pub use self::latency_weighted::{LatencyWeighted, LatencyWeightedPolicy};
pub use self::layer::BenchmarkLayer;
pub use self::series::{Series, Summary};
pub use self::service::{Benchmark, ResponseFuture};
pub use self::store::Benchmarks;
