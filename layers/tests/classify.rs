//! `ClassifyLayer`: what the layers outside see of an upstream's refusal.
#![cfg(all(feature = "classify", feature = "test-util"))]

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use lasso_layers::attempt::Attempt;
use lasso_layers::attempt::classify::{Classifications, ClassifyLayer, Path};
use lasso_layers::call::{
    BoxError, Dispatch, ErrorReply, Failure, Reply, StatusFailure, TransportKind, UpstreamFailure,
};
use lasso_layers::catalog::{Category, ErrorRule, Failover, Transport};
use lasso_layers::testing;
use lasso_layers::wire::{ErrorObject, ReplyDefect};
use tower::{Layer, ServiceExt, service_fn};

fn attempt_with(rules: Vec<ErrorRule>) -> Attempt {
    let mut chain = testing::chain(&["a", "b"]);
    chain.providers[0].capabilities.error_rules = rules;
    let live = testing::live(chain);
    let call = testing::planned(&live, testing::call("eth_getLogs", "[]"), Duration::from_secs(10));
    testing::attempt(call, 0)
}

async fn outcome_of(attempt: Attempt, inner: Result<Reply, Failure>) -> Result<Reply, Failure> {
    let mut inner = Some(inner);
    let service = service_fn(move |_: Attempt| {
        let outcome = inner.take().expect("one attempt");
        async move { outcome }
    });
    ClassifyLayer::new().layer(service).oneshot(attempt).await
}

async fn error_reply(error: ErrorObject) -> Result<Reply, Failure> {
    outcome_of(attempt_with(Vec::new()), Ok(Reply::error(error, Category::UnknownError))).await
}

fn status(code: u16) -> StatusFailure {
    let status = StatusCode::from_u16(code).unwrap();
    StatusFailure { status, retry_after: None, error: None, text: String::new() }
}

fn with_error(code: u16, error: Option<i64>, message: &str) -> StatusFailure {
    StatusFailure { error: Some((error, message.to_owned(), None)), ..status(code) }
}

async fn status_reply(failure: StatusFailure) -> Result<Reply, Failure> {
    let failure = Failure::transport(TransportKind::Status(failure), Dispatch::Answered, Transport::Http);
    outcome_of(attempt_with(Vec::new()), Err(failure)).await
}

#[track_caller]
fn upstream(outcome: Result<Reply, Failure>) -> UpstreamFailure {
    match outcome {
        Err(Failure::Upstream(failure)) => *failure,
        other => panic!("not an upstream failure: {other:?}"),
    }
}

#[track_caller]
fn answer(outcome: Result<Reply, Failure>) -> (ErrorObject, Category) {
    match outcome {
        Ok(Reply::Error(reply)) => (reply.error, reply.category),
        other => panic!("not an answer: {other:?}"),
    }
}

#[tokio::test]
async fn classifications_are_counted_by_provider_category_and_path() {
    let counts = Classifications::new();
    let rule = ErrorRule { code: Some(-32099), message_contains: Vec::new(), category: Category::RateLimit };
    let attempt = attempt_with(vec![rule]);
    let provider = attempt.provider().key;
    for code in [-32099, -32601, -32601] {
        let error = ErrorObject::new(code, "no words that mean anything");
        let service = service_fn(move |_: Attempt| {
            let reply = Reply::error(error.clone(), Category::UnknownError);
            async move { Ok::<_, Failure>(reply) }
        });
        let layer = ClassifyLayer::new().count(counts);
        layer.layer(service).oneshot(attempt.clone()).await.unwrap_err();
    }
    let counted: Vec<_> = counts.of(provider).collect();
    assert_eq!(
        counted,
        [(Category::RateLimit, Path::ProviderRule(0), 1), (Category::MethodNotFound, Path::CodeBased, 2),]
    );
}

#[tokio::test]
async fn a_result_passes() {
    let outcome = outcome_of(attempt_with(Vec::new()), Ok(testing::reply("\"0x1\""))).await;
    assert!(matches!(outcome, Ok(Reply::Result(_))), "{outcome:?}");
}

#[tokio::test]
async fn a_revert_is_an_answer_and_keeps_its_data() {
    let error = ErrorObject::new(3, "execution reverted: no").with_data(r#""0x08c379a0" "#);
    let (kept, category) = answer(error_reply(error.clone()).await);
    assert_eq!((kept, category), (error, Category::ExecutionRevert));
}

#[tokio::test]
async fn a_failure_keeps_the_status_it_came_with() {
    let http =
        |failure: UpstreamFailure| failure.http.map(|http| (http.status.as_u16(), http.mentions_limit));
    let busy = StatusFailure { text: "<h1>Too Many Requests</h1>".to_owned(), ..status(503) };
    let failure = upstream(status_reply(busy).await);
    assert_eq!(failure.category, Category::ServerError, "what stands in front of a node only hints");
    assert_eq!(http(failure), Some((503, true)));
    assert_eq!(http(upstream(status_reply(status(403)).await)), Some((403, false)));
    let limited = with_error(500, Some(-32000), "Rate limit reached");
    assert_eq!(http(upstream(status_reply(limited).await)), Some((500, true)));
    let reply = ErrorObject::new(-32005, "rate limit");
    assert_eq!(http(upstream(error_reply(reply).await)), None, "the status was 200");
}

/// Edge case 25.
#[tokio::test]
async fn wrong_parameters_are_an_answer_but_a_missing_block_is_not() {
    let (error, category) = answer(error_reply(ErrorObject::new(-32602, "bad")).await);
    assert_eq!((error.code, category), (-32602, Category::InvalidParams));
    let failure = upstream(error_reply(ErrorObject::new(-32602, "Unknown block number")).await);
    assert_eq!((failure.error.code, failure.category), (-32602, Category::BlockNotAvailable));
}

/// Edge case 26.
#[tokio::test]
async fn a_rate_limit_in_a_reply_does_not_count_against_the_channel() {
    let error = ErrorObject::new(-32005, "rate limited, try again in 1.5 seconds");
    let failure = upstream(error_reply(error).await);
    assert_eq!(failure.category, Category::RateLimit);
    assert!(!failure.category.penalises());
    assert_eq!(failure.retry_after, Some(Duration::from_millis(1500)));
    assert_eq!(failure.transport, Transport::Http);
}

#[tokio::test]
async fn code_429_becomes_the_rate_limit_code() {
    let error = ErrorObject::new(429, "slow down").with_data(r#"{"retry_after":"7"}"#);
    let failure = upstream(error_reply(error.clone()).await);
    assert_eq!(failure.error, ErrorObject { code: -32005, ..error });
    assert_eq!(failure.retry_after, Some(Duration::from_secs(7)));
}

#[tokio::test]
async fn what_never_fails_over_is_still_a_failure_unless_it_is_an_answer() {
    let failure = upstream(error_reply(ErrorObject::new(777, "?")).await);
    assert_eq!(failure.category, Category::UnknownError);
    assert_eq!(failure.category.failover(), Failover::Never);
}

#[tokio::test]
async fn broken_exchanges_pass_as_they_are() {
    let kind = TransportKind::InvalidReply { defect: ReplyDefect::IdMismatch, size: 9 };
    let failure = Failure::transport(kind, Dispatch::Unknown, Transport::Http);
    let outcome = outcome_of(attempt_with(Vec::new()), Err(failure)).await.unwrap_err();
    assert_eq!((outcome.category(), outcome.dispatch()), (Category::ServerError, Dispatch::Unknown));

    let refused = Failure::rejected(Category::CircuitOpen, ErrorObject::new(-32000, "open"));
    let outcome = outcome_of(attempt_with(Vec::new()), Err(refused)).await.unwrap_err();
    assert_eq!(outcome.category(), Category::CircuitOpen);
}

#[tokio::test]
async fn errors_of_foreign_services_become_failures() {
    let service = service_fn(|_: Attempt| async { Err::<Reply, BoxError>("unplugged".into()) });
    let outcome = ClassifyLayer::new().layer(service).oneshot(attempt_with(Vec::new())).await;
    assert_eq!(outcome.unwrap_err().category(), Category::NetworkError);
}

/// Edge case 32, over HTTP status and in a reply.
#[tokio::test]
async fn the_header_beside_an_error_beats_its_data() {
    let error = ErrorObject::new(-32005, "slow down").with_data(r#"{"retry_after":2}"#);
    let reply =
        ErrorReply { error, category: Category::UnknownError, retry_after: Some(Duration::from_secs(7)) };
    let failure = upstream(outcome_of(attempt_with(Vec::new()), Ok(Reply::Error(Box::new(reply)))).await);
    assert_eq!((failure.category, failure.retry_after), (Category::RateLimit, Some(Duration::from_secs(7))));
}

#[tokio::test]
async fn provider_rules_apply_to_live_traffic() {
    let rules = || {
        vec![ErrorRule {
            code: Some(30),
            message_contains: Vec::new(),
            category: Category::CapabilityViolation,
        }]
    };
    let reply = Ok(Reply::error(ErrorObject::new(30, "x"), Category::UnknownError));
    let failure = upstream(outcome_of(attempt_with(rules()), reply).await);
    assert_eq!(failure.category, Category::CapabilityViolation);

    for code in [400, 403, 429, 500] {
        let kind = TransportKind::Status(with_error(code, Some(30), "x"));
        let inner = Err(Failure::transport(kind, Dispatch::Answered, Transport::Http));
        let failure = upstream(outcome_of(attempt_with(rules()), inner).await);
        assert_eq!((failure.category, failure.error.code), (Category::CapabilityViolation, 30), "{code}");
    }
    let failure = upstream(error_reply(ErrorObject::new(30, "x")).await);
    assert_eq!(failure.category, Category::RateLimit);
}

#[tokio::test]
async fn bare_statuses_follow_the_table_and_show_nothing_of_the_body() {
    for (code, category, error_code, message) in [
        (301, Category::ServerError, -32002, "Provider infrastructure error (HTTP 301)"),
        (400, Category::ServerError, -32002, "Provider infrastructure error (HTTP 400)"),
        (401, Category::AuthError, -32002, "Provider infrastructure error (HTTP 401)"),
        // Edge case 27.
        (403, Category::AuthError, -32002, "Provider infrastructure error (HTTP 403)"),
        (404, Category::ServerError, -32002, "Provider infrastructure error (HTTP 404)"),
        (408, Category::ServerError, -32002, "Provider infrastructure error (HTTP 408)"),
        (429, Category::RateLimit, -32005, "Provider rate limit reached (HTTP 429)"),
        (500, Category::ServerError, -32002, "Provider infrastructure error (HTTP 500)"),
        (503, Category::ServerError, -32002, "Provider infrastructure error (HTTP 503)"),
    ] {
        let text = "<html>https://inside.example secret</html>".to_owned();
        let failure = upstream(status_reply(StatusFailure { text, ..status(code) }).await);
        assert_eq!(failure.category, category, "{code}");
        assert_eq!(failure.error, ErrorObject::new(error_code, message), "{code}");
        assert_eq!(failure.retry_after, None, "{code}");
    }
}

#[tokio::test]
async fn json_rpc_errors_under_a_status_are_classified_on_their_own() {
    // Edge case 27: wrong parameters are wrong everywhere, whatever the status says.
    for code in [400, 408, 422, 500, 503, 302] {
        let (error, category) = answer(status_reply(with_error(code, Some(-32602), "bad")).await);
        assert_eq!((error.code, category), (-32602, Category::InvalidParams), "{code}");
    }
    for (code, error, message, category, shown) in [
        (400, Some(-32000), "free tier", Category::CapabilityViolation, -32000),
        (500, Some(-32005), "x", Category::RateLimit, -32005),
        (500, Some(429), "x", Category::RateLimit, -32005),
        (503, None, "x", Category::ServerError, -32002),
        (408, None, "x", Category::ServerError, -32002),
        (400, None, "x", Category::ClientError, -32003),
        (404, None, "too many requests", Category::RateLimit, -32003),
        (429, None, "x", Category::RateLimit, -32005),
        (429, Some(-32602), "x", Category::RateLimit, -32005),
        (429, Some(-32000), "query returned more than 5 results", Category::RateLimit, -32005),
        (429, Some(-32000), "try again", Category::RateLimit, -32005),
        (401, Some(-32600), "Must be authenticated!", Category::AuthError, -32600),
        (403, Some(-32602), "bad", Category::AuthError, -32602),
        (403, Some(-32000), "x", Category::AuthError, -32000),
        (403, Some(-32701), "remove restrictions", Category::AuthError, -32701),
        (401, Some(-32601), "method not found", Category::AuthError, -32601),
        (403, Some(3), "execution reverted", Category::AuthError, 3),
        (403, Some(-32005), "x", Category::RateLimit, -32005),
        (401, Some(-32000), "daily quota exceeded", Category::RateLimit, -32000),
    ] {
        let failure = upstream(status_reply(with_error(code, error, message)).await);
        assert_eq!((failure.category, failure.error.code), (category, shown), "{code} {error:?} {message}");
        assert_eq!(failure.error.message, message);
    }
}

#[tokio::test]
async fn provider_rules_see_the_code_and_the_text_of_bare_statuses() {
    let rule = |code, text: &[&str], category| ErrorRule {
        code,
        message_contains: text.iter().map(|&text| text.to_owned()).collect(),
        category,
    };
    let rules = || {
        vec![
            rule(Some(-32002), &["Maintenance"], Category::CapabilityViolation),
            rule(None, &["no such key"], Category::RateLimit),
            rule(Some(-32005), &["closed for good"], Category::AuthError),
        ]
    };
    for (code, text, category, shown) in [
        (503, "<h1>maintenance</h1>", Category::CapabilityViolation, -32002),
        (404, "maintenance", Category::CapabilityViolation, -32002),
        (403, "no such key", Category::RateLimit, -32002),
        (429, "maintenance", Category::RateLimit, -32005),
        (429, "closed for good", Category::AuthError, -32005),
        (503, "something else", Category::ServerError, -32002),
    ] {
        let kind = TransportKind::Status(StatusFailure { text: text.to_owned(), ..status(code) });
        let inner = Err(Failure::transport(kind, Dispatch::Answered, Transport::Http));
        let failure = upstream(outcome_of(attempt_with(rules()), inner).await);
        assert_eq!((failure.category, failure.error.code), (category, shown), "{code} {text}");
        assert!(!failure.error.message.contains(text), "the text is not shown");
    }
}

#[tokio::test]
async fn the_header_is_the_first_hint_and_the_body_the_last() {
    let mut failure = with_error(429, None, "try again in 3 minutes");
    failure.retry_after = Some(Duration::from_secs(5));
    assert_eq!(upstream(status_reply(failure).await).retry_after, Some(Duration::from_secs(5)));

    let failure = with_error(429, None, "try again in 3 minutes");
    assert_eq!(upstream(status_reply(failure).await).retry_after, Some(Duration::from_secs(180)));

    let failure = StatusFailure { text: r#"{"message":"no","retry_after":4}"#.to_owned(), ..status(429) };
    let failure = upstream(status_reply(failure).await);
    assert_eq!(failure.retry_after, Some(Duration::from_secs(4)));
    assert_eq!(failure.error.data, Some(Bytes::from_static(br#"{"retry_after_ms":4000}"#)));

    let failure = StatusFailure { text: "Try again in 2 seconds".to_owned(), ..status(503) };
    assert_eq!(upstream(status_reply(failure).await).retry_after, Some(Duration::from_secs(2)));
}

#[tokio::test]
async fn a_key_that_the_provider_repeats_is_struck_out() {
    let mut chain = testing::chain(&["a"]);
    chain.providers[0].url = Some("https://a.example/v2/k3y0f4n0p3rat0r".to_owned());
    let live = testing::live(chain);
    let call = testing::planned(&live, testing::call("eth_getLogs", "[]"), Duration::from_secs(10));
    let error = ErrorObject::new(-32000, "invalid api key k3y0f4n0p3rat0r");
    let reply = Ok(Reply::error(error, Category::UnknownError));
    let failure = upstream(outcome_of(testing::attempt(call, 0), reply).await);
    assert_eq!(failure.category, Category::AuthError);
    assert_eq!(failure.error.message, "invalid api key ***");
}

#[tokio::test]
async fn readiness_is_that_of_the_service_inside() {
    let (mock, mut handle) = tower_test::mock::pair::<Attempt, Reply>();
    handle.allow(0);
    let mut service = tower_test::mock::Spawn::new(ClassifyLayer::new().layer(mock));
    assert!(service.poll_ready().is_pending());
    handle.allow(1);
    assert!(service.poll_ready().is_ready());
}

#[tokio::test]
async fn dropping_the_future_drops_the_attempt_inside() {
    let dropped = std::sync::Arc::new(());
    let held = dropped.clone();
    let service = service_fn(move |_: Attempt| {
        let held = held.clone();
        async move {
            std::future::pending::<()>().await;
            drop(held);
            Ok::<_, Failure>(testing::reply("1"))
        }
    });
    let future = ClassifyLayer::new().layer(service).oneshot(attempt_with(Vec::new()));
    let gave_up = tokio::time::timeout(Duration::ZERO, future).await;
    assert!(gave_up.is_err());
    assert_eq!(std::sync::Arc::strong_count(&dropped), 1);
}
