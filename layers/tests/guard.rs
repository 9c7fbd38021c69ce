//! Which methods are served, and which are answered without a provider.
#![cfg(all(feature = "guard", feature = "test-util"))]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use lasso_layers::call::guard::{GuardLayer, GuardPolicy};
use lasso_layers::call::session::{OutboxBudget, Session, SessionPolicy};
use lasso_layers::call::{Batch, BatchItem, Body, Call, Failure, Reply, Scope};
use lasso_layers::catalog::{ChainSpec, Live, Transport};
use lasso_layers::testing;
use lasso_layers::wire::Request;
use tokio::time::Instant;
use tower::{Layer, ServiceExt, service_fn};

fn live() -> Live {
    let chain = testing::chain(&["a"]);
    testing::live(ChainSpec { chain_id: 42161, ..chain })
}

fn planned(call: Call) -> Call {
    testing::planned(&live(), call, Duration::from_secs(1))
}

/// A call with these parts, over HTTP; a part that is empty is left out.
fn call(id: &str, method: &str, params: &str) -> Call {
    let member = |name: &str, value: &str| {
        if value.is_empty() { String::new() } else { format!(",\"{name}\":{value}") }
    };
    let body = format!(r#"{{"method":"{method}"{}{}}}"#, member("id", id), member("params", params));
    let Ok(lasso_layers::wire::Parsed::One(request)) = lasso_layers::wire::parse(body.into(), 1) else {
        panic!("not a request")
    };
    let mut call = Call::new(lasso_layers::call::Route::to_chain("ethereum"), request, Instant::now());
    call.origin.transport = Some(Transport::Http);
    planned(call)
}

/// A socket's call. The guard does not care whether the socket is still there.
fn over_ws(mut call: Call) -> Call {
    call.origin.transport = Some(Transport::Ws);
    call.session = Some(Session::new(SessionPolicy::default(), OutboxBudget::default()).for_call());
    call
}

enum Outcome {
    Forwarded,
    Answered(String),
    Refused { code: i64, message: String, data: Option<serde_json::Value> },
}

async fn outcome(policy: GuardPolicy, call: Call) -> Outcome {
    let forwarded = Arc::new(AtomicUsize::new(0));
    let seen = forwarded.clone();
    let next = service_fn(move |_: Call| {
        seen.fetch_add(1, Ordering::Relaxed);
        async { Ok::<_, Failure>(testing::reply("\"from upstream\"")) }
    });
    let result = GuardLayer::new(policy).layer(next).oneshot(call).await;
    if forwarded.load(Ordering::Relaxed) == 1 {
        return Outcome::Forwarded;
    }
    match result {
        Ok(Reply::Result(Body::Full(bytes))) => Outcome::Answered(String::from_utf8(bytes.to_vec()).unwrap()),
        Err(Failure::Rejected(rejection)) => {
            // None of the refusals here concerns the rest of a batch, or is an HTTP error.
            assert_eq!((rejection.scope, rejection.status.as_u16()), (Scope::Call, 200));
            let data = rejection.error.data.map(|data| serde_json::from_slice(&data).unwrap());
            Outcome::Refused { code: rejection.error.code, message: rejection.error.message.into(), data }
        }
        other => panic!("neither forwarded nor answered: {other:?}"),
    }
}

async fn is_forwarded(call: Call) -> bool {
    matches!(outcome(GuardPolicy::default(), call).await, Outcome::Forwarded)
}

async fn refusal(call: Call) -> (i64, String, Option<serde_json::Value>) {
    match outcome(GuardPolicy::default(), call).await {
        Outcome::Refused { code, message, data } => (code, message, data),
        _ => panic!("not refused"),
    }
}

#[tokio::test]
async fn api_case_15_methods_that_need_keys_are_blocked_over_both_protocols() {
    for method in ["eth_sendTransaction", "personal_sign", "eth_sign", "eth_signTransaction", "eth_accounts"]
    {
        for call in [call("1", method, "[]"), over_ws(call("1", method, "[]"))] {
            assert_eq!(refusal(call).await, (-32601, "Method not supported by proxy".to_owned(), None));
        }
    }
    for method in ["personal_unlockAccount", "wallet_watchAsset", "eth_signTypedData_v4"] {
        let (code, message, data) = refusal(call("1", method, "[]")).await;
        assert_eq!((code, &*message), (-32601, "Method not supported by proxy"));
        assert!(data.unwrap()["hint"].is_string());
    }
}

#[tokio::test]
async fn stateful_filters_are_blocked_unless_the_policy_allows_them() {
    for method in [
        "eth_newFilter",
        "eth_newBlockFilter",
        "eth_newPendingTransactionFilter",
        "eth_getFilterChanges",
        "eth_getFilterLogs",
        "eth_uninstallFilter",
    ] {
        let (code, message, data) = refusal(call("1", method, "[]")).await;
        // Client libraries look for these words before they fall back to polling.
        assert_eq!((code, message), (-32601, format!("the method {method} does not exist/is not available")));
        assert_eq!(data.unwrap(), serde_json::json!({"hint": "use subscriptions"}));
        let allowed = outcome(GuardPolicy { allow_stateful_filters: true }, call("1", method, "[]")).await;
        assert!(matches!(allowed, Outcome::Forwarded));
    }
}

#[tokio::test]
async fn other_methods_are_forwarded() {
    for method in ["eth_getLogs", "eth_sendRawTransaction", "txpool_status", "vendor_x", "eth_coinbase"] {
        assert!(is_forwarded(call("1", method, "[]")).await, "{method}");
    }
}

#[tokio::test]
async fn api_case_14_a_subscription_over_http_is_told_where_to_go() {
    for method in ["eth_subscribe", "eth_unsubscribe"] {
        let mut over_http = call("1", method, "[]");
        over_http.origin.path = Some("/rpc/profile/default/fastest/ethereum".into());
        let (code, _, data) = refusal(over_http).await;
        assert_eq!(code, -32601);
        let url = "/ws/rpc/profile/default/fastest/ethereum";
        assert_eq!(data.unwrap(), serde_json::json!({"websocket_url": url}));

        let mut in_process = call("1", method, "[]");
        in_process.origin.transport = None;
        assert_eq!(refusal(in_process).await.2, None);

        assert!(is_forwarded(over_ws(call("1", method, "[]"))).await);
    }
}

#[tokio::test]
async fn api_case_9_and_10_the_chain_id_is_answered_here_when_nothing_is_asked_of_a_provider() {
    for params in ["", "null", "[]", "[ ]"] {
        for call in [call("\"a\"", "eth_chainId", params), over_ws(call("\"a\"", "eth_chainId", params))] {
            match outcome(GuardPolicy::default(), call).await {
                Outcome::Answered(body) => {
                    assert_eq!(body, r#"{"jsonrpc":"2.0","id":"a","result":"0xa4b1"}"#);
                }
                _ => panic!("not answered: {params}"),
            }
        }
    }
    for params in ["{}", "[1]", "\"x\""] {
        assert!(is_forwarded(call("1", "eth_chainId", params)).await, "{params}");
    }
    let mut pinned = call("1", "eth_chainId", "[]");
    pinned.route.provider = Some("a".into());
    assert!(is_forwarded(pinned).await);
}

#[tokio::test]
async fn the_provider_of_a_batch_does_not_forward_the_chain_id() {
    let mut item = call("1", "eth_chainId", "[]");
    let batch = Batch { size: 1, snapshot: live().snapshot(), pin: Some(0) };
    item.batch = Some(BatchItem { batch: Arc::new(batch), index: 0 });
    assert!(!is_forwarded(item).await);
}

#[tokio::test]
async fn api_case_42_ids_that_could_not_come_back_are_refused_unless_the_answer_is_ours() {
    for id in ["1.5", "1e3", "true", "[1]", "{}"] {
        assert_eq!(refusal(call(id, "eth_call", "[]")).await.0, -32602, "{id}");
        // Blocked before the id is looked at.
        assert_eq!(refusal(call(id, "eth_accounts", "[]")).await.0, -32601);
        match outcome(GuardPolicy::default(), call(id, "eth_chainId", "[]")).await {
            Outcome::Answered(body) => {
                assert_eq!(body, format!(r#"{{"jsonrpc":"2.0","id":{id},"result":"0xa4b1"}}"#));
            }
            _ => panic!("not answered"),
        }
        assert_eq!(refusal(call(id, "eth_chainId", "[1]")).await.0, -32602);
    }
    for id in ["", "null", "\"x\"", "-7", "9007199254740993123"] {
        assert!(is_forwarded(call(id, "eth_call", "[]")).await, "{id}");
    }
}

#[tokio::test]
async fn a_dry_run_passes() {
    for method in ["eth_chainId", "eth_accounts", "eth_subscribe"] {
        let mut dry = call("1.5", method, "[]");
        dry.dry_run = true;
        assert!(is_forwarded(dry).await, "{method}");
    }
}

#[tokio::test]
async fn without_a_plan_the_chain_id_is_an_internal_error() {
    let request = Request::new("1", "eth_chainId", "[]").unwrap();
    let unplanned = Call::new(lasso_layers::call::Route::to_chain("ethereum"), request, Instant::now());
    assert_eq!(refusal(unplanned).await.0, -32603);
}
