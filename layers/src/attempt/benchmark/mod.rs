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
//! the client not included. One that is streamed is recorded at its end, as a failure if it breaks off before.
//! A failure counts where its category [says
//! so](crate::catalog::Category::counts_in_benchmarks). Errors that are answers, rate limits, refusals
//! of this process, and timeouts of calls whose clients [chose less](crate::attempt::Attempt::was_cut_short) than the
//! usual time count nothing. The time spent is written into the call's journal for every attempt that
//! went upstream.
//!
//! **Lifetime and lately.** Each series keeps two views of itself. Lifetime figures are for people: the
//! [leaderboard](Benchmarks::leaderboard), [methods](Benchmarks::by_method), [transports](Benchmarks::by_transport)
//! and the [last minute](Benchmarks::calls_within). Strategies rank by a [`Trend`](crate::state::Trend) instead,
//! which fades: by a lifetime mean a provider that was fast for an hour and then became slow would keep its rank
//! for minutes.
//!
//! **Looking again.** A trend only moves where there is traffic, and [`Fastest`] sends all of it to one channel. So
//! a small share of its calls goes first to a channel that nothing recent is known about
//! ([`FastestPolicy::explore`], [`FastestPolicy::recheck`]). [`LatencyWeighted`] needs nothing of the kind: every
//! channel has a share of its own.
//!
//! **Memory.** A series takes about 430 bytes, its share of all tables included. Percentiles of now come from a ring
//! of the last hundred latencies at one byte each. Those of an interval are the difference of two
//! [readings](Benchmarks::reading) of a histogram, which has all latencies but is coarser (12 %, in 224 bytes): one as
//! exact as the ring would take kilobytes. The registry of methods bounds how many
//! series a client can bring about, and what was not used for long is dropped by [`Benchmarks::expire`], which somebody
//! has to call now and then.
//!
//! **Cancel safety.** An attempt that is dropped, or a stream of one, is not recorded.
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
mod examine;
mod fastest;
mod latency_weighted;
mod layer;
mod order;
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
