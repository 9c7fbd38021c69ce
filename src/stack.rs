//! The whole stack on one screen.

use std::sync::Arc;

use lasso_layers::attempt::Attempt;
use lasso_layers::attempt::benchmark::{BenchmarkLayer, Fastest, LatencyWeighted};
use lasso_layers::attempt::breaker::CircuitBreakerLayer;
use lasso_layers::attempt::classify::ClassifyLayer;
use lasso_layers::attempt::pace::PaceLayer;
use lasso_layers::attempt::stall::StallLayer;
use lasso_layers::attempt::timeout::TimeoutLayer;
use lasso_layers::call::candidate::CandidateLayer;
use lasso_layers::call::failover::FailoverLayer;
use lasso_layers::call::guard::GuardLayer;
use lasso_layers::call::inflight::InflightLayer;
use lasso_layers::call::observe::ObserveLayer;
use lasso_layers::call::rate_limit::RateLimitLayer;
use lasso_layers::call::strategy::StrategyLayer;
use lasso_layers::call::subscribe::{SubscribeLayer, Subscriptions};
use lasso_layers::call::{Call, Failure, Reply, Stage};
use lasso_layers::catalog::Strategy;
use lasso_layers::edge::profile::ProfileLayer;
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceBuilder};

use crate::config::Settings;
use crate::policies;
use crate::runtime::Runtime;
use crate::streams::Others;

/// Composes every layer around what sends attempts to upstreams, such as
/// [`Upstreams`](crate::upstream::Upstreams), with subscriptions from `subscriptions`, such as a
/// [`Hub`](crate::streams::Hub). There is one stack in the process for the calls of clients; it is boxed once, here,
/// where the servers take it over.
///
/// WebSocket channels are used while [`Runtime::links`] has a connection for them. Where those are not run, nothing but
/// HTTP is sent, and there are no subscriptions.
#[must_use]
pub fn stack<U, H>(
    runtime: &Runtime,
    settings: &Settings,
    upstream: U,
    subscriptions: H,
) -> BoxCloneSyncService<Call, Reply, Failure>
where
    U: Service<Attempt, Response = Reply, Error = Failure> + Clone + Send + Sync + 'static,
    U::Future: Send,
    H: Subscriptions,
{
    let stack = ServiceBuilder::new()
        // === once for each call ===
        // Outermost, so that every outcome is logged, refusals too.
        .layer(observe(ObserveLayer::new(policies::observe(settings)), runtime, settings))
        // Names become positions in one snapshot; everything further in needs that.
        .layer(ProfileLayer::new(runtime.live.clone(), policies::profile(settings)))
        // Cheap answers and refusals come before anything is paid for.
        .layer(GuardLayer::new(policies::guard(settings)))
        // Counts what clients ask, whether or not an upstream is needed for it: new filters are work for upstreams too.
        .layer(RateLimitLayer::new(runtime.limits.clone()))
        // Subscriptions are shared: what a client subscribes to is no request to a provider, and goes no further.
        .layer(SubscribeLayer::new(subscriptions))
        // What was answered so far holds no place of those that a client's socket has for forwarded calls.
        .layer(InflightLayer::new())
        .service(forwarding(runtime, settings, upstream, candidates(runtime)));
    BoxCloneSyncService::new(stack)
}

/// The part of the stack that the router's own calls pass: subscriptions ask for the blocks and logs that they miss.
/// Nobody pays for those, and nobody reads of them in the log of requests, but they are among the decisions. Breakers, limits of upstreams and measurements
/// are the same ones.
///
/// This is how a [`Hub`](crate::streams::Hub) can stand in the stack of clients and use a stack itself: it has its own,
/// over the same stores, which is there first.
#[must_use]
pub fn own_calls<U>(
    runtime: &Runtime,
    settings: &Settings,
    upstream: U,
) -> BoxCloneSyncService<Call, Reply, Failure>
where
    U: Service<Attempt, Response = Reply, Error = Failure> + Clone + Send + Sync + 'static,
    U::Future: Send,
{
    // A stream that could not be answered by one provider asks the others.
    let candidates = candidates(runtime).filter(Stage::Custom, Others);
    let stack = ServiceBuilder::new()
        .layer(observe(ObserveLayer::for_own_calls(), runtime, settings))
        .layer(ProfileLayer::new(runtime.live.clone(), policies::profile(settings)))
        .service(forwarding(runtime, settings, upstream, candidates));
    BoxCloneSyncService::new(stack)
}

/// Who hears of calls, and whether they are traced.
fn observe(layer: ObserveLayer, runtime: &Runtime, settings: &Settings) -> ObserveLayer {
    let layer = layer.entropy(runtime.entropy.clone()).observer(Arc::new(runtime.observed.clone()));
    match policies::trace_sampling(settings) {
        Some(rate) => layer.traces(rate),
        None => layer,
    }
}

/// What rules a channel out, beside what the catalogue says.
fn candidates(runtime: &Runtime) -> CandidateLayer {
    CandidateLayer::new()
        .filter(Stage::Liveness, runtime.links)
        .filter(Stage::Liveness, runtime.strangers)
        .filter(Stage::Liveness, runtime.stalls)
        .filter(Stage::Circuit, runtime.breakers)
        .filter(Stage::RateLimit, runtime.paces)
        .filter(Stage::Lag, runtime.heights)
        .heads(runtime.heights)
}

/// From the choice of channels to the upstream.
fn forwarding<U>(
    runtime: &Runtime,
    settings: &Settings,
    upstream: U,
    candidates: CandidateLayer,
) -> impl Service<Call, Response = Reply, Error = Failure, Future: Send> + Clone + Send + Sync + use<U>
where
    U: Service<Attempt, Response = Reply, Error = Failure> + Clone + Send + Sync + 'static,
    U::Future: Send,
{
    let strategies = StrategyLayer::new()
        .tier_order(policies::tier_order(settings))
        .entropy(runtime.entropy.clone())
        .ranker(Strategy::Fastest, Fastest::new(runtime.benchmarks, policies::fastest(settings)))
        .ranker(
            Strategy::LatencyWeighted,
            LatencyWeighted::new(runtime.benchmarks, policies::latency_weighted(settings)),
        );
    // A call that a reload overtakes chooses anew, by the same rules.
    let failover = FailoverLayer::new(policies::failover(settings)).count(runtime.failovers).reselect({
        let (candidates, strategies) = (candidates.clone(), strategies.clone());
        move |call, now| {
            let mut shortlist = candidates.shortlist(call, now);
            strategies.order(call, &mut shortlist);
            shortlist
        }
    });
    ServiceBuilder::new()
        // Which channels may be used, and why the others may not.
        .layer(candidates)
        // In which order.
        .layer(strategies)
        // The pivot: one call in, one attempt after the other out.
        .layer(failover)
        // === once for each attempt ===
        // Outermost, so that it hears timeouts, and so that a refusal costs nothing.
        .layer(CircuitBreakerLayer::new(runtime.breakers))
        // Outside the measuring: our own waiting is not the upstream's latency.
        .layer(PaceLayer::new(runtime.paces))
        // Outside the timeout: an attempt that was cut off is a recorded bound, not a missing sample.
        .layer(BenchmarkLayer::new(runtime.benchmarks))
        // Hears what comes back and what does not, long before a timeout.
        .layer(StallLayer::new(runtime.stalls))
        .layer(TimeoutLayer::new())
        // Innermost: everyone outside sees categories, not codes.
        .layer(ClassifyLayer::new().count(runtime.classifications))
        .service(upstream)
}
