//! The history of measurements: `GET /api/history`, across restarts.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use http::StatusCode;
use lasso_layers::catalog::{ChainSpec, ProfileSpec};
use lasso_rpc::config::Settings;
use lasso_rpc::sim::{Fault, SimNode};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::{LIMIT, Proxy, WHO, World, chain_of, ms, node, profile};

pub(crate) fn keep(folder: &Path) -> impl FnOnce(&mut Settings) {
    let dir = folder.to_str().unwrap().to_owned();
    move |settings| {
        settings.history.enabled = true;
        settings.history.dir = dir;
        settings.history.interval = ms(20);
    }
}

/// Asks again and again until the answer is as wanted.
async fn read_until(proxy: &Proxy, query: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
    let reading = async {
        loop {
            let reply = proxy.get(&format!("/api/history{query}")).await;
            if reply.status == StatusCode::OK && is_wanted(&reply.json()) {
                return reply.json();
            }
            tokio::time::sleep(ms(5)).await;
        }
    };
    timeout(LIMIT, reading).await.expect("the history comes to be as wanted")
}

fn snapshots(page: &Value) -> &[Value] {
    page["snapshots"].as_array().expect("a list")
}

/// Calls of each `provider method@transport`, over all snapshots of the page.
fn calls(page: &Value) -> Vec<(String, u64)> {
    let mut calls = std::collections::BTreeMap::new();
    for row in
        snapshots(page).iter().flat_map(|snapshot| snapshot["data"]["snapshot_data"].as_array().unwrap())
    {
        let name =
            format!("{} {}", row["provider_id"].as_str().unwrap(), row["rpc_method"].as_str().unwrap());
        *calls.entry(name).or_default() += row["rpc_calls"].as_u64().unwrap();
    }
    calls.into_iter().collect()
}

fn sorted(names: &[(&str, u64)]) -> Vec<(String, u64)> {
    names.iter().map(|(name, calls)| ((*name).to_owned(), *calls)).collect()
}

/// Names that a file name would have to take apart again.
fn tenant(nodes: &[SimNode]) -> ProfileSpec {
    let mut chain = ChainSpec::new("main_net_1", 1);
    chain.url_aliases = vec!["one".to_owned()];
    chain.providers = chain_of(nodes).providers;
    profile("team_a_b", chain)
}

#[tokio::test]
async fn routing_17_case_70_history_outlives_the_process_whatever_the_slugs() {
    let folder = tempfile::tempdir().unwrap();
    let nodes = [node("p_1").await, node("p_2").await];
    let at = "/rpc/profile/team_a_b/main_net_1";
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();

    let mut first = Proxy::start(vec![tenant(&nodes)], keep(folder.path())).await;
    nodes[0].behave([lasso_rpc::sim::Rule::method(WHO, Fault::status(StatusCode::INTERNAL_SERVER_ERROR))]);
    assert_eq!(first.call_at(at, WHO, json!([])).await.who(), "p_2");
    first.call_at(at, "eth_gasPrice", json!([])).await.result();
    // Stopping writes what no interval has written yet.
    first.stop();
    first.ended().await;

    let second = Proxy::start(vec![tenant(&nodes)], keep(folder.path())).await;
    let query = "?profile=team_a_b";
    let page = read_until(&second, query, |page| !snapshots(page).is_empty()).await;
    let expected = [
        ("p_1 eth_gasPrice@http", 1),
        ("p_1 web3_clientVersion@http", 1),
        ("p_2 web3_clientVersion@http", 1),
    ];
    assert_eq!(calls(&page), sorted(&expected));
    assert_eq!((&page["profile"], &page["next_from"]), (&json!("team_a_b"), &Value::Null));

    let snapshot = &snapshots(&page)[0];
    assert_eq!((&snapshot["profile"], &snapshot["chain_name"]), (&json!("team_a_b"), &json!("main_net_1")));
    let timestamp = snapshot["timestamp"].as_u64().unwrap();
    assert!((started..started + 3_600).contains(&timestamp), "{timestamp}");
    let datetime = snapshot["datetime"].as_str().unwrap();
    assert_eq!(
        humantime::parse_rfc3339(datetime).unwrap().duration_since(UNIX_EPOCH).unwrap().as_secs(),
        timestamp
    );
    let data = &snapshot["data"];
    assert_eq!((&data["profile"], &data["chain_name"]), (&json!("team_a_b"), &json!("main_net_1")));
    assert_eq!(data["hour_timestamp"].as_u64().unwrap(), timestamp / 3_600 * 3_600);
    // Failed calls have no latency, and an average that is weighted by calls shows it.
    let failed = &data["snapshot_data"].as_array().unwrap()[1];
    assert_eq!(failed["rpc_success_rate"], 0.0);
    assert_eq!(failed["rpc_avg_duration_ms"], 0.0);
    assert!(data["snapshot_data"][0]["rpc_avg_duration_ms"].as_f64().unwrap() > 0.0);
    assert!(data["snapshot_data"][0]["last_updated"].as_u64().unwrap() / 1_000 >= started);

    // Routing starts anew: the first process' failure is history and nothing else.
    let metrics = second.get("/api/metrics/main_net_1").await;
    assert_eq!(metrics.status, StatusCode::NOT_FOUND, "there is no default profile here");
    second.call_at(at, "eth_gasPrice", json!([])).await.result();
    let both = [("p_1 eth_gasPrice@http", 2), expected[1], expected[2]];
    read_until(&second, query, |page| calls(page) == sorted(&both)).await;

    // The chain goes by its other names, and other names have no history.
    for (chain, is_there) in
        [("main_net_1", true), ("one", true), ("1", true), ("main_net", false), ("b", false)]
    {
        let page = second.get(&format!("/api/history{query}&chain={chain}")).await.json();
        assert_eq!(!snapshots(&page).is_empty(), is_there, "{chain}");
    }
    assert_eq!(snapshots(&second.get("/api/history").await.json()), [Value::Null; 0], "the default profile");
    let old = second.get(&format!("/api/history{query}&from=0&to=3600")).await.json();
    assert_eq!((snapshots(&old).len(), &old["from"], &old["to"]), (0, &json!(0), &json!(3600)));
}

#[tokio::test]
async fn bad_parameters_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::with(&["a"], keep(folder.path()), |_| {}).await;
    for (query, name) in [
        ("?from=yesterday", "from"),
        ("?to=1.5", "to"),
        ("?from=20&to=10", "from"),
        ("?profile=a&profile=b", "profile"),
        ("?chian=ethereum", "chian"),
    ] {
        let reply = world.proxy.get(&format!("/api/history{query}")).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(reply.json()["parameter"], name);
        assert!(reply.json()["error"].as_str().unwrap().contains(&format!("`{name}`")), "{}", reply.text());
    }
}

#[tokio::test]
async fn without_a_file_there_is_a_router_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("occupied");
    fs::write(&file, "").unwrap();
    let world = World::with(&["a"], keep(&file), |_| {}).await;
    assert_eq!(world.who().await, "a");
    let reply = world.proxy.get("/api/history").await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!reply.text().contains("occupied"), "paths are nobody's business: {}", reply.text());

    let without = World::start(&["a"]).await;
    let reply = without.proxy.get("/api/history").await;
    assert_eq!(reply.status, StatusCode::NOT_FOUND);
    assert!(reply.text().contains("history.enabled"), "{}", reply.text());
}

#[tokio::test]
async fn a_process_that_takes_over_gets_the_file_when_it_is_free() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = World::with(&["a"], keep(folder.path()), |_| {}).await;
    first.who().await;
    read_until(&first.proxy, "", |page| !snapshots(page).is_empty()).await;
    let second = World::with(&["a"], keep(folder.path()), |_| {}).await;
    // Counted while the other one still has the file.
    second.who().await;
    assert_eq!(second.proxy.get("/api/history").await.status, StatusCode::SERVICE_UNAVAILABLE);
    first.proxy.stop();
    first.proxy.ended().await;
    let both = sorted(&[("a web3_clientVersion@http", 2)]);
    read_until(&second.proxy, "", |page| calls(page) == both).await;
}
