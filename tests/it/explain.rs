//! Asking why a call goes where it goes, and being told with the answer.

use std::time::Duration;

use http::{Method, StatusCode};
use lasso_layers::attempt::breaker::BreakerState;
use lasso_layers::catalog::{ClientLimit, MethodOverride, RoutingSpec};
use lasso_layers::state::heights::{Observation, Source};
use lasso_rpc::sim::Fault;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::{Proxy, Reply, WHO, World, chain_of, ms, node, profile, request, until};

const HOUR: Duration = Duration::from_secs(3600);

/// A query with every value escaped.
fn page(parameters: &[(&str, &str)]) -> String {
    let escape = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
    let pairs = parameters.iter().map(|(name, value)| format!("{name}={}", escape(value)));
    format!("/api/explain?{}", pairs.collect::<Vec<_>>().join("&"))
}

async fn explain(proxy: &Proxy, parameters: &[(&str, &str)]) -> Value {
    let reply = proxy.get(&page(parameters)).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    reply.json()
}

/// What is said about a provider.
fn about<'a>(page: &'a Value, provider: &str) -> &'a Value {
    let candidates = page["candidates"].as_array().expect("there are candidates");
    candidates.iter().find(|it| it["provider"] == provider).expect("the provider is a candidate")
}

fn stage<'a>(candidate: &'a Value, name: &str) -> &'a Value {
    let stages = candidate["stages"].as_array().expect("there are stages");
    stages.iter().find(|it| it["stage"] == name).unwrap_or_else(|| panic!("{name}: {candidate}"))
}

fn column(page: &Value, name: &str) -> Vec<Value> {
    page["candidates"].as_array().unwrap().iter().map(|it| it[name].clone()).collect()
}

/// One provider for each reason not to be the first, and two with none.
async fn motley() -> World {
    let names = ["open", "limited", "behind", "young", "unlisted", "narrow", "well", "spare"];
    let mut nodes = Vec::new();
    for name in names {
        nodes.push(node(name).await);
    }
    let mut chain = chain_of(&nodes);
    chain.settings.max_lag_blocks = Some(10);
    chain.providers[3].archival = false;
    chain.providers[5].capabilities.max_block_range = Some(5);
    let mut default = profile("default", chain);
    let listed = names.iter().filter(|name| **name != "unlisted").map(|name| (*name).to_owned());
    default.routing = RoutingSpec {
        default_strategy: None,
        method_overrides: vec![MethodOverride {
            method: "eth_getLogs".to_owned(),
            strategy: None,
            providers: listed.collect(),
        }],
    };
    let proxy = Proxy::start(vec![default], |_| {}).await;
    let now = Instant::now();
    proxy.open_breaker("open");
    proxy.runtime.paces.limit(&proxy.channel("limited"), Some(HOUR / 60), now);
    for (name, height) in [("behind", 900), ("well", 1_000), ("spare", 1_000)] {
        let observation = Observation::new(height, now, Source::Http);
        proxy.runtime.heights.record(1, proxy.channel(name).instance, observation);
    }
    World { nodes, proxy }
}

const OLD_LOGS: [(&str, &str); 3] = [
    ("chain", "ethereum"),
    ("method", "eth_getLogs"),
    (
        "params",
        r#"[{"fromBlock":"0x0","toBlock":"0x10","address":["0x00000000000000000000000000000000000000aa",
        "0x00000000000000000000000000000000000000bb"]}]"#,
    ),
];

const STAGES: [&str; 10] = [
    "transport",
    "pin",
    "liveness",
    "circuit",
    "rate_limit",
    "lag",
    "archival",
    "exclusion",
    "method",
    "limits",
];

#[tokio::test]
async fn a_page_says_of_every_channel_where_it_stands_and_why() {
    let world = motley().await;
    let page = explain(&world.proxy, &OLD_LOGS).await;
    for (member, expected) in [
        ("profile", json!("default")),
        ("chain", json!("ethereum")),
        ("chain_id", json!(1)),
        ("method", json!("eth_getLogs")),
        ("strategy", json!("priority")),
        ("strategy_source", json!("default")),
        ("transport", json!(null)),
        ("consensus_height", json!(1_000)),
    ] {
        assert_eq!(page[member], expected, "{member}");
    }
    let hints = json!({"archival": true, "requested_block": null, "block_range": 16, "address_count": 2,
        "block_age": null});
    assert_eq!(page["hints"], hints);

    let order = ["well", "spare", "limited", "open", "behind", "young", "unlisted", "narrow"];
    let mut found: Vec<_> =
        column(&page, "provider").iter().map(|it| it.as_str().unwrap().to_owned()).collect();
    let usable = found.drain(..3).collect::<Vec<_>>();
    assert_eq!(usable, order[..3]);
    found.sort_unstable();
    assert_eq!(found, ["behind", "narrow", "open", "unlisted", "young"]);
    assert_eq!(column(&page, "order")[..4], [json!(1), json!(2), json!(3), json!(null)]);

    for (provider, excluded, limit, tier, deciding) in [
        ("open", json!("circuit_open"), json!(null), json!(null), "circuit"),
        ("limited", json!(null), json!(null), json!(2), "rate_limit"),
        ("behind", json!("lagging"), json!(null), json!(null), "lag"),
        ("young", json!("not_archival"), json!(null), json!(null), "archival"),
        ("unlisted", json!("method_override"), json!(null), json!(null), "exclusion"),
        ("narrow", json!(null), json!("param_limit"), json!(1), "limits"),
        ("well", json!(null), json!(null), json!(1), ""),
    ] {
        let candidate = about(&page, provider);
        assert_eq!(candidate["excluded"], excluded, "{provider}");
        assert_eq!(candidate["limit"], limit, "{provider}");
        assert_eq!(candidate["tier"], tier, "{provider}");
        assert_eq!(candidate["transport"], "http", "{provider}");
        let stages = candidate["stages"].as_array().unwrap();
        let mut asked: Vec<_> = stages.iter().map(|it| it["stage"].as_str().unwrap()).collect();
        asked.dedup();
        assert_eq!(asked, STAGES, "{provider}: every stage is asked");
        let against: Vec<_> = stages.iter().filter(|it| it["verdict"] != "pass").collect();
        let names: Vec<_> = against.iter().map(|it| it["stage"].as_str().unwrap()).collect();
        assert_eq!(names.join(","), deciding, "{provider}");
    }
    let circuit = stage(about(&page, "open"), "circuit");
    assert_eq!((&circuit["verdict"], &circuit["state"]), (&json!("exclude"), &json!("open")));
    assert!(circuit["retry_after_ms"].as_u64().is_some_and(|wait| wait > 0), "{circuit}");
    let limited = stage(about(&page, "limited"), "rate_limit");
    assert_eq!((&limited["verdict"], &limited["reason"]), (&json!("demote"), &json!("limited")));
    let lag = stage(about(&page, "behind"), "lag");
    assert_eq!((&lag["height"], &lag["max_lag"]), (&json!(900), &json!(10)));
    assert!(lag["optimistic_lag"].as_i64().is_some_and(|lag| lag < -10), "{lag}");
    assert_eq!(about(&page, "well")["score"], json!({"priority": 7}));
    assert_eq!(about(&page, "limited")["demotions"], json!(["limited"]));

    // The real call goes where the page says, and the page sent nothing.
    assert!(world.nodes.iter().all(|node| node.total_calls() == 0));
    let params: Value = serde_json::from_str(OLD_LOGS[2].1).unwrap();
    world.proxy.call("eth_getLogs", params).await.result();
    let asked: Vec<_> =
        world.nodes.iter().filter(|node| node.total_calls() > 0).map(|node| node.name()).collect();
    assert_eq!(asked, ["well"]);
}

#[tokio::test]
async fn a_pin_overrules_what_does_not_count_and_leaves_the_others_out() {
    let world = motley().await;
    for name in ["provider", "provider_override", "provider_id"] {
        let page = explain(&world.proxy, &[&OLD_LOGS[..], &[(name, "open")]].concat()).await;
        let pinned = about(&page, "open");
        assert_eq!((&pinned["order"], &pinned["pinned"]), (&json!(1), &json!(true)));
        assert_eq!(stage(pinned, "circuit")["verdict"], "overruled");
        for skipped in ["archival", "exclusion"] {
            assert_eq!(stage(pinned, skipped)["verdict"], "skipped", "{skipped}");
        }
        assert_eq!(stage(pinned, "method")["verdict"], "pass");
        assert_eq!(about(&page, "well")["excluded"], "override");
        assert_eq!(column(&page, "order").iter().filter(|order| !order.is_null()).count(), 1);
    }
}

#[tokio::test]
async fn parameters_choose_as_they_do_for_a_call() {
    let world = World::with(
        &["a", "b"],
        |_| {},
        |chain| {
            let url = chain.providers[1].url.as_ref().unwrap().replace("http://", "ws://");
            chain.providers[1].ws_url = Some(url);
        },
    )
    .await;
    let ask = async |more: &[(&str, &str)]| {
        let basic = [("chain", "1"), ("method", WHO)];
        explain(&world.proxy, &[&basic[..], more].concat()).await
    };
    let page = ask(&[]).await;
    assert_eq!((&page["chain"], &page["strategy"]), (&json!("ethereum"), &json!("priority")));
    // Nothing in this process sends over WebSocket.
    let socket = page["candidates"].as_array().unwrap().iter().find(|it| it["transport"] == "ws").unwrap();
    assert_eq!(socket["excluded"], "ws_not_live");
    assert_eq!(stage(socket, "liveness")["verdict"], "exclude");

    let page = ask(&[("strategy", "latency-weighted"), ("profile", "default")]).await;
    assert_eq!(page["strategy"], "latency_weighted");
    assert_eq!(page["strategy_source"], "route");
    assert_eq!(about(&page, "a")["score"]["weight"], json!(1.0));
    assert_eq!(ask(&[("strategy", "nonsense")]).await["strategy_source"], "default");
    let page = ask(&[("transport", "ws")]).await;
    assert_eq!(page["transport"], "ws");
    assert_eq!(about(&page, "a")["excluded"], "transport");
    let page = ask(&[("strategy", "fastest")]).await;
    assert_eq!(about(&page, "a")["score"]["standing"], "unknown");
}

#[tokio::test]
async fn what_cannot_be_explained_is_refused_by_name() {
    let world = World::start(&["a"]).await;
    let chain = ("chain", "ethereum");
    for (parameters, status, names) in [
        (&[][..], 400, "'chain' is missing"),
        (&[("method", WHO)], 400, "'chain' is missing"),
        (&[chain], 400, "'method' is missing"),
        (&[chain, ("method", " ")], 400, "'method' is missing"),
        (&[chain, ("method", WHO), ("params", "[1,]")], 400, "'params' is not JSON"),
        (&[("chain", "nowhere"), ("method", WHO)], 400, "'nowhere'"),
        (&[chain, ("method", WHO), ("profile", "nobody")], 404, "'nobody'"),
        (&[chain, ("method", WHO), ("provider", "stranger")], 400, "'stranger'"),
        (&[chain, ("method", "eth_accounts")], 400, "eth_accounts: "),
        (&[chain, ("method", "eth_subscribe")], 400, "WebSocket"),
        (&[chain, ("method", "eth_newFilter")], 400, "eth_newFilter"),
    ] {
        let reply = world.proxy.get(&page(parameters)).await;
        assert_eq!(reply.status.as_u16(), status, "{parameters:?}");
        let error = reply.json()["error"].as_str().expect("an error is a text").to_owned();
        assert!(error.contains(names), "{parameters:?}: {error}");
    }
    assert_eq!(world.node("a").total_calls(), 0);
}

#[tokio::test]
async fn what_needs_no_provider_is_said_to_be_answered_here() {
    let world = World::start(&["a"]).await;
    let parameters = [("chain", "ethereum"), ("method", "eth_chainId")];
    let page = explain(&world.proxy, &parameters).await;
    let expected = json!({"profile": "default", "chain": "ethereum", "chain_id": 1, "method": "eth_chainId",
        "answered_locally": true, "candidates": []});
    assert_eq!(page, expected);
    // Of one provider it is asked.
    let page = explain(&world.proxy, &[&parameters[..], &[("provider", "a")]].concat()).await;
    assert_eq!(about(&page, "a")["order"], 1);
    assert_eq!(world.node("a").total_calls(), 0);
}

#[tokio::test]
async fn asking_costs_no_token_and_claims_nothing() {
    let nodes = [node("a").await];
    let mut limited = profile("default", chain_of(&nodes));
    limited.limit = ClientLimit { rps: 1, burst: 1 };
    let soon = |settings: &mut lasso_rpc::config::Settings| {
        settings.circuit_breaker.recovery_timeout = ms(1);
        settings.circuit_breaker.half_open_max_inflight = 1;
    };
    let proxy = Proxy::start(vec![limited], soon).await;
    proxy.open_breaker("a");
    until("it is half-open", || proxy.breaker("a").state == BreakerState::HalfOpen).await;
    for _ in 0..5 {
        let page = explain(&proxy, &[("chain", "ethereum"), ("method", WHO)]).await;
        assert_eq!(stage(about(&page, "a"), "circuit")["state"], "half_open");
        assert_eq!(about(&page, "a")["tier"], 3);
    }
    assert_eq!((proxy.breaker("a").in_flight, nodes[0].total_calls()), (0, 0));
    // The one token is still there, and so is the one slot of the breaker.
    assert_eq!(proxy.call(WHO, json!([])).await.who(), "a");
}

#[tokio::test]
async fn the_head_of_a_page_has_its_length_and_no_body() {
    let world = World::start(&["a"]).await;
    // A page without times is the same each time.
    let path = page(&[("chain", "ethereum"), ("method", "eth_chainId")]);
    let whole = world.proxy.get(&path).await;
    assert_eq!(whole.header("content-type"), "application/json; charset=utf-8");
    let head = world.proxy.client.fetch(Method::HEAD, &world.proxy.url(&path)).await.unwrap();
    let head = Reply::read(head).await;
    assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
    assert_eq!(head.header("content-length"), whole.body.len().to_string());
    assert_eq!(world.proxy.post(&path, request(WHO, &json!([]))).await.status, StatusCode::NOT_FOUND);
}

// === with the answer ===

/// A call fails at the first provider and passes one by that is busy, before it is answered.
#[tokio::test]
async fn metadata_tells_what_became_of_every_candidate() {
    let soon = |settings: &mut lasso_rpc::config::Settings| {
        settings.circuit_breaker.recovery_timeout = ms(1);
        settings.circuit_breaker.half_open_max_inflight = 1;
        settings.observability.max_meta_header_bytes = 100_000;
    };
    let world = World::with(&["busy", "broken", "back", "last", "open"], soon, |_| {}).await;
    let proxy = &world.proxy;
    for name in ["busy", "back", "last"] {
        proxy.open_breaker(name);
        until("it is half-open", || proxy.breaker(name).state == BreakerState::HalfOpen).await;
    }
    proxy.runtime.breakers.open(&proxy.channel("open"), Instant::now() + HOUR);
    proxy.runtime.paces.limit(&proxy.channel("last"), Some(HOUR), Instant::now());
    world.behave("busy", Fault::Hang);
    let hanging = proxy.spawn_call("/rpc/ethereum/busy", WHO);
    world.wait_in_flight("busy", 1).await;
    world.behave("broken", Fault::status(StatusCode::BAD_GATEWAY));

    for mode in ["body", "headers"] {
        let reply = proxy.call_at(&format!("/rpc/ethereum?include_meta={mode}"), WHO, json!([])).await;
        assert_eq!(reply.who(), "back");
        let meta = if mode == "body" { reply.json()["lasso_meta"].clone() } else { reply.meta() };
        assert_eq!(meta["selected_provider"]["id"], "back");
        let row = |provider| {
            let candidate = about(&meta, provider);
            let text = |name: &str| candidate[name].as_str().unwrap_or_default().to_owned();
            (candidate["order"].as_u64(), candidate["tier"].as_u64(), text("excluded"), text("outcome"))
        };
        let is = |order, tier, excluded: &str, outcome: &str| {
            (order, tier, excluded.to_owned(), outcome.to_owned())
        };
        if mode == "body" {
            assert_eq!(row("broken"), is(Some(1), Some(1), "", "failed:server_error"));
            assert_eq!(row("busy"), is(Some(2), Some(3), "", "skipped:half_open_busy"));
            assert_eq!(row("back"), is(Some(3), Some(3), "", "answered"));
            assert!(about(&meta, "broken")["upstream_latency_ms"].as_f64().is_some());
            assert_eq!(about(&meta, "busy").get("upstream_latency_ms"), None);
        }
        assert_eq!(row("last").3, "untried");
        assert_eq!(about(&meta, "last")["demotions"], json!(["half_open", "limited"]));
        assert_eq!(row("open"), is(None, None, "circuit_open", ""));
        assert_eq!(stage(about(&meta, "open"), "circuit")["state"], "open");
        assert_eq!(about(&meta, "broken")["score"], json!({"priority": 2}));
        assert_eq!(about(&meta, "broken").get("stages"), None, "what speaks against it, and nothing does");
    }
    hanging.abort();
}

#[tokio::test]
async fn headers_without_room_for_the_candidates_have_the_rest() {
    let names: Vec<_> = (0..24).map(|at| format!("a-provider-with-quite-a-long-name-{at}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let world = World::start(&names).await;
    let in_headers = world.proxy.call_at("/rpc/ethereum?include_meta=headers", WHO, json!([])).await;
    let meta = in_headers.meta();
    // No more than a call may be sent to.
    assert_eq!(meta["candidate_providers"].as_array().map(Vec::len), Some(10));
    assert_eq!(meta.get("candidates"), None);
    let in_body = world.proxy.call_at("/rpc/ethereum?include_meta=body", WHO, json!([])).await;
    assert_eq!(in_body.json()["lasso_meta"]["candidates"].as_array().map(Vec::len), Some(24));
}
