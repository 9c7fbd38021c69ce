//! Attempts are measured, and channels are ranked by it.
#![cfg(all(feature = "benchmark", feature = "test-util"))]

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body::Frame;
use http_body_util::BodyExt;
use lasso_layers::attempt::Attempt;
use lasso_layers::attempt::benchmark::{
    Benchmark, BenchmarkLayer, Benchmarks, Fastest, FastestPolicy, LatencyWeighted, LatencyWeightedPolicy,
    Series, Summary,
};
use lasso_layers::call::{
    Body, BoxError, Call, Dispatch, Failure, RankContext, Ranker, Reply, StreamBody, TransportKind,
    UpstreamFailure,
};
use lasso_layers::catalog::{Category, Chain, ChainSpec, Live, MethodId, ProviderSpec, Transport};
use lasso_layers::testing::{attempt, call, chain, listed, live, planned, reply};
use lasso_layers::wire::{ErrorObject, code};
use tokio::time::{Instant, advance, timeout};
use tower::Layer;
use tower_test::mock::{self, Mock};

type Service = mock::Spawn<Benchmark<Mock<Attempt, Reply>>>;
type Upstream = mock::Handle<Attempt, Reply>;

fn spawn(benchmarks: Benchmarks) -> (Service, Upstream) {
    let (mut service, upstream) = mock::spawn_with(move |inner| BenchmarkLayer::new(benchmarks).layer(inner));
    assert!(service.poll_ready().is_ready());
    (service, upstream)
}

fn call_to(live: &Live, method: &str) -> Call {
    planned(live, call(method, "[]"), Duration::from_secs(10))
}

fn series(attempt: &Attempt) -> Series {
    let (provider, transport) = (attempt.provider().key, attempt.transport());
    Series { provider, transport, method: attempt.call().method }
}

fn answered(category: Category) -> Failure {
    Failure::Upstream(Box::new(UpstreamFailure {
        error: ErrorObject::new(code::SERVER_ERROR, "no"),
        category,
        retry_after: None,
        transport: Transport::Http,
        http: None,
    }))
}

/// The next request that reaches the upstream; fails where none comes.
async fn sent(upstream: &mut Upstream) -> (Attempt, mock::SendResponse<Reply>) {
    let request = timeout(Duration::from_secs(1), upstream.next_request());
    request.await.expect("the attempt is let through").expect("the service is there")
}

/// One attempt that takes this long and ends like this.
async fn exchange(
    benchmarks: Benchmarks,
    attempt: &Attempt,
    took: Duration,
    outcome: Result<Reply, Failure>,
) {
    let (mut service, mut upstream) = spawn(benchmarks);
    let answer = service.call(attempt.clone());
    let (_, send) = sent(&mut upstream).await;
    advance(took).await;
    match outcome {
        Ok(reply) => send.send_response(reply),
        Err(failure) => send.send_error(BoxError::from(failure)),
    }
    let _ = answer.await;
}

const TOOK: Duration = Duration::from_millis(20);

#[tokio::test(start_paused = true)]
async fn routing_17_case_68_each_attempt_counts_once_with_its_own_time() {
    let live = live(chain(&["a", "b"]));
    let benchmarks = Benchmarks::new();
    let call = listed(call_to(&live, "eth_call"));
    let mut opened = call.clone();
    opened.candidates();
    let (deadline, opened) = (opened.deadline, std::sync::Arc::new(opened));
    let [a, b] = [0, 1].map(|index| Attempt::new(opened.clone(), index, deadline, 0));
    exchange(benchmarks, &a, 5 * TOOK, Err(answered(Category::ServerError))).await;
    exchange(benchmarks, &b, TOOK, Ok(reply("1"))).await;

    let failed = benchmarks.read(series(&a)).unwrap();
    assert_eq!((failed.successes, failed.failures, failed.mean_latency()), (0, 1, None));
    let succeeded = benchmarks.read(series(&b)).unwrap();
    assert_eq!((succeeded.successes, succeeded.failures), (1, 0));
    assert_eq!(succeeded.mean_latency(), Some(TOOK));
    assert_eq!(succeeded.updated.elapsed(), Duration::ZERO);
    assert_eq!((a.candidate().upstream(), b.candidate().upstream()), (5 * TOOK, TOOK));
    assert_eq!(opened.journal().upstream(), 6 * TOOK);
}

#[tokio::test(start_paused = true)]
async fn what_a_client_in_a_hurry_does_not_wait_for_is_not_recorded() {
    let silence = || Failure::transport(TransportKind::Timeout, Dispatch::Unknown, Transport::Http);
    let reset = || Failure::transport(TransportKind::Broken, Dispatch::Unknown, Transport::Http);
    let live = live(chain(&["a"]));
    for (is_rushed, outcome, recorded) in [
        (true, Err(silence()), None),
        (false, Err(silence()), Some((0, 1))),
        // What the provider does within the time counts, and so does what it says itself.
        (true, Err(reset()), Some((0, 1))),
        (true, Err(answered(Category::Timeout)), Some((0, 1))),
        (true, Ok(reply("1")), Some((1, 0))),
    ] {
        let name = format!("{outcome:?}, rushed: {is_rushed}");
        let benchmarks = Benchmarks::new();
        let mut call = call_to(&live, "eth_call");
        call.is_rushed = is_rushed;
        let attempt = attempt(call, 0);
        exchange(benchmarks, &attempt, TOOK, outcome).await;
        let summary = benchmarks.read(series(&attempt));
        assert_eq!(summary.map(|summary| (summary.successes, summary.failures)), recorded, "{name}");
        let window = benchmarks.calls_within(attempt.provider().key, Duration::from_secs(60), Instant::now());
        assert_eq!(window.calls, u64::from(recorded.is_some()), "{name}");
        assert_eq!(attempt.candidate().upstream(), TOOK, "the time was spent all the same");
    }
}

#[tokio::test(start_paused = true)]
async fn failures_count_by_category() {
    const COUNTED: [Category; 6] = [
        Category::ServerError,
        Category::NetworkError,
        Category::Timeout,
        Category::AuthError,
        Category::InternalError,
        Category::ProviderError,
    ];
    let live = live(chain(&["a"]));
    for category in Category::ALL {
        let benchmarks = Benchmarks::new();
        let attempt = attempt(call_to(&live, "eth_call"), 0);
        exchange(benchmarks, &attempt, TOOK, Err(answered(category))).await;
        let failures = benchmarks.read(series(&attempt)).map_or(0, |summary| summary.failures);
        assert_eq!(failures, u64::from(COUNTED.contains(&category)), "{category}");
        let window = benchmarks.calls_within(attempt.provider().key, Duration::from_secs(60), Instant::now());
        assert_eq!((window.calls, window.failures), (failures, failures), "{category}");
        assert_eq!(attempt.candidate().upstream(), TOOK, "{category}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_is_cut_off_is_a_failure_and_no_latency() {
    let live = live(chain(&["a"]));
    let benchmarks = Benchmarks::new();
    let attempt = attempt(call_to(&live, "eth_call"), 0);
    let cut_off = Failure::transport(TransportKind::Timeout, Dispatch::Unknown, Transport::Http);
    exchange(benchmarks, &attempt, TOOK, Err(cut_off)).await;
    let summary = benchmarks.read(series(&attempt)).unwrap();
    assert_eq!((summary.successes, summary.failures, summary.mean_latency()), (0, 1, None));
    assert_eq!(summary.trend.latency(), None);
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_errors_count_nothing_but_their_time() {
    let live = live(chain(&["a"]));
    let benchmarks = Benchmarks::new();
    let attempt = attempt(call_to(&live, "eth_call"), 0);
    let revert = Reply::error(ErrorObject::new(3, "execution reverted"), Category::ExecutionRevert);
    exchange(benchmarks, &attempt, TOOK, Ok(revert)).await;
    assert_eq!(benchmarks.read(series(&attempt)), None);
    assert_eq!(attempt.call().journal().upstream(), TOOK);
}

#[tokio::test(start_paused = true)]
async fn what_never_left_this_process_counts_nothing() {
    let live = live(chain(&["a"]));
    let benchmarks = Benchmarks::new();
    let attempt = attempt(call_to(&live, "eth_call"), 0);
    for failure in [
        Failure::rejected(Category::ServerError, ErrorObject::new(code::SERVER_ERROR, "no")),
        Failure::transport(TransportKind::Capacity, Dispatch::NotSent, Transport::Http),
    ] {
        exchange(benchmarks, &attempt, TOOK, Err(failure)).await;
    }
    assert_eq!(benchmarks.read(series(&attempt)), None);
    assert_eq!(attempt.call().journal().upstream(), Duration::ZERO);
    // A connection that the provider did not take is its failure.
    let refused = Failure::transport(TransportKind::Connect, Dispatch::NotSent, Transport::Http);
    exchange(benchmarks, &attempt, TOOK, Err(refused)).await;
    assert_eq!(benchmarks.read(series(&attempt)).unwrap().failures, 1);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_attempt_is_not_recorded() {
    let live = live(chain(&["a"]));
    let benchmarks = Benchmarks::new();
    let attempt = attempt(call_to(&live, "eth_call"), 0);
    let (mut service, mut upstream) = spawn(benchmarks);
    let answer = service.call(attempt.clone());
    let _sent = sent(&mut upstream).await;
    advance(TOOK).await;
    drop(answer);
    assert_eq!(benchmarks.read(series(&attempt)), None);
    assert_eq!(attempt.candidate().upstream(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_recorded_at_its_end_with_the_time_of_its_beginning() {
    let live = live(chain(&["a"]));
    let benchmarks = Benchmarks::new();
    let attempt = attempt(call_to(&live, "eth_getLogs"), 0);
    let calls = || benchmarks.read(series(&attempt)).map(|summary| (summary.successes, summary.failures));
    let (mut service, mut upstream) = spawn(benchmarks);
    for (pieces, reads, expected) in [
        (["{", "}"], 1, None),
        (["{", "}"], 3, Some((1, 0))),
        (["{", ""], 1, Some((1, 0))),
        (["{", ""], 2, Some((1, 1))),
    ] {
        assert!(service.poll_ready().is_ready());
        let answer = service.call(attempt.clone());
        let (_, send) = sent(&mut upstream).await;
        advance(TOOK).await;
        let body = stream::iter(pieces).map(|piece| match piece {
            "" => Err(BoxError::from("reset")),
            piece => Ok(Frame::data(Bytes::from(piece))),
        });
        send.send_response(Reply::Result(Body::Stream(StreamBody::new(http_body_util::StreamBody::new(
            body,
        )))));
        let Reply::Result(Body::Stream(mut stream)) = answer.await.unwrap() else { panic!("it is streamed") };
        advance(TOOK).await;
        for _ in 0..reads {
            let _ = stream.frame().await;
        }
        drop(stream);
        assert_eq!(calls(), expected, "{pieces:?} of which {reads} are read");
    }
    assert_eq!(benchmarks.read(series(&attempt)).unwrap().mean_latency(), Some(TOOK));
}

#[tokio::test(start_paused = true)]
async fn records_of_a_provider_are_listed_by_method() {
    let live = live(chain(&["a"]));
    let benchmarks = Benchmarks::new();
    for method in ["eth_call", "eth_getLogs", "parity_unheardOf"] {
        exchange(benchmarks, &attempt(call_to(&live, method), 0), TOOK, Ok(reply("1"))).await;
    }
    let call = call_to(&live, "eth_call");
    let chain = call.plan().unwrap().chain();
    let listed = benchmarks.by_method(chain);
    let methods: Vec<_> = listed.iter().map(|row| row.method).collect();
    assert_eq!(methods, [MethodId::of("eth_call"), MethodId::of("eth_getLogs"), MethodId::OTHER]);
    assert!(listed.iter().all(|row| row.summary.mean_latency() == Some(TOOK)));
    let provider = chain.providers[0].key;
    let recent = benchmarks.recent(Series { provider, transport: Transport::Http, method: MethodId::OTHER });
    assert!(recent.at(0.95).abs_diff(TOOK) < TOOK / 20);
}

#[test]
fn the_leaderboard_puts_the_best_score_first() {
    let field = Field::new();
    field.know("a", "eth_call", 100, 0, 500);
    field.know("b", "eth_call", 90, 0, 20);
    field.know("b", "eth_getLogs", 0, 10, 0);
    let board = field.benchmarks.leaderboard(&field.chain());
    let ids: Vec<_> = board.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(ids, ["b", "a"], "who has no record is not listed");
    let best = &board[0];
    assert_eq!((best.provider, best.totals.calls, best.totals.successes), (1, 100, 90));
    assert_eq!(best.totals.mean_latency, Some(TOOK));
    assert!(best.totals.percentiles.at(0.5).abs_diff(TOOK) < TOOK / 20);
    // 0.9 * 1000 / 1020 * log10(100)
    assert!((best.totals.score() - 1.7647).abs() < 1e-4, "{}", best.totals.score());
    // 1000 / 1500 * log10(100)
    assert!((board[1].totals.score() - 1.3333).abs() < 1e-4, "{}", board[1].totals.score());
}

#[test]
fn transports_of_a_method_are_compared() {
    let both = |id: &str| ProviderSpec {
        ws_url: Some(format!("ws://{id}.example")),
        ..ProviderSpec::http(id, format!("http://{id}.example"))
    };
    let live = live(ChainSpec::new("ethereum", 1).provider(both("a")).provider(both("b")));
    let benchmarks = Benchmarks::new();
    let call = call_to(&live, "eth_call");
    let chain = call.plan().unwrap().chain();
    let now = Instant::now();
    for (provider, transport, method, millis) in [
        (0, Transport::Http, "eth_call", 10),
        (1, Transport::Http, "eth_call", 30),
        (1, Transport::Ws, "eth_call", 5),
        (0, Transport::Ws, "eth_getLogs", 7),
    ] {
        let (provider, method) = (chain.providers[provider].key, MethodId::of(method));
        benchmarks.success(Series { provider, transport, method }, Duration::from_millis(millis), now);
    }
    let rows = benchmarks.by_transport(chain);
    let figures: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row.method.name(),
                [&row.http, &row.ws].map(|totals| totals.mean_latency.map(|mean| mean.as_millis())),
            )
        })
        .collect();
    assert_eq!(figures, [("eth_call", [Some(20), Some(5)]), ("eth_getLogs", [None, Some(7)])]);
}

#[tokio::test(start_paused = true)]
async fn calls_of_the_last_minute_are_counted() {
    let field = Field::new();
    field.know("a", "eth_call", 3, 1, 10);
    advance(Duration::from_secs(45)).await;
    field.know("a", "eth_getLogs", 2, 0, 10);
    let within = |seconds, provider| {
        let key = field.series(provider, "eth_call").provider;
        let count = field.benchmarks.calls_within(key, Duration::from_secs(seconds), Instant::now());
        (count.calls, count.failures)
    };
    assert_eq!((within(60, "a"), within(30, "a"), within(60, "b")), ((6, 1), (2, 0), (0, 0)));
    advance(Duration::from_secs(20)).await;
    assert_eq!(within(60, "a"), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn series_that_nobody_touches_expire() {
    const DAY: Duration = Duration::from_secs(86_400);
    let field = Field::new();
    field.know("a", "eth_call", 3, 0, 10);
    field.know("b", "eth_call", 3, 0, 10);
    advance(DAY).await;
    field.know("b", "eth_call", 1, 0, 10);
    assert_eq!(field.benchmarks.expire(Instant::now(), DAY), 0, "a day is not over yet");
    advance(Duration::from_millis(1)).await;
    assert_eq!(field.benchmarks.expire(Instant::now(), DAY), 1);
    assert_eq!(field.benchmarks.read(field.series("a", "eth_call")), None);
    assert_eq!(field.benchmarks.read(field.series("b", "eth_call")).unwrap().successes, 4);
    // It starts anew with the next outcome.
    field.know("a", "eth_call", 1, 0, 30);
    let summary = field.benchmarks.read(field.series("a", "eth_call")).unwrap();
    assert_eq!((summary.successes, summary.mean_latency()), (1, Some(Duration::from_millis(30))));
}

#[test]
fn a_record_that_expires_under_way_is_whole_or_gone() {
    let field = Field::new();
    let series = field.series("a", "eth_call");
    let (origin, later) = (Instant::now(), Instant::now() + Duration::from_secs(60));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| (0..20_000).for_each(|_| field.benchmarks.success(series, TOOK, origin)));
        }
        scope.spawn(|| {
            for _ in 0..20_000 {
                field.benchmarks.expire(later, Duration::ZERO);
                if let Some(summary) = field.benchmarks.read(series).filter(|summary| summary.successes > 0) {
                    // A latency is there before its success is counted: no mean is too low.
                    assert!(summary.mean_latency() >= Some(TOOK), "{summary:?}");
                }
            }
        });
    });
}

#[test]
fn nothing_is_lost_between_threads() {
    let live = live(chain(&["a"]));
    let benchmarks = Benchmarks::new();
    let series = series(&attempt(call_to(&live, "eth_call"), 0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..1_000 {
                    benchmarks.success(series, TOOK, Instant::now());
                    benchmarks.failure(series, Instant::now());
                }
            });
        }
    });
    let Summary { successes, failures, total_latency, .. } = benchmarks.read(series).unwrap();
    assert_eq!((successes, failures, total_latency), (4_000, 4_000, 4_000 * TOOK));
}

/// Providers with an HTTP channel each, and what is known about them.
struct Field {
    live: Live,
    benchmarks: Benchmarks,
    rng: fastrand::Rng,
}

impl Field {
    fn new() -> Self {
        Self::of(&["a", "b", "c"])
    }

    fn of(providers: &[&str]) -> Self {
        let live = live(chain(providers));
        Self { live, benchmarks: Benchmarks::new(), rng: fastrand::Rng::with_seed(7) }
    }

    fn chain(&self) -> Chain {
        call_to(&self.live, "eth_call").plan().unwrap().chain().clone()
    }

    fn series(&self, provider: &str, method: &str) -> Series {
        let call = call_to(&self.live, method);
        let provider = call.plan().unwrap().chain().provider(provider).unwrap().1.key;
        Series { provider, transport: Transport::Http, method: MethodId::of(method) }
    }

    fn know(&self, provider: &str, method: &str, successes: u32, failures: u32, millis: u64) {
        let series = self.series(provider, method);
        let now = Instant::now();
        for _ in 0..successes {
            self.benchmarks.success(series, Duration::from_millis(millis), now);
        }
        for _ in 0..failures {
            self.benchmarks.failure(series, now);
        }
    }

    fn probed(&self, provider: &str, millis: u64) {
        let call = call_to(&self.live, "eth_call");
        let (_, provider) = call.plan().unwrap().chain().provider(provider).unwrap();
        self.benchmarks.probed(provider.http.as_ref().unwrap().key, Duration::from_millis(millis));
    }

    /// The order for one call, as provider ids put together.
    fn order(&mut self, ranker: &impl Ranker, method: &str) -> String {
        self.order_for(call_to(&self.live, method), ranker)
    }

    fn order_for(&mut self, call: Call, ranker: &impl Ranker) -> String {
        let mut call = listed(call);
        let mut candidates = call.shortlist.take().unwrap();
        let plan = call.plan().unwrap();
        let context = RankContext { call: &call, plan, now: Instant::now() };
        ranker.rank(&context, &mut self.rng, &mut candidates);
        candidates.iter().map(|candidate| plan.provider(candidate.provider).id.as_str()).collect()
    }

    /// In percent, how often each of `providers` is first under `fastest` with this policy.
    fn firsts<const N: usize>(
        &mut self,
        policy: FastestPolicy,
        method: &str,
        providers: [&str; N],
    ) -> [f64; N] {
        const CALLS: u32 = 20_000;
        let ranker = Fastest::new(self.benchmarks, policy);
        let mut firsts = [0_u32; N];
        for _ in 0..CALLS {
            let order = self.order(&ranker, method);
            let first = providers.iter().position(|provider| order.starts_with(provider)).unwrap();
            firsts[first] += 1;
        }
        firsts.map(|count| f64::from(count) * 100.0 / f64::from(CALLS))
    }

    fn fastest(&mut self, method: &str) -> String {
        let policy = FastestPolicy { explore: 0.0, ..FastestPolicy::default() };
        self.order(&Fastest::new(self.benchmarks, policy), method)
    }

    /// How often, in percent, a provider is first under `latency_weighted`.
    fn share_of_firsts(&mut self, provider: &str) -> f64 {
        const CALLS: u32 = 20_000;
        let ranker = LatencyWeighted::new(self.benchmarks, LatencyWeightedPolicy::default());
        let firsts = (0..CALLS).filter(|_| self.order(&ranker, "eth_call").starts_with(provider)).count();
        firsts as f64 * 100.0 / f64::from(CALLS)
    }
}

#[test]
fn routing_17_case_37_the_lowest_mean_is_first_every_time() {
    let mut field = Field::new();
    field.know("a", "eth_call", 3, 0, 100);
    field.know("b", "eth_call", 3, 0, 20);
    field.know("c", "eth_call", 3, 0, 50);
    for _ in 0..100 {
        assert_eq!(field.fastest("eth_call"), "bca");
    }
    // All are known, so by default there is nothing to examine either.
    let firsts = field.firsts(FastestPolicy::default(), "eth_call", ["a", "b", "c"]);
    assert_eq!(firsts, [0.0, 100.0, 0.0]);
}

#[test]
fn routing_17_case_38_an_unreliable_provider_is_last_however_fast() {
    let mut field = Field::new();
    field.know("a", "eth_call", 10, 0, 100);
    field.know("b", "eth_call", 5, 5, 20);
    field.know("c", "eth_call", 10, 0, 200);
    assert_eq!(field.fastest("eth_call"), "acb");
}

#[test]
fn routing_17_case_69_without_a_success_a_provider_is_never_the_fastest() {
    let mut field = Field::new();
    field.know("b", "eth_call", 3, 0, 9_000);
    // Few failures say nothing, many something bad, and none of them that it is fast.
    for failures in [1, 1, 1, 97] {
        field.know("a", "eth_call", 0, failures, 0);
        field.know("c", "eth_call", 0, failures, 0);
        for _ in 0..100 {
            assert!(field.fastest("eth_call").starts_with('b'));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_39_stale_evidence_counts_as_the_baseline() {
    let mut field = Field::new();
    field.know("b", "eth_call", 10, 0, 10);
    advance(Duration::from_secs(600)).await;
    field.know("a", "eth_call", 10, 0, 20);
    field.know("c", "eth_call", 10, 0, 40);
    assert_eq!(field.fastest("eth_call"), "bac");
    // One second more: the baseline is the slower of the two that are known, which goes first at a tie.
    advance(Duration::from_secs(1)).await;
    assert_eq!(field.fastest("eth_call"), "acb");

    // The baseline is not the end: of four that are known three are at least as fast as it, and one is not.
    let mut field = Field::of(&["a", "b", "c", "d", "e"]);
    field.know("b", "eth_call", 10, 0, 10);
    advance(Duration::from_secs(601)).await;
    for (provider, millis) in [("a", 20), ("c", 40), ("d", 60), ("e", 80)] {
        field.know(provider, "eth_call", 10, 0, millis);
    }
    assert_eq!(field.fastest("eth_call"), "acdbe");
}

#[test]
fn routing_17_case_40_methods_are_ranked_apart() {
    let mut field = Field::new();
    for (provider, call, logs) in [("a", 10, 300), ("b", 20, 200), ("c", 30, 100)] {
        field.know(provider, "eth_call", 5, 0, call);
        field.know(provider, "eth_getLogs", 5, 0, logs);
    }
    assert_eq!(field.fastest("eth_call"), "abc");
    assert_eq!(field.fastest("eth_getLogs"), "cba");
}

#[test]
fn too_few_calls_say_nothing() {
    let mut field = Field::new();
    field.know("a", "eth_call", 3, 0, 100);
    field.know("b", "eth_call", 2, 0, 1);
    field.know("c", "eth_call", 3, 0, 50);
    assert_eq!(field.fastest("eth_call"), "cab");
}

#[test]
fn unknown_channels_go_by_their_probes_and_then_by_chance() {
    let mut field = Field::new();
    let orders: std::collections::BTreeSet<_> = (0..200).map(|_| field.fastest("eth_call")).collect();
    assert_eq!(orders.len(), 6, "every order of three occurs");
    field.probed("c", 30);
    field.probed("b", 40);
    for _ in 0..20 {
        assert_eq!(field.fastest("eth_call"), "cba");
    }
}

#[test]
fn unknown_channels_are_taken_for_half_a_second_where_nothing_is_known() {
    let mut field = Field::new();
    // Not enough to set the baseline: the unreliable do not count.
    field.know("a", "eth_call", 5, 5, 10);
    field.probed("c", 1);
    assert_eq!(field.fastest("eth_call"), "cba");
}

#[test]
fn of_the_same_mean_the_lower_95th_percentile_is_first() {
    let mut field = Field::new();
    // The mean is 40 ms each time; the spread is not.
    for _ in 0..10 {
        field.know("a", "eth_call", 1, 0, 10);
        field.know("a", "eth_call", 1, 0, 70);
    }
    for _ in 0..20 {
        field.know("b", "eth_call", 1, 0, 40);
    }
    for _ in 0..10 {
        field.know("c", "eth_call", 1, 0, 30);
        field.know("c", "eth_call", 1, 0, 50);
    }
    assert_eq!(field.fastest("eth_call"), "bca");
}

#[test]
fn of_the_same_latencies_http_is_before_ws_and_then_ids_decide() {
    let both = |id: &str| ProviderSpec {
        ws_url: Some(format!("ws://{id}.example")),
        ..ProviderSpec::http(id, format!("http://{id}.example"))
    };
    let live = live(ChainSpec::new("ethereum", 1).provider(both("b")).provider(both("a")));
    let benchmarks = Benchmarks::new();
    let mut call = listed(call_to(&live, "eth_call"));
    let mut candidates = call.shortlist.take().unwrap();
    let plan = call.plan().unwrap();
    let now = Instant::now();
    for candidate in &candidates {
        let provider = plan.provider(candidate.provider).key;
        let series = Series { provider, transport: candidate.transport, method: call.method };
        (0..3).for_each(|_| benchmarks.success(series, TOOK, now));
    }
    let ranker = Fastest::new(benchmarks, FastestPolicy::default());
    let context = RankContext { call: &call, plan, now };
    ranker.rank(&context, &mut fastrand::Rng::with_seed(7), &mut candidates);
    let order: Vec<_> = candidates
        .iter()
        .map(|candidate| (candidate.transport.as_str(), plan.provider(candidate.provider).id.as_str()))
        .collect();
    assert_eq!(order, [("http", "a"), ("http", "b"), ("ws", "a"), ("ws", "b")]);
}

#[test]
fn a_provider_that_becomes_slow_loses_its_place_within_some_dozen_calls() {
    let mut field = Field::of(&["a", "b"]);
    field.know("a", "eth_call", 10_000, 0, 20);
    field.know("b", "eth_call", 10, 0, 100);
    assert_eq!(field.fastest("eth_call"), "ab");
    field.know("a", "eth_call", 30, 0, 500);
    assert_eq!(field.fastest("eth_call"), "ba");
    // The lifetime mean is 21 ms.
    let summary = field.benchmarks.read(field.series("a", "eth_call")).unwrap();
    assert!(summary.mean_latency() < Some(Duration::from_millis(22)));
}

#[test]
fn a_provider_that_begins_to_fail_is_last_within_some_calls() {
    let mut field = Field::of(&["a", "b"]);
    field.know("a", "eth_call", 10_000, 0, 20);
    field.know("b", "eth_call", 10, 0, 100);
    field.know("a", "eth_call", 0, 7, 0);
    assert_eq!(field.fastest("eth_call"), "ba");
}

#[tokio::test(start_paused = true)]
async fn other_channels_are_examined_once_they_are_not_known_or_no_longer() {
    let policy = FastestPolicy { explore: 0.1, ..FastestPolicy::default() };
    let mut field = Field::new();
    field.know("a", "eth_call", 10, 0, 20);
    field.know("b", "eth_call", 10, 0, 40);
    // Nothing is known of the third: the baseline is 40 ms, half of the whole chance.
    let [a, b, c] = field.firsts(policy, "eth_call", ["a", "b", "c"]);
    assert!((a - 95.0).abs() < 0.6 && b.abs() < f64::EPSILON && (c - 5.0).abs() < 0.6, "{a} {b} {c}");
    field.know("c", "eth_call", 10, 0, 80);
    assert_eq!(field.firsts(policy, "eth_call", ["a", "b", "c"]), [100.0, 0.0, 0.0]);
    // After the time both are due, each with half of the draws.
    advance(policy.recheck + Duration::from_millis(1)).await;
    let [a, b, c] = field.firsts(policy, "eth_call", ["a", "b", "c"]);
    assert!((b - 2.5).abs() < 0.5 && (c - 1.25).abs() < 0.4, "{a} {b} {c}");
    // One that was improved meanwhile is found by it, and wins.
    field.know("c", "eth_call", 20, 0, 1);
    assert_eq!(field.fastest("eth_call"), "cab");
    // Off is off.
    let off = FastestPolicy { explore: 0.0, ..policy };
    assert_eq!(field.firsts(off, "eth_call", ["a", "b", "c"]), [0.0, 0.0, 100.0]);
}

#[test]
fn only_calls_that_may_move_on_examine_and_no_dry_run() {
    let policy = FastestPolicy { explore: 1.0, ..FastestPolicy::default() };
    let mut field = Field::of(&["a", "b"]);
    for (method, examined) in [
        ("eth_call", 100.0),
        ("eth_sendRawTransaction", 100.0),
        ("eth_newFilter", 0.0),
        ("parity_unheardOf", 0.0),
    ] {
        field.know("a", method, 10, 0, 20);
        assert_eq!(field.firsts(policy, method, ["a", "b"])[1], examined, "{method}");
    }
    let mut call = call_to(&field.live, "eth_call");
    call.dry_run = true;
    let ranker = Fastest::new(field.benchmarks, policy);
    assert!((0..100).all(|_| field.order_for(call.clone(), &ranker) == "ab"));
}

#[test]
fn routing_17_case_41_half_the_latency_gets_eight_times_the_share() {
    for calls in [50, 1_000] {
        let mut field = Field::of(&["a", "b"]);
        field.know("a", "eth_call", calls, 0, 50);
        field.know("b", "eth_call", calls, 0, 100);
        let share = field.share_of_firsts("a");
        assert!((87.9..89.9).contains(&share), "{share} after {calls} calls");
    }
}

#[test]
fn routing_17_case_42_a_slow_channel_is_still_explored() {
    for (calls, expected) in [(1_000, 4.8), (50, 6.3)] {
        for slow in [500, 5_000] {
            let mut field = Field::of(&["a", "b"]);
            field.know("a", "eth_call", calls, 0, 50);
            field.know("b", "eth_call", calls, 0, slow);
            let share = field.share_of_firsts("b");
            assert!((share - expected).abs() < 0.7, "{share} at {slow} ms after {calls} calls");
        }
    }
}

#[test]
fn latencies_below_the_floor_weigh_the_same() {
    let mut field = Field::of(&["a", "b"]);
    field.know("a", "eth_call", 100, 0, 1);
    field.know("b", "eth_call", 100, 0, 30);
    assert!((48.5..51.5).contains(&field.share_of_firsts("a")));
}

#[test]
fn without_any_evidence_the_order_is_uniform() {
    let mut field = Field::new();
    field.know("a", "eth_call", 0, 10, 0);
    for provider in ["a", "b", "c"] {
        let share = field.share_of_firsts(provider);
        assert!((32.0..34.7).contains(&share), "{share} for {provider}");
    }
}

#[test]
fn providers_that_only_fail_are_as_rare_as_possible() {
    let mut field = Field::of(&["a", "b"]);
    field.know("a", "eth_call", 1_000, 0, 50);
    field.know("b", "eth_call", 0, 1_000, 0);
    let share = field.share_of_firsts("b");
    assert!((4.0..5.6).contains(&share), "{share}");
}

#[test]
fn a_newcomer_is_taken_for_half_as_good() {
    let mut field = Field::of(&["a", "b"]);
    field.know("a", "eth_call", 1_000, 0, 50);
    // Weights 1 and 0.95 * 0.5.
    let share = field.share_of_firsts("b");
    assert!((share - 32.2).abs() < 1.0, "{share}");
}

#[test]
fn a_newcomer_is_not_compared_with_what_is_hardly_known() {
    let mut field = Field::new();
    field.know("a", "eth_call", 1_000, 0, 100);
    field.know("b", "eth_call", 2, 0, 400);
    // Weights 1, the floor, and 0.95 * 0.5: two calls are no measure for others.
    let share = field.share_of_firsts("c");
    assert!((share - 31.1).abs() < 1.0, "{share}");
}
