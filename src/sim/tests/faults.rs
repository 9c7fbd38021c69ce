//! Every fault as a client meets it over HTTP.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::{LIMIT, QUIET, ask, body_of, call, connect, exchange, node, read_all, send};
use crate::sim::{Fault, HugeResult, Rule, SimNode, TOKEN_A};

async fn faulty(fault: Fault) -> SimNode {
    let node = node().await;
    node.behave([Rule::any(fault)]);
    node
}

async fn sent(node: &SimNode) -> TcpStream {
    let mut stream = connect(node).await;
    send(&mut stream, &call("eth_chainId", &json!([]))).await;
    stream
}

/// All bytes, and how the connection ended.
async fn outcome(fault: Fault) -> (String, Option<io::ErrorKind>) {
    let node = faulty(fault).await;
    let (bytes, error) = read_all(&mut sent(&node).await).await;
    (String::from_utf8_lossy(&bytes).into_owned(), error)
}

#[tokio::test]
async fn reset_is_a_rst_and_close_a_fin_without_a_byte() {
    assert_eq!(outcome(Fault::Reset).await, (String::new(), Some(io::ErrorKind::ConnectionReset)));
    assert_eq!(outcome(Fault::Close).await, (String::new(), None));
}

#[tokio::test]
async fn a_hanging_exchange_stays_in_flight_until_the_client_leaves() {
    for fault in [Fault::Hang, Fault::Freeze] {
        let node = faulty(fault).await;
        let mut stream = sent(&node).await;
        assert!(node.wait_for_calls(1, LIMIT).await);
        assert!(timeout(QUIET, stream.read_u8()).await.is_err());
        assert_eq!(node.stats().in_flight, 1);
        drop(stream);
        assert!(node.wait_until(LIMIT, |stats| stats.in_flight == 0 && stats.connections == 0).await);
    }
}

#[tokio::test]
async fn hang_after_headers_sends_the_head_alone() {
    let node = faulty(Fault::HangAfterHeaders).await;
    let mut stream = sent(&node).await;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(timeout(LIMIT, stream.read_u8()).await.unwrap().unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("content-length: 39\r\n"), "{head}");
    assert!(timeout(QUIET, stream.read_u8()).await.is_err());
    assert_eq!(node.stats().in_flight, 1);
}

#[tokio::test]
async fn half_a_body_is_announced_whole() {
    let (response, _) = outcome(Fault::HalfBody).await;
    assert!(response.contains("content-length: 39\r\n"), "{response}");
    assert_eq!(body_of(&response), r#"{"jsonrpc":"2.0","i"#);
}

#[tokio::test]
async fn a_slow_body_is_complete_in_the_end() {
    let pause = Duration::from_millis(5);
    let start = Instant::now();
    let (response, error) = outcome(Fault::SlowBody { chunk: 10, pause }).await;
    assert_eq!((body_of(&response), error), (r#"{"jsonrpc":"2.0","id":1,"result":"0x1"}"#, None));
    // A lower bound holds on the slowest machine.
    assert!(start.elapsed() >= 4 * pause);
}

#[tokio::test]
async fn latency_delays_the_answer() {
    let start = Instant::now();
    let (response, _) = outcome(Fault::latency(QUIET)).await;
    assert!(body_of(&response).ends_with(r#""result":"0x1"}"#));
    assert!(start.elapsed() >= QUIET);
}

#[tokio::test]
async fn made_up_responses_arrive_as_given() {
    let headers = HeaderMap::from_iter([(http::header::SERVER, HeaderValue::from_static("proxy"))]);
    let body = Bytes::from_static(b"forbidden");
    let forbidden = Fault::Status { status: StatusCode::FORBIDDEN, headers, body };
    let again = Some(HeaderValue::from_static("7"));
    for (fault, parts) in [
        (
            Fault::Html(StatusCode::BAD_GATEWAY),
            &["HTTP/1.1 502 ", "text/html", "<h1>502 Bad Gateway</h1>"][..],
        ),
        (forbidden, &["HTTP/1.1 403 ", "server: proxy\r\n", "\r\n\r\nforbidden"]),
        (Fault::status(StatusCode::SERVICE_UNAVAILABLE), &["HTTP/1.1 503 ", "content-length: 0\r\n"]),
        (Fault::RateLimited { retry_after: again }, &["HTTP/1.1 429 ", "retry-after: 7\r\n"]),
        (Fault::RateLimited { retry_after: None }, &["HTTP/1.1 429 "]),
        (Fault::Redirect(HeaderValue::from_static("/there")), &["HTTP/1.1 307 ", "location: /there\r\n"]),
        (Fault::Raw(Bytes::from_static(b"[1]")), &["HTTP/1.1 200 ", "application/json", "\r\n\r\n[1]"]),
        (Fault::LargeHeaders(10_000), &["HTTP/1.1 200 ", "x-padding: xxx", r#""result":"0x1""#]),
    ] {
        let shown = format!("{fault:?}");
        let (response, error) = outcome(fault).await;
        assert_eq!(error, None, "{shown}");
        for part in parts {
            assert!(response.contains(part), "{shown}: no {part:?} in\n{response}");
        }
    }
}

#[tokio::test]
async fn large_headers_have_their_size() {
    let (response, _) = outcome(Fault::LargeHeaders(10_000)).await;
    let padding: usize =
        response.lines().filter_map(|line| line.strip_prefix("x-padding: ")).map(str::len).sum();
    assert_eq!(padding, 10_000);
}

#[tokio::test]
async fn garbage_is_neither_json_nor_text() {
    let node = faulty(Fault::Garbage).await;
    let (bytes, _) = read_all(&mut sent(&node).await).await;
    assert!(bytes.starts_with(b"HTTP/1.1 200 "));
    assert!(String::from_utf8(bytes).is_err());
}

#[tokio::test]
async fn answers_can_be_wrong_in_every_member() {
    for (fault, reply) in [
        (
            Fault::RpcError { code: -32005, message: "slow down".into(), data: Some(json!({"wait": 1})) },
            json!({"jsonrpc": "2.0", "id": 1, "error": {"code": -32005, "message": "slow down", "data": {"wait": 1}}}),
        ),
        (Fault::WrongChain(5), json!({"jsonrpc": "2.0", "id": 1, "result": "0x5"})),
        (Fault::Result(json!(["x"])), json!({"jsonrpc": "2.0", "id": 1, "result": ["x"]})),
        (Fault::NullResult, json!({"jsonrpc": "2.0", "id": 1, "result": null})),
        (Fault::WrongId, json!({"jsonrpc": "2.0", "id": "not 1", "result": "0x1"})),
        (Fault::EmptyObject, json!({})),
        (
            Fault::ResultAndError,
            json!({"jsonrpc": "2.0", "id": 1, "result": "0x1",
                "error": {"code": -32000, "message": "result and error"}}),
        ),
        (Fault::Repeat, json!({"jsonrpc": "2.0", "id": 1, "result": "0x1"})),
    ] {
        let node = faulty(fault).await;
        assert_eq!(ask(&node, "eth_chainId", &json!([])).await, reply);
    }
    let (response, _) = outcome(Fault::Omit).await;
    assert!(response.starts_with("HTTP/1.1 200 ") && body_of(&response).is_empty(), "{response}");
}

#[tokio::test]
async fn a_lagging_node_knows_nothing_of_the_newest_blocks() {
    let node = faulty(Fault::Lag(3)).await;
    assert_eq!(ask(&node, "eth_blockNumber", &json!([])).await["result"], "0x3e5");
    assert_eq!(ask(&node, "eth_getBlockByNumber", &json!(["0x3e6", false])).await["result"], Value::Null);
    let hash = node.chain().block_hash(0x3e6);
    assert_eq!(ask(&node, "eth_getBlockByHash", &json!([hash, false])).await["result"], Value::Null);
    let balance = ask(&node, "eth_getBalance", &json!([TOKEN_A, "0x3e6"])).await;
    assert_eq!(balance["error"]["message"], "header not found");
}

#[tokio::test]
async fn faults_of_items_stay_with_their_items() {
    let node = node().await;
    let batch = |methods: &[&str]| {
        let items = methods.iter().zip(1..);
        let items = items.map(|(method, id)| json!({"jsonrpc": "2.0", "id": id, "method": method}));
        Value::from_iter(items).to_string()
    };
    let ids = async |methods: &[&str]| {
        let response = exchange(&node, &batch(methods)).await;
        let replies: Value = serde_json::from_str(body_of(&response)).unwrap();
        replies.as_array().unwrap().iter().map(|reply| reply["id"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    let three = ["eth_chainId", "eth_blockNumber", "eth_gasPrice"];
    node.behave([Rule::method("eth_blockNumber", Fault::Omit)]);
    assert_eq!(ids(&three).await, [1, 3]);
    node.behave([Rule::method("eth_blockNumber", Fault::Repeat)]);
    assert_eq!(ids(&three).await, [1, 2, 2, 3]);
    node.behave([Rule::any(Fault::ReverseBatch)]);
    assert_eq!(ids(&three).await, [3, 2, 1]);
    // A delivery that one item meets is everybody's.
    node.behave([Rule::method("eth_gasPrice", Fault::Raw(Bytes::from_static(b"[]")))]);
    assert_eq!(ids(&three).await, [0; 0]);
    node.heal();
    assert_eq!(ids(&three).await, [1, 2, 3]);
}

#[tokio::test]
async fn rules_change_while_the_node_runs() {
    let node = node().await;
    node.behave([Rule::method("eth_chainId", Fault::NullResult).first(1)]);
    node.add_rule(Rule::method("eth_chainId", Fault::Result(json!("0x7"))).after(2));
    for expected in [Value::Null, json!("0x1"), json!("0x7")] {
        assert_eq!(ask(&node, "eth_chainId", &json!([])).await["result"], expected);
    }
    node.heal();
    assert_eq!(ask(&node, "eth_chainId", &json!([])).await["result"], "0x1");
}

#[tokio::test]
async fn a_huge_result_is_valid_json_of_the_announced_size() {
    let node = faulty(Fault::Stream(HugeResult::new(3_000_000).chunk(10_000).known_length())).await;
    let response = exchange(&node, &call("eth_getLogs", &json!([{}]))).await;
    assert!(response.contains("content-length: 3000000\r\n"));
    let body = body_of(&response);
    assert_eq!(body.len(), 3_000_000);
    let logs: Value = serde_json::from_str(body).unwrap();
    assert!(logs["result"].as_array().unwrap().len() > 5_000);
}

#[tokio::test]
async fn a_huge_result_is_made_only_as_fast_as_it_is_read() {
    // More than any machine of a test could hold.
    let node = faulty(Fault::Stream(HugeResult::new(1 << 50))).await;
    let mut stream = sent(&node).await;
    let mut buffer = vec![0; 1 << 20];
    timeout(LIMIT, stream.read_exact(&mut buffer)).await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&buffer).contains("transfer-encoding: chunked"));
    assert_eq!(node.stats().in_flight, 1);
    drop(stream);
    assert!(node.wait_until(LIMIT, |stats| stats.in_flight == 0).await);
}

#[tokio::test]
async fn a_cut_result_ends_without_its_end() {
    let shape = HugeResult::new(100_000).chunk(1_000).known_length().cut_after(30_000);
    let (response, _) = outcome(Fault::Stream(shape)).await;
    assert_eq!(body_of(&response).len(), 30_000);
    let (response, _) = outcome(Fault::Stream(HugeResult::new(100_000).cut_after(30_000))).await;
    assert!(body_of(&response).len() >= 30_000 && !response.ends_with("0\r\n\r\n"));
}
