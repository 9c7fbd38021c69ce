//! Nodes over WebSocket.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{self, Message};

use super::{LIMIT, QUIET, call, connect, node};
use crate::sim::{Ending, Fault, HugeResult, NOTIFICATION, Rule, SimNode, Transport};

pub(super) struct Client {
    pub(super) socket: WebSocketStream<TcpStream>,
}

impl Client {
    pub(super) async fn open(node: &SimNode) -> tungstenite::Result<Self> {
        let stream = connect(node).await;
        let (socket, _) =
            tokio_tungstenite::client_async(format!("{}/ws/key", node.ws_url()), stream).await?;
        Ok(Self { socket })
    }

    pub(super) async fn send(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    pub(super) async fn message(&mut self) -> Option<tungstenite::Result<Message>> {
        timeout(LIMIT, self.socket.next()).await.expect("something comes")
    }

    pub(super) async fn json(&mut self) -> Value {
        serde_json::from_str(self.message().await.unwrap().unwrap().to_text().unwrap()).unwrap()
    }

    pub(super) async fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.send(&call(method, params)).await;
        self.json().await
    }

    pub(super) async fn subscribe(&mut self, params: &Value) -> String {
        self.ask("eth_subscribe", params).await["result"].as_str().unwrap().to_owned()
    }

    /// The number of the head that comes next.
    pub(super) async fn head(&mut self) -> String {
        let message = self.json().await;
        assert_eq!(message["method"], "eth_subscription");
        message["params"]["result"]["number"].as_str().unwrap().to_owned()
    }

    pub(super) async fn is_quiet(&mut self) -> bool {
        timeout(QUIET, self.socket.next()).await.is_err()
    }
}

#[tokio::test]
async fn calls_and_batches_are_answered() {
    let node = node().await;
    let mut client = Client::open(&node).await.unwrap();
    assert_eq!(client.ask("eth_chainId", &json!([])).await["result"], "0x1");
    client.send(r#"[{"jsonrpc":"2.0","id":"b","method":"eth_chainId"}]"#).await;
    assert_eq!(client.json().await, json!([{"jsonrpc": "2.0", "id": "b", "result": "0x1"}]));
    client.send("{").await;
    assert_eq!(client.json().await["error"]["code"], -32700);
    let seen = node.seen();
    let transports: Vec<_> = seen.iter().map(|call| call.transport).collect();
    assert_eq!(transports, [Transport::Handshake, Transport::WebSocket, Transport::WebSocket]);
    assert!(seen.iter().all(|call| call.path == "/ws/key" && call.connection == 1));
    assert_eq!(node.stats().sockets, 1);
    client.socket.close(None).await.unwrap();
    assert!(node.wait_until(LIMIT, |stats| stats.sockets == 0 && stats.connections == 0).await);
}

#[tokio::test]
async fn heads_come_in_order_to_every_subscriber_until_it_unsubscribes() {
    let node = node().await;
    let (mut one, mut two) = (Client::open(&node).await.unwrap(), Client::open(&node).await.unwrap());
    let id = one.subscribe(&json!(["newHeads"])).await;
    two.subscribe(&json!(["newHeads"])).await;
    assert_eq!(node.stats().subscriptions, 2);
    node.chain().mine(2);
    node.chain().reorg(1);
    for client in [&mut one, &mut two] {
        for number in ["0x3e9", "0x3ea", "0x3ea"] {
            assert_eq!(client.head().await, number);
        }
    }
    assert_eq!(one.ask("eth_unsubscribe", &json!([id])).await["result"], true);
    assert_eq!(one.ask("eth_unsubscribe", &json!([id])).await["error"]["message"], "subscription not found");
    node.chain().mine(1);
    assert_eq!(two.head().await, "0x3eb");
    assert!(one.is_quiet().await);
    drop(two);
    assert!(node.wait_until(LIMIT, |stats| stats.subscriptions == 0).await);
}

#[tokio::test]
async fn a_subscriber_to_logs_gets_what_the_blocks_have() {
    let node = node().await;
    let mut client = Client::open(&node).await.unwrap();
    client.subscribe(&json!(["logs", {}])).await;
    let height = node.chain().mine(1);
    for log in node.chain().logs(height, height) {
        assert_eq!(client.json().await["params"]["result"], log);
    }
    assert_eq!(client.ask("eth_subscribe", &json!(["foo"])).await["error"]["code"], -32601);
    assert_eq!(client.ask("eth_subscribe", &json!([])).await["error"]["code"], -32602);
}

#[tokio::test]
async fn slow_answers_do_not_hold_up_quick_ones() {
    let node = node().await;
    node.behave([
        Rule::method("eth_chainId", Fault::latency(LIMIT)),
        Rule::method("net_version", Fault::latency(QUIET)),
    ]);
    let mut client = Client::open(&node).await.unwrap();
    client.send(&call("eth_chainId", &json!([]))).await;
    assert_eq!(client.ask("net_version", &json!([])).await["result"], "1");
    assert_eq!(client.ask("eth_blockNumber", &json!([])).await["result"], "0x3e8");
    assert_eq!(node.stats().in_flight, 1);
}

#[tokio::test]
async fn a_hanging_call_leaves_the_socket_alive_and_a_frozen_socket_does_not_pong() {
    let node = node().await;
    node.behave([Rule::method("eth_chainId", Fault::Hang), Rule::method("eth_gasPrice", Fault::Freeze)]);
    let mut client = Client::open(&node).await.unwrap();
    client.send(&call("eth_chainId", &json!([]))).await;
    assert_eq!(client.ask("eth_blockNumber", &json!([])).await["result"], "0x3e8");
    assert_eq!(node.stats().in_flight, 1);
    client.socket.send(Message::Ping(Bytes::from_static(b"?"))).await.unwrap();
    assert_eq!(client.message().await.unwrap().unwrap(), Message::Pong(Bytes::from_static(b"?")));
    client.send(&call("eth_gasPrice", &json!([]))).await;
    assert!(node.wait_for_method("eth_gasPrice", 1, LIMIT).await);
    client.socket.send(Message::Ping(Bytes::new())).await.unwrap();
    assert!(client.is_quiet().await);
    node.stop().await;
    assert!(!matches!(client.message().await, Some(Ok(_))));
}

#[tokio::test]
async fn sockets_end_in_the_way_of_their_fault() {
    let node = node().await;
    let ends = async |fault: Fault| {
        node.behave([Rule::any(fault)]);
        let mut client = Client::open(&node).await.unwrap();
        client.send(&call("eth_chainId", &json!([]))).await;
        client.message().await
    };
    // The client library words both as the absence of a closing handshake, or as the error of the socket.
    assert!(matches!(ends(Fault::Close).await, Some(Err(tungstenite::Error::Protocol(_)))));
    let Some(Err(tungstenite::Error::Io(error))) = ends(Fault::Reset).await else {
        panic!("an RST is no close")
    };
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    let Some(Ok(Message::Close(Some(frame)))) =
        ends(Fault::CloseFrame { code: 1013, reason: "later".into() }).await
    else {
        panic!("a close frame was due")
    };
    assert_eq!((u16::from(frame.code), frame.reason.as_str()), (1013, "later"));
    // The message is announced as unfinished and stays so.
    assert!(matches!(ends(Fault::HalfBody).await, Some(Err(tungstenite::Error::Protocol(_)))));
}

#[tokio::test]
async fn made_up_messages_arrive_as_given() {
    let node = node().await;
    let mut client = Client::open(&node).await.unwrap();
    let pause = Duration::from_millis(1);
    for (fault, part) in [
        (Fault::Raw(Bytes::from_static(b"[1]")), "[1]"),
        (Fault::Html(StatusCode::BAD_GATEWAY), "<h1>502 Bad Gateway</h1>"),
        (Fault::RateLimited { retry_after: None }, r#""id":1,"error":{"code":429"#),
        (Fault::WrongId, "not 1"),
        (Fault::SlowBody { chunk: 7, pause }, r#"{"jsonrpc":"2.0","id":1,"result":"0x1"}"#),
        (Fault::LargeHeaders(100), r#""result":"0x1""#),
    ] {
        node.behave([Rule::any(fault)]);
        client.send(&call("eth_chainId", &json!([]))).await;
        let message = client.message().await.unwrap().unwrap();
        assert!(message.to_text().unwrap().contains(part), "no {part} in {message}");
    }
    node.behave([Rule::any(Fault::Garbage)]);
    client.send(&call("eth_chainId", &json!([]))).await;
    assert!(client.message().await.unwrap().unwrap().is_binary());
    node.behave([Rule::any(Fault::Repeat)]);
    assert_eq!(client.ask("eth_chainId", &json!([])).await, client.json().await);
}

#[tokio::test]
async fn a_huge_result_is_one_message_of_many_frames() {
    let node = node().await;
    node.behave([Rule::any(Fault::Stream(HugeResult::new(1_000_000).chunk(10_000)))]);
    let mut client = Client::open(&node).await.unwrap();
    client.send(&call("eth_getLogs", &json!([{}]))).await;
    let message = client.message().await.unwrap().unwrap();
    assert_eq!(message.len(), 1_000_000);
    assert!(serde_json::from_str::<Value>(message.to_text().unwrap()).is_ok());
}

#[tokio::test]
async fn subscriptions_misbehave_under_their_own_rules() {
    let node = node().await;
    let mut client = Client::open(&node).await.unwrap();
    node.behave([
        Rule::any(Fault::NullResult).after(1),
        Rule::method(NOTIFICATION, Fault::Omit).first(1),
        Rule::method(NOTIFICATION, Fault::Repeat).after(2),
        Rule::method(NOTIFICATION, Fault::latency(Duration::from_millis(5))).every(2),
    ]);
    client.subscribe(&json!(["newHeads"])).await;
    node.chain().mine(3);
    for number in ["0x3ea", "0x3eb", "0x3eb"] {
        assert_eq!(client.head().await, number);
    }
    node.behave([Rule::method(NOTIFICATION, Fault::Close)]);
    node.chain().mine(1);
    assert!(matches!(client.message().await, Some(Err(_))));
    assert!(node.wait_until(LIMIT, |stats| stats.subscriptions == 0).await);
}

#[tokio::test]
async fn a_lagging_node_tells_heads_late() {
    let node = node().await;
    node.behave([Rule::any(Fault::Lag(2))]);
    let mut client = Client::open(&node).await.unwrap();
    client.subscribe(&json!(["newHeads"])).await;
    node.chain().mine(1);
    assert_eq!(client.head().await, "0x3e7");
    node.heal();
    node.chain().mine(1);
    for number in ["0x3e8", "0x3e9", "0x3ea"] {
        assert_eq!(client.head().await, number);
    }
}

#[tokio::test]
async fn handshakes_are_refused_under_their_own_rules() {
    let node = node().await;
    node.behave([Rule::any(Fault::Reset), Rule::handshake(Fault::status(StatusCode::FORBIDDEN)).first(1)]);
    let Err(tungstenite::Error::Http(response)) = Client::open(&node).await.map(drop) else {
        panic!("the handshake was refused")
    };
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert!(Client::open(&node).await.is_ok());
    node.behave([Rule::handshake(Fault::Reset)]);
    assert!(Client::open(&node).await.is_err());
}

#[tokio::test]
async fn disconnecting_reaches_sockets() {
    let node = node().await;
    let mut client = Client::open(&node).await.unwrap();
    client.ask("eth_chainId", &json!([])).await;
    node.disconnect(Ending::Close);
    assert!(matches!(client.message().await, Some(Err(_))));
    assert!(node.wait_until(LIMIT, |stats| stats.sockets == 0).await);
}
