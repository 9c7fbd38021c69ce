//! What happens when a provider does not answer.
#![cfg(all(feature = "failover", feature = "candidate", feature = "strategy", feature = "test-util"))]

#[path = "support/log.rs"]
mod log;

use std::future::{Ready, pending, ready};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use lasso_layers::attempt::Attempt;
use lasso_layers::call::candidate::{CandidateLayer, HttpOnly};
use lasso_layers::call::failover::{FailoverLayer, FailoverPolicy, Failovers};
use lasso_layers::call::strategy::StrategyLayer;
use lasso_layers::call::{
    Batch, BatchItem, Body, Call, Demotion, Dispatch, Failure, Pin, Plan, Progress, Reply, Stage, Subject,
    TransportKind, UpstreamFailure, Verdict,
};
use lasso_layers::catalog::{
    Capabilities, Category, ChainSpec, Live, ProfileSpec, ProviderSpec, RoutingSpec, Strategy, Transport,
};
use lasso_layers::state::heights::{Heights, Observation, Source};
use lasso_layers::testing;
use lasso_layers::wire::{ErrorObject, ReplyDefect};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tower::{Layer, Service, ServiceExt, service_fn};
use tracing::Level;
use tracing::level_filters::LevelFilter;

use self::log::Log;

// === impl Upstreams ===

/// What one channel does with an attempt.
#[derive(Clone)]
enum Does {
    /// Answers with this result.
    Answers(&'static str),
    /// Answers with this result after a while.
    AnswersAfter(Duration, &'static str),
    /// Gives an error that is the answer.
    AnswersError(i64, Category),
    /// Fails with this error after it was asked.
    Fails(i64, Category),
    /// As [`Fails`](Self::Fails), after a while.
    FailsAfter(Duration, i64, Category),
    /// Breaks.
    Breaks(Dispatch),
    /// Answers with something that is no reply.
    Babbles(ReplyDefect),
    /// Says nothing until the attempt's time is over.
    Hangs,
    /// Says nothing, and no time ends it.
    HangsForever,
    /// Is not sent to.
    Refused(Category),
    /// Is not sent to at first, and then behaves otherwise.
    RefusedUnlessInsisting(Category, &'static Self),
}

/// What was attempted, by whom, and with how much time.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    channel: String,
    ordinal: u32,
    time: Duration,
}

/// Scripted channels, by `<provider>:<transport>`.
#[derive(Clone)]
struct Upstreams {
    script: Arc<[(&'static str, Does)]>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Upstreams {
    fn new(script: &[(&'static str, Does)]) -> Self {
        Self { script: script.into(), seen: Arc::default() }
    }

    /// The channels in the order in which they were attempted.
    fn attempted(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|seen| seen.channel.clone()).collect()
    }

    /// The time each attempt was given, in milliseconds.
    fn times(&self) -> Vec<u128> {
        self.seen.lock().unwrap().iter().map(|seen| seen.time.as_millis()).collect()
    }

    async fn attempt(self, attempt: Attempt) -> Result<Reply, Failure> {
        let channel = format!("{}:{}", attempt.provider().id, attempt.transport());
        let does = self.script.iter().find(|(name, _)| *name == channel).unwrap().1.clone();
        let time = attempt.deadline.saturating_duration_since(Instant::now());
        self.seen.lock().unwrap().push(Seen { channel, ordinal: attempt.ordinal, time });
        let transport = attempt.transport();
        let error = |code, category| UpstreamFailure {
            error: ErrorObject::new(code, format!("from {}", attempt.provider().id)).with_data("[1]"),
            category,
            retry_after: None,
            transport,
            http: None,
        };
        match does {
            Does::Answers(result) => Ok(testing::reply(result)),
            Does::AnswersAfter(time, result) => {
                sleep(time).await;
                Ok(testing::reply(result))
            }
            Does::AnswersError(code, category) => Ok(Reply::error(error(code, category).error, category)),
            Does::Fails(code, category) => Err(Failure::Upstream(Box::new(error(code, category)))),
            Does::FailsAfter(time, code, category) => {
                sleep(time).await;
                Err(Failure::Upstream(Box::new(error(code, category))))
            }
            Does::Breaks(Dispatch::NotSent) => {
                Err(Failure::transport(TransportKind::Connect, Dispatch::NotSent, transport))
            }
            Does::Breaks(dispatch) => Err(Failure::transport(TransportKind::Broken, dispatch, transport)),
            Does::Babbles(defect) => {
                let kind = TransportKind::InvalidReply { defect, size: 2 };
                Err(Failure::transport(kind, Dispatch::Answered, transport))
            }
            Does::Hangs => {
                sleep_until(attempt.deadline).await;
                Err(Failure::transport(TransportKind::Timeout, Dispatch::Unknown, transport))
            }
            Does::HangsForever => pending().await,
            Does::RefusedUnlessInsisting(_, Does::Answers(result)) if attempt.insist => {
                Ok(testing::reply(result))
            }
            Does::Refused(category) | Does::RefusedUnlessInsisting(category, _) => {
                Err(Failure::rejected(category, ErrorObject::new(-32008, "refused")))
            }
        }
    }

    async fn run(&self, policy: FailoverPolicy, call: Call) -> Result<Reply, Failure> {
        let upstreams = self.clone();
        let attempts = service_fn(move |attempt| upstreams.clone().attempt(attempt));
        FailoverLayer::new(policy).layer(attempts).oneshot(call).await
    }

    async fn serve(&self, call: Call) -> Result<Reply, Failure> {
        self.run(FailoverPolicy::default(), call).await
    }

    /// With selection by priority in front.
    async fn select_and_serve(&self, candidates: CandidateLayer, call: Call) -> Result<Reply, Failure> {
        let upstreams = self.clone();
        let attempts = service_fn(move |attempt| upstreams.clone().attempt(attempt));
        let strategy = StrategyLayer::new().layer(FailoverLayer::default().layer(attempts));
        candidates.layer(strategy).oneshot(call).await
    }
}

const SECOND: Duration = Duration::from_millis(1000);

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn chain(ids: &[&str]) -> Live {
    testing::live(testing::chain(ids))
}

fn abc() -> Live {
    chain(&["a", "b", "c"])
}

fn abcd() -> Live {
    chain(&["a", "b", "c", "d"])
}

/// Both channels of `a`, then `b`.
fn two_transports() -> Live {
    let both = ProviderSpec {
        ws_url: Some("ws://a.example".to_owned()),
        ..ProviderSpec::http("a", "http://a.example")
    };
    let chain = ChainSpec::new("ethereum", 1).provider(both);
    testing::live(chain.provider(ProviderSpec::http("b", "http://b.example")))
}

/// A call with every channel on its list, in configured order.
fn listed_for(live: &Live, method: &str, time: Duration) -> Call {
    testing::listed(testing::planned(live, testing::call(method, "[]"), time))
}

fn listed(live: &Live) -> Call {
    listed_for(live, "eth_call", SECOND)
}

fn by_priority(chain: ChainSpec) -> Live {
    let routing = RoutingSpec { default_strategy: Some(Strategy::Priority), ..RoutingSpec::default() };
    Live::new(vec![ProfileSpec { routing, ..ProfileSpec::new("default").chain(chain) }]).unwrap()
}

fn result(reply: Result<Reply, Failure>) -> String {
    match reply {
        Ok(Reply::Result(Body::Full(bytes))) => {
            let reply: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            reply["result"].to_string()
        }
        other => panic!("no result: {other:?}"),
    }
}

/// Code and message of the error a client gets.
fn error(reply: Result<Reply, Failure>) -> (i64, String) {
    match reply {
        Ok(Reply::Error(answer)) => (answer.error.code, answer.error.message.into()),
        Err(failure) => (failure.error().code, failure.error().message.to_string()),
        Ok(other) => panic!("no error: {other:?}"),
    }
}

fn data(reply: &Result<Reply, Failure>) -> Option<serde_json::Value> {
    let Err(failure) = reply else { panic!("no failure: {reply:?}") };
    failure.error().data.as_ref().map(|data| serde_json::from_slice(data).unwrap())
}

const SERVER: Does = Does::Fails(-32002, Category::ServerError);

// === going on, or not ===

#[tokio::test(start_paused = true)]
async fn routing_17_case_1_a_server_error_moves_on() {
    let upstreams = Upstreams::new(&[("a:http", SERVER), ("b:http", Does::Answers("\"b\""))]);
    assert_eq!(result(upstreams.serve(listed(&abc())).await), "\"b\"");
    assert_eq!(upstreams.attempted(), ["a:http", "b:http"]);
}

#[tokio::test(start_paused = true)]
async fn failovers_are_counted_for_a_minute_by_the_provider_that_was_left() {
    let failovers = Failovers::new();
    let live = abc();
    let upstreams = Upstreams::new(&[
        ("a:http", SERVER),
        ("b:http", Does::Refused(Category::CircuitOpen)),
        ("c:http", SERVER),
    ]);
    for _ in 0..2 {
        let upstreams = upstreams.clone();
        let attempts = service_fn(move |attempt| upstreams.clone().attempt(attempt));
        let layer = FailoverLayer::default().count(failovers);
        // Leaving A is one; B was not asked, and nobody takes over from C.
        error(layer.layer(attempts).oneshot(listed(&live)).await);
    }
    let keys: Vec<_> = live.load().profiles()[0].chains()[0].providers.iter().map(|one| one.key).collect();
    let counts =
        |window| keys.iter().map(|key| failovers.within(*key, window, Instant::now())).collect::<Vec<_>>();
    let minute = Duration::from_secs(60);
    assert_eq!(counts(minute), [2, 0, 0]);
    sleep(minute).await;
    assert_eq!(counts(minute), [0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_2_an_error_about_the_request_is_the_answer() {
    for does in
        [Does::AnswersError(-32602, Category::InvalidParams), Does::Fails(-32602, Category::InvalidParams)]
    {
        let upstreams = Upstreams::new(&[("a:http", does)]);
        assert_eq!(error(upstreams.serve(listed(&abc())).await), (-32602, "from a".to_owned()));
        assert_eq!(upstreams.attempted(), ["a:http"]);
    }
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_3_a_revert_is_returned_unchanged() {
    let upstreams = Upstreams::new(&[("a:http", Does::AnswersError(3, Category::ExecutionRevert))]);
    let Ok(Reply::Error(answer)) = upstreams.serve(listed(&abc())).await else { panic!("no error") };
    assert_eq!((answer.error.code, &*answer.error.message), (3, "from a"));
    assert_eq!(answer.error.data.as_deref(), Some(&b"[1]"[..]));
    assert_eq!(upstreams.attempted(), ["a:http"]);
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_4_when_all_fail_the_last_error_stands() {
    let upstreams = Upstreams::new(&[
        ("a:http", Does::Fails(-1, Category::ServerError)),
        ("b:http", Does::Fails(-2, Category::RateLimit)),
        ("c:http", Does::Fails(-3, Category::InternalError)),
    ]);
    let reply = upstreams.serve(listed(&abc())).await;
    assert_eq!(data(&reply), Some(serde_json::json!([1])));
    assert_eq!(error(reply), (-3, "from c".to_owned()));
    assert_eq!(upstreams.attempted(), ["a:http", "b:http", "c:http"]);
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_5_null_is_a_result() {
    let upstreams = Upstreams::new(&[("a:http", Does::Answers("null"))]);
    assert_eq!(result(upstreams.serve(listed(&abc())).await), "null");
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_6_a_reply_that_is_none_moves_on() {
    babbling_moves_on(ReplyDefect::InvalidEnvelope).await;
    babbling_moves_on(ReplyDefect::InvalidJson).await;
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_7_a_reply_to_another_request_moves_on() {
    babbling_moves_on(ReplyDefect::IdMismatch).await;
}

/// Such a reply is no answer: another provider is asked, and where there is none the client is told why.
async fn babbling_moves_on(defect: ReplyDefect) {
    let upstreams = Upstreams::new(&[("a:http", Does::Babbles(defect)), ("b:http", Does::Answers("1"))]);
    assert_eq!(result(upstreams.serve(listed(&abc())).await), "1");
    assert_eq!(upstreams.attempted(), ["a:http", "b:http"]);
    let told = error(upstreams.serve(listed(&chain(&["a"]))).await);
    assert_eq!(told, (-32000, "Invalid upstream response".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_11_the_third_capability_refusal_stands() {
    let refuses = Does::Fails(-32000, Category::CapabilityViolation);
    let upstreams = Upstreams::new(&[
        ("a:http", refuses.clone()),
        ("b:http", refuses.clone()),
        ("c:http", refuses),
        ("d:http", Does::Answers("1")),
    ]);
    assert_eq!(error(upstreams.serve(listed(&abcd())).await).1, "from c");
    assert_eq!(upstreams.attempted().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_13_the_second_client_error_stands() {
    for category in [Category::ClientError, Category::UnclassifiedServerError] {
        let blames = Does::Fails(-32003, category);
        let upstreams =
            Upstreams::new(&[("a:http", blames.clone()), ("b:http", blames), ("c:http", Does::Answers("1"))]);
        assert_eq!(error(upstreams.serve(listed(&abc())).await).1, "from b");
        assert_eq!(upstreams.attempted().len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn repeats_are_counted_by_category() {
    let upstreams = Upstreams::new(&[
        ("a:http", Does::Fails(-1, Category::ClientError)),
        ("b:http", Does::Fails(-2, Category::UnclassifiedServerError)),
        ("c:http", Does::Fails(-3, Category::BlockNotAvailable)),
        ("d:http", Does::Answers("1")),
    ]);
    assert_eq!(result(upstreams.serve(listed(&abcd())).await), "1");
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_14_a_missing_method_rules_the_providers_other_channel_out() {
    for category in [Category::MethodNotFound, Category::CapabilityViolation, Category::RequiresArchival] {
        let upstreams =
            Upstreams::new(&[("a:http", Does::Fails(-32601, category)), ("b:http", Does::Answers("1"))]);
        let call = listed(&two_transports());
        let journal = call.journal().clone();
        assert_eq!(result(upstreams.serve(call).await), "1");
        assert_eq!(upstreams.attempted(), ["a:http", "b:http"]);
        assert_eq!(journal.candidates().unwrap().all()[1].progress(), Progress::Dropped);
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_instance_is_asked_again_over_its_other_transport_only_after_others() {
    for does in [Does::Hangs, Does::Breaks(Dispatch::Unknown)] {
        let upstreams = Upstreams::new(&[("a:http", does), ("b:http", SERVER), ("a:ws", Does::Answers("1"))]);
        assert_eq!(result(upstreams.serve(listed(&two_transports())).await), "1");
        assert_eq!(upstreams.attempted(), ["a:http", "b:http", "a:ws"]);
    }
    // An error of another kind says nothing about the transport.
    let upstreams = Upstreams::new(&[("a:http", SERVER), ("a:ws", Does::Answers("1"))]);
    assert_eq!(result(upstreams.serve(listed(&two_transports())).await), "1");
}

// === time ===

#[tokio::test(start_paused = true)]
async fn routing_17_case_8_a_hanging_provider_leaves_time_for_a_better_one() {
    let upstreams = Upstreams::new(&[("a:http", Does::Hangs), ("b:http", Does::AnswersAfter(ms(10), "1"))]);
    let start = Instant::now();
    assert_eq!(result(upstreams.serve(listed(&abc())).await), "1");
    assert_eq!(start.elapsed().as_millis(), 610);
    assert_eq!(upstreams.attempted(), ["a:http", "b:http"]);
}

#[tokio::test(start_paused = true)]
async fn two_hanging_providers_leave_time_for_a_third() {
    let upstreams = Upstreams::new(&[
        ("a:http", Does::Hangs),
        ("b:http", Does::Hangs),
        ("c:http", Does::AnswersAfter(ms(100), "1")),
    ]);
    assert_eq!(result(upstreams.serve(listed(&abc())).await), "1");
    // The share of all, the same share of the rest, and the rest.
    assert_eq!(upstreams.times(), [600, 240, 160]);
}

#[tokio::test(start_paused = true)]
async fn a_share_that_is_no_share_leaves_the_first_provider_all_the_time() {
    for first_attempt_share in [f64::NAN, -1.0, f64::INFINITY] {
        let upstreams = Upstreams::new(&[("a:http", Does::Hangs), ("b:http", Does::Hangs)]);
        let policy = FailoverPolicy { first_attempt_share, ..FailoverPolicy::default() };
        // Nothing is left for the second one, which the client is told.
        assert_eq!(error(upstreams.run(policy, listed(&abc())).await).0, -32000);
        assert_eq!(upstreams.times(), [1000], "{first_attempt_share}");
    }
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_9_a_sole_provider_gets_all_the_time() {
    let upstreams = Upstreams::new(&[("a:http", Does::Hangs)]);
    let start = Instant::now();
    assert_eq!(error(upstreams.serve(listed(&chain(&["a"]))).await), (-32007, "Request timeout".to_owned()));
    assert_eq!(start.elapsed(), SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_last_provider_that_hangs_times_the_call_out() {
    let upstreams = Upstreams::new(&[("a:http", Does::Hangs), ("b:http", Does::Hangs)]);
    assert_eq!(error(upstreams.serve(listed(&chain(&["a", "b"]))).await).0, -32007);
    assert_eq!(upstreams.times(), [600, 400]);
}

#[tokio::test(start_paused = true)]
async fn others_that_cannot_be_used_do_not_shorten_the_first_attempt() {
    let upstreams = Upstreams::new(&[("a:http", Does::Answers("1"))]);
    let mut call = listed(&abc());
    let list = call.shortlist.as_mut().unwrap();
    list[1].excluded = Some("circuit_open");
    list[2].limit = Some("param_limit");
    assert_eq!(result(upstreams.serve(call).await), "1");
    assert_eq!(upstreams.times(), [1000]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_must_not_be_repeated_is_not_cut_short() {
    for method in ["eth_getFilterChanges", "vendor_x"] {
        let upstreams = Upstreams::new(&[("a:http", Does::Answers("1"))]);
        assert_eq!(result(upstreams.serve(listed_for(&abc(), method, SECOND)).await), "1");
        assert_eq!(upstreams.times(), [1000], "{method}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_signed_transaction_leaves_time_for_a_second_provider() {
    let upstreams = Upstreams::new(&[("a:http", Does::Hangs), ("b:http", Does::Answers("1"))]);
    let call = listed_for(&chain(&["a", "b"]), "eth_sendRawTransaction", SECOND);
    assert_eq!(result(upstreams.serve(call).await), "1");
    assert_eq!(upstreams.times(), [600, 400]);
}

#[tokio::test(start_paused = true)]
async fn no_time_is_kept_for_a_channel_on_probation_that_is_busy() {
    let upstreams = Upstreams::new(&[("a:http", Does::AnswersAfter(ms(900), "1"))]);
    let mut call = listed(&chain(&["a", "b"]));
    call.shortlist.as_mut().unwrap()[1].demotion = Demotion::HALF_OPEN.and(Demotion::BUSY);
    assert_eq!(result(upstreams.serve(call).await), "1");
    assert_eq!(upstreams.times(), [1000]);
}

#[tokio::test(start_paused = true)]
async fn two_providers_that_are_one_instance_are_asked_once() {
    let twice = testing::chain(&["a", "b"]).provider(ProviderSpec::http("twin", "http://a.example"));
    for (others, time) in [(["a", "b", "twin"].as_slice(), 600), (&["a", "twin"], 1000)] {
        let mut spec = twice.clone();
        spec.providers.retain(|provider| others.contains(&provider.id.as_str()));
        let upstreams = Upstreams::new(&[("a:http", SERVER), ("b:http", SERVER), ("twin:http", SERVER)]);
        assert_eq!(error(upstreams.serve(listed(&testing::live(spec))).await).0, -32002);
        assert!(!upstreams.attempted().contains(&"twin:http".to_owned()));
        assert_eq!(upstreams.times()[0], time, "a twin is nobody to keep time for");
    }
}

#[tokio::test(start_paused = true)]
async fn no_attempt_starts_with_less_than_the_least_time() {
    // With 51 ms left of 100 the next one gets them, with 24 left there is none.
    for (takes, attempts, code) in [(49, 2, -2), (76, 1, -32000)] {
        let upstreams = Upstreams::new(&[
            ("a:http", Does::FailsAfter(ms(takes), -1, Category::ServerError)),
            ("b:http", Does::Fails(-2, Category::ServerError)),
        ]);
        let reply = upstreams.serve(listed_for(&chain(&["a", "b"]), "eth_call", ms(100))).await;
        assert_eq!(upstreams.attempted().len(), attempts);
        if attempts == 2 {
            assert_eq!(upstreams.times(), [60, 51]);
        } else {
            assert_eq!(data(&reply), Some(serde_json::json!({"reason": "deadline_exhausted"})));
        }
        assert_eq!(error(reply).0, code);
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_attempts_share_is_never_below_the_least_time() {
    let upstreams = Upstreams::new(&[("a:http", Does::Answers("1"))]);
    assert_eq!(result(upstreams.serve(listed_for(&abc(), "eth_call", ms(30))).await), "1");
    assert_eq!(upstreams.times(), [25]);
}

#[tokio::test(start_paused = true)]
async fn time_that_is_over_before_the_start_sends_nothing() {
    let upstreams = Upstreams::new(&[]);
    let reply = upstreams.serve(listed_for(&abc(), "eth_call", ms(24))).await;
    assert_eq!(data(&reply), Some(serde_json::json!({"reason": "deadline_exhausted"})));
    assert_eq!(error(reply), (-32000, "Request deadline exhausted".to_owned()));

    let live = abc();
    let mut item = listed_for(&live, "eth_call", ms(24));
    let batch = Batch { size: 1, snapshot: live.snapshot(), pin: None };
    item.batch = Some(BatchItem { batch: Arc::new(batch), index: 0 });
    let reply = upstreams.serve(item).await;
    assert_eq!(data(&reply), Some(serde_json::json!({"reason": "deadline_expired"})));
    assert_eq!(error(reply).0, -32005);
}

// === what must not be sent twice ===

#[tokio::test(start_paused = true)]
async fn routing_17_case_25_a_filter_call_whose_outcome_is_unknown_ends() {
    for does in [Does::Hangs, Does::Breaks(Dispatch::Unknown)] {
        let upstreams = Upstreams::new(&[("a:http", does)]);
        let reply = upstreams.serve(listed_for(&abc(), "eth_getFilterChanges", SECOND)).await;
        assert_eq!(reply.as_ref().unwrap_err().category(), Category::IndeterminateDispatch);
        assert_eq!(error(reply), (-32000, "Upstream dispatch outcome is indeterminate".to_owned()));
        assert_eq!(upstreams.attempted(), ["a:http"]);
    }
}

#[tokio::test(start_paused = true)]
async fn api_case_41_an_unknown_method_reaches_one_provider_when_its_outcome_is_unknown() {
    let upstreams = Upstreams::new(&[("a:http", Does::Hangs)]);
    assert_eq!(error(upstreams.serve(listed_for(&abc(), "vendor_x", SECOND)).await).0, -32000);
    assert_eq!(upstreams.attempted(), ["a:http"]);

    let definite = Does::Fails(-32601, Category::MethodNotFound);
    let upstreams = Upstreams::new(&[("a:http", definite), ("b:http", Does::Answers("1"))]);
    assert_eq!(result(upstreams.serve(listed_for(&abc(), "vendor_x", SECOND)).await), "1");
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_26_a_signed_transaction_goes_on_until_somebody_answers() {
    for does in [
        Does::Breaks(Dispatch::NotSent),
        Does::Breaks(Dispatch::Unknown),
        Does::Fails(-32005, Category::RateLimit),
        Does::Fails(-32601, Category::MethodNotFound),
        Does::Babbles(ReplyDefect::InvalidJson),
    ] {
        let upstreams = Upstreams::new(&[("a:http", does), ("b:http", Does::Answers("\"0xhash\""))]);
        let call = listed_for(&abc(), "eth_sendRawTransaction", SECOND);
        assert_eq!(result(upstreams.serve(call).await), "\"0xhash\"");
    }
    for category in [Category::UnclassifiedServerError, Category::CapabilityViolation, Category::ServerError]
    {
        let upstreams = Upstreams::new(&[("a:http", Does::Fails(-32000, category))]);
        let call = listed_for(&abc(), "eth_sendRawTransaction", SECOND);
        assert_eq!(error(upstreams.serve(call).await).1, "from a", "an explicit answer is final");
    }
}

#[tokio::test(start_paused = true)]
async fn what_never_left_may_go_elsewhere_whatever_the_method() {
    for method in ["eth_getFilterChanges", "vendor_x"] {
        let upstreams =
            Upstreams::new(&[("a:http", Does::Breaks(Dispatch::NotSent)), ("b:http", Does::Answers("1"))]);
        assert_eq!(result(upstreams.serve(listed_for(&abc(), method, SECOND)).await), "1", "{method}");
    }
}

// === counting ===

#[tokio::test(start_paused = true)]
async fn no_more_channels_are_tried_than_the_policy_says() {
    let policy = FailoverPolicy { max_attempts: 2, ..FailoverPolicy::default() };
    let upstreams = Upstreams::new(&[
        ("a:http", Does::Breaks(Dispatch::NotSent)),
        ("b:http", SERVER),
        ("c:http", SERVER),
    ]);
    let call = listed(&abcd());
    let journal = call.journal().clone();
    assert_eq!(error(upstreams.run(policy, call).await).1, "from b");
    assert_eq!(upstreams.attempted(), ["a:http", "b:http"]);
    // The one that was not reached does not count as sent to.
    assert_eq!(journal.candidates().unwrap().dispatched(), 1);
    let ordinals: Vec<_> = upstreams.seen.lock().unwrap().iter().map(|seen| seen.ordinal).collect();
    assert_eq!(ordinals, [0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_call_fails_over_only_to_channels_that_a_newer_catalogue_still_has() {
    let fails = Does::FailsAfter(ms(10), -32002, Category::ServerError);
    let script = [("a:http", fails), ("b:http", Does::Answers("\"b\"")), ("c:http", Does::Answers("\"c\""))];
    for (kept, answer) in
        [(&["a", "c"][..], Some("\"c\"")), (&["c"], Some("\"c\"")), (&["a"], None), (&[], None)]
    {
        let (live, upstreams) = (abc(), Upstreams::new(&script));
        let change = async {
            sleep(ms(5)).await;
            let profile = ProfileSpec::new("default").chain(testing::chain(kept));
            live.publish(vec![profile]).unwrap();
        };
        let (reply, ()) = tokio::join!(upstreams.serve(listed(&live)), change);
        match answer {
            Some(answer) => assert_eq!(result(reply), answer),
            None => assert_eq!(error(reply).0, -32002, "the error of the first stands"),
        }
        assert_eq!(upstreams.attempted()[0], "a:http");
        assert!(!upstreams.attempted().contains(&"b:http".to_owned()));
    }
}

#[tokio::test(start_paused = true)]
async fn the_journal_says_what_became_of_every_channel() {
    let upstreams = Upstreams::new(&[
        ("a:http", Does::Refused(Category::CircuitOpen)),
        ("b:http", SERVER),
        ("c:http", Does::Answers("1")),
    ]);
    let call = listed(&abcd());
    let journal = call.journal().clone();
    assert_eq!(result(upstreams.serve(call).await), "1");
    let candidates = journal.candidates().unwrap();
    let progress: Vec<_> = candidates.all().iter().map(|candidate| candidate.progress()).collect();
    let expected = [
        Progress::Skipped(Category::CircuitOpen),
        Progress::Failed(Category::ServerError),
        Progress::Answered,
        Progress::Untried,
    ];
    assert_eq!(progress, expected);
    assert_eq!(candidates.answering().map(|candidate| candidate.provider), Some(2));
}

// === refusals of our own ===

#[tokio::test(start_paused = true)]
async fn routing_17_case_53_a_refusal_by_the_breaker_goes_elsewhere_and_costs_nothing() {
    for category in [Category::HalfOpenBusy, Category::CircuitOpen, Category::LocalCapacityRejection] {
        let upstreams =
            Upstreams::new(&[("a:http", Does::Refused(category)), ("b:http", Does::Answers("1"))]);
        let call = listed(&abc());
        let journal = call.journal().clone();
        assert_eq!(result(upstreams.serve(call).await), "1");
        let candidates = journal.candidates().unwrap();
        assert_eq!(candidates.dispatched(), 1);
        assert_eq!(candidates.all()[0].progress(), Progress::Skipped(category));
    }
}

#[tokio::test(start_paused = true)]
async fn when_every_channel_is_refused_there_is_no_channel() {
    let refused = Does::Refused(Category::HalfOpenBusy);
    let upstreams = Upstreams::new(&[("a:http", refused.clone()), ("b:http", refused)]);
    let reply = upstreams.serve(listed(&chain(&["a", "b"]))).await;
    assert_eq!(error(reply), (-32000, "No channels available".to_owned()));

    let full = Does::Refused(Category::LocalCapacityRejection);
    let upstreams = Upstreams::new(&[("a:http", full)]);
    assert_eq!(error(upstreams.serve(listed(&chain(&["a"]))).await).0, -32008);
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_became_limited_waits_behind_the_others_and_is_then_used() {
    let limited = Does::RefusedUnlessInsisting(Category::RateLimit, &Does::Answers("\"a\""));
    let upstreams = Upstreams::new(&[("a:http", limited.clone()), ("b:http", Does::Answers("\"b\""))]);
    assert_eq!(result(upstreams.serve(listed(&chain(&["a", "b"]))).await), "\"b\"");

    let upstreams = Upstreams::new(&[("a:http", limited), ("b:http", SERVER)]);
    assert_eq!(result(upstreams.serve(listed(&chain(&["a", "b"]))).await), "\"a\"");
    assert_eq!(upstreams.attempted(), ["a:http", "b:http", "a:http"]);
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_refuses_the_second_time_too_is_given_up() {
    let upstreams = Upstreams::new(&[("a:http", Does::Refused(Category::RateLimit))]);
    let reply = upstreams.serve(listed(&chain(&["a"]))).await;
    assert_eq!(error(reply), (-32000, "No channels available".to_owned()));
    assert_eq!(upstreams.attempted(), ["a:http", "a:http"]);
}

// === together with selection ===

fn planned(live: &Live, change: impl FnOnce(&mut Plan)) -> Call {
    let mut call = testing::call("eth_call", "[]");
    let mut plan = Plan::new(live.snapshot(), "default", "ethereum").unwrap();
    change(&mut plan);
    call.deadline = call.received + SECOND;
    call.journal().set_plan(plan);
    call
}

fn pinned_to_a(failover: bool) -> Call {
    let live = by_priority(testing::chain(&["a", "b"]));
    planned(&live, |plan| plan.pin = Some(Pin { provider: 0, failover }))
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_17_a_provider_chosen_by_the_client_is_asked_alone() {
    let upstreams = Upstreams::new(&[("a:http", SERVER)]);
    let reply = upstreams.select_and_serve(CandidateLayer::new(), pinned_to_a(false)).await;
    assert_eq!(error(reply), (-32002, "from a".to_owned()));
    // Nothing else can be tried, so it gets all the time.
    assert_eq!(upstreams.times(), [1000]);
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_18_a_chosen_provider_whose_breaker_is_open_is_no_channel() {
    let upstreams = Upstreams::new(&[("a:http", Does::Refused(Category::CircuitOpen))]);
    let reply = upstreams.select_and_serve(CandidateLayer::new(), pinned_to_a(false)).await;
    assert_eq!(error(reply), (-32000, "No channels available".to_owned()));
    assert_eq!(upstreams.attempted(), ["a:http"]);
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_18_a_chosen_provider_that_cannot_be_asked_is_no_channel() {
    let socket =
        ProviderSpec { ws_url: Some("ws://a.example".to_owned()), ..ProviderSpec::new("a") }.priority(1);
    let deaf = Capabilities { unsupported_methods: vec!["eth_call".to_owned()], ..Capabilities::default() };
    let silent = ProviderSpec { capabilities: deaf, ..ProviderSpec::http("a", "http://a.example") };
    for named in [socket, silent] {
        let chain = ChainSpec::new("ethereum", 1).provider(named);
        let live = by_priority(chain.provider(ProviderSpec::http("b", "http://b.example").priority(2)));
        let call = planned(&live, |plan| plan.pin = Some(Pin { provider: 0, failover: false }));
        let upstreams = Upstreams::new(&[]);
        let candidates = CandidateLayer::new().filter(Stage::Liveness, HttpOnly);
        let reply = upstreams.select_and_serve(candidates, call).await;
        assert_eq!(data(&reply), None);
        assert_eq!(error(reply), (-32000, "No channels available".to_owned()));
    }
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_32_a_call_for_a_socket_that_is_down_finds_no_channel() {
    let call = planned(&two_transports(), |plan| plan.transport = Some(Transport::Ws));
    let upstreams = Upstreams::new(&[]);
    let candidates = CandidateLayer::new().filter(Stage::Liveness, HttpOnly);
    let reply = upstreams.select_and_serve(candidates, call).await;
    assert_eq!(data(&reply), Some(serde_json::json!({})));
    let message = "No available channels for method: eth_call. All circuit breakers are open.".to_owned();
    assert_eq!(error(reply), (-32000, message));
    assert!(upstreams.attempted().is_empty());
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_22_the_provider_of_a_batch_is_asked_first_and_not_alone() {
    let upstreams = Upstreams::new(&[("a:http", SERVER), ("b:http", Does::Answers("1"))]);
    let reply = upstreams.select_and_serve(CandidateLayer::new(), pinned_to_a(true)).await;
    assert_eq!(result(reply), "1");
    assert_eq!(upstreams.attempted(), ["a:http", "b:http"]);
}

fn logs(chain: ChainSpec) -> Call {
    let call = testing::call("eth_getLogs", r#"[{"fromBlock":"0x0","toBlock":"0x1388"}]"#);
    testing::planned(&by_priority(chain), call, SECOND)
}

fn short_range(id: &str) -> ProviderSpec {
    let capabilities = Capabilities { max_block_range: Some(1000), ..Capabilities::default() };
    ProviderSpec { capabilities, ..ProviderSpec::http(id, format!("http://{id}.example")) }
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_23_a_call_over_a_declared_limit_goes_to_a_provider_without_one() {
    let upstreams = Upstreams::new(&[("b:http", Does::Answers("[]"))]);
    let chain = ChainSpec::new("ethereum", 1)
        .provider(short_range("a"))
        .provider(ProviderSpec::http("b", "http://b.example"));
    assert_eq!(result(upstreams.select_and_serve(CandidateLayer::new(), logs(chain)).await), "[]");
    assert_eq!(upstreams.attempted(), ["b:http"]);
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_23_a_declared_limit_holds_once_something_was_sent() {
    let upstreams = Upstreams::new(&[("b:http", SERVER)]);
    let chain = ChainSpec::new("ethereum", 1)
        .provider(short_range("a"))
        .provider(ProviderSpec::http("b", "http://b.example"));
    let reply = upstreams.select_and_serve(CandidateLayer::new(), logs(chain)).await;
    assert_eq!(error(reply).1, "from b");
    assert_eq!(upstreams.attempted(), ["b:http"]);
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_24_declared_limits_are_ignored_where_nobody_is_within_them() {
    let upstreams = Upstreams::new(&[("a:http", SERVER), ("b:http", Does::Answers("[]"))]);
    let chain = ChainSpec::new("ethereum", 1).provider(short_range("a")).provider(short_range("b"));
    assert_eq!(result(upstreams.select_and_serve(CandidateLayer::new(), logs(chain)).await), "[]");
    assert_eq!(upstreams.attempted(), ["a:http", "b:http"]);
    // The second one could be tried, so the first one left time for it.
    assert_eq!(upstreams.times(), [600, 1000]);
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_24_time_is_over_for_calls_over_every_limit_too() {
    let chain = ChainSpec::new("ethereum", 1).provider(short_range("a"));
    let mut call = logs(chain);
    call.deadline = call.received + ms(24);
    let reply = Upstreams::new(&[]).select_and_serve(CandidateLayer::new(), call).await;
    assert_eq!(error(reply), (-32000, "Request deadline exhausted".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_24_a_sole_provider_over_its_limit_is_asked_once() {
    let upstreams = Upstreams::new(&[("a:http", Does::Answers("[]"))]);
    let chain = ChainSpec::new("ethereum", 1).provider(short_range("a"));
    assert_eq!(result(upstreams.select_and_serve(CandidateLayer::new(), logs(chain)).await), "[]");
    assert_eq!((upstreams.attempted(), upstreams.times()), (vec!["a:http".to_owned()], vec![1000]));
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_45_closed_then_limited_then_half_open() {
    let live = by_priority(testing::chain(&["c", "b", "a"]));
    let health = CandidateLayer::new().filter(Stage::Circuit, |subject: &Subject<'_>| {
        match subject.provider.id.as_str() {
            "b" => Verdict::Demote(Demotion::LIMITED),
            "c" => Verdict::Demote(Demotion::HALF_OPEN),
            _ => Verdict::Keep,
        }
    });
    let upstreams = Upstreams::new(&[("a:http", SERVER), ("b:http", SERVER), ("c:http", SERVER)]);
    let reply = upstreams.select_and_serve(health, planned(&live, |_| {})).await;
    assert_eq!(error(reply).1, "from c");
    assert_eq!(upstreams.attempted(), ["a:http", "b:http", "c:http"]);
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_54_a_provider_is_served_over_the_transport_whose_breaker_is_closed() {
    let http_open = CandidateLayer::new().filter(Stage::Circuit, |subject: &Subject<'_>| {
        match (subject.provider.id.as_str(), subject.channel.transport) {
            ("a", Transport::Http) => Verdict::exclude("circuit_open"),
            _ => Verdict::Keep,
        }
    });
    let upstreams = Upstreams::new(&[("a:ws", Does::Answers("1")), ("b:http", SERVER)]);
    let call = planned(&two_transports(), |plan| plan.pin = Some(Pin { provider: 0, failover: true }));
    let over_ws = {
        let mut call = testing::listed(call);
        call.shortlist.as_mut().unwrap()[0].excluded = Some("circuit_open");
        call
    };
    assert_eq!(result(upstreams.serve(over_ws).await), "1");
    assert_eq!(upstreams.attempted(), ["a:ws"]);

    let call = planned(&two_transports(), |plan| plan.strategy = Strategy::Priority);
    let journal = call.journal().clone();
    let upstreams = Upstreams::new(&[("a:ws", Does::Answers("1")), ("b:http", SERVER)]);
    assert_eq!(result(upstreams.select_and_serve(http_open, call).await), "1");
    assert_eq!(journal.candidates().unwrap().answering().map(|found| found.transport), Some(Transport::Ws));
}

fn all_open(retry_after: fn(&str) -> Option<Duration>) -> CandidateLayer {
    CandidateLayer::new().filter(Stage::Circuit, move |subject: &Subject<'_>| Verdict::Exclude {
        reason: "circuit_open",
        retry_after: retry_after(&subject.provider.id),
    })
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_57_all_breakers_open() {
    let upstreams = Upstreams::new(&[]);
    let live = abc();
    let wait = |id: &str| match id {
        "a" => Some(ms(9000)),
        "b" => Some(Duration::from_micros(4_000_100)),
        _ => None,
    };
    let reply = upstreams.select_and_serve(all_open(wait), planned(&live, |_| {})).await;
    assert_eq!(data(&reply), Some(serde_json::json!({"retry_after_ms": 4001})));
    assert_eq!(reply.as_ref().unwrap_err().category(), Category::ProviderError);
    let message = "No available channels for method: eth_call. All circuits open, retry after 5s";
    assert_eq!(error(reply), (-32000, message.to_owned()));

    let reply = upstreams.select_and_serve(all_open(|_| None), planned(&live, |_| {})).await;
    assert_eq!(data(&reply), Some(serde_json::json!({})));
    let message = "No available channels for method: eth_call. All circuit breakers are open.";
    assert_eq!(error(reply), (-32000, message.to_owned()));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_method_is_named_in_full_when_there_is_no_channel() {
    let call = testing::call("vendor_x", "[]");
    let call = testing::planned(&abc(), call, SECOND);
    let reply = Upstreams::new(&[]).select_and_serve(all_open(|_| None), call).await;
    assert!(error(reply).1.contains("method: vendor_x."));
}

// === events ===

fn on_probation(all_but: &'static [&'static str]) -> CandidateLayer {
    CandidateLayer::new().filter(Stage::Circuit, |subject: &Subject<'_>| {
        match all_but.contains(&subject.provider.id.as_str()) {
            true => Verdict::Keep,
            false => Verdict::Demote(Demotion::HALF_OPEN),
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_call_that_only_channels_on_probation_are_left_for_is_told_of() {
    let (log, _guard) = Log::at(LevelFilter::INFO);
    let live = by_priority(testing::chain(&["a", "b", "c"]));
    let upstreams = Upstreams::new(&[
        ("a:http", Does::Refused(Category::HalfOpenBusy)),
        ("b:http", SERVER),
        ("c:http", Does::Answers("1")),
    ]);
    let reply = upstreams.select_and_serve(on_probation(&[]), planned(&live, |_| {})).await;
    assert_eq!(result(reply), "1");
    let told = |event: &str| {
        let entries = log.entries(event).into_iter();
        entries.map(|entry| (entry.level, entry.fields["provider_id"].clone())).collect::<Vec<_>>()
    };
    // The breaker of a refused: b was the first that was sent to.
    assert_eq!(told("lasso.failover.degraded_mode"), [(Level::WARN, "b".into())]);
    assert_eq!(told("lasso.failover.fast_fail"), [(Level::WARN, "b".into())]);
    let reason = log.entries("lasso.failover.fast_fail")[0].fields["failover_reason"].clone();
    assert_eq!(reason, "server_error_detected");
    assert_eq!(told("lasso.failover.degraded_success"), [(Level::INFO, "c".into())]);
    assert!(log.entries("lasso.failover.exhaustion").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_ends_the_call_is_no_failover() {
    let (log, _guard) = Log::at(LevelFilter::INFO);
    let upstreams = Upstreams::new(&[("a:http", SERVER), ("b:http", SERVER)]);
    assert_eq!(error(upstreams.serve(listed(&chain(&["a", "b"]))).await).1, "from b");
    let entries = log.entries("lasso.failover.fast_fail");
    assert_eq!((entries.len(), &entries[0].fields["provider_id"]), (1, &"a".into()));
}

#[tokio::test(start_paused = true)]
async fn a_breaker_that_opened_since_the_choice_is_told_of() {
    let (log, _guard) = Log::at(LevelFilter::INFO);
    let upstreams =
        Upstreams::new(&[("a:http", Does::Refused(Category::CircuitOpen)), ("b:http", Does::Answers("1"))]);
    assert_eq!(result(upstreams.serve(listed(&abc())).await), "1");
    let entries = log.entries("lasso.failover.circuit_open");
    assert_eq!((entries.len(), &entries[0].fields["provider_id"]), (1, &"a".into()));
}

#[tokio::test(start_paused = true)]
async fn probation_behind_a_healthy_channel_is_no_degraded_mode() {
    let (log, _guard) = Log::at(LevelFilter::INFO);
    let live = by_priority(testing::chain(&["a", "b"]));
    let upstreams = Upstreams::new(&[("a:http", Does::Answers("1")), ("b:http", SERVER)]);
    let reply = upstreams.select_and_serve(on_probation(&["b"]), planned(&live, |_| {})).await;
    assert_eq!(
        (result(reply), upstreams.attempted()),
        ("1".to_owned(), vec!["b:http".into(), "a:http".into()])
    );
    assert!(log.entries("lasso.failover.degraded_mode").is_empty());
    assert!(log.entries("lasso.failover.degraded_success").is_empty());
}

#[tokio::test(start_paused = true)]
async fn that_no_channel_is_left_is_an_error_with_the_time_to_wait() {
    let (log, _guard) = Log::at(LevelFilter::INFO);
    for wait in [Some(ms(9000)), None] {
        let none = all_open(if wait.is_some() { |_| Some(ms(9000)) } else { |_| None });
        let _ = Upstreams::new(&[]).select_and_serve(none, planned(&abc(), |_| {})).await;
    }
    let entries = log.entries("lasso.failover.exhaustion");
    let told = entries.iter().map(|entry| (entry.level, entry.fields["retry_after_ms"].as_u64()));
    assert_eq!(told.collect::<Vec<_>>(), [(Level::ERROR, Some(9000)), (Level::ERROR, Some(0))]);
    assert_eq!(entries[0].fields["method"], "eth_call");
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_31_that_all_lag_ends_the_call_with_a_warning() {
    let (log, _guard) = Log::at(LevelFilter::INFO);
    let mut own = testing::chain(&["a", "b"]);
    own.settings.max_lag_blocks = Some(1);
    let other = ProfileSpec::new("z").chain(testing::chain(&["x"]));
    let live = Live::new(vec![ProfileSpec::new("default").chain(own), other]).unwrap();
    let heights = Heights::new();
    for provider in live.load().profiles().iter().flat_map(|profile| &profile.chains()[0].providers) {
        let height = if provider.id == "x" { 100 } else { 90 };
        let instance = provider.http.as_ref().unwrap().instance;
        heights.record(1, instance, Observation::new(height, Instant::now(), Source::Http));
    }
    let upstreams = Upstreams::new(&[]);
    let candidates = CandidateLayer::new().filter(Stage::Lag, heights);
    let failure = upstreams.select_and_serve(candidates, planned(&live, |_| {})).await.unwrap_err();
    let expected = "No available channels for method: eth_call. All circuit breakers are open.";
    assert_eq!((failure.error().message.as_ref(), upstreams.attempted().len()), (expected, 0));
    let warnings = log.entries("lasso.failover.lagging");
    let told = warnings.iter().map(|entry| (entry.level, entry.fields["channels"].as_u64()));
    assert_eq!(told.collect::<Vec<_>>(), [(Level::WARN, Some(2))]);
}

// === dry runs, dropped calls, readiness ===

#[tokio::test(start_paused = true)]
async fn a_dry_run_chooses_and_sends_nothing() {
    let upstreams = Upstreams::new(&[]);
    let live = by_priority(testing::chain(&["b", "a"]));
    let mut call = planned(&live, |_| {});
    call.dry_run = true;
    let journal = call.journal().clone();
    let reply = upstreams.select_and_serve(CandidateLayer::new(), call).await;
    assert!(matches!(reply, Ok(Reply::Result(Body::Full(bytes))) if bytes.is_empty()));
    let candidates = journal.candidates().unwrap();
    assert_eq!(candidates.all()[0].progress(), Progress::Untried);
    assert_eq!((candidates.all()[0].provider, candidates.dispatched()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_10_a_client_that_leaves_blames_nobody() {
    let upstreams = Upstreams::new(&[("a:http", SERVER), ("b:http", Does::HangsForever)]);
    let call = listed(&abc());
    let journal = call.journal().clone();
    assert!(timeout(ms(100), upstreams.serve(call)).await.is_err());
    let candidates = journal.candidates().unwrap();
    // What was over stays written down; what was not is neither a failure nor an answer.
    assert_eq!(candidates.all()[0].progress(), Progress::Failed(Category::ServerError));
    assert_eq!(candidates.all()[1].progress(), Progress::Taken);
    assert_eq!(candidates.all()[2].progress(), Progress::Untried);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_call_drops_the_attempt() {
    let in_flight = Arc::new(Mutex::new(Weak::<()>::new()));
    let seen = in_flight.clone();
    let attempts = service_fn(move |_: Attempt| {
        let held = Arc::new(());
        *seen.lock().unwrap() = Arc::downgrade(&held);
        async move {
            let _held = held;
            pending::<Result<Reply, Failure>>().await
        }
    });
    let mut service = FailoverLayer::default().layer(attempts);
    let mut future = Box::pin(service.ready().await.unwrap().call(listed(&abc())));
    assert!(timeout(ms(1), &mut future).await.is_err());
    assert!(in_flight.lock().unwrap().upgrade().is_some());
    drop(future);
    assert!(in_flight.lock().unwrap().upgrade().is_none());
}

/// Panics when it is called without having been asked whether it is ready. A clone was not asked.
struct Strict {
    is_ready: bool,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self { is_ready: false }
    }
}

impl Service<Attempt> for Strict {
    type Response = Reply;
    type Error = Failure;
    type Future = Ready<Result<Reply, Failure>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, attempt: Attempt) -> Self::Future {
        assert!(std::mem::take(&mut self.is_ready), "called without being ready");
        let broken = Failure::transport(TransportKind::Broken, Dispatch::Unknown, attempt.transport());
        ready(Err(broken))
    }
}

#[tokio::test(start_paused = true)]
async fn the_service_is_asked_for_readiness_before_every_attempt() {
    let mut service = FailoverLayer::default().layer(Strict { is_ready: false });
    for _ in 0..2 {
        let reply = service.ready().await.unwrap().call(listed(&abc())).await;
        assert_eq!(error(reply).0, -32004);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_without_candidates_fails() {
    let planned = testing::planned(&abc(), testing::call("eth_call", "[]"), SECOND);
    assert_eq!(error(Upstreams::new(&[]).serve(planned).await).0, -32000);
}
