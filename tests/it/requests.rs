//! `GET /api/requests` and `GET /api/requests/:id`.

use http::StatusCode;
use lasso_rpc::sim::Fault;
use serde_json::{Value, json};

use crate::support::{Reply, WHO, World, request, until};

/// The page about a request.
async fn page(world: &World, id: &str) -> Value {
    let reply = world.proxy.get(&format!("/api/requests/{id}")).await;
    assert_eq!(reply.status, StatusCode::OK, "{id}: {}", reply.text());
    reply.json()
}

async fn list(world: &World, query: &str) -> Vec<Value> {
    let reply = world.proxy.get(&format!("/api/requests?{query}")).await;
    assert_eq!(reply.status, StatusCode::OK, "{query}: {}", reply.text());
    reply.json()["requests"].as_array().unwrap().clone()
}

fn id(reply: &Reply) -> &str {
    reply.header("x-request-id")
}

/// Provider, outcome and category of each attempt.
fn attempts(page: &Value) -> Vec<(&str, &str, Option<&str>)> {
    let attempts = page["attempts"].as_array().unwrap().iter();
    attempts
        .map(|it| {
            let name = |of: &str| it[of].as_str();
            (name("provider").expect("a name"), name("outcome").expect("a word"), name("category"))
        })
        .collect()
}

#[tokio::test]
async fn every_reply_names_the_request_and_the_page_says_what_became_of_it() {
    let world = World::start(&["a", "b"]).await;
    world.behave("a", Fault::status(StatusCode::INTERNAL_SERVER_ERROR));
    let reply = world.proxy.call(WHO, json!([])).await;
    let page = page(&world, id(&reply)).await;
    for (name, expected) in [
        ("request_id", json!(id(&reply))),
        ("profile", json!("default")),
        ("chain", json!("ethereum")),
        ("chain_id", json!(1)),
        ("method", json!(WHO)),
        ("strategy", json!("priority")),
        ("provider", json!("b")),
        ("transport", json!("http")),
        ("result", json!("success")),
        ("error", Value::Null),
        ("origin", json!("client")),
        ("failovers", json!(1)),
        ("items", json!([])),
    ] {
        assert_eq!(page[name], expected, "{name}");
    }
    assert_eq!(page["instance_id"], world.proxy.channel("b").instance_id.as_str());
    assert_eq!(
        attempts(&page),
        [("a", "service_failure", Some("server_error")), ("b", "usable_success", None)]
    );
    assert!(page["attempts"].as_array().unwrap().iter().all(|it| it["duration_ms"].is_number()), "{page}");
    let why = &page["explanation"]["candidates"];
    assert_eq!((&why[0]["provider"], &why[0]["order"]), (&json!("a"), &json!(1)));
    for part in ["selection_ms", "upstream_ms", "end_to_end_ms", "overhead_ms"] {
        assert!(page["timing"][part].is_number(), "{part}: {page}");
    }

    let lost = world.proxy.get("/api/requests/nobody-asked-this").await;
    assert_eq!(lost.status, StatusCode::NOT_FOUND);
    assert_eq!(lost.json()["request_id"], "nobody-asked-this");
}

#[tokio::test]
async fn an_id_of_the_client_finds_the_request_however_long_or_odd_it_is() {
    let world = World::start(&["a"]).await;
    let long = "x".repeat(200);
    for (sent, in_path, kept) in [
        ("an/id with 20 letters", "an%2Fid%20with%2020%20letters", Some("an/id with 20 letters")),
        (long.as_str(), long.as_str(), None),
    ] {
        let headers = [("x-request-id", sent), ("x-lasso-include-meta", "headers")];
        let reply = world.proxy.post_with("/rpc/ethereum", &headers, request(WHO, &json!([]))).await;
        assert_eq!(id(&reply), sent);
        let page = page(&world, in_path).await;
        // As in metadata and in the log.
        assert_eq!(page["request_id"], reply.header("x-lasso-request-id"));
        match kept {
            Some(kept) => assert_eq!(page["request_id"], kept),
            None => assert!(page["request_id"].as_str().unwrap().starts_with("sha256:")),
        }
    }
}

#[tokio::test]
async fn errors_say_what_they_are_and_what_was_tried() {
    let world = World::start(&["a", "b"]).await;
    world.behave("a", Fault::rpc_error(3, "execution reverted"));
    let reverted = page(&world, id(&world.proxy.call(WHO, json!([])).await)).await;
    assert_eq!(reverted["result"], "error");
    let error = json!({ "code": 3, "message": "execution reverted", "category": "execution_revert" });
    assert_eq!(reverted["error"], error);
    assert_eq!(attempts(&reverted), [("a", "neutral_error", Some("execution_revert"))]);

    // Nobody is there: an attempt too, although nothing could be sent.
    for node in ["a", "b"] {
        world.behave(node, Fault::Reset);
    }
    let failed = page(&world, id(&world.proxy.call(WHO, json!([])).await)).await;
    let broken = Some("network_error");
    assert_eq!(attempts(&failed), [("a", "service_failure", broken), ("b", "service_failure", broken)]);

    // Refused before any channel was considered.
    let refused = world.proxy.call("eth_accounts", json!([])).await;
    let refused = page(&world, id(&refused)).await;
    assert_eq!((&refused["explanation"], &refused["attempts"]), (&Value::Null, &json!([])));
    assert_eq!((&refused["result"], &refused["provider"]), (&json!("error"), &Value::Null));
    let nowhere = page(&world, id(&world.proxy.call_at("/rpc/nowhere", WHO, json!([])).await)).await;
    assert_eq!((&nowhere["chain"], &nowhere["chain_id"]), (&json!("nowhere"), &Value::Null));
}

#[tokio::test]
async fn a_batch_has_one_id_and_a_page_for_each_item() {
    let world = World::start(&["a"]).await;
    let items = [WHO, "eth_chainId", "eth_gasPrice"].map(|method| request(method, &json!([])));
    let reply = world.proxy.post("/rpc/ethereum", format!("[{}]", items.join(","))).await;
    assert_eq!(reply.json().as_array().map(Vec::len), Some(3));
    let first = page(&world, id(&reply)).await;
    assert_eq!((&first["method"], &first["batch_size"]), (&json!(WHO), &json!(3)));
    let methods: Vec<_> = first["items"].as_array().unwrap().iter().map(|item| &item["method"]).collect();
    assert_eq!(methods, [WHO, "eth_chainId", "eth_gasPrice"]);
    let last = page(&world, &format!("{}?item=2", id(&reply))).await;
    assert_eq!((&last["method"], &last["batch_index"]), (&json!("eth_gasPrice"), &json!(2)));
    let beyond = world.proxy.get(&format!("/api/requests/{}?item=3", id(&reply))).await;
    assert_eq!(beyond.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_message_of_a_socket_is_found_by_the_id_in_its_metadata() {
    let world = World::start(&["a"]).await;
    let mut socket = world.proxy.socket().await;
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": WHO, "params": [], "lasso_meta": "notify" });
    socket.send(call.to_string()).await;
    assert_eq!(socket.next().await["id"], 1);
    let meta = socket.next().await["params"].take();
    let page = page(&world, meta["request_id"].as_str().unwrap()).await;
    assert_eq!((&page["method"], &page["provider"]), (&json!(WHO), &json!("a")));
    assert_eq!(page["explanation"]["candidates"][0]["provider"], "a");
}

#[tokio::test]
async fn a_client_that_left_is_among_the_requests() {
    let world = World::start(&["a"]).await;
    world.behave("a", Fault::Hang);
    let asking = world.proxy.spawn_call("/rpc/ethereum", WHO);
    until("the node is asked", || world.node("a").calls(WHO) == 1).await;
    assert_eq!(list(&world, "").await, [Value::Null; 0], "it is not over yet");
    asking.abort();
    let is_kept = || !world.proxy.runtime.observed.decisions().is_empty();
    until("the router notices", is_kept).await;
    let rows = list(&world, "result=cancelled").await;
    assert_eq!((rows.len(), &rows[0]["error"]), (1, &Value::Null));
    let page = page(&world, rows[0]["request_id"].as_str().unwrap()).await;
    assert_eq!(attempts(&page), [("a", "cancelled", Some("cancelled"))]);
    assert_eq!(page["attempts"][0]["duration_ms"], Value::Null);
}

#[tokio::test]
async fn the_list_is_newest_first_and_can_be_narrowed() {
    let world = World::start(&["a", "b"]).await;
    world.proxy.call(WHO, json!([])).await.result();
    world.proxy.call_at("/rpc/ethereum/b", "eth_gasPrice", json!([])).await.result();
    world.proxy.call("eth_accounts", json!([])).await.error();
    let methods = async |query: &str| {
        let rows = list(&world, query).await;
        rows.iter().map(|row| row["method"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(methods("").await, ["eth_accounts", "eth_gasPrice", WHO]);
    assert_eq!(methods("limit=1").await, ["eth_accounts"]);
    assert_eq!(methods("provider=b").await, ["eth_gasPrice"]);
    assert_eq!(methods("result=error").await, ["eth_accounts"]);
    assert_eq!(methods("result=success&chain=1&profile=default&origin=client").await, ["eth_gasPrice", WHO]);
    assert_eq!(methods(&format!("method={WHO}&chain=ethereum")).await, [WHO]);
    for nothing in ["chain=base", "profile=other", "origin=system", "provider=c"] {
        assert_eq!(methods(nothing).await, [""; 0], "{nothing}");
    }
    for (query, parameter) in [
        ("limit=201", "limit"),
        ("limit=0", "limit"),
        ("result=fine", "result"),
        ("origin=me", "origin"),
        ("color=red", "color"),
    ] {
        let reply = world.proxy.get(&format!("/api/requests?{query}")).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(reply.json()["parameter"], parameter);
    }
    // Pages are no calls, and neither are explanations.
    world.proxy.get(&format!("/api/explain?chain=1&method={WHO}")).await;
    assert_eq!(methods("").await.len(), 3);
}
