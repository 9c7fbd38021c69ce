//! Keys of providers and of clients appear in no answer and in no log line.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use lasso_layers::catalog::{ChainSpec, ProviderSpec};
use lasso_rpc::sim::{Ending, Fault, HugeResult, Rule};
use lasso_rpc::upstream::ws::LinkState;
use serde_json::json;
use tokio::time::Instant;
use tracing::level_filters::LevelFilter;

use crate::support::{Lines, Proxy, WHO, ms, node, profile, request, until};

/// Everything that is secret about the provider, and about the client.
const SECRETS: [&str; 12] = [
    "us3rSecret0001",
    "p4ssSecret0002",
    "p4thSecret0003",
    "qu3rySecret0004",
    "apik3ySecret0005",
    "h34derSecret0006",
    "4uthSecret0007",
    "cr3dSecret0008",
    "wsp4thSecret0009",
    "cl13ntQuery0010",
    "cl13ntHeader0011",
    "p4ramSecret0012",
];

#[track_caller]
fn holds_no_secret(what: &str, text: &str) {
    for secret in SECRETS {
        assert!(!text.contains(secret), "{secret} is in {what}: {text}");
    }
}

/// A provider at this address with a secret in every place that can hold one.
fn secretive(id: &str, authority: &str) -> ProviderSpec {
    let [user, password, path, query, key, header, auth, credentials, ws, ..] = SECRETS;
    let pair = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    ProviderSpec {
        ws_url: Some(format!("ws://{authority}/{ws}")),
        api_key: Some(key.to_owned()),
        headers: pair("x-key", header),
        auth_headers: pair("x-auth", auth),
        credentials: Some(credentials.to_owned()),
        ..ProviderSpec::http(id, format!("http://{user}:{password}@{authority}/v2/{path}?key={query}&x=1"))
    }
}

/// The faults, each of which may say every secret that is sent to the provider.
fn faults() -> Vec<Fault> {
    let told = SECRETS[..7].join(" ");
    let page = Bytes::from(format!("<html>{told}</html>"));
    let error =
        json!({ "jsonrpc": "2.0", "id": 1, "error": { "code": -32000, "message": told, "data": told } });
    let status = |status: StatusCode, body: &Bytes| Fault::Status {
        status,
        headers: HeaderMap::new(),
        body: body.clone(),
    };
    let json = Bytes::from(error.to_string());
    let mut faults = vec![
        Fault::Reset,
        Fault::Close,
        Fault::Hang,
        Fault::HangAfterHeaders,
        Fault::HalfBody,
        Fault::Garbage,
        Fault::EmptyObject,
        Fault::WrongId,
        Fault::ResultAndError,
        Fault::LargeHeaders(4 << 20),
        Fault::Raw(page.clone()),
        Fault::Redirect(HeaderValue::try_from(format!("http://localhost/{}", SECRETS[2])).unwrap()),
        Fault::RateLimited { retry_after: None },
        Fault::Stream(HugeResult::new(200_000).cut_after(20_000)),
    ];
    for code in [-32000, -32002, -32005, -32601, -32602, -32603, 3, 4100, 12_345] {
        let data = Some(json!({ "url": told, "nested": [SECRETS[3]] }));
        faults.push(Fault::RpcError { code, message: format!("no: {told}"), data });
    }
    for code in [400, 401, 403, 404, 429, 500, 503] {
        let code = StatusCode::from_u16(code).unwrap();
        faults.extend([status(code, &page), status(code, &json)]);
    }
    faults
}

#[tokio::test]
async fn no_secret_is_told_whatever_goes_wrong() {
    let (log, _listening) = Lines::at(LevelFilter::TRACE);
    let upstream = node("a").await;
    // What the socket may say is the same. It stays shut, so that every call is one over HTTP.
    let shut = || {
        let (status, headers) = (StatusCode::FORBIDDEN, HeaderMap::new());
        Rule::handshake(Fault::Status { status, headers, body: Bytes::from(SECRETS.join(" ")) })
    };
    upstream.behave([shut()]);
    let authority = upstream.addr().to_string();
    let mut chain = ChainSpec::new("ethereum", 1);
    chain.providers = vec![secretive("a", &authority), secretive("tls", &authority)];
    // Speaks plain HTTP where TLS is expected.
    chain.providers[1].url = chain.providers[1].url.take().map(|url| url.replace("http://", "https://"));
    let [.., client_query, client_header, params] = SECRETS;
    let proxy = Proxy::start(vec![profile("default", chain)], |settings| {
        settings.timeouts.default = ms(400);
        // Every fault is to reach the provider.
        settings.circuit_breaker.recovery_timeout = ms(1);
    })
    .await;
    let path = format!("/rpc/ethereum/a?key={client_query}");
    let headers = [("x-lasso-api-key", client_header), ("x-lasso-include-meta", "headers")];
    let body = request(WHO, &json!([params]));
    let ask = async |path: &str| {
        let reply = proxy.post_with(path, &headers, body.clone()).await;
        let shown = format!("{:?} {} {}", reply.headers, reply.meta(), reply.text());
        holds_no_secret("an answer", &shown);
        reply
    };

    ask(&path).await.result();
    let seen = upstream.seen().into_iter().rfind(|call| call.method == WHO).unwrap();
    assert!(seen.path.contains(SECRETS[2]) && seen.path.contains(SECRETS[3]), "secrets reach the provider");
    for fault in faults() {
        upstream.behave([Rule::method(WHO, fault.clone()), shut()]);
        let before = upstream.calls(WHO);
        proxy.runtime.breakers.close(&proxy.channel("a"));
        ask(&path).await.error();
        assert_eq!(upstream.calls(WHO), before + 1, "{fault:?} was met");
        // Once more with failover in the way, and with metadata in the body.
        ask("/rpc/fastest/ethereum?include_meta=body").await;
    }
    upstream.behave([shut()]);
    ask("/rpc/ethereum/tls").await.error();
    upstream.stop().await;
    ask(&path).await.error();
    for path in ["/rpc/ethereum/nobody", "/rpc/nowhere", "/rpc/profile/nobody/ethereum"] {
        ask(path).await.error();
    }
    proxy.open_breaker("a");
    ask(&path).await.error();
    let path = format!("/api/explain?chain=1&method={WHO}&params=%5B%22{params}%22%5D&key={client_query}");
    let page = proxy.get(&path).await;
    assert_eq!(page.json()["candidates"].as_array().map(Vec::len), Some(4), "two providers, two transports");
    holds_no_secret("an explanation", page.text());

    let list = proxy.get("/api/requests?limit=200").await;
    holds_no_secret("the list of requests", list.text());
    let rows = list.json()["requests"].as_array().unwrap().clone();
    assert!(rows.len() > 40, "every call is there");
    for row in rows {
        let page = proxy.get(&format!("/api/requests/{}", row["request_id"].as_str().unwrap())).await;
        assert!(page.json()["attempts"].is_array());
        holds_no_secret("the page of a request", page.text());
    }
    for path in ["/api/chains", "/api/metrics/ethereum", "/api/streams", "/api/breakers", "/metrics"] {
        let page = proxy.get(path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        holds_no_secret(path, page.text());
    }

    let runtime = format!("{:?} {:?}", proxy.runtime, proxy.runtime.live.snapshot());
    holds_no_secret("what is printed for debugging", &runtime);
    let log = log.text();
    for event in ["rpc.request.completed", "lasso.circuit_breaker", "lasso.error_classification.classified"] {
        assert!(log.contains(event), "{event} is not in the log");
    }
    for line in log.lines() {
        holds_no_secret("the log", line);
    }
}

/// Edge case 50 of the streaming specification, and what else a socket can be made to say.
#[tokio::test]
async fn streaming_11_case_50_the_handshake_carries_the_keys_and_nothing_else_does() {
    let (log, _listening) = Lines::at(LevelFilter::TRACE);
    let upstream = node("a").await;
    let mut chain = ChainSpec::new("ethereum", 1);
    chain.providers = vec![secretive("a", &upstream.addr().to_string())];
    chain.providers[0].url = None;
    let proxy = Proxy::start(vec![profile("default", chain)], |settings| {
        settings.timeouts.default = ms(400);
        settings.upstream_websocket.reconnect_interval = ms(1);
    })
    .await;
    let channel = proxy.runtime.live.snapshot().channels().next().unwrap().clone();
    let is_up = || proxy.runtime.links.is_up(channel.key);
    until("the link is up", is_up).await;
    let [_, _, _, _, key, header, auth, _, path, ..] = SECRETS;
    let seen = upstream.seen();
    let sent = |name: &str| seen[0].headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(seen[0].path, format!("/{path}"));
    assert_eq!(sent("authorization"), Some(format!("Bearer {key}")));
    assert_eq!((sent("x-key"), sent("x-auth")), (Some(header.to_owned()), Some(auth.to_owned())));
    assert_eq!(sent("content-type"), None, "a handshake has no body");

    let told = format!("no: {key} {header} {auth} {path}");
    let data = Some(json!({ "url": told }));
    for fault in [
        Fault::RpcError { code: -32000, message: told.clone(), data },
        Fault::Raw(Bytes::from(told.clone())),
        Fault::CloseFrame { code: 4_001, reason: format!("{key} {auth}") },
        Fault::Reset,
    ] {
        proxy.runtime.breakers.close(&channel);
        until("the link is up", is_up).await;
        upstream.behave([Rule::method(WHO, fault)]);
        let reply = proxy.call(WHO, json!([])).await;
        holds_no_secret("an answer", reply.text());
        reply.error();
        upstream.heal();
        let status = proxy.runtime.breakers.status(channel.key, Instant::now());
        holds_no_secret("the last error", &format!("{status:?}"));
    }
    upstream.behave([Rule::handshake(Fault::Status {
        status: StatusCode::UNAUTHORIZED,
        headers: HeaderMap::new(),
        body: Bytes::from(told),
    })]);
    upstream.disconnect(Ending::Reset);
    let links = proxy.runtime.links;
    until("it was refused", || links.state(channel.key) == Some(LinkState::Disconnected)).await;
    holds_no_secret("what is printed for debugging", &format!("{links:?} {:?}", links.status(channel.key)));
    let log = log.text();
    for event in ["connected", "disconnected", "connection_failed", "reconnect_scheduled", "pending_cleanup"]
    {
        let event = format!("lasso.upstream_websocket.{event}");
        assert!(log.contains(&event), "{event} is not in the log");
    }
    for line in log.lines() {
        holds_no_secret("the log", line);
    }
}
