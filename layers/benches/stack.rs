//! What the stack itself costs, over an upstream that answers at once.
//!
//! `cargo bench -p lasso-layers --all-features --bench stack`

use std::future::ready;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use divan::{AllocProfiler, Bencher, black_box};
use lasso_layers::attempt::Attempt;
use lasso_layers::attempt::benchmark::{
    BenchmarkLayer, Benchmarks, Fastest, FastestPolicy, LatencyWeighted, LatencyWeightedPolicy, Series,
};
use lasso_layers::attempt::breaker::{BreakerPolicy, Breakers, CircuitBreakerLayer};
use lasso_layers::attempt::classify::ClassifyLayer;
use lasso_layers::attempt::pace::{PaceLayer, PacePolicy, Paces};
use lasso_layers::attempt::stall::{StallLayer, StallPolicy, Stalls};
use lasso_layers::attempt::timeout::TimeoutLayer;
use lasso_layers::call::candidate::CandidateLayer;
use lasso_layers::call::failover::{FailoverLayer, FailoverPolicy};
use lasso_layers::call::guard::{GuardLayer, GuardPolicy};
use lasso_layers::call::observe::{ObserveLayer, ObservePolicy};
use lasso_layers::call::rate_limit::{Limits, RateLimitLayer};
use lasso_layers::call::strategy::StrategyLayer;
use lasso_layers::call::{Call, Failure, Reply, Stage};
use lasso_layers::catalog::{ChainSpec, ClientLimit, Live, ProfileSpec, ProviderSpec, Strategy, Transport};
use lasso_layers::edge::profile::{ProfileLayer, ProfilePolicy};
use lasso_layers::state::heights::Heights;
use lasso_layers::testing;
use tokio::time::Instant;
use tower::{Service, ServiceBuilder, service_fn};

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

/// Every store of a stack.
struct Stores {
    live: Live,
    breakers: Breakers,
    paces: Paces,
    stalls: Stalls,
    benchmarks: Benchmarks,
    heights: Heights,
}

impl Stores {
    fn new(providers: usize) -> Self {
        let chain = (0..providers).fold(ChainSpec::new("ethereum", 1), |chain, at| {
            let provider = ProviderSpec::http(format!("provider-{at}"), format!("http://host-{at}.example"));
            chain.provider(provider)
        });
        let mut profile = ProfileSpec::new("default").chain(chain);
        profile.limit = ClientLimit { rps: u32::MAX, burst: u32::MAX };
        Self {
            live: Live::new(vec![profile]).expect("the profile is valid"),
            breakers: Breakers::new(BreakerPolicy::default()),
            paces: Paces::new(PacePolicy::default()),
            stalls: Stalls::new(StallPolicy::default()),
            benchmarks: Benchmarks::new(),
            heights: Heights::new(),
        }
    }

    fn candidates(&self) -> CandidateLayer {
        CandidateLayer::new()
            .filter(Stage::Liveness, self.stalls)
            .filter(Stage::Circuit, self.breakers)
            .filter(Stage::RateLimit, self.paces)
            .filter(Stage::Lag, self.heights)
            .heads(self.heights)
    }

    fn strategies(&self) -> StrategyLayer {
        let fastest = Fastest::new(self.benchmarks, FastestPolicy::default());
        let weighted = LatencyWeighted::new(self.benchmarks, LatencyWeightedPolicy::default());
        StrategyLayer::new().ranker(Strategy::Fastest, fastest).ranker(Strategy::LatencyWeighted, weighted)
    }

    /// Gives every provider a record for the method of [`call`], each with a latency of its own.
    fn measure(&self) {
        let catalog = self.live.snapshot();
        let (_, profile) = catalog.profile("default").expect("there is one profile");
        for (provider, at) in profile.chains()[0].providers.iter().zip(0..) {
            let series = Series { provider: provider.key, transport: Transport::Http, method: call().method };
            let latency = Duration::from_millis(20 + at * 7 % 64);
            (0..100).for_each(|_| self.benchmarks.success(series, latency, Instant::now()));
        }
    }
}

fn call() -> Call {
    testing::call("eth_getBalance", r#"["0x407d73d8a49eeb85d32cf465507dd71d507100c1","latest"]"#)
}

/// Runs a call that is answered without waiting.
fn run<S>(service: &mut S, call: Call) -> Result<Reply, Failure>
where
    S: Service<Call, Response = Reply, Error = Failure>,
{
    let mut context = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut context).is_ready(), "the stack is always ready");
    match pin!(service.call(call)).poll(&mut context) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => panic!("the upstream answers at once"),
    }
}

/// The complete call and attempt stack: at most 2 µs and 8 allocations.
#[divan::bench(args = [3, 10, 32])]
fn complete(bencher: Bencher<'_, '_>, providers: usize) {
    let stores = Stores::new(providers);
    let mut stack = ServiceBuilder::new()
        .layer(ObserveLayer::new(ObservePolicy::default()))
        .layer(ProfileLayer::new(stores.live.clone(), ProfilePolicy::default()))
        .layer(GuardLayer::new(GuardPolicy::default()))
        .layer(RateLimitLayer::new(Limits::new()))
        .layer(stores.candidates())
        .layer(stores.strategies())
        .layer(FailoverLayer::new(FailoverPolicy::default()))
        .layer(CircuitBreakerLayer::new(stores.breakers))
        .layer(PaceLayer::new(stores.paces))
        .layer(BenchmarkLayer::new(stores.benchmarks))
        .layer(StallLayer::new(stores.stalls))
        .layer(TimeoutLayer::new())
        .layer(ClassifyLayer::new())
        .service(service_fn(|_: Attempt| ready(Ok::<_, Failure>(testing::reply("\"0x1\"")))));
    let request = call();
    bencher.bench_local(|| {
        // A call of its own, as the ingress makes it; reading the request's bytes is measured in `wire`.
        let call = Call::new(request.route.clone(), request.request.clone(), Instant::now());
        run(&mut stack, black_box(call))
    });
}

/// Filtering and ranking alone: at most 1 µs for 10 channels and 5 µs for 32.
#[divan::bench(args = [10, 32])]
fn selection(bencher: Bencher<'_, '_>, providers: usize) {
    select(bencher, providers, Strategy::LoadBalanced);
}

/// The same with a strategy that reads measurements: at most 1.5 µs for 10 channels and 6 µs for 32.
#[divan::bench(args = [10, 32])]
fn selection_fastest(bencher: Bencher<'_, '_>, providers: usize) {
    select(bencher, providers, Strategy::Fastest);
}

/// The same with one that draws a logarithm for each channel.
#[divan::bench(args = [10, 32])]
fn selection_latency_weighted(bencher: Bencher<'_, '_>, providers: usize) {
    select(bencher, providers, Strategy::LatencyWeighted);
}

fn select(bencher: Bencher<'_, '_>, providers: usize, strategy: Strategy) {
    let stores = Stores::new(providers);
    stores.measure();
    let policy = ProfilePolicy { default_strategy: strategy, ..ProfilePolicy::default() };
    let mut planning = ServiceBuilder::new()
        .layer(ProfileLayer::new(stores.live.clone(), policy))
        .service(service_fn(|_: Call| ready(Ok::<_, Failure>(testing::reply("1")))));
    let mut selecting = ServiceBuilder::new()
        .layer(stores.candidates())
        .layer(stores.strategies())
        .service(service_fn(|_: Call| ready(Ok::<_, Failure>(testing::reply("1")))));
    let planned = || {
        let call = call();
        run(&mut planning, call.clone()).expect("the route exists");
        call
    };
    bencher.with_inputs(planned).bench_local_values(|call| run(&mut selecting, call));
}

/// A look at a closed breaker: at most 50 ns.
#[divan::bench]
fn breaker_check(bencher: Bencher<'_, '_>) {
    let stores = Stores::new(1);
    let call = testing::planned(&stores.live, call(), Duration::from_secs(10));
    let attempt = testing::attempt(call, 0);
    let now = Instant::now();
    bencher.bench_local(|| stores.breakers.admit(black_box(attempt.channel()), now).is_ok());
}
