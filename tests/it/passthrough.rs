//! Bytes in, bytes out.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use http_body_util::BodyExt;
use lasso_layers::catalog::{ChainSpec, ProviderSpec};
use lasso_rpc::sim::{Fault, HugeResult, Rule, SeenCall};
use serde_json::{Value, json};

use crate::support::{Client, LIMIT, Proxy, Recorder, Reply, WHO, World, ms, profile, request};

/// The last call of this method that a node saw.
fn seen(world: &World, method: &str) -> SeenCall {
    let calls = world.node("a").seen();
    calls.into_iter().rfind(|call| call.method == method).expect("the node saw the call")
}

#[tokio::test]
async fn api_case_23_a_result_comes_as_it_was_written() {
    let world = World::start(&["a"]).await;
    let written = concat!(
        "\n { \"result\" :\t{\"b\":1.50,\"a\": 12345678901234567890123 , \"\\u0069d\":2,\"id\":9},",
        " \"\\u006asonrpc\":\"2.0\" , \"x\":[ ] ,\"id\" : 7 }\n "
    );
    world.behave("a", Fault::Raw(Bytes::from_static(written.as_bytes())));
    let body = format!(r#"{{"jsonrpc":"2.0","id":7,"method":"{WHO}","params":[]}}"#);
    let reply = world.proxy.post("/rpc/ethereum", body).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(reply.header("content-type"), "application/json; charset=utf-8");
    assert_eq!(reply.text(), written);
}

#[tokio::test]
async fn api_case_42_ids_come_back_as_they_were_written() {
    let world = World::start(&["a"]).await;
    world.behave("a", Fault::Result(json!("0x1")));
    let long = format!("\"{}\"", "i".repeat(38));
    for (id, travels) in [
        ("1", true),
        ("0", true),
        ("-5", true),
        ("9007199254740993123", true),
        ("12345678901234567890123456789012", true),
        ("123456789012345678901234567890123", false),
        (r#""""#, true),
        (r#""a\"b\\\u0041\n""#, true),
        (r#""é😀""#, true),
        (long.as_str(), false),
        ("null", false),
    ] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{WHO}","params":[]}}"#);
        let reply = world.proxy.post("/rpc/ethereum", body).await;
        assert_eq!(reply.text(), format!(r#"{{"jsonrpc":"2.0","id":{id},"result":"0x1"}}"#));
        let sent = seen(&world, WHO).id.unwrap();
        assert_eq!(sent == id, travels, "{id} went upstream as {sent}");
        assert!(travels || sent.starts_with("\"lasso-"), "{id} went upstream as {sent}");
    }
}

#[tokio::test]
async fn ids_in_a_batch_come_back_as_they_were_written() {
    let world = World::start(&["a"]).await;
    world.behave("a", Fault::Result(json!("0x1")));
    let ids =
        ["-5", "9007199254740993123", r#""\u0041""#, "null", "123456789012345678901234567890123", "1", "1"];
    let call = |id: &str| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{WHO}","params":[]}}"#);
    let reply = world.proxy.post("/rpc/ethereum", format!("[{}]", ids.map(call).join(","))).await;
    let answer = |id: &str| format!(r#"{{"jsonrpc":"2.0","id":{id},"result":"0x1"}}"#);
    assert_eq!(reply.text(), format!("[{}]", ids.map(answer).join(",")));
}

#[tokio::test]
async fn api_case_42_ids_that_cannot_come_back_are_refused() {
    let world = World::start(&["a"]).await;
    for id in ["1.5", "1e3", "true", "[1]", r#"{"a":1}"#] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{WHO}","params":[]}}"#);
        let reply = world.proxy.post("/rpc/ethereum", body).await;
        assert_eq!(reply.error().0, -32602, "{id}");
    }
    assert_eq!(world.asked(), [0]);
}

#[tokio::test]
async fn errors_carry_the_clients_id_too() {
    let world = World::start(&["a"]).await;
    world.behave("a", Fault::rpc_error(3, "execution reverted"));
    for id in ["-7", r#""\u0041""#, "null", "123456789012345678901234567890123"] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{WHO}","params":[]}}"#);
        let reply = world.proxy.post("/rpc/ethereum", body).await;
        let error = r#""error":{"code":3,"message":"execution reverted"}"#;
        assert_eq!(reply.text(), format!(r#"{{"jsonrpc":"2.0","id":{id},{error}}}"#));
    }
}

#[tokio::test]
async fn api_case_24_a_private_id_inside_a_result_stays() {
    let world = World::start(&["a"]).await;
    let result: Vec<String> = (0..1_000).map(|number| format!("lasso-{number}")).collect();
    world.behave("a", Fault::Result(json!(result)));
    let id = format!("\"{}\"", "x".repeat(40));
    let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{WHO}","params":[]}}"#);
    let reply = world.proxy.post("/rpc/ethereum", body).await;
    let sent = seen(&world, WHO).id.unwrap();
    assert!(result.iter().any(|text| sent == format!("\"{text}\"")), "{sent} is in the result");
    assert_eq!(reply.text(), format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{}}}"#, json!(result)));
}

#[tokio::test]
async fn error_data_comes_as_it_was_written() {
    let world = World::start(&["a"]).await;
    let data = r#"{ "z" : 1.0e400, "a":[ 1 ,2],"\u0061" :"\ud83d\ude00" }"#;
    let raw = format!(
        r#"{{"jsonrpc":"2.0","id":1,"error":{{"data":{data},"message":"execution reverted: \"x\"","code":3}}}}"#
    );
    world.behave("a", Fault::Raw(raw.into()));
    let reply = world.proxy.call(WHO, json!([])).await;
    let expected = format!(
        r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":3,"message":"execution reverted: \"x\"","data":{data}}}}}"#
    );
    assert_eq!(reply.text(), expected);
}

#[tokio::test]
async fn client_headers_stay_here() {
    let world = World::start(&["a"]).await;
    let headers = [
        ("authorization", "Bearer client"),
        ("cookie", "a=b"),
        ("user-agent", "client"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-lasso-api-key", "client"),
        ("x-request-id", "client-request-0123456789"),
        ("accept", "application/json, text/plain"),
        ("accept-encoding", "gzip, br"),
        ("origin", "https://example.com"),
    ];
    world.proxy.post_with("/rpc/ethereum?key=client", &headers, request(WHO, &json!([]))).await.result();
    let call = seen(&world, WHO);
    let mut names: Vec<&str> = call.headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["accept", "content-length", "content-type", "host"]);
    assert_eq!(call.headers["accept"], "application/json");
    assert_eq!(call.headers["content-type"], "application/json");
    assert_eq!(call.path, "/");
}

#[tokio::test]
async fn the_providers_headers_are_sent_the_strongest_last() {
    let world = World::with(
        &["a", "b", "c"],
        |_| {},
        |chain| {
            let plain = chain.providers[0].clone();
            let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
            chain.providers[0] = ProviderSpec {
                api_key: Some("key".to_owned()),
                headers: vec![pair("X-One", "1"), pair("X-Two", "2")],
                auth_headers: vec![pair("x-two", "3")],
                ..plain
            };
        },
    )
    .await;
    world.who().await;
    let headers = seen(&world, WHO).headers;
    assert_eq!(headers["authorization"], "Bearer key");
    assert_eq!((&headers["x-one"], &headers["x-two"]), (&"1".parse().unwrap(), &"3".parse().unwrap()));
    assert_eq!(headers.get_all("x-two").iter().count(), 1);
}

#[tokio::test]
async fn parameters_become_an_array_and_keep_their_bytes() {
    let world = World::start(&["a"]).await;
    world.behave("a", Fault::Result(json!(true)));
    for (params, sent) in [
        ("", "[]"),
        (r#","params":null"#, "[]"),
        (r#","params":[]"#, "[]"),
        (r#","params": [ 1 ,"\u0041" , {"b":1,"a": 1.50} ]"#, r#"[ 1 ,"\u0041" , {"b":1,"a": 1.50} ]"#),
        (r#","params":{"b":1, "a":2}"#, r#"[{"b":1, "a":2}]"#),
        (r#","params":"0x1""#, r#"["0x1"]"#),
        (r#","params":1.0"#, "[1.0]"),
        (r#","params":false"#, "[false]"),
    ] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{WHO}"{params}}}"#);
        assert_eq!(world.proxy.post("/rpc/ethereum", body).await.result(), json!(true));
        assert_eq!(seen(&world, WHO).params.as_deref(), Some(sent), "{params}");
    }
}

/// A router in front of an upstream that keeps what it gets.
async fn recorded() -> (Recorder, Proxy) {
    let recorder = Recorder::start().await;
    let chain = ChainSpec::new("ethereum", 1).provider(ProviderSpec::http("a", &recorder.url));
    let proxy = Proxy::start(vec![profile("default", chain)], |_| {}).await;
    (recorder, proxy)
}

#[tokio::test]
async fn a_call_that_is_as_it_should_be_goes_on_as_it_is() {
    let (recorder, proxy) = recorded().await;
    for body in [
        r#"{"jsonrpc":"2.0","id":1,"method":"eth_gasPrice","params":[]}"#,
        r#"{"method":"eth_call","params":[{"to":"0x1"},"latest"],"id":"x","jsonrpc":"2.0"}"#,
    ] {
        assert_eq!(proxy.post("/rpc/ethereum", body).await.result(), json!(true));
        assert_eq!(recorder.take(), [body]);
    }
}

#[tokio::test]
async fn what_is_no_part_of_a_call_stays_here() {
    let (recorder, proxy) = recorded().await;
    for body in [
        r#"{"jsonrpc":"2.0","id":1,"method":"eth_gasPrice","params":[],"lasso_meta":"notify","key":"secret"}"#,
        r#" { "strategy":"fastest","jsonrpc":"2.0","id":1,"method":"eth_gasPrice"}"#,
        r#"{"id":1,"method":"eth_gasPrice","params":null}"#,
        r#"{"id":2,"id":1,"method":"eth_call","method":"eth_gasPrice","jsonrpc":"2.0","params":[]}"#,
    ] {
        assert_eq!(proxy.post("/rpc/ethereum", body).await.result(), json!(true));
        let sent = recorder.take().remove(0);
        let expected = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_gasPrice", "params": [] });
        assert_eq!(serde_json::from_str::<Value>(&sent).unwrap(), expected, "{sent}");
        assert_eq!(sent.matches("\"id\"").count(), 1, "{sent}");
    }
}

const MIB: u64 = 1 << 20;

/// A world whose node answers `eth_getLogs` with a reply of this shape.
async fn streaming(shape: HugeResult) -> World {
    let world = World::start(&["a", "b"]).await;
    world.node("a").behave([Rule::method("eth_getLogs", Fault::Stream(shape))]);
    world
}

async fn open(world: &World, query: &str) -> hyper::Response<hyper::body::Incoming> {
    let url = world.proxy.url(&format!("/rpc/ethereum{query}"));
    let body = request("eth_getLogs", &json!([{}]));
    tokio::time::timeout(LIMIT, Client::new().open(&url, &[], body)).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_result_begins_before_the_upstream_has_finished_it() {
    let world = streaming(HugeResult::new(64 * MIB)).await;
    let mut body = open(&world, "").await.into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(first.starts_with(br#"{"jsonrpc":"2.0","id":1,"result":["#));
    // The buffers of two connections do not hold it: as long as we do not read on, the node cannot be done.
    assert_eq!(world.node("a").stats().in_flight, 1);
    assert_eq!(world.proxy.breaker("a").failures, 0);
    let (mut length, mut end) = (first.len(), first);
    while let Some(frame) = body.frame().await {
        end = frame.expect("the body ends cleanly").into_data().unwrap();
        length += end.len();
    }
    assert_eq!(length as u64, 64 * MIB);
    assert!(end.ends_with(b"]}"));
    world.wait_in_flight("a", 0).await;
    assert_eq!((world.node("a").calls("eth_getLogs"), world.node("b").calls("eth_getLogs")), (1, 0));
}

#[tokio::test]
async fn a_large_result_of_known_length_says_so() {
    let world = streaming(HugeResult::new(2 * MIB).known_length()).await;
    let reply = Reply::read(open(&world, "").await).await;
    assert_eq!(reply.header("content-length"), (2 * MIB).to_string());
    assert!(!reply.result().as_array().unwrap().is_empty());
}

#[tokio::test]
async fn a_large_result_that_breaks_off_does_not_end_cleanly() {
    for shape in [HugeResult::new(4 * MIB), HugeResult::new(4 * MIB).known_length()] {
        let world = streaming(shape.cut_after(MIB)).await;
        let response = open(&world, "").await;
        assert_eq!(response.status(), StatusCode::OK);
        let mut body = response.into_body();
        let end = loop {
            match body.frame().await {
                Some(Ok(_)) => {}
                end => break end,
            }
        };
        assert!(matches!(end, Some(Err(_))), "the body ended as if it were complete");
        assert_eq!(world.node("b").calls("eth_getLogs"), 0);
    }
}

#[tokio::test]
async fn a_large_reply_that_goes_wrong_at_its_end_does_not_end_cleanly() {
    let world = World::start(&["a"]).await;
    let mut raw = format!(r#"{{"jsonrpc":"2.0","id":1,"result":["{}"]"#, "x".repeat(300_000));
    raw.push_str(r#","result":1}"#);
    world.node("a").behave([Rule::method("eth_getLogs", Fault::Raw(raw.into()))]);
    let ended = open(&world, "").await.into_body().collect().await;
    assert!(ended.is_err(), "the client took an invalid reply for a whole one");
}

#[tokio::test]
async fn a_client_that_leaves_a_large_result_ends_it() {
    let world = streaming(HugeResult::new(64 * MIB)).await;
    let mut body = open(&world, "").await.into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    world.wait_in_flight("a", 0).await;
    assert_eq!(world.proxy.breaker("a").failures, 0);
}

#[tokio::test]
async fn metadata_in_a_large_body_leaves_it_valid() {
    for shape in [HugeResult::new(MIB), HugeResult::new(MIB).known_length().chunk(100)] {
        let world = streaming(shape).await;
        let reply = Reply::read(open(&world, "?include_meta=body").await).await;
        let json = reply.json();
        assert_eq!(json["lasso_meta"]["selected_provider"], json!({ "id": "a", "protocol": "http" }));
        assert!(json["result"].as_array().unwrap().len() > 1_000);
        assert_eq!(json["id"], json!(1));
    }
}

#[tokio::test]
async fn large_results_of_many_clients_do_not_mix() {
    let world = Arc::new(streaming(HugeResult::new(MIB)).await);
    let mut clients = tokio::task::JoinSet::new();
    for id in 0..8 {
        let world = world.clone();
        clients.spawn(async move {
            // Every second id cannot travel, so that it is put in on the way back.
            let id = if id % 2 == 0 { id.to_string() } else { format!("\"{id:040}\"") };
            let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"eth_getLogs","params":[{{}}]}}"#);
            let reply = world.proxy.post("/rpc/ethereum", body).await;
            let json: Value = reply.json();
            assert_eq!(json["id"].to_string(), id);
            assert!(reply.body.len() as u64 >= MIB && json["result"].as_array().unwrap().len() > 1_000);
        });
    }
    clients.join_all().await;
}

#[tokio::test]
async fn large_results_in_a_batch_stay_in_order() {
    let world = streaming(HugeResult::new(MIB)).await;
    let logs = |id: &str| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"eth_getLogs","params":[{{}}]}}"#);
    let long = format!("\"{}\"", "x".repeat(40));
    let small = format!(r#"{{"jsonrpc":"2.0","id":3,"method":"{WHO}"}}"#);
    let batch = format!("[{},{},{small},{}]", logs("1"), logs(&long), logs("4"));
    let reply = world.proxy.post("/rpc/ethereum", batch).await;
    let answers = reply.json();
    let ids: Vec<String> =
        answers.as_array().unwrap().iter().map(|answer| answer["id"].to_string()).collect();
    assert_eq!(ids, ["1", long.as_str(), "3", "4"]);
    for at in [0, 1, 3] {
        assert!(answers[at]["result"].as_array().unwrap().len() > 1_000);
    }
    assert!(answers[2]["result"].is_string());
}

#[tokio::test]
async fn a_batch_with_a_large_result_that_breaks_off_does_not_end_cleanly() {
    let world = streaming(HugeResult::new(4 * MIB).cut_after(MIB)).await;
    let (url, call) = (world.proxy.url("/rpc/ethereum"), request("eth_getLogs", &json!([{}])));
    let response = Client::new().open(&url, &[], format!("[{call}]")).await.unwrap();
    assert!(response.into_body().collect().await.is_err(), "the client took a part for the whole");
}

#[tokio::test]
async fn a_large_result_nobody_waits_for_is_not_read() {
    let world = streaming(HugeResult::new(64 * MIB)).await;
    let body = r#"{"jsonrpc":"2.0","method":"eth_getLogs","params":[{}]}"#;
    let reply = world.proxy.post("/rpc/ethereum", body).await;
    assert_eq!((reply.status, reply.body.len()), (StatusCode::NO_CONTENT, 0));
    world.wait_in_flight("a", 0).await;
    assert_eq!(world.node("a").calls("eth_getLogs"), 1);
}

#[tokio::test]
async fn a_large_result_may_take_longer_than_the_call_once_it_has_begun() {
    let world = World::with(&["a"], |settings| settings.timeouts.default = ms(2_000), |_| {}).await;
    let slow = Fault::SlowBody { chunk: 40_000, pause: ms(100) };
    let large = Fault::Result(json!("x".repeat(1_000_000)));
    world.node("a").behave([Rule::method(WHO, large), Rule::method(WHO, slow)]);
    let reply = world.proxy.call(WHO, json!([])).await;
    assert_eq!(reply.result().as_str().unwrap().len(), 1_000_000);
    assert_eq!(world.proxy.breaker("a").failures, 0);
}

#[tokio::test]
async fn large_error_data_comes_whole() {
    let world = World::start(&["a"]).await;
    let data = json!("0x".to_owned() + &"ab".repeat(200_000));
    let message = "execution reverted".to_owned();
    let error = Fault::RpcError { code: 3, message, data: Some(data.clone()) };
    world.behave("a", error);
    let reply = world.proxy.call(WHO, json!([])).await;
    assert_eq!(reply.json()["error"]["data"], data);
}
