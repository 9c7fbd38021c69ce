//! Paths, profiles, strategies and what replies say about them.

use http::{HeaderMap, StatusCode};
use lasso_layers::catalog::{ChainSpec, ClientLimit, MethodOverride, Strategy};
use lasso_rpc::sim::{Fault, SimNode};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};

use crate::support::{Proxy, Reply, WHO, World, chain_of, node, profile, request};

async fn who_at(proxy: &Proxy, path: &str) -> String {
    proxy.call_at(path, WHO, json!([])).await.who()
}

/// Two profiles with one node each for the same chain, and a third chain that only the second one has.
async fn two_profiles() -> (Vec<SimNode>, Proxy) {
    let nodes = vec![node("a").await, node("b").await, node("c").await];
    let mut ethereum = chain_of([&nodes[0]]);
    ethereum.url_aliases = vec!["mainnet".to_owned(), "eth".to_owned()];
    let mut base = ChainSpec::new("base", 8453);
    base.providers = chain_of([&nodes[2]]).providers;
    // In this profile the alias means another chain.
    base.url_aliases = vec!["mainnet".to_owned()];
    let second = profile("acme", chain_of([&nodes[1]])).chain(base);
    let proxy = Proxy::start(vec![profile("default", ethereum), second], |_| {}).await;
    (nodes, proxy)
}

#[tokio::test]
async fn api_cases_11_and_12_every_name_of_a_chain_and_profile_leads_there() {
    let (_nodes, proxy) = two_profiles().await;
    for path in [
        "/rpc/ethereum",
        "/rpc/1",
        "/rpc/mainnet",
        "/rpc/eth",
        "/rpc/profile/default/ethereum",
        "/rpc/profile/public/ethereum",
        "/rpc/profile/default/1",
        "/rpc/profile/default/fastest/mainnet",
        "/rpc/provider/a/ethereum",
        "/rpc/ethereum/a",
        "/rpc/profile/public/provider/a/1",
        "/rpc/profile/default/eth/a",
    ] {
        assert_eq!(who_at(&proxy, path).await, "a", "{path}");
    }
    assert_eq!(who_at(&proxy, "/rpc/profile/acme/ethereum").await, "b");
    assert_eq!(who_at(&proxy, "/rpc/profile/acme/mainnet").await, "c");
    assert_eq!(who_at(&proxy, "/rpc/profile/acme/8453").await, "c");
}

#[tokio::test]
async fn api_cases_11_and_13_names_that_lead_nowhere() {
    let (_nodes, proxy) = two_profiles().await;
    for (path, status, code, data) in [
        ("/rpc/Ethereum", StatusCode::BAD_REQUEST, -32602, Value::Null),
        ("/rpc/base", StatusCode::BAD_REQUEST, -32602, Value::Null),
        ("/rpc/profile/acme/eth", StatusCode::BAD_REQUEST, -32602, Value::Null),
        (
            "/rpc/profile/%20/ethereum",
            StatusCode::BAD_REQUEST,
            -32602,
            json!({ "error_type": "profile_empty" }),
        ),
        (
            "/rpc/profile/nope/ethereum",
            StatusCode::NOT_FOUND,
            -32000,
            json!({ "error_type": "profile_not_found" }),
        ),
    ] {
        let reply = proxy.call_at(path, WHO, json!([])).await;
        let json = reply.json();
        assert_eq!((reply.status, reply.error().0), (status, code), "{path}");
        assert_eq!((&json["id"], &json["error"]["data"]), (&Value::Null, &data), "{path}");
    }
    let reply = proxy.call_at("/rpc/a/b/c/d", WHO, json!([])).await;
    assert_eq!(reply.status, StatusCode::NOT_FOUND);
    assert_eq!(reply.json(), json!({ "errors": { "detail": "Not Found" } }));
}

#[tokio::test]
async fn api_case_9_the_chain_id_is_known_without_asking() {
    let (nodes, proxy) = two_profiles().await;
    let reply = proxy.call_at("/rpc/profile/acme/base", "eth_chainId", json!([])).await;
    assert_eq!(reply.result(), json!("0x2105"));
    let reply = proxy.call_at("/rpc/profile/acme/base", "eth_chainId", Value::Null).await;
    assert_eq!(reply.result(), json!("0x2105"), "api case 10");
    assert_eq!(nodes[2].calls("eth_chainId"), 0);
    // With a provider, or with parameters, the question is for the provider.
    let reply = proxy.call_at("/rpc/profile/acme/provider/c/base", "eth_chainId", json!([])).await;
    assert_eq!(reply.result(), json!("0x1"));
    proxy.call_at("/rpc/profile/acme/base", "eth_chainId", json!({})).await.result();
    assert_eq!(nodes[2].calls("eth_chainId"), 2);
}

#[tokio::test]
async fn api_case_14_subscriptions_are_told_where_to_go() {
    let (_nodes, proxy) = two_profiles().await;
    let path = "/rpc/profile/default/fastest/ethereum";
    let reply = proxy.call_at(&format!("{path}?x=1"), "eth_subscribe", json!(["newHeads"])).await;
    assert_eq!(reply.error().0, -32601);
    assert_eq!(reply.json()["error"]["data"], json!({ "websocket_url": format!("/ws{path}") }));
}

#[tokio::test]
async fn api_cases_19_and_20_other_methods_of_http() {
    let world = World::start(&["a"]).await;
    let ask = async |method: &str| {
        let url: hyper::Uri = world.proxy.url("/rpc/ethereum").parse().unwrap();
        let stream = tokio::net::TcpStream::connect(world.proxy.address).await.unwrap();
        let io = hyper_util::rt::TokioIo::new(stream);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        let request = http::Request::builder().method(method).uri(url).header("host", "localhost");
        let body = http_body_util::Empty::<bytes::Bytes>::new();
        Reply::read(sender.send_request(request.body(body).unwrap()).await.unwrap()).await
    };
    let reply = ask("GET").await;
    assert_eq!(reply.status, StatusCode::NOT_FOUND);
    assert_eq!(reply.json(), json!({ "errors": { "detail": "Not Found" } }));
    let reply = ask("OPTIONS").await;
    assert_eq!((reply.status, reply.body.len()), (StatusCode::NO_CONTENT, 0));
    assert_eq!(reply.header("access-control-max-age"), "86400");
    assert!(reply.header("access-control-allow-headers").contains("X-Lasso-Include-Meta"));
}

async fn strategy_at(world: &World, path: &str) -> Value {
    let and = if path.contains('?') { '&' } else { '?' };
    let path = format!("{path}{and}include_meta=headers");
    let reply = world.proxy.call_at(&path, WHO, json!([])).await;
    reply.result();
    reply.meta()["strategy"].clone()
}

#[tokio::test]
async fn strategies_are_chosen_by_path_then_by_query() {
    let world = World::start(&["a", "b"]).await;
    for (path, strategy) in [
        ("/rpc/ethereum", "priority"),
        ("/rpc/priority/ethereum", "priority"),
        ("/rpc/fastest/ethereum", "fastest"),
        ("/rpc/load-balanced/ethereum", "load_balanced"),
        ("/rpc/round-robin/ethereum", "load_balanced"),
        ("/rpc/latency-weighted/ethereum", "latency_weighted"),
        ("/rpc/ethereum?strategy=fastest", "fastest"),
        ("/rpc/ethereum?strategy=load-balanced", "load_balanced"),
        ("/rpc/ethereum?strategy=cheapest", "priority"),
        ("/rpc/fastest/ethereum?strategy=load_balanced", "fastest"),
        ("/rpc/profile/default/latency-weighted/ethereum", "latency_weighted"),
    ] {
        assert_eq!(strategy_at(&world, path).await, json!(strategy), "{path}");
    }
}

#[tokio::test]
async fn a_provider_is_chosen_by_path_query_or_header() {
    let world = World::start(&["a", "b", "c"]).await;
    let header = [("x-lasso-provider", "b")];
    for (path, headers, expected) in [
        ("/rpc/ethereum/c", &header[..], "c"),
        ("/rpc/provider/c/ethereum?provider_override=b", &header[..], "c"),
        ("/rpc/ethereum?provider_override=c&provider_id=b", &header[..], "c"),
        ("/rpc/ethereum?provider_id=c", &header[..], "c"),
        ("/rpc/ethereum", &header[..], "b"),
        ("/rpc/ethereum?provider=c", &[][..], "a"),
    ] {
        let reply = world.proxy.post_with(path, headers, request(WHO, &json!([]))).await;
        assert_eq!(reply.who(), expected, "{path}");
    }
}

#[tokio::test]
async fn routing_17_case_43_load_is_spread_and_priority_is_kept() {
    let world = World::start(&["a", "b", "c"]).await;
    for _ in 0..90 {
        who_at(&world.proxy, "/rpc/load-balanced/ethereum").await;
    }
    // Each has 30 on average; fewer than 8 is less likely than one in a million.
    assert!(world.asked().iter().all(|calls| *calls >= 8), "{:?}", world.asked());
    let before = world.asked();
    for _ in 0..10 {
        assert_eq!(who_at(&world.proxy, "/rpc/priority/ethereum").await, "a");
    }
    assert_eq!(world.asked(), [before[0] + 10, before[1], before[2]]);
}

#[tokio::test]
async fn methods_may_have_a_strategy_and_providers_of_their_own() {
    let nodes = [node("a").await, node("b").await];
    let mut spec = profile("default", chain_of(&nodes));
    spec.routing.default_strategy = Some(Strategy::LoadBalanced);
    spec.routing.method_overrides = vec![MethodOverride {
        method: WHO.to_owned(),
        strategy: Some(Strategy::Priority),
        providers: vec!["b".to_owned()],
    }];
    let proxy = Proxy::start(vec![spec], |_| {}).await;
    for _ in 0..10 {
        let reply = proxy.call_at("/rpc/ethereum?include_meta=headers", WHO, json!([])).await;
        assert_eq!((reply.who().as_str(), &reply.meta()["strategy"]), ("b", &json!("priority")));
    }
    let reply = proxy.call_at("/rpc/ethereum?include_meta=headers", "eth_gasPrice", json!([])).await;
    assert_eq!(reply.meta()["strategy"], json!("load_balanced"));
    let reply = proxy.call_at("/rpc/fastest/ethereum?include_meta=headers", WHO, json!([])).await;
    assert_eq!((reply.who().as_str(), &reply.meta()["strategy"]), ("b", &json!("fastest")));
}

fn lasso_headers(headers: &HeaderMap) -> Vec<&str> {
    headers.keys().map(http::HeaderName::as_str).filter(|name| name.starts_with("x-lasso-")).collect()
}

#[tokio::test]
async fn api_case_21_metadata_in_headers_tells_what_happened() {
    let world = World::start(&["a", "b"]).await;
    world.behave("a", Fault::status(StatusCode::BAD_GATEWAY));
    let headers = [("x-request-id", "a-request-of-the-client"), ("x-lasso-include-meta", "headers")];
    let reply = world.proxy.post_with("/rpc/ethereum", &headers, request(WHO, &json!([]))).await;
    assert_eq!(reply.who(), "b");
    assert_eq!(reply.header("x-request-id"), "a-request-of-the-client");
    assert_eq!(reply.header("x-lasso-request-id"), "a-request-of-the-client");
    let meta = reply.meta();
    for (key, value) in [
        ("version", json!("1.0")),
        ("request_id", json!("a-request-of-the-client")),
        ("strategy", json!("priority")),
        ("chain", json!("ethereum")),
        ("chain_id", json!(1)),
        ("transport", json!("http")),
        ("candidate_providers", json!(["a:http", "b:http"])),
        ("selected_provider", json!({ "id": "b", "protocol": "http" })),
        ("retries", json!(1)),
        ("circuit_breaker_state", json!("closed")),
        ("selection_reason", json!("static_priority")),
    ] {
        assert_eq!(meta[key], value, "{key}");
    }
    for key in ["selection_latency_ms", "upstream_latency_ms", "end_to_end_latency_ms", "lasso_overhead_ms"] {
        assert!(meta[key].as_f64().is_some_and(|millis| millis >= 0.0), "{key}: {meta}");
    }
    // Not for what was refused before anybody was considered, and not unless it is asked for.
    let blocked = world.proxy.post_with("/rpc/ethereum", &headers, request("eth_accounts", &json!([]))).await;
    assert_eq!(lasso_headers(&blocked.headers), [""; 0]);
    let plain = world.proxy.call(WHO, json!([])).await;
    assert_eq!(lasso_headers(&plain.headers), [""; 0]);
    assert!(plain.header("x-request-id").len() >= 20);
}

#[tokio::test]
async fn errors_of_routed_calls_have_metadata_too() {
    let world = World::start(&["a", "b"]).await;
    for name in ["a", "b"] {
        world.behave(name, Fault::status(StatusCode::BAD_GATEWAY));
    }
    let reply = world.proxy.call_at("/rpc/ethereum?include_meta=headers", WHO, json!([])).await;
    assert_eq!(reply.error().0, -32002);
    assert_eq!(reply.meta()["retries"], json!(1));
    let reply = world.proxy.call_at("/rpc/ethereum?include_meta=body", WHO, json!([])).await;
    assert_eq!(reply.json()["lasso_meta"]["retries"], json!(1));
}

#[tokio::test]
async fn api_case_22_the_query_beats_the_header_even_when_it_says_nothing() {
    let world = World::start(&["a"]).await;
    let ask = async |query: &str| {
        let headers = [("x-lasso-include-meta", "body")];
        world.proxy.post_with(&format!("/rpc/ethereum{query}"), &headers, request(WHO, &json!([]))).await
    };
    let reply = ask("").await;
    assert_eq!(reply.json()["lasso_meta"]["selected_provider"], json!({ "id": "a", "protocol": "http" }));
    assert_eq!(reply.who(), "a");
    for query in ["?include_meta=bogus", "?include_meta=none"] {
        let reply = ask(query).await;
        assert!(reply.json().get("lasso_meta").is_none() && lasso_headers(&reply.headers).is_empty());
    }
}

#[tokio::test]
async fn metadata_that_is_too_long_for_a_header_is_left_out() {
    let world =
        World::with(&["a"], |settings| settings.observability.max_meta_header_bytes = 64, |_| {}).await;
    let reply = world.proxy.call_at("/rpc/ethereum?include_meta=headers", WHO, json!([])).await;
    assert_eq!(reply.who(), "a");
    assert_eq!(lasso_headers(&reply.headers), ["x-lasso-request-id"]);
}

#[tokio::test]
async fn api_case_44_each_profile_limits_its_clients() {
    let nodes = [node("a").await];
    let mut tight = profile("default", chain_of(&nodes));
    tight.limit = ClientLimit { rps: 1, burst: 2 };
    let proxy = Proxy::start(vec![tight, profile("wide", chain_of(&nodes))], |_| {}).await;
    let body = request(WHO, &json!([]));
    let call = async |client: &str, path: &str, body: &str| {
        proxy.post_with(path, &[("x-lasso-api-key", client)], body.to_owned()).await
    };
    for round in 0.. {
        assert!(round < 50, "no three calls within a second");
        let client = format!("client {round}");
        let began = Instant::now();
        let first = call(&client, "/rpc/ethereum", &body).await;
        let batch = call(&client, "/rpc/ethereum", &format!("[{body},{body},{body}]")).await;
        let third = call(&client, "/rpc/ethereum", &body).await;
        let notification =
            call(&client, "/rpc/ethereum", &format!(r#"{{"jsonrpc":"2.0","method":"{WHO}"}}"#)).await;
        if began.elapsed() >= Duration::from_secs(1) {
            // A token has come back meanwhile: try as another client.
            continue;
        }
        assert_eq!((first.status, batch.status), (StatusCode::OK, StatusCode::OK));
        assert_eq!(batch.json().as_array().unwrap().len(), 3, "a batch costs one token");
        assert_eq!((third.status, third.error().0), (StatusCode::TOO_MANY_REQUESTS, -32000));
        let json = third.json();
        assert_eq!((&json["id"], &json["error"]["data"]["rate_limit"]), (&json!(1), &json!(1)));
        let wait = json["error"]["data"]["retry_after_ms"].as_u64().unwrap();
        assert!((1..=1_000).contains(&wait), "{wait}");
        assert_eq!(third.header("retry-after"), "1");
        assert_eq!(notification.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(notification.body.len(), 0);
        // Neither another profile nor another client is affected.
        assert_eq!(call(&client, "/rpc/profile/wide/ethereum", &body).await.status, StatusCode::OK);
        assert_eq!(call("somebody else", "/rpc/ethereum", &body).await.status, StatusCode::OK);
        break;
    }
}
