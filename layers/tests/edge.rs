//! The ingress in front of the call layers that refuse and answer by themselves.

#![cfg(all(feature = "full", feature = "test-util"))]

use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use lasso_layers::call::guard::{GuardLayer, GuardPolicy};
use lasso_layers::call::observe::{ObserveLayer, ObservePolicy};
use lasso_layers::call::rate_limit::{Limits, RateLimitLayer};
use lasso_layers::call::{Body, Call, Failure, Reply};
use lasso_layers::catalog::{ChainSpec, ClientLimit, Live, ProfileSpec, ProviderSpec};
use lasso_layers::edge::ingress::{Ingress, PeerAddr};
use lasso_layers::edge::profile::{ProfileLayer, ProfilePolicy};
use lasso_layers::wire::{UpstreamId, result_body};
use serde_json::{Value, json};
use tower::util::BoxCloneSyncService;
use tower::{Layer, service_fn};

struct Edge {
    ingress: Ingress<BoxCloneSyncService<Call, Reply, Failure>>,
    /// What an upstream would have been sent.
    sent: Arc<Mutex<Vec<String>>>,
}

struct Answered {
    status: StatusCode,
    headers: http::HeaderMap,
    json: Value,
}

impl Edge {
    fn new() -> Self {
        let ethereum = ChainSpec::new("ethereum", 1).provider(ProviderSpec::http("e", "http://e.example"));
        let arbitrum = ChainSpec::new("arbitrum", 42161)
            .provider(ProviderSpec::http("arbitrum_drpc", "http://a.example"));
        let mut limited = ProfileSpec::new("limited").chain(ethereum.clone());
        limited.limit = ClientLimit { rps: 1, burst: 2 };
        let default = ProfileSpec::new("default").chain(ethereum).chain(arbitrum);
        let live = Live::new(vec![default, limited]).unwrap();

        let sent = Arc::new(Mutex::new(Vec::new()));
        let seen = sent.clone();
        let upstream = service_fn(move |call: Call| {
            if !call.dry_run {
                let body = call.request.upstream_body(UpstreamId::Client);
                seen.lock().unwrap().push(String::from_utf8(body.to_vec()).unwrap());
            }
            let result = result_body(call.request.id(), b"\"upstream\"");
            async move { Ok::<_, Failure>(Reply::Result(Body::Full(result))) }
        });
        let limit = RateLimitLayer::new(Limits::new()).layer(upstream);
        let guard = GuardLayer::new(GuardPolicy::default()).layer(limit);
        let profile = ProfileLayer::new(live, ProfilePolicy::default()).layer(guard);
        let stack = ObserveLayer::new(ObservePolicy::default()).layer(profile);
        Self { ingress: Ingress::new(BoxCloneSyncService::new(stack)), sent }
    }

    async fn post(&self, uri: &str, body: impl Into<Bytes>) -> Answered {
        let mut request = Request::post(uri).body(Full::new(body.into())).unwrap();
        request.extensions_mut().insert(PeerAddr("192.0.2.1:1000".parse().unwrap()));
        let Ok(response) = self.ingress.handle(request).await;
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Answered { status: head.status, headers: head.headers, json }
    }

    fn sent(&self) -> Vec<String> {
        std::mem::take(&mut *self.sent.lock().unwrap())
    }
}

fn call(method: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":[]}}"#)
}

#[track_caller]
fn expect_error(answered: &Answered, status: u16, code: i64, id: Value) {
    let json = &answered.json;
    let seen = (answered.status.as_u16(), &json["error"]["code"], &json["id"]);
    assert_eq!(seen, (status, &json!(code), &id), "{json}");
}

#[tokio::test]
async fn api_case_9_the_chain_id_is_answered_here_unless_a_provider_is_named() {
    let edge = Edge::new();
    assert_eq!(edge.post("/rpc/arbitrum", call("eth_chainId")).await.json["result"], "0xa4b1");
    assert!(edge.sent().is_empty());
    let answered = edge.post("/rpc/provider/arbitrum_drpc/arbitrum", call("eth_chainId")).await;
    assert_eq!(answered.json["result"], "upstream");
    // In a batch, whose pinned provider nobody named.
    let batch = format!("[{},{}]", call("eth_chainId"), call("eth_call"));
    let answered = edge.post("/rpc/arbitrum", batch).await;
    assert_eq!(
        (&answered.json[0]["result"], &answered.json[1]["result"]),
        (&json!("0xa4b1"), &json!("upstream"))
    );
}

#[tokio::test]
async fn api_case_10_no_parameters_may_be_written_as_null() {
    let edge = Edge::new();
    let with = |params: &str| format!(r#"{{"id":1,"method":"eth_chainId","params":{params}}}"#);
    assert_eq!(edge.post("/rpc/ethereum", with("null")).await.json["result"], "0x1");
    assert!(edge.sent().is_empty());
    assert_eq!(edge.post("/rpc/ethereum", with("{}")).await.json["result"], "upstream");
    assert_eq!(edge.sent(), [r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[{}]}"#]);
}

#[tokio::test]
async fn api_cases_11_and_12_a_chain_has_several_paths() {
    let edge = Edge::new();
    for path in ["/rpc/1", "/rpc/ethereum", "/rpc/profile/default/ethereum", "/rpc/profile/public/ethereum"] {
        assert_eq!(edge.post(path, call("eth_call")).await.json["result"], "upstream", "{path}");
    }
    let answered = edge.post("/rpc/Ethereum", call("eth_call")).await;
    expect_error(&answered, 400, -32602, Value::Null);
}

#[tokio::test]
async fn api_case_13_unknown_and_blank_profiles() {
    let edge = Edge::new();
    for body in [call("eth_call"), format!("[{}]", call("eth_call"))] {
        let answered = edge.post("/rpc/profile/%20/ethereum", body.clone()).await;
        expect_error(&answered, 400, -32602, Value::Null);
        assert_eq!(answered.json["error"]["data"]["error_type"], "profile_empty");
        let answered = edge.post("/rpc/profile/nope/ethereum", body).await;
        expect_error(&answered, 404, -32000, Value::Null);
        assert_eq!(answered.json["error"]["data"]["error_type"], "profile_not_found");
    }
    assert!(edge.sent().is_empty());
}

#[tokio::test]
async fn api_cases_14_and_15_methods_that_are_not_served_over_http() {
    let edge = Edge::new();
    let answered = edge.post("/rpc/profile/default/fastest/ethereum?x=1", call("eth_subscribe")).await;
    expect_error(&answered, 200, -32601, json!(1));
    assert_eq!(answered.json["error"]["data"]["websocket_url"], "/ws/rpc/profile/default/fastest/ethereum");
    let answered = edge.post("/rpc/ethereum?include_meta=headers", call("eth_sendTransaction")).await;
    expect_error(&answered, 200, -32601, json!(1));
    assert_eq!(answered.json["error"]["message"], "Method not supported by proxy");
    // Case 21: nothing to tell about a call that was not routed.
    assert!(answered.headers.keys().all(|name| !name.as_str().starts_with("x-lasso")));
    let batch = format!("[{},{}]", call("eth_sendTransaction"), call("eth_call"));
    let answered = edge.post("/rpc/ethereum", batch).await;
    assert_eq!(answered.json[0]["error"]["code"], -32601);
    assert_eq!(answered.json[1]["result"], "upstream");
    assert_eq!(edge.sent().len(), 1);
}

#[tokio::test]
async fn api_case_21_metadata_names_its_version() {
    let answered = Edge::new().post("/rpc/ethereum?include_meta=headers", call("eth_call")).await;
    let meta = URL_SAFE_NO_PAD.decode(&answered.headers["x-lasso-meta"]).unwrap();
    let meta: Value = serde_json::from_slice(&meta).unwrap();
    assert_eq!(meta["version"], "1.0");
    assert_eq!(meta["request_id"], answered.headers["x-request-id"].to_str().unwrap());
    assert_eq!(answered.headers["x-lasso-request-id"], answered.headers["x-request-id"]);
}

#[tokio::test(start_paused = true)]
async fn api_case_44_a_batch_costs_one_token_and_profiles_share_none() {
    let edge = Edge::new();
    let batch = format!("[{},{},{}]", call("eth_call"), call("eth_call"), call("eth_call"));
    let limited = "/rpc/profile/limited/ethereum";
    assert_eq!(edge.post(limited, batch.clone()).await.status, 200);
    assert_eq!(edge.post(limited, call("eth_call")).await.status, 200);
    for (body, id) in [(call("eth_call"), json!(1)), (batch, Value::Null)] {
        let answered = edge.post(limited, body).await;
        expect_error(&answered, 429, -32000, id);
        assert_eq!(answered.json["error"]["data"]["rate_limit"], 1);
        assert_eq!(answered.headers["retry-after"], "1");
    }
    assert_eq!(edge.sent().len(), 4, "a refused request reaches no upstream");
    assert_eq!(edge.post("/rpc/ethereum", call("eth_call")).await.status, 200);
}
