//! What the whole stack holds for one call that waits for its upstream.

use std::future::pending;
use std::time::Duration;

use lasso_layers::attempt::Attempt;
use lasso_layers::attempt::benchmark::{BenchmarkLayer, Benchmarks};
use lasso_layers::attempt::breaker::{BreakerPolicy, Breakers, CircuitBreakerLayer};
use lasso_layers::attempt::classify::ClassifyLayer;
use lasso_layers::attempt::pace::{PaceLayer, PacePolicy, Paces};
use lasso_layers::attempt::timeout::TimeoutLayer;
use lasso_layers::call::candidate::CandidateLayer;
use lasso_layers::call::failover::{FailoverLayer, FailoverPolicy};
use lasso_layers::call::guard::{GuardLayer, GuardPolicy};
use lasso_layers::call::observe::{ObserveLayer, ObservePolicy};
use lasso_layers::call::rate_limit::{Limits, RateLimitLayer};
use lasso_layers::call::strategy::StrategyLayer;
use lasso_layers::call::{Call, Candidate, Failure, Journal, Reply};
use lasso_layers::edge::profile::{ProfileLayer, ProfilePolicy};
use lasso_layers::testing;
use tower::{Service, ServiceBuilder, service_fn};

/// The ceiling for everything that one waiting call holds on the heap and in its future, in bytes.
const CEILING: usize = 4096;

#[tokio::test(start_paused = true)]
async fn a_waiting_call_holds_at_most_four_kibibytes() {
    let live = testing::live(testing::chain(&["a", "b", "c"]));
    let mut stack = ServiceBuilder::new()
        .layer(ObserveLayer::new(ObservePolicy::default()))
        .layer(ProfileLayer::new(live, ProfilePolicy::default()))
        .layer(GuardLayer::new(GuardPolicy::default()))
        .layer(RateLimitLayer::new(Limits::new()))
        .layer(CandidateLayer::new())
        .layer(StrategyLayer::new())
        .layer(FailoverLayer::new(FailoverPolicy::default()))
        .layer(CircuitBreakerLayer::new(Breakers::new(BreakerPolicy::default())))
        .layer(PaceLayer::new(Paces::new(PacePolicy::default())))
        .layer(BenchmarkLayer::new(Benchmarks::new()))
        .layer(TimeoutLayer::new())
        .layer(ClassifyLayer::new())
        .service(service_fn(|_: Attempt| pending::<Result<Reply, Failure>>()));

    let future = stack.call(testing::call("eth_getBalance", r#"["0xab","latest"]"#));
    let future_size = size_of_val(&future);
    let shared = size_of::<Call>() + size_of::<Journal>() + 3 * size_of::<Candidate>();
    let total = future_size + shared;
    assert!(total <= CEILING, "future {future_size} + shared {shared} = {total} bytes");

    // It is a call that waits, and not one that was refused on the way.
    let outcome = tokio::time::timeout(Duration::from_secs(1), future).await;
    assert!(outcome.is_err(), "{outcome:?}");
}
