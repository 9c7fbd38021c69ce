//! The attempt layers together, under failover.
#![cfg(all(
    feature = "benchmark",
    feature = "candidate",
    feature = "circuit-breaker",
    feature = "failover",
    feature = "pace",
    feature = "strategy",
    feature = "test-util",
    feature = "timeout"
))]

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lasso_layers::attempt::Attempt;
use lasso_layers::attempt::benchmark::{BenchmarkLayer, Benchmarks, Fastest, FastestPolicy, Series};
use lasso_layers::attempt::breaker::{BreakerPolicy, BreakerState, Breakers, CircuitBreakerLayer};
use lasso_layers::attempt::pace::{PaceLayer, PacePolicy, Paces};
use lasso_layers::attempt::timeout::TimeoutLayer;
use lasso_layers::call::candidate::CandidateLayer;
use lasso_layers::call::failover::{FailoverLayer, FailoverPolicy};
use lasso_layers::call::strategy::StrategyLayer;
use lasso_layers::call::{Call, Failure, Plan, Reply, Stage, UpstreamFailure};
use lasso_layers::catalog::{Category, ChainSpec, ChannelKey, Live, MethodId, Strategy, Transport};
use lasso_layers::testing::{call, chain, live, reply};
use lasso_layers::wire::{ErrorObject, code};
use tokio::time::{Instant, advance, sleep};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

/// What a provider, or one channel of it, does with every request.
#[derive(Clone, Copy)]
enum Does {
    Answer(Duration),
    Fail(Category),
    Limit(Duration),
    Hang,
}

type Script = Arc<Mutex<HashMap<&'static str, Does>>>;
type Log = Arc<Mutex<Vec<String>>>;

/// Providers that do as told, the stack around them, and the handles on its state.
struct Bench {
    live: Live,
    script: Script,
    sent: Log,
    breakers: Breakers,
    paces: Paces,
    benchmarks: Benchmarks,
}

impl Bench {
    fn new(providers: &[(&'static str, Does)]) -> Self {
        let ids: Vec<_> = providers.iter().map(|(id, _)| *id).collect();
        Self::of(chain(&ids), providers)
    }

    /// Whose providers have a live socket each, too.
    fn with_sockets(providers: &[(&'static str, Does)]) -> Self {
        let ids: Vec<_> = providers.iter().map(|(id, _)| *id).collect();
        let mut chain = chain(&ids);
        for provider in &mut chain.providers {
            provider.ws_url = Some(format!("ws://{}.example", provider.id));
        }
        Self::of(chain, providers)
    }

    fn of(chain: ChainSpec, providers: &[(&'static str, Does)]) -> Self {
        Self {
            live: live(chain),
            script: Arc::new(Mutex::new(providers.iter().copied().collect())),
            sent: Log::default(),
            breakers: Breakers::new(BreakerPolicy::default()),
            paces: Paces::new(PacePolicy::default()),
            benchmarks: Benchmarks::new(),
        }
    }

    /// What a provider does from now on; a name such as `a:ws` is that of one channel, which then differs from the
    /// others of its provider.
    fn now_does(&self, name: &'static str, does: Does) {
        self.script.lock().unwrap().insert(name, does);
    }

    fn stack(&self) -> impl Service<Call, Response = Reply, Error = Failure, Future: Send> + Clone + use<> {
        let (script, sent) = (self.script.clone(), self.sent.clone());
        ServiceBuilder::new()
            .layer(
                CandidateLayer::new()
                    .filter(Stage::Circuit, self.breakers)
                    .filter(Stage::RateLimit, self.paces),
            )
            .layer(
                StrategyLayer::new()
                    .ranker(Strategy::Fastest, Fastest::new(self.benchmarks, FastestPolicy::default())),
            )
            .layer(FailoverLayer::new(FailoverPolicy::default()))
            .layer(CircuitBreakerLayer::new(self.breakers))
            .layer(PaceLayer::new(self.paces))
            .layer(BenchmarkLayer::new(self.benchmarks))
            .layer(TimeoutLayer::new())
            .service(service_fn(move |attempt: Attempt| {
                let id = attempt.provider().id.as_str();
                let channel = match attempt.transport() {
                    Transport::Http => id.to_owned(),
                    Transport::Ws => format!("{id}:ws"),
                };
                let script = script.lock().unwrap();
                let does = script.get(channel.as_str()).unwrap_or_else(|| &script[id]);
                sent.lock().unwrap().push(channel);
                act(*does)
            }))
    }

    /// One call with a second to go, under this strategy; what was sent where, and the outcome.
    async fn call(&self, strategy: Strategy) -> (Vec<String>, Result<Reply, Failure>) {
        let outcome = self.stack().oneshot(self.a_call(strategy)).await;
        (std::mem::take(&mut *self.sent.lock().unwrap()), outcome)
    }

    fn a_call(&self, strategy: Strategy) -> Call {
        let mut plan = Plan::new(self.live.snapshot(), "default", "ethereum").unwrap();
        plan.strategy = strategy;
        let mut call = call("eth_call", "[]");
        call.deadline = call.received + Duration::from_secs(1);
        call.journal().set_plan(plan);
        call
    }

    fn channel(&self, provider: &str) -> ChannelKey {
        let snapshot = self.live.snapshot();
        let (_, provider) = snapshot.profiles()[0].chains()[0].provider(provider).unwrap();
        provider.http.as_ref().unwrap().key
    }

    fn socket(&self, provider: &str) -> ChannelKey {
        let snapshot = self.live.snapshot();
        let (_, provider) = snapshot.profiles()[0].chains()[0].provider(provider).unwrap();
        provider.ws.as_ref().unwrap().key
    }

    fn failures(&self, provider: &str) -> (BreakerState, u32) {
        self.failures_of(self.channel(provider))
    }

    fn failures_of(&self, channel: ChannelKey) -> (BreakerState, u32) {
        let status = self.breakers.status(channel, Instant::now());
        (status.state, status.failures)
    }
}

fn act(does: Does) -> Pin<Box<dyn Future<Output = Result<Reply, Failure>> + Send>> {
    let failure = |category, retry_after| {
        let (error, transport) = (ErrorObject::new(code::SERVER_ERROR, "no"), Transport::Http);
        Failure::Upstream(Box::new(UpstreamFailure { error, category, retry_after, transport, http: None }))
    };
    Box::pin(async move {
        match does {
            Does::Answer(time) => {
                sleep(time).await;
                Ok(reply("1"))
            }
            Does::Fail(category) => Err(failure(category, None)),
            Does::Limit(time) => Err(failure(Category::RateLimit, Some(time))),
            Does::Hang => std::future::pending().await,
        }
    })
}

const QUICK: Does = Does::Answer(Duration::from_millis(10));

#[tokio::test(start_paused = true)]
async fn routing_17_case_8_a_hanging_provider_leaves_time_for_the_next() {
    let bench = Bench::new(&[("a", Does::Hang), ("b", QUICK)]);
    let start = Instant::now();
    let (sent, outcome) = bench.call(Strategy::Priority).await;
    assert!(outcome.is_ok());
    assert_eq!(sent, ["a", "b"]);
    assert_eq!(start.elapsed(), Duration::from_millis(610));
    // The timeout was heard by the breaker and by the records.
    assert_eq!(bench.failures("a"), (BreakerState::Closed, 1));
    let snapshot = bench.live.snapshot();
    let provider = snapshot.profiles()[0].chains()[0].providers[0].key;
    let method = MethodId::of("eth_call");
    let summary = bench.benchmarks.read(Series { provider, transport: Transport::Http, method }).unwrap();
    assert_eq!((summary.successes, summary.failures), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_9_the_only_provider_gets_all_the_time() {
    let bench = Bench::new(&[("a", Does::Hang)]);
    let start = Instant::now();
    let (_, outcome) = bench.call(Strategy::Priority).await;
    assert_eq!(outcome.unwrap_err().error().code, code::TIMEOUT);
    assert_eq!(start.elapsed(), Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_10_a_client_that_leaves_blames_nobody() {
    let bench = Bench::new(&[("a", Does::Hang), ("b", QUICK)]);
    let call = tokio::spawn(bench.stack().oneshot(bench.a_call(Strategy::Priority)));
    sleep(Duration::from_millis(100)).await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    assert_eq!(*bench.sent.lock().unwrap(), ["a"]);
    assert_eq!(bench.failures("a"), (BreakerState::Closed, 0));
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_46_the_sixth_request_skips_an_open_provider() {
    let bench = Bench::new(&[("a", Does::Fail(Category::ServerError)), ("b", QUICK)]);
    for _ in 0..5 {
        assert_eq!(bench.call(Strategy::Priority).await.0, ["a", "b"]);
    }
    assert_eq!(bench.call(Strategy::Priority).await.0, ["b"]);
    // Half-open, it comes after the closed one, and closes with two successes once that one fails.
    bench.now_does("a", QUICK);
    bench.now_does("b", Does::Fail(Category::ServerError));
    advance(Duration::from_secs(64)).await;
    for _ in 0..2 {
        assert_eq!(bench.call(Strategy::Priority).await.0, ["b", "a"]);
    }
    assert_eq!(bench.failures("a"), (BreakerState::Closed, 0));
    assert_eq!(bench.call(Strategy::Priority).await.0, ["a"]);
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_57_all_open_says_when_to_come_back() {
    let bench = Bench::new(&[("a", Does::Fail(Category::Timeout)), ("b", Does::Fail(Category::Timeout))]);
    for _ in 0..2 {
        assert_eq!(bench.call(Strategy::Priority).await.0, ["a", "b"]);
    }
    let (sent, outcome) = bench.call(Strategy::Priority).await;
    assert!(sent.is_empty());
    let failure = outcome.unwrap_err();
    let remaining = ["a", "b"].map(|id| bench.breakers.status(bench.channel(id), Instant::now()).remaining);
    let shortest = remaining.into_iter().flatten().min().unwrap();
    let error = failure.error();
    let data = String::from_utf8(error.data.clone().unwrap().to_vec()).unwrap();
    assert_eq!(data, format!("{{\"retry_after_ms\":{}}}", shortest.as_millis()));
    assert!(error.message.contains("All circuits open, retry after "), "{}", error.message);
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_59_a_limited_provider_is_second_until_the_limit_ends() {
    let limit = Duration::from_secs(5);
    let bench = Bench::new(&[("a", Does::Limit(limit)), ("b", QUICK)]);
    assert_eq!(bench.call(Strategy::Priority).await.0, ["a", "b"]);
    bench.now_does("a", QUICK);
    assert_eq!(bench.call(Strategy::Priority).await.0, ["b"]);
    assert_eq!(bench.failures("a"), (BreakerState::Closed, 0));
    advance(limit).await;
    assert_eq!(bench.call(Strategy::Priority).await.0, ["a"]);
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_61_all_limited_are_tried_in_order() {
    let limit = Does::Limit(Duration::from_secs(5));
    let bench = Bench::new(&[("a", limit), ("b", limit)]);
    for _ in 0..2 {
        let (sent, outcome) = bench.call(Strategy::Priority).await;
        assert_eq!(sent, ["a", "b"]);
        assert_eq!(outcome.unwrap_err().category(), Category::RateLimit);
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_limited_after_selection_is_tried_after_the_others() {
    let fails = Does::Fail(Category::ServerError);
    let bench = Bench::new(&[("a", fails), ("b", QUICK), ("c", fails)]);
    // The second provider becomes limited at the moment at which the first one's breaker opens.
    let snapshot = bench.live.snapshot();
    let b = snapshot.channel(bench.channel("b")).unwrap().clone();
    let paces = bench.paces;
    let call = bench.a_call(Strategy::Priority);
    bench.breakers.observe(move |_, _| paces.limit(&b, None, Instant::now()));
    let a = snapshot.channel(bench.channel("a")).unwrap();
    for _ in 0..4 {
        let failure = act(fails).await.unwrap_err();
        bench.breakers.probe_failed(a, &failure, Instant::now());
    }
    assert!(bench.stack().oneshot(call).await.is_ok());
    assert_eq!(*bench.sent.lock().unwrap(), ["a", "c", "b"]);
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_44_the_fastest_is_the_fallback_while_it_is_limited() {
    let bench = Bench::new(&[("a", QUICK), ("b", Does::Answer(Duration::from_millis(50)))]);
    // Each is used three times, so that both are known.
    for _ in 0..3 {
        assert!(bench.call(Strategy::Priority).await.1.is_ok());
    }
    bench.now_does("a", Does::Fail(Category::CapabilityViolation));
    for _ in 0..3 {
        assert_eq!(bench.call(Strategy::Priority).await.0, ["a", "b"]);
    }
    bench.now_does("a", QUICK);
    assert_eq!(bench.call(Strategy::Fastest).await.0, ["a"]);
    bench.paces.limit(bench.live.snapshot().channel(bench.channel("a")).unwrap(), None, Instant::now());
    assert_eq!(bench.call(Strategy::Fastest).await.0, ["b"]);
    bench.now_does("b", Does::Fail(Category::ServerError));
    assert_eq!(bench.call(Strategy::Fastest).await.0, ["b", "a"]);
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_45_tiers_beat_the_strategy() {
    let fails = Does::Fail(Category::ServerError);
    let bench = Bench::new(&[("c", fails), ("b", fails), ("a", fails)]);
    let snapshot = bench.live.snapshot();
    let channel = |id| snapshot.channel(bench.channel(id)).unwrap();
    bench.paces.limit(channel("b"), None, Instant::now());
    bench.breakers.open(channel("c"), Instant::now());
    bench.breakers.probe_succeeded(channel("c"), Instant::now());
    assert_eq!(bench.call(Strategy::Priority).await.0, ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_54_with_the_http_breaker_open_the_socket_of_the_same_provider_serves() {
    let bench = Bench::with_sockets(&[("a", Does::Fail(Category::ServerError)), ("b", QUICK)]);
    bench.now_does("a:ws", QUICK);
    // Traffic opens it, and the second provider is never needed.
    for failures in 1..=5 {
        let (sent, outcome) = bench.call(Strategy::Priority).await;
        assert!(outcome.is_ok());
        assert_eq!(sent, ["a", "a:ws"]);
        assert_eq!(bench.failures("a").1, failures);
    }
    for _ in 0..3 {
        let (sent, outcome) = bench.call(Strategy::Priority).await;
        assert!(outcome.is_ok());
        assert_eq!(sent, ["a:ws"]);
    }
    // What the socket does says nothing about HTTP, nor the other way round.
    assert_eq!(bench.failures("a").0, BreakerState::Open);
    assert_eq!(bench.failures_of(bench.socket("a")), (BreakerState::Closed, 0));
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_62_with_http_limited_the_socket_stays_in_the_first_tier() {
    let bench = Bench::with_sockets(&[("a", Does::Fail(Category::ServerError)), ("b", QUICK)]);
    let snapshot = bench.live.snapshot();
    for provider in &snapshot.profiles()[0].chains()[0].providers {
        bench.paces.limit(provider.http.as_ref().unwrap(), None, Instant::now());
    }
    // Both sockets come before any limited channel, in the order of priority.
    let (sent, outcome) = bench.call(Strategy::Priority).await;
    assert!(outcome.is_ok());
    assert_eq!(sent, ["a:ws", "b:ws"]);
    bench.now_does("b", Does::Fail(Category::ServerError));
    let (sent, _) = bench.call(Strategy::Priority).await;
    assert_eq!(sent, ["a:ws", "b:ws", "a", "b"]);
}

#[test]
fn futures_stay_small() {
    let bench = Bench::new(&[("a", QUICK)]);
    let size = size_of_val(&bench.stack().call(bench.a_call(Strategy::Priority)));
    assert!(size < 1024, "{size} bytes for a call over boxed transport");
}
