//! Clients that send too much, too little or something else.

use http::StatusCode;
use lasso_rpc::sim::{Fault, HugeResult, Rule};
use serde_json::{Value, json};

use crate::support::{Raw, WHO, World, request, until};

/// A call of exactly so many bytes.
fn call_of(length: usize) -> String {
    let empty = request(WHO, &json!([""]));
    request(WHO, &json!(["x".repeat(length - empty.len())]))
}

#[tokio::test]
async fn api_case_17_a_body_of_the_largest_size_is_taken() {
    let world = World::start(&["a"]).await;
    let body = call_of(8_000_000);
    assert_eq!(body.len(), 8_000_000);
    assert_eq!(world.proxy.post("/rpc/ethereum", body).await.who(), "a");
}

#[tokio::test]
async fn api_case_17_a_larger_one_is_refused_before_it_is_sent() {
    let world = World::start(&["a"]).await;
    let mut client = Raw::connect(world.proxy.address).await;
    client.send("POST /rpc/ethereum HTTP/1.1\r\nhost: x\r\ncontent-length: 8000001\r\n\r\n").await;
    let (status, body) = client.response().await;
    assert_eq!((status, &body["error"]["code"], &body["id"]), (413, &json!(-32600), &Value::Null));
    assert_eq!(world.asked(), [0]);
}

#[tokio::test]
async fn a_body_of_unknown_length_is_refused_once_it_is_too_large() {
    let world = World::with(&["a"], |settings| settings.server.max_body_bytes = 1_000, |_| {}).await;
    let chunked = |body: String| {
        let head = "POST /rpc/ethereum HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
        format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
    };
    let mut client = Raw::connect(world.proxy.address).await;
    client.send(chunked(call_of(1_001))).await;
    let (status, body) = client.response().await;
    assert_eq!((status, &body["error"]["code"]), (413, &json!(-32600)));
    assert_eq!(world.asked(), [0]);
    let mut client = Raw::connect(world.proxy.address).await;
    client.send(chunked(call_of(1_000))).await;
    assert_eq!(client.response().await.0, 200);
    assert_eq!(world.asked(), [1]);
}

#[tokio::test]
async fn when_too_many_bytes_are_under_way_new_ones_wait_outside() {
    let world = World::with(&["a"], |settings| settings.server.inflight_bytes = 8_192, |_| {}).await;
    world.behave("a", Fault::Hang);
    let first = world.proxy.spawn_call("/rpc/ethereum", WHO);
    let second = world.proxy.spawn_call("/rpc/ethereum", WHO);
    world.wait_in_flight("a", 2).await;
    assert_eq!(world.proxy.runtime.budget.used(), 8_192);
    let reply = world.proxy.call(WHO, json!([])).await;
    assert_eq!((reply.status, reply.error().0), (StatusCode::SERVICE_UNAVAILABLE, -32008));
    assert_eq!(reply.json()["id"], Value::Null);
    assert_eq!(world.asked(), [2]);
    first.abort();
    second.abort();
    until("the bytes are given back", || world.proxy.runtime.budget.used() == 0).await;
    world.node("a").heal();
    assert_eq!(world.who().await, "a");
}

#[tokio::test]
async fn what_a_small_request_counts_for_is_a_setting() {
    let world = World::with(&["a"], |settings| settings.server.inflight_min_charge_bytes = 0, |_| {}).await;
    world.behave("a", Fault::Hang);
    let call = world.proxy.spawn_call("/rpc/ethereum", WHO);
    world.wait_in_flight("a", 1).await;
    assert_eq!(world.proxy.runtime.budget.used(), request(WHO, &json!([])).len() as u64);
    call.abort();
}

#[tokio::test]
async fn bytes_are_given_back_with_the_end_of_the_answer() {
    let world = World::start(&["a"]).await;
    world.node("a").behave([Rule::method("eth_getLogs", Fault::Stream(HugeResult::new(32 << 20)))]);
    let url = world.proxy.url("/rpc/ethereum");
    let response = world.proxy.client.open(&url, &[], request("eth_getLogs", &json!([{}]))).await.unwrap();
    assert_eq!(world.proxy.runtime.budget.used(), 4_096);
    drop(response);
    until("the bytes are given back", || world.proxy.runtime.budget.used() == 0).await;
}

#[tokio::test]
async fn api_case_16_bodies_that_are_no_json() {
    let world = World::start(&["a"]).await;
    for body in [
        &br#"{"id":"#[..],
        b"{\"id\":1} true",
        b"{\"id\":1,}",
        b"\xff",
        b"{\"method\":\"\xff\"}",
        b"[1,",
        b"nul",
    ] {
        let reply = world.proxy.post("/rpc/ethereum", body).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{body:?}");
        assert_eq!(reply.error(), (-32700, "Parse error: Invalid JSON".to_owned()), "{body:?}");
        assert_eq!(reply.json()["id"], Value::Null);
    }
}

#[tokio::test]
async fn api_cases_1_7_and_8_bodies_that_are_no_calls() {
    let world = World::start(&["a"]).await;
    for (body, id) in [
        ("", Value::Null),
        ("[]", Value::Null),
        ("1", Value::Null),
        ("null", Value::Null),
        ("\"x\"", Value::Null),
        ("{}", Value::Null),
        (r#"{"jsonrpc":"2.0","id":7}"#, json!(7)),
        (r#"{"jsonrpc":"2.0","id":"x","method":1}"#, json!("x")),
        (r#"{"jsonrpc":"1.0","method":"eth_gasPrice"}"#, Value::Null),
        (r#"{"jsonrpc":2.0,"id":7,"method":"eth_gasPrice"}"#, json!(7)),
    ] {
        let reply = world.proxy.post("/rpc/ethereum", body).await;
        assert_eq!((reply.status, reply.error().0), (StatusCode::OK, -32600), "{body}");
        assert_eq!(reply.json()["id"], id, "{body}");
    }
    assert_eq!(world.node("a").calls("eth_gasPrice"), 0);
    let reply = world.proxy.post("/rpc/ethereum", r#"{"method":"eth_chainId","id":"a"}"#).await;
    assert_eq!((reply.result(), &reply.json()["id"]), (json!("0x1"), &json!("a")));
}

#[tokio::test]
async fn api_case_18_two_lengths_are_refused() {
    let world = World::start(&["a"]).await;
    let body = request(WHO, &json!([]));
    for lengths in [
        "content-length: 2\r\ntransfer-encoding: chunked".to_owned(),
        "transfer-encoding: chunked\r\ncontent-length: 2".to_owned(),
        format!("content-length: {}\r\ncontent-length: 2", body.len()),
        "content-length: -1".to_owned(),
        "content-length: 1,".to_owned(),
    ] {
        let mut client = Raw::connect(world.proxy.address).await;
        let chunk = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
        client.send(format!("POST /rpc/ethereum HTTP/1.1\r\nhost: x\r\n{lengths}\r\n\r\n{chunk}")).await;
        let (status, _) = client.response().await;
        assert_eq!(status, 400, "{lengths}");
    }
    assert_eq!(world.asked(), [0]);
}

#[tokio::test]
async fn a_body_that_ends_early_is_no_call() {
    let world = World::start(&["a"]).await;
    let body = request(WHO, &json!([]));
    let mut client = Raw::connect(world.proxy.address).await;
    let length = body.len() + 10;
    client
        .send(format!("POST /rpc/ethereum HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{body}"))
        .await;
    until("the bytes are counted", || world.proxy.runtime.budget.used() > 0).await;
    client.finish().await;
    until("the bytes are given back", || world.proxy.runtime.budget.used() == 0).await;
    assert_eq!(world.asked(), [0]);
}

#[tokio::test]
async fn what_is_no_http_is_hung_up_on() {
    let world = World::start(&["a"]).await;
    for garbage in
        [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 and so on\r\n\r\n"[..], b"hello\r\n\r\n", &[0; 100]]
    {
        let mut client = Raw::connect(world.proxy.address).await;
        client.send(garbage).await;
        client.finish().await;
        // A status is allowed, an answer of a node is not.
        let _ = client.is_closed().await;
    }
    assert_eq!(world.asked(), [0]);
    assert_eq!(world.who().await, "a");
}

#[tokio::test]
async fn requests_sent_ahead_are_answered_in_order() {
    let world = World::start(&["a"]).await;
    let mut client = Raw::connect(world.proxy.address).await;
    let mut all = String::new();
    for id in 0..20 {
        let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{WHO}"}}"#);
        let length = body.len();
        all.push_str(&format!(
            "POST /rpc/ethereum HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{body}"
        ));
    }
    client.send(all).await;
    for id in 0..20 {
        let (status, body) = client.response().await;
        assert_eq!((status, &body["id"]), (200, &json!(id)));
        assert!(body["result"].is_string());
    }
}

#[tokio::test]
async fn clients_that_dawdle_keep_nobody_waiting() {
    let world = World::start(&["a"]).await;
    let mut dawdlers = Vec::new();
    for at in 0..150 {
        let mut client = Raw::connect(world.proxy.address).await;
        client
            .send(match at % 3 {
                0 => "",
                1 => "POST /rpc/ethereum HTTP/1.1\r\nhost:",
                _ => "POST /rpc/ethereum HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{\"jsonrpc\"",
            })
            .await;
        dawdlers.push(client);
    }
    until("the half bodies are counted", || world.proxy.runtime.budget.used() == 50 * 4_096).await;
    for _ in 0..20 {
        assert_eq!(world.who().await, "a");
    }
    drop(dawdlers);
    until("the bytes are given back", || world.proxy.runtime.budget.used() == 0).await;
}

#[tokio::test]
async fn deep_nesting_harms_nobody() {
    let world = World::start(&["a"]).await;
    for depth in [100, 100_000, 3_000_000] {
        let params = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"eth_gasPrice","params":{params}}}"#);
        let reply = world.proxy.post("/rpc/ethereum", body).await;
        assert!([StatusCode::OK, StatusCode::BAD_REQUEST].contains(&reply.status), "{depth}");
        assert_eq!(world.who().await, "a");
    }
}

#[tokio::test]
async fn an_answer_nobody_can_read_is_not_given() {
    let world = World::start(&["a"]).await;
    let body = request(WHO, &json!([]));
    let reply = world.proxy.post_with("/rpc/ethereum", &[("accept", "text/html")], body).await;
    assert_eq!(reply.status, StatusCode::NOT_ACCEPTABLE);
    assert_eq!(reply.json(), json!({ "errors": { "detail": "Not Acceptable" } }));
    assert_eq!(world.asked(), [0]);
}
