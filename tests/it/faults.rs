//! What one upstream does wrong, another makes good: every fault of a first provider, seen by the client, by the
//! nodes and by the breaker.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use lasso_layers::attempt::breaker::BreakerState;
use lasso_layers::catalog::{Category, ErrorRule};
use lasso_rpc::sim::{Ending, Fault, HugeResult, Rule};
use serde_json::{Value, json};

use crate::support::{LIMIT, WHO, World, ms};

/// The first of two providers has the fault: the second one answers, each is asked once.
async fn fails_over(fault: Fault, time: Duration) -> World {
    let world = World::with(&["a", "b"], |settings| settings.timeouts.default = time, |_| {}).await;
    world.behave("a", fault);
    assert_eq!(world.who().await, "b");
    assert_eq!(world.asked(), [1, 1]);
    assert_eq!(world.proxy.breaker("b").failures, 0);
    world
}

/// The fault counts against the provider, as one of this category.
async fn is_blamed(fault: Fault, category: Category) {
    let world = fails_over(fault, Duration::from_secs(60)).await;
    let breaker = world.proxy.breaker("a");
    assert_eq!((breaker.state, breaker.failures), (BreakerState::Closed, 1));
    assert_eq!(breaker.last_error.unwrap().category, category);
    assert_eq!(world.proxy.limited("a"), None);
}

/// The fault counts as silence, and the request is given up.
async fn times_out(fault: Fault) {
    let world = fails_over(fault, ms(2_500)).await;
    let breaker = world.proxy.breaker("a");
    assert_eq!(breaker.failures, 1);
    assert_eq!(breaker.last_error.unwrap().category, Category::Timeout);
    world.wait_in_flight("a", 0).await;
}

#[tokio::test]
async fn a_provider_that_refuses_connections_is_passed_over() {
    let world = World::start(&["a", "b"]).await;
    world.node("a").stop().await;
    assert_eq!(world.who().await, "b");
    assert_eq!(world.asked(), [0, 1]);
    let breaker = world.proxy.breaker("a");
    assert_eq!(breaker.failures, 1);
    assert_eq!(breaker.last_error.unwrap().category, Category::NetworkError);
}

#[tokio::test]
async fn a_reset_connection() {
    is_blamed(Fault::Reset, Category::NetworkError).await;
}

#[tokio::test]
async fn a_connection_closed_without_an_answer() {
    is_blamed(Fault::Close, Category::NetworkError).await;
}

#[tokio::test]
async fn a_kept_connection_that_the_provider_closed_is_not_its_failure() {
    let world = World::start(&["a", "b"]).await;
    for _ in 0..5 {
        assert_eq!(world.who().await, "a");
        world.node("a").disconnect(Ending::Close);
        assert!(world.node("a").wait_until(LIMIT, |stats| stats.connections == 0).await);
        // One trip to another provider lets the close arrive.
        assert_eq!(world.ask("b").await.who(), "b");
    }
    assert_eq!(world.proxy.breaker("a").failures, 0);
}

#[tokio::test]
async fn routing_17_case_8_a_provider_that_never_answers() {
    times_out(Fault::Hang).await;
}

#[tokio::test]
async fn a_provider_that_sends_headers_and_nothing_more() {
    times_out(Fault::HangAfterHeaders).await;
}

#[tokio::test]
async fn half_a_body() {
    is_blamed(Fault::HalfBody, Category::NetworkError).await;
}

#[tokio::test]
async fn bytes_that_are_no_json() {
    is_blamed(Fault::Garbage, Category::ServerError).await;
}

#[tokio::test]
async fn an_empty_body() {
    is_blamed(Fault::Omit, Category::ServerError).await;
}

#[tokio::test]
async fn bytes_after_the_reply() {
    let raw = br#"{"jsonrpc":"2.0","id":1,"result":"0x1"} {}"#;
    is_blamed(Fault::Raw(Bytes::from_static(raw)), Category::ServerError).await;
}

#[tokio::test]
async fn a_batch_for_an_answer() {
    let raw = br#"[{"jsonrpc":"2.0","id":1,"result":"0x1"}]"#;
    is_blamed(Fault::Raw(Bytes::from_static(raw)), Category::ServerError).await;
}

#[tokio::test]
async fn a_page_with_status_200() {
    is_blamed(Fault::Html(StatusCode::OK), Category::ServerError).await;
}

#[tokio::test]
async fn api_case_27_a_page_with_status_403() {
    is_blamed(Fault::Html(StatusCode::FORBIDDEN), Category::AuthError).await;
}

#[tokio::test]
async fn a_page_with_status_502() {
    is_blamed(Fault::Html(StatusCode::BAD_GATEWAY), Category::ServerError).await;
}

#[tokio::test]
async fn routing_17_case_1_status_500() {
    is_blamed(Fault::status(StatusCode::INTERNAL_SERVER_ERROR), Category::ServerError).await;
}

#[tokio::test]
async fn status_503() {
    is_blamed(Fault::status(StatusCode::SERVICE_UNAVAILABLE), Category::ServerError).await;
}

#[tokio::test]
async fn status_408() {
    is_blamed(Fault::status(StatusCode::REQUEST_TIMEOUT), Category::ServerError).await;
}

#[tokio::test]
async fn routing_17_case_6_an_empty_object() {
    is_blamed(Fault::EmptyObject, Category::ServerError).await;
}

#[tokio::test]
async fn routing_17_case_7_a_reply_to_somebody_else() {
    is_blamed(Fault::WrongId, Category::ServerError).await;
}

#[tokio::test]
async fn a_result_beside_an_error() {
    is_blamed(Fault::ResultAndError, Category::ServerError).await;
}

#[tokio::test]
async fn more_headers_than_anybody_needs() {
    is_blamed(Fault::LargeHeaders(4 << 20), Category::NetworkError).await;
}

#[tokio::test]
async fn a_large_reply_that_breaks_off_before_it_was_passed_on() {
    let huge = HugeResult::new(50_000).chunk(1_000).cut_after(20_000);
    is_blamed(Fault::Stream(huge), Category::NetworkError).await;
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let world = World::start(&["a", "b", "c"]).await;
    let elsewhere = HeaderValue::try_from(world.node("c").http_url()).unwrap();
    world.behave("a", Fault::Redirect(elsewhere));
    assert_eq!(world.who().await, "b");
    assert_eq!(world.asked(), [1, 1, 0]);
    assert_eq!(world.proxy.breaker("a").failures, 1);
}

#[tokio::test]
async fn routing_17_case_5_null_is_a_result() {
    let world = World::start(&["a", "b"]).await;
    world.behave("a", Fault::NullResult);
    assert_eq!(world.proxy.call(WHO, json!([])).await.text(), r#"{"jsonrpc":"2.0","id":1,"result":null}"#);
    assert_eq!(world.asked(), [1, 0]);
    assert_eq!(world.proxy.breaker("a").failures, 0);
}

#[tokio::test]
async fn a_slow_body_and_large_headers_are_no_failure() {
    for fault in [Fault::SlowBody { chunk: 5, pause: ms(1) }, Fault::LargeHeaders(16 * 1024)] {
        let world = World::start(&["a", "b"]).await;
        world.behave("a", fault);
        assert_eq!(world.who().await, "a");
        assert_eq!(world.proxy.breaker("a").failures, 0);
    }
}

/// A first provider that asks for fewer requests is passed over and not blamed. Returns for how long.
async fn is_limited(retry_after: Option<HeaderValue>) -> Duration {
    let world = fails_over(Fault::RateLimited { retry_after }, Duration::from_secs(60)).await;
    assert_eq!(world.proxy.breaker("a").failures, 0);
    assert_eq!(world.proxy.limited("b"), None);
    world.proxy.limited("a").expect("the provider is limited")
}

#[tokio::test]
async fn status_429_with_seconds() {
    let left = is_limited(Some(HeaderValue::from_static("300"))).await;
    assert!(left > Duration::from_secs(200) && left <= Duration::from_secs(300), "{left:?}");
}

#[tokio::test]
async fn status_429_with_a_date() {
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(300));
    let left = is_limited(Some(HeaderValue::try_from(date).unwrap())).await;
    assert!(left > Duration::from_secs(200) && left <= Duration::from_secs(300), "{left:?}");
}

#[tokio::test]
async fn routing_17_case_60_status_429_that_does_not_say_when() {
    for retry_after in [None, Some(HeaderValue::from_static("0")), Some(HeaderValue::from_static("soon"))] {
        let left = is_limited(retry_after).await;
        assert!(left > Duration::from_secs(10) && left <= Duration::from_secs(30), "{left:?}");
    }
}

#[tokio::test]
async fn status_429_with_an_absurd_wait_is_capped() {
    let left = is_limited(Some(HeaderValue::from_static("86400"))).await;
    assert!(left > Duration::from_secs(500) && left <= Duration::from_secs(600), "{left:?}");
}

#[tokio::test]
async fn a_wrong_chain_is_what_the_chosen_provider_says() {
    let world = World::start(&["a", "b"]).await;
    world.node("a").behave([Rule::method("eth_chainId", Fault::WrongChain(2))]);
    let reply = world.proxy.call_at("/rpc/ethereum/a", "eth_chainId", json!([])).await;
    assert_eq!(reply.result(), json!("0x2"));
    assert_eq!(world.proxy.call("eth_chainId", json!([])).await.result(), json!("0x1"));
}

/// Whether an error is the answer, or the next provider is asked; and whether it counts against the provider.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    Next { counts: bool },
    Answer { counts: bool },
}

const NEXT: Then = Then::Next { counts: false };
const NEXT_BLAMED: Then = Then::Next { counts: true };
const ANSWER: Then = Then::Answer { counts: false };
const ANSWER_BLAMED: Then = Then::Answer { counts: true };

/// Has the first of two providers answer with this error.
async fn meets(code: i64, message: &str, data: Option<Value>, then: Then) {
    let case = format!("{code} {message}");
    let world = World::start(&["a", "b"]).await;
    world.behave("a", Fault::RpcError { code, message: message.to_owned(), data: data.clone() });
    let reply = world.proxy.call(WHO, json!([])).await;
    assert_eq!(reply.status, StatusCode::OK, "{case}");
    let counts = match then {
        Then::Next { counts } => {
            assert_eq!(reply.who(), "b", "{case}");
            assert_eq!(world.asked(), [1, 1], "{case}");
            counts
        }
        Then::Answer { counts } => {
            let mut error = json!({ "code": code, "message": message });
            if let Some(data) = data {
                error["data"] = data;
            }
            assert_eq!(reply.json(), json!({ "jsonrpc": "2.0", "id": 1, "error": error }), "{case}");
            assert_eq!(world.asked(), [1, 0], "{case}");
            counts
        }
    };
    assert_eq!(world.proxy.breaker("a").failures, u32::from(counts), "{case}");
    assert_eq!(world.proxy.breaker("b").failures, 0, "{case}");
}

#[tokio::test]
async fn routing_6_2_errors_that_another_provider_may_not_have() {
    for (code, message, then) in [
        // Rate limits.
        (-32005, "limit exceeded", NEXT),
        (429, "no", NEXT),
        (-32000, "daily quota reached, too many requests", NEXT),
        (30, "busy", NEXT),
        // The provider's own failures.
        (-32002, "resource not there", NEXT_BLAMED),
        (-32055, "odd", NEXT_BLAMED),
        (-32004, "no", NEXT_BLAMED),
        (4901, "disconnected", NEXT_BLAMED),
        (4100, "no", NEXT_BLAMED),
        (-32000, "invalid api key", NEXT_BLAMED),
        (-32603, "oops", NEXT_BLAMED),
        (4200, "no", NEXT_BLAMED),
        (4900, "no", NEXT_BLAMED),
        (502, "no", NEXT_BLAMED),
        // Limits of the plan or of the node.
        (35, "no", NEXT),
        (-32000, "missing trie node 0x12", NEXT),
        (-32005, "query returned more than 10000 results", NEXT),
        (-32601, "the method does not exist/is not available", NEXT),
        (-32000, "header not found", NEXT),
        (26, "no", NEXT),
        // Nothing we know, once.
        (-32000, "something odd", NEXT),
        (-32003, "no", NEXT),
        (404, "no", NEXT),
    ] {
        meets(code, message, None, then).await;
    }
}

#[tokio::test]
async fn routing_6_2_errors_that_are_the_answer() {
    for (code, message, then) in [
        (-32602, "missing value for argument 0", ANSWER),
        (-32600, "no", ANSWER),
        (-32700, "no", ANSWER),
        (4001, "the user said no", ANSWER),
        (3, "execution reverted: no", ANSWER),
        (-32000, "nonce too low", ANSWER),
        (-32015, "VM execution error", ANSWER),
        (123_456, "no", ANSWER_BLAMED),
    ] {
        meets(code, message, None, then).await;
    }
}

#[tokio::test]
async fn routing_17_case_2_wrong_parameters_are_told_at_once() {
    meets(-32602, "bad", Some(json!({ "at": [0, null, "x"] })), ANSWER).await;
    let world = World::start(&["a", "b"]).await;
    world.behave("a", Fault::rpc_error(-32602, "bad for a"));
    world.behave("b", Fault::rpc_error(-32602, "bad for b"));
    assert_eq!(world.proxy.call(WHO, json!([])).await.error(), (-32602, "bad for a".to_owned()));
    assert_eq!(world.asked(), [1, 0]);
}

#[tokio::test]
async fn routing_17_case_3_a_revert_comes_unchanged_and_counts_for_nothing() {
    let revert = || Some(json!("0x08c379a0"));
    meets(3, "execution reverted: x", revert(), ANSWER).await;
    // It neither adds to what was counted before nor ends it, as a success would.
    let world = World::start(&["a", "b"]).await;
    world.behave("a", Fault::status(StatusCode::INTERNAL_SERVER_ERROR));
    assert_eq!(world.who().await, "b");
    world.behave("a", Fault::RpcError { code: 3, message: "execution reverted".to_owned(), data: revert() });
    assert_eq!(world.proxy.call(WHO, json!([])).await.error().0, 3);
    assert_eq!((world.asked(), world.proxy.breaker("a").failures), (vec![2, 1], 1));
}

#[tokio::test]
async fn api_case_25_an_unknown_block_is_looked_for_elsewhere() {
    meets(-32602, "Unknown block number", None, NEXT).await;
}

#[tokio::test]
async fn api_cases_28_to_30_what_decides_between_code_text_and_data() {
    let revert = json!("0x08C379A0aabbccdd");
    meets(-32000, "rate limit", Some(revert.clone()), ANSWER).await;
    meets(-32000, "rate limit", Some(json!({ "data": revert })), ANSWER).await;
    meets(-32000, "execution reverted, please retry", None, NEXT_BLAMED).await;
    meets(-32601, "debug_x is not available", None, NEXT).await;
}

#[tokio::test]
async fn api_case_27_an_error_about_the_request_with_status_400_is_the_answer() {
    let world = World::start(&["a", "b"]).await;
    let body = br#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"bad"}}"#;
    let (status, headers) = (StatusCode::BAD_REQUEST, HeaderMap::new());
    world.behave("a", Fault::Status { status, headers, body: Bytes::from_static(body) });
    let reply = world.proxy.call(WHO, json!([])).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(reply.error(), (-32602, "bad".to_owned()));
    assert_eq!((world.asked(), world.proxy.breaker("a").failures), (vec![1, 0], 0));
}

#[tokio::test]
async fn api_case_32_a_providers_own_rule_comes_first() {
    for (category, counts) in [
        (Category::CapabilityViolation, 0),
        (Category::RequiresArchival, 0),
        (Category::ServerError, 1),
        (Category::RateLimit, 0),
    ] {
        let rule = ErrorRule { code: Some(30), message_contains: Vec::new(), category };
        let rules = vec![rule];
        let world =
            World::with(&["a", "b"], |_| {}, |chain| chain.providers[0].capabilities.error_rules = rules)
                .await;
        world.behave("a", Fault::rpc_error(30, "busy"));
        assert_eq!(world.who().await, "b", "{category:?}");
        assert_eq!(world.proxy.breaker("a").failures, counts, "{category:?}");
        assert_eq!(world.proxy.limited("a").is_some(), category == Category::RateLimit, "{category:?}");
    }
}

#[tokio::test]
async fn routing_17_case_4_when_all_fail_the_last_error_stands() {
    let world = World::start(&["a", "b", "c"]).await;
    let error =
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32055,"message":"c is down","data":{"why":"c"}}}"#;
    let (status, headers) = (StatusCode::INTERNAL_SERVER_ERROR, HeaderMap::new());
    world.behave("a", Fault::status(status));
    world.behave("b", Fault::status(status));
    world.behave("c", Fault::Status { status, headers, body: Bytes::from_static(error.as_bytes()) });
    let reply = world.proxy.call(WHO, json!([])).await;
    assert_eq!((reply.status, reply.text()), (StatusCode::OK, error));
    assert_eq!(world.asked(), [1, 1, 1]);
}

#[tokio::test]
async fn routing_17_case_11_the_third_refusal_by_plan_stands() {
    let world = World::start(&["a", "b", "c", "d"]).await;
    for name in ["a", "b", "c"] {
        world.behave(name, Fault::rpc_error(35, format!("not in the plan of {name}")));
    }
    let error = world.proxy.call(WHO, json!([])).await.error();
    assert_eq!(error, (35, "not in the plan of c".to_owned()));
    assert_eq!(world.asked(), [1, 1, 1, 0]);
}

#[tokio::test]
async fn routing_17_case_12_pages_with_status_400_are_failures_of_their_providers() {
    let world = World::start(&["a", "b", "c"]).await;
    world.behave("a", Fault::Html(StatusCode::BAD_REQUEST));
    world.behave("b", Fault::Html(StatusCode::BAD_REQUEST));
    assert_eq!(world.who().await, "c");
    assert_eq!(world.asked(), [1, 1, 1]);
    for name in ["a", "b"] {
        let breaker = world.proxy.breaker(name);
        assert_eq!((breaker.failures, breaker.last_error.unwrap().category), (1, Category::ServerError));
    }
}

#[tokio::test]
async fn routing_17_case_13_the_second_client_error_stands() {
    let world = World::start(&["a", "b", "c"]).await;
    world.behave("a", Fault::rpc_error(-32003, "first"));
    world.behave("b", Fault::rpc_error(-32003, "second"));
    assert_eq!(world.proxy.call(WHO, json!([])).await.error(), (-32003, "second".to_owned()));
    assert_eq!(world.asked(), [1, 1, 0]);
}
