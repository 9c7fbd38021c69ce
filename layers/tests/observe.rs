//! What is written about calls, and what clients are told about routing.
#![cfg(all(
    feature = "observe",
    feature = "profile",
    feature = "guard",
    feature = "candidate",
    feature = "strategy",
    feature = "failover",
    feature = "test-util"
))]

#[path = "support/log.rs"]
mod log;

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lasso_layers::attempt::Attempt;
use lasso_layers::call::candidate::CandidateLayer;
use lasso_layers::call::failover::FailoverLayer;
use lasso_layers::call::guard::GuardLayer;
use lasso_layers::call::observe::{AttemptOutcome, ObserveLayer, ObservePolicy, Observer, Report};
use lasso_layers::call::strategy::StrategyLayer;
use lasso_layers::call::{
    Batch, BatchItem, Call, Demotion, Failure, Journal, MetaMode, Reply, Stage, Subject, UpstreamFailure,
    Verdict,
};
use lasso_layers::catalog::{Category, Live, Strategy, Transport};
use lasso_layers::edge::profile::{ProfileLayer, ProfilePolicy};
use lasso_layers::state::Entropy;
use lasso_layers::testing;
use lasso_layers::wire::ErrorObject;
use serde_json::{Value, json};
use tower::{Layer, Service, ServiceExt, service_fn};
use tracing::Level;
use tracing::level_filters::LevelFilter;

use self::log::{Entry, Log};

/// The one entry of the request log.
fn completed(log: &Log) -> Entry {
    let mut entries = log.entries("rpc.request.completed");
    assert_eq!(entries.len(), 1);
    entries.remove(0)
}

// === impl Stack ===

/// What the providers do: how long they take and what they say.
#[derive(Clone, Copy)]
struct Providers {
    takes: Duration,
    /// Says what is wrong with a provider, by id.
    error: fn(&str) -> Option<(Category, &'static str)>,
    filter: fn(&Subject<'_>) -> Verdict,
}

const HEALTHY: Providers =
    Providers { takes: Duration::from_millis(20), error: |_| None, filter: |_| Verdict::Keep };

impl Providers {
    async fn attempt(self, attempt: Attempt) -> Result<Reply, Failure> {
        tokio::time::sleep(self.takes).await;
        attempt.call().journal().add_upstream(self.takes);
        attempt.candidate().set_upstream(Duration::ZERO, self.takes);
        match (self.error)(&attempt.provider().id) {
            None => Ok(testing::reply("\"0x1\"")),
            Some((category, message)) => Err(Failure::Upstream(Box::new(UpstreamFailure {
                error: ErrorObject::new(-32000, message).with_data("{}"),
                category,
                retry_after: None,
                transport: Transport::Http,
                http: None,
            }))),
        }
    }
}

fn live() -> Live {
    testing::live(testing::chain(&["a", "b"]))
}

fn stack(
    observe: ObserveLayer,
    providers: Providers,
) -> impl Service<Call, Response = Reply, Error = Failure, Future: Send> {
    let attempts = service_fn(move |attempt| providers.attempt(attempt));
    let policy = ProfilePolicy { default_strategy: Strategy::Priority, ..ProfilePolicy::default() };
    let calls = FailoverLayer::default().layer(attempts);
    let calls = CandidateLayer::new()
        .filter(Stage::Circuit, providers.filter)
        .layer(StrategyLayer::new().layer(calls));
    observe.layer(ProfileLayer::new(live(), policy).layer(GuardLayer::default().layer(calls)))
}

/// Runs a call through the stack; the journal holds its metadata.
async fn run(policy: ObservePolicy, providers: Providers, call: Call) -> Arc<Journal> {
    let journal = call.journal().clone();
    let observe = ObserveLayer::new(policy).entropy(Entropy::seeded(1));
    let _ = stack(observe, providers).oneshot(call).await;
    journal
}

async fn observe(providers: Providers, call: Call) -> Arc<Journal> {
    run(ObservePolicy::default(), providers, call).await
}

fn call() -> Call {
    let mut call = testing::call("eth_call", "[{}]");
    call.origin.transport = Some(Transport::Http);
    call.origin.request_id = Some("id-of-the-client".into());
    call
}

fn with_meta(mut call: Call) -> Call {
    call.origin.meta = MetaMode::Headers;
    call
}

fn meta(journal: &Arc<Journal>) -> Value {
    serde_json::from_slice(&journal.meta().unwrap().full).unwrap()
}

// === log entries ===

#[tokio::test(start_paused = true)]
async fn a_success_has_exactly_these_fields() {
    let (log, _guard) = Log::at(LevelFilter::TRACE);
    let mut call = call();
    call.origin.path = Some("/rpc/ethereum".into());
    call.origin.user_agent = Some("curl/8".into());
    observe(HEALTHY, call).await;

    let entry = completed(&log);
    assert_eq!(entry.level, Level::INFO);
    let size = r#"{"jsonrpc":"2.0","id":1,"result":"0x1"}"#.len();
    let expected = json!({
        "event": "rpc.request.completed",
        "request_id": "id-of-the-client",
        "strategy": "priority",
        "chain": "ethereum",
        "chain_id": 1,
        "transport": "http",
        "jsonrpc_method": "eth_call",
        "params_present": true,
        "path": "/rpc/ethereum",
        "user_agent": "curl/8",
        "routing.selected_provider.id": "a",
        "routing.selected_provider.protocol": "http",
        "routing.retries": 0,
        "routing.candidate_providers": "a:http,b:http",
        "routing.selection_reason": "static_priority",
        "routing.circuit_breaker_state": "closed",
        "timing.selection_latency_ms": 0.0,
        "timing.upstream_latency_ms": 20.0,
        "timing.end_to_end_latency_ms": 20.0,
        "timing.lasso_overhead_ms": 0.0,
        "response.status": "success",
        "response.result_type": "passthrough",
        "response.result_size_bytes": size,
    });
    assert_eq!(serde_json::to_value(entry.fields).unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn an_error_is_a_warning_with_a_masked_and_cut_text() {
    let (log, _guard) = Log::at(LevelFilter::WARN);
    let policy =
        ObservePolicy { max_error_message_chars: 40, sampling_rate: 0.0, ..ObservePolicy::default() };
    let error = |_: &str| {
        let text = "é https://node.example/v2/0123456789abcdef says no, at great length";
        Some((Category::ServerError, text))
    };
    run(policy, Providers { error, ..HEALTHY }, call()).await;

    let Entry { level, fields } = completed(&log);
    assert_eq!(level, Level::WARN);
    assert_eq!(fields["response.status"], "error");
    assert_eq!(fields["response.error.code"], -32000);
    assert_eq!(fields["response.error.category"], "server_error");
    assert_eq!(fields["response.error.data_present"], true);
    assert_eq!(fields["response.error.message"], "é https://node.example/v2/0123*** says n");
    assert_eq!(fields["routing.retries"], 1);
    assert_eq!(fields["routing.selected_provider.id"], "b");
    assert!(!fields.contains_key("response.result_type"));
}

#[tokio::test(start_paused = true)]
async fn a_revert_is_an_error_too() {
    let (log, _guard) = Log::at(LevelFilter::WARN);
    let error = |_: &str| Some((Category::ExecutionRevert, "execution reverted"));
    observe(Providers { error, ..HEALTHY }, call()).await;
    assert_eq!(completed(&log).fields["response.error.category"], "execution_revert");
}

#[tokio::test(start_paused = true)]
async fn a_refused_route_is_logged_by_the_name_the_client_used() {
    let (log, _guard) = Log::at(LevelFilter::WARN);
    let mut call = call();
    call.route.chain = "x".repeat(200).into();
    observe(HEALTHY, call).await;
    let fields = completed(&log).fields;
    assert!(fields["chain"].as_str().unwrap().starts_with("sha256:"));
    assert_eq!(fields["routing.circuit_breaker_state"], "unknown");
    for absent in ["chain_id", "strategy", "routing.selected_provider.id", "timing.upstream_latency_ms"] {
        assert!(!fields.contains_key(absent), "{absent}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_our_own_has_a_type_and_no_provider() {
    let (log, _guard) = Log::at(LevelFilter::INFO);
    let mut call = testing::call("eth_chainId", "[]");
    call.origin.meta = MetaMode::Body;
    let journal = observe(HEALTHY, call).await;
    let fields = completed(&log).fields;
    assert_eq!(fields["response.result_type"], "string");
    assert_eq!(fields["params_present"], false);
    assert_eq!(fields["routing.circuit_breaker_state"], "unknown");
    assert_eq!(meta(&journal)["circuit_breaker_state"], "unknown");
    assert_eq!(meta(&journal).get("selected_provider"), None);
}

#[tokio::test(start_paused = true)]
async fn successes_are_written_at_the_level_and_share_of_the_policy() {
    let (log, _guard) = Log::at(LevelFilter::TRACE);
    let policy = ObservePolicy { success_level: Level::DEBUG, ..ObservePolicy::default() };
    run(policy, HEALTHY, call()).await;
    assert_eq!(completed(&log).level, Level::DEBUG);

    let (log, _guard) = Log::at(LevelFilter::TRACE);
    run(ObservePolicy { sampling_rate: 0.0, ..ObservePolicy::default() }, HEALTHY, call()).await;
    assert!(log.entries("rpc.request.completed").is_empty());

    let (log, _guard) = Log::at(LevelFilter::TRACE);
    let policy = ObservePolicy { sampling_rate: 0.25, ..ObservePolicy::default() };
    let mut stack = stack(ObserveLayer::new(policy).entropy(Entropy::seeded(7)), HEALTHY);
    for _ in 0..400 {
        stack.ready().await.unwrap().call(call()).await.unwrap();
    }
    let written = log.entries("rpc.request.completed").len();
    assert!((60..=140).contains(&written), "{written}");
}

#[tokio::test(start_paused = true)]
async fn successes_below_the_enabled_level_are_not_written() {
    let (log, _guard) = Log::at(LevelFilter::WARN);
    observe(HEALTHY, call()).await;
    assert!(log.events.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_batch_has_the_entry_of_its_first_item() {
    let (log, _guard) = Log::at(LevelFilter::INFO);
    let batch = Arc::new(Batch { size: 3, snapshot: live().snapshot(), pin: Some(1) });
    for index in 0..3 {
        let mut item = call();
        item.batch = Some(BatchItem { batch: batch.clone(), index });
        observe(HEALTHY, item).await;
    }
    let fields = completed(&log).fields;
    assert_eq!(fields["batch_size"], 3);
    // The provider of a batch was chosen by the strategy, not by the client.
    assert_eq!(fields["routing.selected_provider.id"], "b");
    assert_eq!(fields["routing.selection_reason"], "static_priority");
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_is_nobodys_business() {
    let (log, _guard) = Log::at(LevelFilter::TRACE);
    let mut dry = with_meta(call());
    dry.dry_run = true;
    let journal = observe(HEALTHY, dry).await;
    assert!(log.events.lock().unwrap().is_empty());
    assert_eq!(journal.meta(), None);
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_client_left_has_no_entry() {
    let (log, _guard) = Log::at(LevelFilter::TRACE);
    let hanging = service_fn(|_: Call| pending::<Result<Reply, Failure>>());
    let mut service = ObserveLayer::default().layer(hanging);
    let future = service.ready().await.unwrap().call(call());
    assert!(tokio::time::timeout(Duration::from_secs(1), future).await.is_err());
    assert!(log.entries("rpc.request.completed").is_empty());
    // Who wants details is told what became of it.
    let terminal = log.entries("lasso.rpc.request.terminal");
    assert_eq!((terminal.len(), &terminal[0].fields["result"]), (1, &json!("cancelled")));
}

#[tokio::test(start_paused = true)]
async fn providers_are_slow_above_the_bounds_and_not_at_them() {
    for (millis, expected) in [
        (1000, None),
        (1001, Some(("lasso.request.delayed", Level::INFO))),
        (2000, Some(("lasso.request.delayed", Level::INFO))),
        (2001, Some(("lasso.request.slow", Level::WARN))),
        (4000, Some(("lasso.request.slow", Level::WARN))),
        (4001, Some(("lasso.request.very_slow", Level::ERROR))),
    ] {
        let (log, _guard) = Log::at(LevelFilter::TRACE);
        observe(Providers { takes: Duration::from_millis(millis), ..HEALTHY }, call()).await;
        let names = ["lasso.request.delayed", "lasso.request.slow", "lasso.request.very_slow"];
        let found: Vec<_> = names.iter().flat_map(|name| log.entries(name)).collect();
        assert_eq!(found.first().map(|entry| entry.level), expected.map(|(_, level)| level), "{millis}");
        if let Some((event, _)) = expected {
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].fields["event"], event);
            assert_eq!(found[0].fields["provider_id"], "a");
            assert_eq!(found[0].fields["latency_ms"], f64::from(u32::try_from(millis).unwrap()));
        }
    }
}

// === request ids ===

async fn request_id_seen_inside(given: Option<String>) -> String {
    let (_log, _guard) = Log::at(LevelFilter::WARN);
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let inner = service_fn(move |call: Call| {
        sender.send(call.origin.request_id.unwrap()).unwrap();
        async { Ok::<_, Failure>(testing::reply("null")) }
    });
    let mut call = call();
    call.origin.request_id = given.map(Into::into);
    ObserveLayer::default().layer(inner).oneshot(call).await.unwrap();
    receiver.recv().await.unwrap().to_string()
}

#[tokio::test]
async fn every_call_has_a_request_id_of_bounded_length() {
    let generated = request_id_seen_inside(None).await;
    assert_eq!(generated.len(), 32);
    assert!(generated.bytes().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase()));
    assert_ne!(generated, request_id_seen_inside(None).await);
    let longest = "x".repeat(128);
    assert_eq!(request_id_seen_inside(Some(longest.clone())).await, longest);
    assert!(request_id_seen_inside(Some("x".repeat(129))).await.starts_with("sha256:"));
}

// === metadata ===

#[tokio::test(start_paused = true)]
async fn metadata_of_a_result_is_complete_and_in_order() {
    let journal = observe(HEALTHY, with_meta(call())).await;
    let expected = concat!(
        r#"{"version":"1.0","request_id":"id-of-the-client","strategy":"priority","chain":"ethereum","chain_id":1,"#,
        r#""transport":"http","candidate_providers":["a:http","b:http"],"#,
        r#""selected_provider":{"id":"a","protocol":"http"},"selection_latency_ms":0.0,"upstream_latency_ms":20.0,"#,
        r#""end_to_end_latency_ms":20.0,"lasso_overhead_ms":0.0,"retries":0,"circuit_breaker_state":"closed","#,
        r#""selection_reason":"static_priority"}"#,
    );
    assert_eq!(journal.meta().unwrap().brief, expected);
    let candidates = concat!(
        r#","candidates":[{"provider":"a","transport":"http","order":1,"tier":1,"score":{"priority":1},"#,
        r#""outcome":"answered","upstream_latency_ms":20.0},"#,
        r#"{"provider":"b","transport":"http","order":2,"tier":1,"score":{"priority":2},"outcome":"untried"}]}"#,
    );
    let full = expected.strip_suffix('}').unwrap().to_owned() + candidates;
    assert_eq!(journal.meta().unwrap().full, full);
}

#[tokio::test(start_paused = true)]
async fn metadata_counts_failovers_and_all_upstream_time() {
    let error = |id: &str| (id == "a").then_some((Category::ServerError, "no"));
    let filter = |subject: &Subject<'_>| match subject.provider.id.as_str() {
        "b" => Verdict::Demote(Demotion::HALF_OPEN),
        _ => Verdict::Keep,
    };
    let meta = meta(&observe(Providers { error, filter, ..HEALTHY }, with_meta(call())).await);
    assert_eq!(meta["selected_provider"], json!({"id": "b", "protocol": "http"}));
    assert_eq!((&meta["retries"], &meta["upstream_latency_ms"]), (&json!(1), &json!(40.0)));
    assert_eq!(meta["circuit_breaker_state"], "half_open");
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_the_client_chose_is_the_reason() {
    let mut pinned = with_meta(call());
    pinned.route.provider = Some("b".into());
    let meta = meta(&observe(HEALTHY, pinned).await);
    assert_eq!(meta["selection_reason"], "provider_override");
    assert_eq!(meta["candidate_providers"], json!(["b:http"]));
}

#[tokio::test(start_paused = true)]
async fn an_exhausted_call_has_metadata_without_a_provider() {
    let filter = |_: &Subject<'_>| Verdict::exclude("circuit_open");
    let meta = meta(&observe(Providers { filter, ..HEALTHY }, with_meta(call())).await);
    assert_eq!(meta["circuit_breaker_state"], "open");
    assert_eq!((meta.get("selected_provider"), meta.get("selection_reason")), (None, None));
    assert_eq!(meta["candidate_providers"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn api_case_21_a_blocked_call_has_no_metadata() {
    for method in ["eth_accounts", "eth_subscribe"] {
        let journal = observe(HEALTHY, with_meta(testing::call(method, "[]"))).await;
        assert_eq!(journal.meta(), None, "{method}");
    }
    let mut lost = with_meta(call());
    lost.route.chain = "nowhere".into();
    assert_eq!(observe(HEALTHY, lost).await.meta(), None);
}

#[tokio::test(start_paused = true)]
async fn nobody_gets_metadata_without_asking_and_items_of_a_batch_only_in_headers() {
    assert_eq!(observe(HEALTHY, call()).await.meta(), None);
    let batch = Arc::new(Batch { size: 1, snapshot: live().snapshot(), pin: None });
    for (mode, expected) in [(MetaMode::Headers, true), (MetaMode::Body, false)] {
        let mut item = call();
        item.origin.meta = mode;
        item.batch = Some(BatchItem { batch: batch.clone(), index: 0 });
        assert_eq!(observe(HEALTHY, item).await.meta().is_some(), expected);
    }
}

// === observers ===

/// What an observer is told.
#[derive(Default)]
struct Ear(Mutex<Vec<Told>>);

#[derive(Clone, Debug, PartialEq)]
struct Told {
    is_own: bool,
    is_cancelled: bool,
    batch: (Option<usize>, Option<usize>),
    selected: Option<String>,
    tried: Vec<(String, &'static str)>,
    error: Option<Category>,
    upstream_ms: Option<u128>,
}

impl Ear {
    fn hear(&self, report: &Report<'_>) {
        assert!(report.request_id().is_some(), "every call has a name");
        assert_eq!((report.method_name().as_ref(), report.method().name()), ("eth_call", "eth_call"));
        let error = report.error().map(|(_, category)| category);
        let tried = report.attempts().map(|(provider, candidate)| {
            let (outcome, _) = AttemptOutcome::of(candidate, error).expect("it was tried");
            (provider.id.to_string(), outcome.as_str())
        });
        self.0.lock().unwrap().push(Told {
            is_own: report.is_own(),
            is_cancelled: report.is_cancelled(),
            batch: (report.batch_index(), report.batch_size()),
            selected: report.selected().map(|(provider, _)| provider.id.to_string()),
            tried: tried.collect(),
            error,
            upstream_ms: report.upstream().map(|time| time.as_millis()),
        });
    }

    fn told(&self) -> Vec<Told> {
        self.0.lock().unwrap().clone()
    }
}

impl Observer for Ear {
    fn finished(&self, report: &Report<'_>) {
        self.hear(report);
    }

    fn cancelled(&self, report: &Report<'_>) {
        self.hear(report);
    }
}

/// Nobody reads the log: an observer hears all the same.
fn silence() -> tracing::subscriber::DefaultGuard {
    Log::at(LevelFilter::OFF).1
}

#[tokio::test(start_paused = true)]
async fn an_observer_hears_how_a_call_went_and_of_every_item_of_a_batch() {
    let _guard = silence();
    let ear = Arc::new(Ear::default());
    let layer = || ObserveLayer::new(ObservePolicy::default()).observer(ear.clone());
    let error = |id: &str| (id == "a").then_some((Category::ServerError, "no"));
    stack(layer(), Providers { error, ..HEALTHY }).oneshot(call()).await.unwrap();
    let batch = Arc::new(Batch { size: 2, snapshot: live().snapshot(), pin: None });
    for index in 0..2 {
        let mut item = call();
        item.batch = Some(BatchItem { batch: batch.clone(), index });
        stack(layer(), HEALTHY).oneshot(item).await.unwrap();
    }
    let mut dry = call();
    dry.dry_run = true;
    stack(layer(), HEALTHY).oneshot(dry).await.unwrap();

    let easy = Told {
        is_own: false,
        is_cancelled: false,
        batch: (Some(0), Some(2)),
        selected: Some("a".to_owned()),
        tried: vec![("a".to_owned(), "usable_success")],
        error: None,
        upstream_ms: Some(20),
    };
    let hard = Told {
        batch: (None, None),
        selected: Some("b".to_owned()),
        tried: vec![("a".to_owned(), "service_failure"), ("b".to_owned(), "usable_success")],
        upstream_ms: Some(40),
        ..easy
    };
    let second = Told { batch: (Some(1), Some(2)), ..easy.clone() };
    assert_eq!(ear.told(), [hard, easy, second], "and nothing of the dry run");
}

#[tokio::test(start_paused = true)]
async fn an_observer_hears_once_that_a_client_left_and_nothing_of_a_call_that_is_over() {
    let _guard = silence();
    let ear = Arc::new(Ear::default());
    let layer = ObserveLayer::default().observer(ear.clone());
    let mut service = stack(layer, Providers { takes: Duration::from_secs(60), ..HEALTHY });
    let leaving = service.ready().await.unwrap().call(call());
    assert!(tokio::time::timeout(Duration::from_secs(1), leaving).await.is_err());
    let told = ear.told();
    assert_eq!(told.len(), 1);
    assert!(told[0].is_cancelled && told[0].error.is_none());
    assert_eq!(told[0].tried, [("a".to_owned(), "cancelled")]);
    // Dropped after its end.
    let mut staying = Box::pin(service.ready().await.unwrap().call(call()));
    staying.as_mut().await.unwrap();
    drop(staying);
    assert_eq!(ear.told().len(), 2);
    assert!(!ear.told()[1].is_cancelled);
}

#[tokio::test(start_paused = true)]
async fn calls_of_the_process_itself_are_heard_and_not_written() {
    let (log, _guard) = Log::at(LevelFilter::TRACE);
    let ear = Arc::new(Ear::default());
    let layer = ObserveLayer::for_own_calls().observer(ear.clone());
    let slow = Providers { takes: Duration::from_secs(9), ..HEALTHY };
    let own = with_meta(call());
    let journal = own.journal().clone();
    stack(layer, slow).oneshot(own).await.unwrap();
    assert!(ear.told()[0].is_own);
    assert_eq!(journal.meta(), None);
    assert!(log.entries("rpc.request.completed").is_empty());
    assert!(log.entries("lasso.request.very_slow").is_empty());
}
