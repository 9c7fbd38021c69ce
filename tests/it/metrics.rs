//! `GET /api/metrics/:chain`.

use http::StatusCode;
use lasso_rpc::sim::{Fault, Rule};
use serde_json::{Value, json};

use crate::support::{Proxy, WHO, World, chain_of, node, profile};

async fn metrics(world: &World, chain: &str) -> Value {
    let reply = world.proxy.get(&format!("/api/metrics/{chain}")).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    reply.json()
}

/// The names of an object's members, sorted.
fn names(object: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = object.as_object().expect("an object").keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

const METHOD: [&str; 9] = [
    "avg_latency_ms",
    "last_updated",
    "method",
    "p50_latency_ms",
    "p90_latency_ms",
    "p95_latency_ms",
    "p99_latency_ms",
    "success_rate",
    "total_calls",
];

#[tokio::test]
async fn the_page_tells_what_traffic_did() {
    let world = World::start(&["a", "b"]).await;
    assert_eq!(world.who().await, "a");
    world.behave("a", Fault::status(StatusCode::INTERNAL_SERVER_ERROR));
    assert_eq!(world.who().await, "b");
    assert_eq!(world.who().await, "b");
    world.proxy.call("eth_gasPrice", json!([])).await.result();

    let page = metrics(&world, "ethereum").await;
    assert_eq!(
        names(&page),
        [
            "chain",
            "chain_id",
            "chain_performance",
            "last_updated",
            "providers",
            "rpc_methods",
            "rpc_performance_by_method",
            "rpc_performance_by_provider",
            "system_metrics",
            "timestamp",
        ]
    );
    assert_eq!((&page["chain"], &page["chain_id"]), (&json!("ethereum"), &json!("1")));
    assert!(page["last_updated"].as_u64() <= page["timestamp"].as_u64());

    let chain = &page["chain_performance"];
    assert_eq!(
        names(chain),
        [
            "connected_providers",
            "error_rate_percent",
            "failovers_last_minute",
            "p50_latency",
            "p95_latency",
            "recent_activity",
            "rpc_calls_per_second",
            "success_rate",
            "total_calls",
            "total_providers",
        ]
    );
    // A answered twice and failed twice, B answered twice.
    assert_eq!(chain["total_calls"], 6);
    assert_eq!(chain["recent_activity"], 6);
    assert_eq!(chain["rpc_calls_per_second"], 0.1);
    assert_eq!(chain["success_rate"], 66.7);
    assert_eq!(chain["error_rate_percent"], 33.3);
    assert_eq!(chain["failovers_last_minute"], 2);
    assert_eq!((&chain["connected_providers"], &chain["total_providers"]), (&json!(2), &json!(2)));
    assert!(
        number(&chain["p50_latency"]) > 0.0 && number(&chain["p95_latency"]) >= number(&chain["p50_latency"])
    );

    let providers = page["providers"].as_array().unwrap();
    let field = |name: &str| providers.iter().map(|row| row[name].clone()).collect::<Vec<_>>();
    assert_eq!(
        names(&providers[0]),
        ["avg_latency_ms", "calls_last_minute", "id", "name", "score", "success_rate", "total_calls"]
    );
    // Four calls of which half succeeded, against two that all did: 0.5 * log 4 and 1 * log 2 are the same but for the
    // latencies, so the order is open.
    let a = providers.iter().find(|row| row["id"] == "a").unwrap();
    assert_eq!(
        (&a["success_rate"], &a["total_calls"], &a["calls_last_minute"]),
        (&json!(0.5), &json!(4), &json!(4))
    );
    assert_eq!(field("name").len(), 2);
    assert!(field("score").iter().all(|score| number(score) > 0.0 && number(score) <= 0.31));

    assert_eq!(page["rpc_methods"], json!(["eth_gasPrice", WHO]));
    let by_provider = page["rpc_performance_by_provider"].as_array().unwrap();
    assert_eq!(by_provider.len(), 2);
    assert_eq!(
        (&by_provider[0]["provider_id"], &by_provider[0]["provider_name"]),
        (&json!("a"), &json!("a"))
    );
    assert_eq!(by_provider[0]["methods"].as_array().unwrap().len(), 2);
    assert_eq!(by_provider[1]["methods"].as_array().unwrap().len(), 1, "B was never asked for the gas price");
    assert_eq!(names(&by_provider[0]["methods"][1]), METHOD);
    let who = &by_provider[0]["methods"][1];
    assert_eq!(
        (&who["method"], &who["total_calls"], &who["success_rate"]),
        (&json!(WHO), &json!(3), &json!(0.3333))
    );
    assert!(number(&who["avg_latency_ms"]) > 0.0 && number(&who["p99_latency_ms"]) > 0.0);

    let by_method = page["rpc_performance_by_method"].as_array().unwrap();
    let methods: Vec<_> =
        by_method.iter().map(|row| (&row["method"], row["providers"].as_array().unwrap())).collect();
    assert_eq!((methods[0].0, methods[0].1.len()), (&json!("eth_gasPrice"), 1));
    assert_eq!((methods[1].0, methods[1].1.len()), (&json!(WHO), 2));
    let mut with_provider = METHOD.to_vec();
    with_provider.extend(["provider_id", "provider_name"]);
    with_provider.sort_unstable();
    assert_eq!(names(&methods[1].1[1]), with_provider);
    assert_eq!(methods[1].1[1]["provider_id"], "b");

    let system = &page["system_metrics"];
    assert!(number(&system["process_count"]) >= 1.0, "at least the task of this connection");
    assert!(number(&system["run_queue"]) >= 0.0 && number(&system["cpu_percent"]) >= 0.0);
    #[cfg(target_os = "linux")]
    assert!(number(&system["memory_mb"]) > 1.0);
}

#[tokio::test]
async fn routing_17_case_69_a_provider_without_a_success_shows_no_latency_and_no_score() {
    let world = World::start(&["a", "b"]).await;
    world.behave("a", Fault::status(StatusCode::INTERNAL_SERVER_ERROR));
    world.who().await;
    world.who().await;
    let page = metrics(&world, "ethereum").await;
    let last = &page["providers"][1];
    assert_eq!(
        (&last["id"], &last["avg_latency_ms"], &last["score"]),
        (&json!("a"), &json!(0.0), &json!(0.0))
    );
}

#[tokio::test]
async fn a_chain_goes_by_each_of_its_names() {
    let world =
        World::with(&["a", "b"], |_| {}, |chain| chain.url_aliases = vec!["main_net".to_owned()]).await;
    for name in ["ethereum", "main_net", "main%5Fnet", "1"] {
        let page = metrics(&world, name).await;
        assert_eq!(page["chain"], "ethereum", "{name}");
        // Nothing has been called: nobody is listed, and no share is made up.
        for list in ["providers", "rpc_methods", "rpc_performance_by_provider", "rpc_performance_by_method"] {
            assert_eq!(page[list], json!([]), "{list}");
        }
        assert_eq!(page["last_updated"], Value::Null);
        let chain = &page["chain_performance"];
        assert_eq!((&chain["success_rate"], &chain["error_rate_percent"]), (&json!(0.0), &json!(0.0)));
    }
    world.proxy.open_breaker("a");
    assert_eq!(metrics(&world, "1").await["chain_performance"]["connected_providers"], 1);
}

#[tokio::test]
async fn another_profile_has_records_of_its_own() {
    let nodes = [node("a").await];
    let profiles = vec![profile("default", chain_of(&nodes)), profile("team", chain_of(&nodes))];
    let proxy = Proxy::start(profiles, |_| {}).await;
    proxy.call_at("/rpc/profile/team/ethereum", WHO, json!([])).await.result();
    for (query, expected) in [("", 0), ("?profile=default", 0), ("?profile=team&t=1", 1)] {
        let page = proxy.get(&format!("/api/metrics/1{query}")).await.json();
        assert_eq!(page["chain_performance"]["total_calls"], expected, "{query}");
    }
    let unknown = proxy.get("/api/metrics/1?profile=nobody").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert_eq!(
        (&unknown.json()["error"], &unknown.json()["chain"]),
        (&json!("Unknown profile"), &json!("1"))
    );
    let twice = proxy.get("/api/metrics/1?profile=team&profile=default").await;
    assert_eq!((twice.status, &twice.json()["parameter"]), (StatusCode::BAD_REQUEST, &json!("profile")));
}

#[tokio::test]
async fn an_unknown_chain_is_answered_with_those_there_are() {
    let world = World::start(&["a"]).await;
    for name in ["solana", "2", ""] {
        let reply = world.proxy.get(&format!("/api/metrics/{name}")).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND);
        let expected = json!({ "error": "Unknown chain", "chain": name, "available_chains": ["ethereum"] });
        assert_eq!(reply.json(), expected);
    }
    let deeper = world.proxy.get("/api/metrics/ethereum/more").await;
    assert_eq!(deeper.json(), json!({ "errors": { "detail": "Not Found" } }));
}

/// What is no failover: the end of a call, and a channel that is not asked.
#[tokio::test]
async fn only_attempts_that_follow_a_failed_one_are_failovers() {
    let world = World::start(&["a", "b"]).await;
    for name in ["a", "b"] {
        world.node(name).behave([Rule::any(Fault::status(StatusCode::INTERNAL_SERVER_ERROR))]);
    }
    // One failover, and then nobody is left.
    world.proxy.call(WHO, json!([])).await.error();
    assert_eq!(metrics(&world, "1").await["chain_performance"]["failovers_last_minute"], 1);
    world.proxy.open_breaker("a");
    world.node("b").behave([]);
    assert_eq!(world.who().await, "b");
    assert_eq!(metrics(&world, "1").await["chain_performance"]["failovers_last_minute"], 1);
}
