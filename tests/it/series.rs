//! `GET /api/series`: latency and success over time.

use http::StatusCode;
use lasso_rpc::sim::{Fault, Rule};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::history::keep;
use crate::support::{LIMIT, Proxy, WHO, World, chain_of, ms, profile};

/// Asks again and again until the answer is as wanted.
async fn read_until(proxy: &Proxy, query: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
    let reading = async {
        loop {
            let reply = proxy.get(&format!("/api/series{query}")).await;
            if reply.status == StatusCode::OK && is_wanted(&reply.json()) {
                return reply.json();
            }
            tokio::time::sleep(ms(5)).await;
        }
    };
    timeout(LIMIT, reading).await.expect("the series come to be as wanted")
}

fn calls(page: &Value) -> u64 {
    points(page).iter().map(|point| point["calls"].as_u64().unwrap()).sum()
}

fn points(page: &Value) -> &[Value] {
    page["points"].as_array().expect("a list")
}

#[tokio::test]
async fn points_have_the_percentiles_of_their_calls_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::with(&["slow", "spare"], keep(folder.path()), |_| {}).await;
    world.behave("slow", Fault::latency(ms(100)));
    for _ in 0..3 {
        assert_eq!(world.who().await, "slow");
    }
    world.behave("slow", Fault::status(StatusCode::INTERNAL_SERVER_ERROR));
    assert_eq!(world.who().await, "spare");
    world
        .node("slow")
        .behave([Rule::method("eth_gasPrice", Fault::status(StatusCode::INTERNAL_SERVER_ERROR))]);
    world.proxy.call("eth_gasPrice", json!([])).await.result();
    world.proxy.stop();
    world.proxy.ended().await;
    let again = Proxy::start(vec![profile("default", chain_of(&world.nodes))], keep(folder.path())).await;

    // All that was written down, in however many entries, is one point of each series: a step of 32 years.
    let query = "?chain=ethereum&step=1000000000";
    let page = read_until(&again, query, |page| calls(page) == 7).await;
    assert_eq!((&page["profile"], &page["chain"]), (&json!("default"), &json!("ethereum")));
    assert_eq!((&page["step_seconds"], &page["next_from"]), (&json!(1_000_000_000), &Value::Null));
    let slow =
        points(&page).iter().find(|point| point["provider"] == "slow" && point["method"] == WHO).unwrap();
    assert_eq!((&slow["calls"], &slow["success_rate"]), (&json!(4), &json!(0.75)));
    assert_eq!(slow["transport"], "http");
    assert_eq!(slow["t"].as_u64().unwrap(), 1_000_000_000);
    for name in ["p50_ms", "p95_ms", "p99_ms", "avg_ms"] {
        // None was quicker than the node; 12.3 % is what a percentile may be off.
        assert!(slow[name].as_f64().unwrap() >= 87.0, "{name} of {slow}");
    }
    let failed = read_until(&again, "?chain=1&step=1000000000&provider=slow&method=eth_gasPrice", |page| {
        calls(page) == 1
    })
    .await;
    let failed = &points(&failed)[0];
    assert_eq!(
        (&failed["avg_ms"], &failed["p50_ms"], &failed["p99_ms"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    assert_eq!(failed["success_rate"], 0.0);

    for (more, expected) in [
        ("&provider=spare", 2),
        ("&method=eth_gasPrice", 2),
        ("&transport=http", 7),
        ("&transport=ws", 0),
        ("&provider=nobody", 0),
        ("&from=0&to=999999999", 0),
    ] {
        let page = again.get(&format!("/api/series{query}{more}")).await.json();
        assert_eq!(calls(&page), expected, "{more}");
    }
    let day = again.get("/api/series?chain=ethereum&from=0&to=86400").await.json();
    assert_eq!(day["step_seconds"], 360, "240 steps");
}

#[tokio::test]
async fn bad_parameters_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::with(&["a"], keep(folder.path()), |_| {}).await;
    for (query, name) in [
        ("", "chain"),
        ("?profile=default", "chain"),
        ("?chain=1&from=yesterday", "from"),
        ("?chain=1&from=20&to=10", "from"),
        ("?chain=1&transport=smoke", "transport"),
        ("?chain=1&step=0", "step"),
        ("?chain=1&step=1m", "step"),
        ("?chain=1&chain=2", "chain"),
        ("?chain=1&providers=a", "providers"),
    ] {
        let reply = world.proxy.get(&format!("/api/series{query}")).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(reply.json()["parameter"], name);
        assert!(reply.json()["error"].as_str().unwrap().contains(&format!("`{name}`")), "{}", reply.text());
    }
    let without = World::start(&["a"]).await;
    assert_eq!(without.proxy.get("/api/series?chain=1").await.status, StatusCode::NOT_FOUND);
    assert_eq!(without.proxy.get("/api/series").await.status, StatusCode::BAD_REQUEST);
}
