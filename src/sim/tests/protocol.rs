//! HTTP and JSON-RPC envelopes.

use bytes::Bytes;
use http::{Request, Version};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::{LIMIT, body_of, call, connect, exchange, node, read_all};
use crate::sim::{Fault, Rule, SimNode, Transport};

type Http = Client<HttpConnector, Full<Bytes>>;

type Error = Box<dyn std::error::Error + Send + Sync>;

fn request(node: &SimNode, body: String) -> Request<Full<Bytes>> {
    Request::post(format!("{}/path?key=1", node.http_url()))
        .header("content-type", "application/json; charset=utf-8")
        .header("x-test", "yes")
        .body(Full::new(body.into()))
        .unwrap()
}

async fn post(client: &Http, node: &SimNode, body: String) -> (Version, Bytes) {
    let response = client.request(request(node, body)).await.unwrap();
    (response.version(), response.into_body().collect().await.unwrap().to_bytes())
}

#[tokio::test]
async fn a_reply_is_canonical() {
    let node = node().await;
    let response = exchange(&node, r#"{"id": "a\u0062" ,"jsonrpc":"2.0","method":"eth_chainId"}"#).await;
    let body = r#"{"jsonrpc":"2.0","id":"a\u0062","result":"0x1"}"#;
    assert_eq!(body_of(&response), body);
    assert!(response.contains("\r\ncontent-type: application/json\r\n"), "{response}");
    assert!(response.contains(&format!("\r\ncontent-length: {}\r\n", body.len())), "{response}");
}

#[tokio::test]
async fn both_versions_of_http_are_served_and_connections_are_kept() {
    let node = node().await;
    let one: Http = Client::builder(TokioExecutor::new()).build_http();
    let two: Http = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    for (client, version) in [(&one, Version::HTTP_11), (&two, Version::HTTP_2)] {
        for _ in 0..2 {
            let (answered, body) = post(client, &node, call("eth_chainId", &json!([]))).await;
            assert_eq!(answered, version);
            assert_eq!(body, r#"{"jsonrpc":"2.0","id":1,"result":"0x1"}"#);
        }
    }
    let seen = node.seen();
    assert_eq!(seen.iter().map(|call| call.connection).collect::<Vec<_>>(), [1, 1, 2, 2]);
    assert_eq!(node.stats().accepted, 2);
    let last = &seen[3];
    assert_eq!(
        (last.method.as_str(), last.transport, last.version),
        ("eth_chainId", Transport::Http, Version::HTTP_2)
    );
    assert_eq!((last.path.as_str(), last.headers["x-test"].to_str().unwrap()), ("/path?key=1", "yes"));
    assert_eq!((last.id.as_deref(), last.params.as_deref(), last.batch), (Some("1"), Some("[]"), None));
    assert!(!format!("{last:?}").contains("key=1"));
}

#[tokio::test]
async fn over_http2_a_cancelled_stream_leaves_the_others_and_an_ending_takes_them_all() {
    let node = node().await;
    node.behave([
        Rule::method("eth_chainId", Fault::Hang),
        Rule::method("eth_gasPrice", Fault::Reset),
        Rule::method("eth_syncing", Fault::HalfBody),
    ]);
    let client: Http = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let spawn = |method: &str| {
        let (client, body) = (client.clone(), call(method, &json!([])));
        let request = request(&node, body);
        tokio::spawn(async move {
            client.request(request).await?.into_body().collect().await.map_err(Error::from)
        })
    };
    let [one, two] = [spawn("eth_chainId"), spawn("eth_chainId")];
    assert!(node.wait_until(LIMIT, |stats| stats.in_flight == 2).await);
    one.abort();
    assert!(node.wait_until(LIMIT, |stats| stats.in_flight == 1).await);
    assert!(spawn("eth_syncing").await.unwrap().is_err());
    assert!(spawn("eth_blockNumber").await.unwrap().is_ok());
    assert_eq!(node.stats().accepted, 1);
    assert!(spawn("eth_gasPrice").await.unwrap().is_err());
    assert!(two.await.unwrap().is_err());
    assert!(node.wait_until(LIMIT, |stats| stats.in_flight == 0 && stats.connections == 0).await);
}

#[tokio::test]
async fn batches_are_answered_item_by_item() {
    let node = node().await;
    let batch = r#"[{"jsonrpc":"2.0","id":1,"method":"eth_chainId"},
        {"jsonrpc":"2.0","method":"eth_blockNumber"}, 7,
        {"jsonrpc":"2.0","id":null,"method":"eth_foo"}]"#;
    let replies: Value = serde_json::from_str(body_of(&exchange(&node, batch).await)).unwrap();
    let codes: Vec<_> =
        replies.as_array().unwrap().iter().map(|reply| reply["error"]["code"].as_i64()).collect();
    // The notification has no reply.
    assert_eq!(codes, [None, Some(-32600), Some(-32601)]);
    assert_eq!((node.total_calls(), node.calls("eth_blockNumber")), (3, 1));
    assert!(node.seen().iter().all(|call| call.batch == Some(4)));
    let notification = r#"[{"jsonrpc":"2.0","method":"eth_blockNumber"}]"#;
    assert_eq!(body_of(&exchange(&node, notification).await), "");
}

#[tokio::test]
async fn malformed_messages_get_json_rpc_errors() {
    let node = node().await;
    for (body, code) in [("{", -32700), ("", -32700), ("[]", -32600), ("1", -32600), (r#"{"id":1}"#, -32600)]
    {
        let reply: Value = serde_json::from_str(body_of(&exchange(&node, body).await)).unwrap();
        assert_eq!(reply["error"]["code"], code, "{body}");
    }
    assert_eq!(node.total_calls(), 0);
}

#[tokio::test]
async fn requests_that_are_no_calls_are_refused() {
    let node = node().await;
    for (head, status) in [
        ("GET / HTTP/1.1\r\n", "405"),
        ("PUT / HTTP/1.1\r\ncontent-length: 0\r\n", "405"),
        ("POST / HTTP/1.1\r\ncontent-length: 0\r\n", "415"),
        ("POST / HTTP/1.1\r\ncontent-type: text/plain\r\ncontent-length: 0\r\n", "415"),
        ("POST / HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: 99999999\r\n", "413"),
        ("GET / HTTP/1.1\r\nconnection: upgrade\r\nupgrade: websocket\r\n", "426"),
        (
            "GET / HTTP/1.1\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n",
            "400",
        ),
        ("nonsense\r\n", "400"),
    ] {
        let mut stream = connect(&node).await;
        stream.write_all(format!("{head}host: sim\r\nconnection: close\r\n\r\n").as_bytes()).await.unwrap();
        let response = String::from_utf8(read_all(&mut stream).await.0).unwrap();
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{head}\n{response}");
    }
    assert!(node.wait_until(LIMIT, |stats| stats.connections == 0 && stats.in_flight == 0).await);
}
