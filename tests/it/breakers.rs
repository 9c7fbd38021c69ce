//! `GET /api/breakers`: the time line of breakers.

use std::time::{SystemTime, UNIX_EPOCH};

use http::StatusCode;
use lasso_rpc::sim::Fault;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::history::keep;
use crate::support::{LIMIT, Proxy, World, chain_of, ms, profile};

async fn transitions(proxy: &Proxy, query: &str) -> Vec<Value> {
    let reply = proxy.get(&format!("/api/breakers{query}")).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    reply.json()["transitions"].as_array().expect("a list").clone()
}

/// Opens the breaker of `a` by calls that fail, and closes it by hand.
async fn open_and_close(world: &World) {
    world.behave("a", Fault::status(StatusCode::INTERNAL_SERVER_ERROR));
    while transitions(&world.proxy, "").await.is_empty() {
        assert_eq!(world.who().await, "b");
    }
    let catalog = world.proxy.runtime.live.snapshot();
    let channel = catalog.profiles()[0].chains()[0].providers[0].http.clone().unwrap();
    world.proxy.runtime.breakers.close(&channel);
}

fn states(transitions: &[Value]) -> Vec<(&str, &str)> {
    transitions.iter().map(|one| (one["from"].as_str().unwrap(), one["to"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn without_a_history_the_latest_are_known() {
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let world = World::start(&["a", "b"]).await;
    open_and_close(&world).await;
    let found = transitions(&world.proxy, "").await;
    assert_eq!(states(&found), [("closed", "open"), ("open", "closed")]);
    let opened = &found[0];
    assert!(u128::from(opened["ts"].as_u64().unwrap()) >= started);
    assert_eq!((&opened["chain"], &opened["provider"]), (&json!("ethereum"), &json!("a")));
    assert_eq!((&opened["transport"], &opened["category"]), (&json!("http"), &json!("server_error")));
    assert_eq!(found[1]["category"], Value::Null);
    for (query, expected) in
        [("?chain=1", 2), ("?chain=base", 0), ("?profile=other", 0), ("?from=0&to=1000", 0)]
    {
        assert_eq!(transitions(&world.proxy, query).await.len(), expected, "{query}");
    }
    for (query, name) in [("?provider=a", "provider"), ("?from=soon", "from")] {
        let reply = world.proxy.get(&format!("/api/breakers{query}")).await;
        assert_eq!((reply.status, &reply.json()["parameter"]), (StatusCode::BAD_REQUEST, &json!(name)));
    }
}

#[tokio::test]
async fn with_a_history_they_outlive_the_process_and_are_there_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::with(&["a", "b"], keep(folder.path()), |_| {}).await;
    open_and_close(&world).await;
    let first = transitions(&world.proxy, "").await;
    assert_eq!(first.len(), 2, "in memory, and perhaps in the file already");
    world.proxy.stop();
    world.proxy.ended().await;

    let profiles = vec![profile("default", chain_of(&world.nodes))];
    let again = Proxy::start(profiles, keep(folder.path())).await;
    // They are there as soon as the file is open, and stay as they were.
    let reading = async {
        while transitions(&again, "").await.is_empty() {
            tokio::time::sleep(ms(5)).await;
        }
    };
    timeout(LIMIT, reading).await.expect("they are read from the file");
    assert_eq!(transitions(&again, "").await, first);
}
