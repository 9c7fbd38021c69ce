//! What nodes do to their sockets and subscriptions on demand.

use bytes::Bytes;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{self, Message};

use super::websocket::Client;
use super::{LIMIT, ask, node};
use crate::sim::{Ending, Fault, NOTIFICATION, Rule};

#[tokio::test]
async fn all_sockets_end_at_once_and_new_ones_are_served() {
    for fault in [Fault::Reset, Fault::Close, Fault::CloseFrame { code: 1012, reason: "restart".into() }] {
        let node = node().await;
        let mut clients = [Client::open(&node).await.unwrap(), Client::open(&node).await.unwrap()];
        for client in &mut clients {
            client.subscribe(&json!(["newHeads"])).await;
        }
        node.strike(fault.clone());
        for client in &mut clients {
            let message = client.message().await;
            match (&fault, message) {
                (Fault::CloseFrame { code, .. }, Some(Ok(Message::Close(Some(frame))))) => {
                    assert_eq!(u16::from(frame.code), *code);
                }
                (Fault::Reset, Some(Err(tungstenite::Error::Io(error)))) => {
                    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
                }
                (Fault::Close, Some(Err(tungstenite::Error::Protocol(_)))) => {}
                (fault, message) => panic!("{fault:?} gave {message:?}"),
            }
        }
        drop(clients);
        assert!(node.wait_until(LIMIT, |stats| stats.sockets == 0 && stats.subscriptions == 0).await);
        let mut client = Client::open(&node).await.unwrap();
        assert_eq!(client.ask("eth_chainId", &json!([])).await["result"], "0x1");
    }
}

#[tokio::test]
async fn a_half_open_socket_says_nothing_until_it_is_ended() {
    let node = node().await;
    let mut client = Client::open(&node).await.unwrap();
    client.subscribe(&json!(["newHeads"])).await;
    node.strike(Fault::Freeze);
    // Another socket shows that the node goes on.
    let mut other = Client::open(&node).await.unwrap();
    other.subscribe(&json!(["newHeads"])).await;
    node.chain().mine(1);
    assert_eq!(other.head().await, "0x3e9");
    assert!(client.is_quiet().await);
    assert_eq!(node.stats().sockets, 2);
    node.disconnect(Ending::Reset);
    assert!(matches!(client.message().await, Some(Err(_))));
}

#[tokio::test]
async fn a_torn_frame_ends_in_a_reset() {
    let node = node().await;
    let mut client = Client::open(&node).await.unwrap();
    client.subscribe(&json!(["newHeads"])).await;
    node.behave([Rule::method(NOTIFICATION, Fault::TornFrame)]);
    node.chain().mine(1);
    assert!(matches!(client.message().await, Some(Err(tungstenite::Error::Io(_)))));
    node.heal();
    let mut client = Client::open(&node).await.unwrap();
    client.ask("eth_chainId", &json!([])).await;
    node.strike(Fault::TornFrame);
    assert!(matches!(client.message().await, Some(Err(tungstenite::Error::Io(_)))));
    node.behave([Rule::method("eth_chainId", Fault::TornFrame)]);
    let mut client = Client::open(&node).await.unwrap();
    client.send(&super::call("eth_chainId", &json!([]))).await;
    assert!(matches!(client.message().await, Some(Err(tungstenite::Error::Io(_)))));
}

#[tokio::test]
async fn a_socket_that_is_accepted_may_be_closed_at_once() {
    let node = node().await;
    node.behave([Rule::any(Fault::Hang), Rule::opened(Fault::Close).first(1)]);
    // The handshake succeeds.
    let mut client = Client::open(&node).await.unwrap();
    assert!(matches!(client.message().await, Some(Err(tungstenite::Error::Protocol(_)))));
    let mut client = Client::open(&node).await.unwrap();
    assert!(client.is_quiet().await);
    assert_eq!(node.stats().sockets_opened, 2);
}

#[tokio::test]
async fn subscriptions_are_pushed_what_is_not_so() {
    let node = node().await;
    let mut client = Client::open(&node).await.unwrap();
    let heads = client.subscribe(&json!(["newHeads"])).await;
    client.subscribe(&json!(["logs", {}])).await;
    node.push("newHeads", json!({"number": "0xffff"}));
    let message = client.json().await;
    assert_eq!(message["params"], json!({"subscription": heads, "result": {"number": "0xffff"}}));
    node.strike(Fault::Raw(Bytes::from_static(b"not json")));
    assert_eq!(client.message().await.unwrap().unwrap().to_text().unwrap(), "not json");
}

#[tokio::test]
async fn messages_of_a_subscription_may_overtake_each_other() {
    let node = node().await;
    node.behave([Rule::method(NOTIFICATION, Fault::Overtaken).every(2)]);
    let mut client = Client::open(&node).await.unwrap();
    client.subscribe(&json!(["newHeads"])).await;
    node.chain().mine(3);
    for number in ["0x3e9", "0x3eb", "0x3ea"] {
        assert_eq!(client.head().await, number);
    }
}

#[tokio::test]
async fn the_logs_of_one_block_may_be_kept_back() {
    let node = node().await;
    let mut client = Client::open(&node).await.unwrap();
    client.subscribe(&json!(["logs", {}])).await;
    client.subscribe(&json!(["newHeads"])).await;
    let of_logs = || Rule::method(NOTIFICATION, Fault::Omit).params_contain("\"logIndex\"");
    node.behave([of_logs().params_contain("\"blockNumber\":\"0x3ea\"")]);
    node.chain().mine(3);
    let mut told = Vec::new();
    for _ in 0..7 {
        let result = client.json().await["params"]["result"].clone();
        let log = result.get("logIndex").is_some();
        told.push((log, if log { &result["blockNumber"] } else { &result["number"] }.clone()));
    }
    let of = |number: &str, log: bool| told.iter().filter(|seen| **seen == (log, json!(number))).count();
    assert_eq!(
        ["0x3e9", "0x3ea", "0x3eb"].map(|number| (of(number, true), of(number, false))),
        [(2, 1), (0, 1), (2, 1)]
    );
}

#[tokio::test]
async fn subscriptions_are_counted_by_topic() {
    let node = node().await;
    let mut client = Client::open(&node).await.unwrap();
    let id = client.subscribe(&json!(["newHeads"])).await;
    client.subscribe(&json!(["newHeads"])).await;
    client.subscribe(&json!(["logs", {}])).await;
    client.ask("eth_unsubscribe", &json!([id])).await;
    let counts = |topic| {
        let stats = node.topic(topic);
        (stats.subscribed, stats.unsubscribed, stats.open)
    };
    assert_eq!([counts("newHeads"), counts("logs"), counts("?")], [(2, 1, 1), (1, 0, 1), (0, 0, 0)]);
    drop(client);
    assert!(node.wait_for_topic("newHeads", LIMIT, |topic| topic.open == 0).await);
    assert_eq!(counts("newHeads"), (2, 1, 0));
    node.behave([Rule::method("eth_subscribe", Fault::rpc_error(-32601, "no"))]);
    let mut client = Client::open(&node).await.unwrap();
    assert_eq!(client.ask("eth_subscribe", &json!(["newHeads"])).await["error"]["code"], -32601);
    assert_eq!(counts("newHeads"), (2, 1, 0));
}

/// What fetching a block by its hash relies on.
#[tokio::test]
async fn blocks_and_logs_are_found_by_hash_and_not_on_an_abandoned_branch() {
    let node = node().await;
    let hash = node.chain().block_hash(1_000).unwrap();
    assert_eq!(ask(&node, "eth_getBlockByHash", &json!([hash, false])).await["result"]["number"], "0x3e8");
    let logs = ask(&node, "eth_getLogs", &json!([{"blockHash": hash}])).await;
    assert_eq!(logs["result"], Value::from(node.chain().logs(1_000, 1_000)));
    node.chain().reorg(1);
    assert_eq!(ask(&node, "eth_getBlockByHash", &json!([hash, false])).await["result"], Value::Null);
    let logs = ask(&node, "eth_getLogs", &json!([{"blockHash": hash}])).await;
    assert_eq!(logs["error"]["message"], "unknown block");
}
