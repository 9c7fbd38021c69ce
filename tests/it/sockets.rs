//! WebSockets of clients.

use http::StatusCode;
use lasso_rpc::sim::{Fault, Rule};
use serde_json::{Value, json};

use crate::support::{Socket, WHO, World, until};

const ID_NULL: Value = Value::Null;

fn error(id: &Value, code: i64, message: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })
}

#[tokio::test]
async fn streaming_11_case_01_an_unknown_profile_is_refused_at_the_handshake() {
    let world = World::start(&["a"]).await;
    for path in
        ["/ws/rpc/profile/nope/ethereum", "/ws/rpc/nochain", "/ws/rpc/profile/nope/fastest/1", "/ws/rpc/"]
    {
        let Err((status, body)) = Socket::knock(world.proxy.address, path).await else { panic!("{path}") };
        assert_eq!((status, body.is_object()), (404, true), "{path}: {body}");
    }
}

#[tokio::test]
async fn streaming_11_case_02_an_unknown_provider_is_refused_at_the_handshake() {
    let world = World::start(&["a"]).await;
    for path in [
        "/ws/rpc/ethereum/ghost-provider",
        "/ws/rpc/provider/ghost-provider/ethereum",
        "/ws/rpc/ethereum?provider_id=ghost-provider",
    ] {
        let Err((status, body)) = Socket::knock(world.proxy.address, path).await else { panic!("{path}") };
        assert_eq!(status, 404, "{path}");
        assert!(body["error"]["message"].as_str().unwrap().contains("ghost-provider"), "{body}");
    }
}

#[tokio::test]
async fn streaming_11_case_03_what_is_not_json_is_said_so_and_the_socket_stays() {
    let world = World::start(&["a"]).await;
    let mut socket = world.proxy.socket().await;
    socket.send("{bad").await;
    assert_eq!(socket.next().await, error(&ID_NULL, -32700, "Parse error"));
    assert_eq!(
        socket.call(WHO, json!([])).await["result"].as_str().map(|who| who.ends_with("/a")),
        Some(true)
    );
}

#[tokio::test]
async fn streaming_11_case_04_without_a_version_the_id_comes_back_with_an_error() {
    let world = World::start(&["a"]).await;
    let mut socket = world.proxy.socket().await;
    let no_version = |id| error(&id, -32600, "Invalid Request: missing jsonrpc field");
    for (text, id) in [
        (r#"{"id":7,"method":"eth_blockNumber"}"#, json!(7)),
        (r#"{"jsonrpc":"1.0","id":"x","method":"eth_blockNumber"}"#, json!("x")),
        (r#"{"method":"eth_blockNumber"}"#, ID_NULL),
        (r#""text""#, ID_NULL),
        ("1", ID_NULL),
        ("null", ID_NULL),
    ] {
        socket.send(text).await;
        assert_eq!(socket.next().await, no_version(id), "{text}");
    }
    assert_eq!(world.node("a").total_calls(), 0);
}

#[tokio::test]
async fn streaming_11_case_05_without_a_method_the_id_comes_back_with_an_error() {
    let world = World::start(&["a"]).await;
    let mut socket = world.proxy.socket().await;
    for text in [r#"{"jsonrpc":"2.0","id":7}"#, r#"{"jsonrpc":"2.0","id":7,"method":5}"#] {
        socket.send(text).await;
        let expected = error(&json!(7), -32600, "Invalid Request: missing required fields");
        assert_eq!(socket.next().await, expected, "{text}");
    }
}

#[tokio::test]
async fn streaming_11_case_06_ids_come_back_as_they_were_written() {
    let world = World::start(&["a"]).await;
    let mut socket = world.proxy.socket().await;
    let ids = [r#""a-1""#, "9007199254740991", "null", "123456789012345678901234567890", r#""\u00e9""#];
    for id in ids {
        socket.send(format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{WHO}","params":null}}"#)).await;
    }
    let mut seen = Vec::new();
    for _ in ids {
        let Some(Ok(frame)) = socket.frame().await else { panic!("a reply") };
        let text = frame.into_text().unwrap();
        assert!(text.contains("result"), "{text}");
        let id = ids.iter().position(|id| text.contains(&format!(r#""id":{id}"#)));
        seen.push(id.unwrap_or_else(|| panic!("{text}")));
    }
    seen.sort_unstable();
    assert_eq!(seen, [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn streaming_11_case_07_nothing_is_said_about_a_notification() {
    let world = World::start(&["a"]).await;
    world.behave("a", Fault::rpc_error(-32603, "no"));
    let mut socket = world.proxy.socket().await;
    socket.send(format!(r#"{{"jsonrpc":"2.0","method":"{WHO}"}}"#)).await;
    until("it is executed", || world.node("a").calls(WHO) > 0).await;
    world.wait_in_flight("a", 0).await;
    socket.send(format!(r#"[{{"jsonrpc":"2.0","method":"{WHO}"}}]"#)).await;
    until("it is executed", || world.node("a").calls(WHO) > 1).await;
    world.wait_in_flight("a", 0).await;
    socket.expect_quiet().await;
}

#[tokio::test]
async fn streaming_11_case_08_the_reply_that_is_ready_first_comes_first() {
    let world = World::start(&["a"]).await;
    world.node("a").behave([Rule::method("eth_gasPrice", Fault::Hang).first(1)]);
    let mut socket = world.proxy.socket().await;
    socket.ask(&json!(1), "eth_gasPrice", &json!([])).await;
    world.wait_in_flight("a", 1).await;
    socket.ask(&json!(2), WHO, &json!([])).await;
    assert_eq!(socket.next().await["id"], 2);
    world.node("a").disconnect(lasso_rpc::sim::Ending::Reset);
    assert_eq!(socket.next().await["id"], 1);
}

#[tokio::test]
async fn streaming_11_case_11_the_chain_id_needs_no_upstream() {
    let world = World::start(&["a"]).await;
    world.node("a").behave([Rule::any(Fault::Reset)]);
    let mut socket = world.proxy.socket().await;
    assert_eq!(socket.call("eth_chainId", json!([])).await["result"], "0x1");
    assert_eq!(world.node("a").total_calls(), 0);
}

#[tokio::test]
async fn streaming_11_case_12_binary_frames_are_ignored() {
    let world = World::start(&["a"]).await;
    let mut socket = world.proxy.socket().await;
    socket.send(br#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}"#.to_vec()).await;
    socket.expect_quiet().await;
}

#[tokio::test]
async fn a_get_without_a_handshake_is_told_what_is_served_there() {
    let world = World::start(&["a"]).await;
    let reply = world.proxy.get("/ws/rpc/ethereum").await;
    assert_eq!(reply.status, StatusCode::UPGRADE_REQUIRED);
    assert_eq!(reply.header("upgrade"), "websocket");
    assert!(reply.json()["errors"]["detail"].is_string());
}
