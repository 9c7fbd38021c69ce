//! WebSockets of clients.

use bytes::Bytes;
use http::StatusCode;
use http_body_util::Full;
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;
use lasso_layers::catalog::ClientLimit;
use lasso_rpc::config::Settings;
use lasso_rpc::sim::{Ending, Fault, HugeResult, Rule};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{
    LIMIT, Proxy, Raw, Reply, Socket, WHO, World, chain_of, ms, node, profile, request, until,
};

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
    world.node("a").disconnect(Ending::Reset);
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
    socket.send(b"\x00\x01{}".to_vec()).await;
    socket.expect_quiet().await;
    assert_eq!(socket.call("eth_chainId", json!([])).await["result"], "0x1");
}

/// web3.py sends them so, and nodes answer it.
#[tokio::test]
async fn calls_in_binary_frames_are_answered_with_text() {
    let world = World::start(&["a"]).await;
    let mut socket = world.proxy.socket().await;
    socket.send(br#" {"jsonrpc":"2.0","id":7,"method":"eth_chainId"}"#.to_vec()).await;
    assert_eq!(socket.next().await, json!({ "jsonrpc": "2.0", "id": 7, "result": "0x1" }));
}

#[tokio::test]
async fn streaming_11_case_09_one_call_too_many_is_refused_at_once() {
    let world = World::start(&["a"]).await;
    world.behave("a", Fault::latency(ms(1_500)));
    let mut socket = world.proxy.socket().await;
    for id in 1..=33 {
        socket.ask(&json!(id), WHO, &json!([])).await;
    }
    assert_eq!(socket.next().await, error(&json!(33), -32008, "Local request capacity unavailable"));
    // What is answered here needs no room.
    assert_eq!(socket.call("eth_chainId", json!([])).await["result"], "0x1");
    assert!(socket.next().await["result"].is_string());
    assert!(socket.call(WHO, json!([])).await["result"].is_string(), "there is room again");
}

#[tokio::test]
async fn streaming_11_case_13_who_answers_no_ping_is_closed_at_the_second_miss() {
    let tweak = |settings: &mut Settings| {
        settings.websocket.heartbeat_interval = ms(20);
        settings.websocket.heartbeat_timeout = ms(20);
    };
    let world = World::with(&["a"], tweak, |_| {}).await;
    let mut socket = world.proxy.socket().await;
    let mut bytes = Vec::new();
    // Past the protocol, which would answer.
    timeout(LIMIT, socket.stream().read_to_end(&mut bytes)).await.expect("it is closed").unwrap();
    let reason = b"Heartbeat timeout - no pong responses";
    let close = [&[0x88, 2 + reason.len() as u8][..], &1002_u16.to_be_bytes(), reason].concat();
    assert_eq!(bytes, [&[0x89, 0, 0x89, 0][..], &close].concat());
}

#[tokio::test]
async fn who_answers_pings_stays() {
    let tweak = |settings: &mut Settings| {
        settings.websocket.heartbeat_interval = ms(5);
        settings.websocket.heartbeat_timeout = ms(20_000);
    };
    let world = World::with(&["a"], tweak, |_| {}).await;
    let mut socket = world.proxy.socket().await;
    for _ in 0..5 {
        // Reading answers.
        assert!(matches!(socket.frame().await, Some(Ok(Message::Ping(_)))));
    }
    assert_eq!(socket.call("eth_chainId", json!([])).await["result"], "0x1");
}

#[tokio::test]
async fn streaming_11_case_14_metadata_follows_the_reply_and_its_wish_is_not_forwarded() {
    let world = World::start(&["a", "b"]).await;
    let mut socket = world.proxy.socket().await;
    let call = |id: u64, method: &str, wish: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":[],"lasso_meta":{wish}}}"#)
    };
    socket.send(call(1, WHO, r#""NOTIFY""#)).await;
    assert_eq!(socket.next().await["id"], 1);
    let notice = socket.next().await;
    assert_eq!((&notice["jsonrpc"], &notice["method"]), (&json!("2.0"), &json!("lasso_meta")));
    assert!(notice.get("id").is_none());
    let meta = &notice["params"];
    assert_eq!(meta["version"], "1.0");
    assert_eq!(meta["strategy"], "priority");
    assert_eq!(meta["chain_id"], 1);
    assert_eq!(meta["transport"], "ws");
    assert_eq!(meta["candidate_providers"], json!(["a:http", "b:http"]));
    assert_eq!(meta["selected_provider"], json!({ "id": "a", "protocol": "http" }));
    assert_eq!(meta["retries"], 0);
    assert_eq!(meta["circuit_breaker_state"], "closed");
    for latency in
        ["selection_latency_ms", "upstream_latency_ms", "end_to_end_latency_ms", "lasso_overhead_ms"]
    {
        assert!(meta[latency].is_number(), "{latency}: {meta}");
    }
    assert!(meta["request_id"].as_str().unwrap().ends_with("-1"), "{meta}");
    let seen = world.node("a").seen();
    let seen: Vec<_> = seen.iter().filter(|call| format!("{call:?}").contains("lasso_meta")).collect();
    assert!(seen.is_empty(), "{seen:?}");

    // Nothing follows what was answered here, an error, or another wish.
    socket.send(call(2, "eth_chainId", r#""notify""#)).await;
    assert_eq!(socket.next().await["id"], 2);
    socket.expect_quiet().await;
    socket.send(call(3, WHO, r#""inline""#)).await;
    assert_eq!(socket.next().await["id"], 3);
    socket.expect_quiet().await;
    world.behave("a", Fault::rpc_error(3, "execution reverted"));
    socket.send(call(4, WHO, r#""notify""#)).await;
    assert_eq!(socket.next().await["error"]["message"], "execution reverted");
    socket.expect_quiet().await;
}

#[tokio::test]
async fn streaming_11_case_15_the_strategy_of_a_path_with_a_profile_counts() {
    let world = World::start(&["a"]).await;
    for (path, strategy) in [
        ("/ws/rpc/profile/default/fastest/ethereum", "fastest"),
        ("/ws/rpc/profile/default/latency-weighted/1", "latency_weighted"),
        ("/ws/rpc/round-robin/ethereum", "load_balanced"),
        ("/ws/rpc/profile/public/ethereum?strategy=latency_weighted", "latency_weighted"),
        ("/ws/rpc/ethereum?strategy=load-balanced", "load_balanced"),
    ] {
        let mut socket = world.proxy.socket_at(path).await;
        let call = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{WHO}","lasso_meta":"notify"}}"#);
        socket.send(call).await;
        socket.next().await;
        assert_eq!(socket.next().await["params"]["strategy"], strategy, "{path}");
    }
}

#[tokio::test]
async fn a_socket_is_pinned_in_each_of_the_ways() {
    let world = World::start(&["a", "b"]).await;
    for path in [
        "/ws/rpc/ethereum/b",
        "/ws/rpc/provider/b/ethereum",
        "/ws/rpc/ethereum?provider_id=b",
        "/ws/rpc/profile/default/provider/b/1",
    ] {
        let mut socket = world.proxy.socket_at(path).await;
        let who = socket.call(WHO, json!([])).await;
        assert!(who["result"].as_str().unwrap().ends_with("/b"), "{path}: {who}");
    }
}

#[tokio::test]
async fn streaming_11_case_16_nothing_more_is_sent_for_a_client_that_vanished() {
    let world = World::start(&["a", "b", "c"]).await;
    world.behave("a", Fault::Reset);
    world.behave("b", Fault::Hang);
    let mut socket = world.proxy.socket().await;
    socket.ask(&json!(1), WHO, &json!([])).await;
    world.wait_in_flight("b", 1).await;
    assert!(world.proxy.runtime.budget.used() > 0);
    drop(socket);
    world.wait_in_flight("b", 0).await;
    until("the bytes are given back", || world.proxy.runtime.budget.used() == 0).await;
    assert_eq!(world.asked()[2], 0);
}

#[tokio::test]
async fn streaming_11_case_60_an_idle_client_is_told_that_the_server_goes() {
    let mut world = World::start(&["a"]).await;
    let mut socket = world.proxy.socket().await;
    socket.call("eth_chainId", json!([])).await;
    world.proxy.stop();
    assert_eq!(socket.closed().await.0, 1001);
    drop(socket);
    world.proxy.ended().await;
}

#[tokio::test]
async fn a_server_that_goes_answers_what_it_was_asked() {
    let mut world = World::start(&["a"]).await;
    world.behave("a", Fault::latency(ms(300)));
    let mut socket = world.proxy.socket().await;
    socket.ask(&json!(1), WHO, &json!([])).await;
    world.wait_in_flight("a", 1).await;
    world.proxy.stop();
    assert_eq!(socket.next().await["id"], 1);
    assert_eq!(socket.closed().await.0, 1001);
    drop(socket);
    world.proxy.ended().await;
}

#[tokio::test]
async fn a_client_that_says_goodbye_hears_it_back() {
    let world = World::start(&["a"]).await;
    let mut socket = world.proxy.socket().await;
    socket.send(Message::Close(None)).await;
    assert_eq!(socket.closed().await.0, 1005);
    assert!(socket.frame().await.is_none());
}

#[tokio::test]
async fn pings_are_answered_with_what_was_in_them() {
    let world = World::start(&["a"]).await;
    let mut socket = world.proxy.socket().await;
    socket.send(Message::Ping("still there?".into())).await;
    assert_eq!(socket.frame().await.unwrap().unwrap(), Message::Pong("still there?".into()));
}

#[tokio::test]
async fn what_is_too_large_or_no_text_closes_the_socket_and_says_why() {
    let world = World::with(&["a"], |settings| settings.websocket.max_frame_bytes = 1000, |_| {}).await;
    let mut socket = world.proxy.socket().await;
    socket.send(" ".repeat(1001)).await;
    assert_eq!(socket.closed().await.0, 1009);
    let mut socket = world.proxy.socket().await;
    // Not masked.
    socket.stream().write_all(&[0x81, 2, b'{', b'}']).await.unwrap();
    assert_eq!(socket.closed().await.0, 1002);
    let mut socket = world.proxy.socket().await;
    socket.stream().write_all(&[0x81, 0x81, 0, 0, 0, 0, 0xff]).await.unwrap();
    assert_eq!(socket.closed().await.0, 1007);
}

#[tokio::test]
async fn a_batch_has_one_array_of_answers_in_its_order() {
    let world = World::start(&["a"]).await;
    let mut socket = world.proxy.socket().await;
    let batch = json!([
        { "jsonrpc": "2.0", "id": 1, "method": WHO },
        { "jsonrpc": "2.0", "method": WHO },
        { "id": 2, "method": WHO },
        5,
        { "jsonrpc": "2.0", "id": "x", "method": "eth_chainId" },
    ]);
    socket.send(batch.to_string()).await;
    let replies = socket.next().await;
    let replies = replies.as_array().unwrap();
    assert_eq!(replies.len(), 4);
    assert!(replies[0]["id"] == 1 && replies[0]["result"].is_string());
    assert_eq!(replies[1], error(&json!(2), -32600, "Invalid Request: missing jsonrpc field"));
    assert_eq!((&replies[2]["id"], &replies[2]["error"]["code"]), (&ID_NULL, &json!(-32600)));
    assert_eq!((&replies[3]["id"], &replies[3]["result"]), (&json!("x"), &json!("0x1")));
    assert_eq!(world.node("a").calls(WHO), 2);

    socket.send("[]").await;
    assert_eq!(socket.next().await["error"]["code"], -32600);
    socket.send(format!("[{}0]", "0,".repeat(50))).await;
    let too_many = socket.next().await;
    assert!(too_many["error"]["message"].as_str().unwrap().contains("51 items"), "{too_many}");
}

#[tokio::test]
async fn a_frame_takes_one_token_and_each_call_of_a_refused_batch_hears_of_it() {
    let node = node("a").await;
    let mut limited = profile("default", chain_of([&node]));
    limited.limit = ClientLimit { rps: 1, burst: 2 };
    let proxy = Proxy::start(vec![limited], |_| {}).await;
    let mut socket = proxy.socket().await;
    let item = |id: u64| json!({ "jsonrpc": "2.0", "id": id, "method": WHO });
    socket.send(json!([item(1), item(2), item(3)]).to_string()).await;
    assert_eq!(
        socket.next().await.as_array().unwrap().iter().filter(|item| item["result"].is_string()).count(),
        3
    );
    let mut refused = None;
    for _ in 0..100 {
        socket.send(json!([item(1), item(2), 5]).to_string()).await;
        let replies = socket.next().await;
        if replies[0]["error"].is_object() {
            refused = Some(replies);
            break;
        }
    }
    let refused = refused.expect("the tokens run out");
    let ids: Vec<_> = refused.as_array().unwrap().iter().map(|reply| reply["id"].clone()).collect();
    assert_eq!(ids, [json!(1), json!(2), ID_NULL]);
    assert_eq!(refused[1]["error"]["data"]["rate_limit"], 1, "{refused}");
    assert_eq!(refused[2]["error"]["code"], -32600);
    socket.ask(&json!(9), WHO, &json!([])).await;
    let single = socket.next().await;
    assert_eq!(single["id"], 9, "{single}");
}

#[tokio::test]
async fn what_concerns_subscriptions_takes_tokens_too() {
    let node = node("a").await;
    let mut limited = profile("default", chain_of([&node]));
    limited.limit = ClientLimit { rps: 1, burst: 2 };
    let proxy = Proxy::start(vec![limited], |_| {}).await;
    let mut socket = proxy.socket().await;
    let mut refused = None;
    for _ in 0..100 {
        let reply = socket.call("eth_unsubscribe", json!(["0x1"])).await;
        if reply["error"].is_object() {
            refused = Some(reply);
            break;
        }
        assert_eq!(reply["result"], false);
    }
    let refused = refused.expect("the tokens run out");
    assert_eq!(refused["error"]["data"]["rate_limit"], 1, "{refused}");
}

#[tokio::test]
async fn too_many_bytes_are_refused_before_they_are_read() {
    let tweak = |settings: &mut Settings| settings.websocket.inflight_bytes = 300;
    let world = World::with(&["a"], tweak, |_| {}).await;
    world.behave("a", Fault::Hang);
    let mut socket = world.proxy.socket().await;
    let padded = |id: u64| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{WHO}"}}{}"#, " ".repeat(100));
    let refusal = error(&ID_NULL, -32008, "Local request capacity unavailable");
    for id in [1, 2] {
        socket.send(padded(id)).await;
    }
    assert_eq!(socket.next().await, refusal);
    // Others have their own.
    world.proxy.socket().await.call("eth_chainId", json!([])).await;

    let tweak = |settings: &mut Settings| settings.server.inflight_bytes = 4096;
    let world = World::with(&["a"], tweak, |_| {}).await;
    world.behave("a", Fault::Hang);
    let (mut one, mut two) = (world.proxy.socket().await, world.proxy.socket().await);
    one.ask(&json!(1), WHO, &json!([])).await;
    world.wait_in_flight("a", 1).await;
    two.ask(&json!(1), "eth_chainId", &json!([])).await;
    assert_eq!(two.next().await, refusal);
    drop(one);
    world.wait_in_flight("a", 0).await;
    until("the bytes are given back", || world.proxy.runtime.budget.used() == 0).await;
    assert_eq!(two.call("eth_chainId", json!([])).await["result"], "0x1");
}

#[tokio::test]
async fn large_replies_arrive_whole_or_in_fragments() {
    const SIZE: u64 = 4 << 20;
    for room in [16 << 20, 100_000] {
        let world = World::with(&["a"], |settings| settings.websocket.outbox_bytes = room, |_| {}).await;
        world.node("a").behave([Rule::method("eth_getLogs", Fault::Stream(HugeResult::new(SIZE)))]);
        let mut socket = world.proxy.socket().await;
        for id in [1, 2] {
            socket.ask(&json!(id), "eth_getLogs", &json!([{}])).await;
        }
        socket.ask(&json!(3), WHO, &json!([])).await;
        socket.send(Message::Ping("amid".into())).await;
        let mut ids = Vec::new();
        while ids.len() < 3 {
            let Some(Ok(Message::Text(text))) = socket.frame().await else { continue };
            let reply: Value = serde_json::from_str(&text).unwrap();
            let is_large = reply["id"] != 3;
            assert_eq!(text.len() as u64 == SIZE, is_large, "{}", text.len());
            ids.push(reply["id"].as_u64().unwrap());
        }
        ids.sort_unstable();
        assert_eq!(ids, [1, 2, 3]);
        until("the bytes are given back", || world.proxy.runtime.budget.used() == 0).await;
    }
}

#[tokio::test]
async fn a_large_reply_that_breaks_off_is_an_error_or_the_end() {
    let cut = HugeResult::new(4 << 20).cut_after(2 << 20);
    let world = World::start(&["a"]).await;
    world.node("a").behave([Rule::method("eth_getLogs", Fault::Stream(cut.clone()))]);
    let mut socket = world.proxy.socket().await;
    let reply = socket.call("eth_getLogs", json!([{}])).await;
    assert_eq!(reply["error"]["code"], -32004, "{reply}");
    assert!(socket.call(WHO, json!([])).await["result"].is_string());

    let world = World::with(&["a"], |settings| settings.websocket.outbox_bytes = 100_000, |_| {}).await;
    world.node("a").behave([Rule::method("eth_getLogs", Fault::Stream(cut))]);
    let mut socket = world.proxy.socket().await;
    socket.ask(&json!(1), "eth_getLogs", &json!([{}])).await;
    assert_eq!(socket.closed().await, (1011, "Lasso reply broke off".to_owned()));
}

#[tokio::test]
async fn calls_over_http_may_come_first_on_the_same_connection() {
    let world = World::start(&["a"]).await;
    let mut raw = Raw::connect(world.proxy.address).await;
    let call = request("eth_chainId", &json!([]));
    let head = format!("POST /rpc/ethereum HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", call.len());
    for _ in 0..2 {
        raw.send(format!("{head}{call}")).await;
        assert_eq!(raw.response().await.1["result"], "0x1");
    }
    let url = format!("ws://{}/ws/rpc/ethereum", world.proxy.address);
    let Ok(mut socket) = Socket::over(raw.into_stream(), &url).await else { panic!("it is let in") };
    assert!(socket.call(WHO, json!([])).await["result"].is_string());
    socket.close().await;
}

#[tokio::test]
async fn over_http_2_a_socket_is_refused_clearly() {
    let world = World::start(&["a"]).await;
    let client = legacy::Client::builder(TokioExecutor::new()).http2_only(true).build_http::<Full<Bytes>>();
    let response = client.get(world.proxy.url("/ws/rpc/ethereum").parse().unwrap()).await.unwrap();
    assert_eq!(response.version(), http::Version::HTTP_2);
    let reply = Reply::read(response).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    assert!(reply.text().contains("HTTP/1.1"), "{}", reply.text());
}

#[tokio::test]
async fn a_get_without_a_handshake_is_told_what_is_served_there() {
    let world = World::start(&["a"]).await;
    let reply = world.proxy.get("/ws/rpc/ethereum").await;
    assert_eq!(reply.status, StatusCode::UPGRADE_REQUIRED);
    assert_eq!(reply.header("upgrade"), "websocket");
    assert!(reply.json()["errors"]["detail"].is_string());
}
