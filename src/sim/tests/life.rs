//! Starting, stopping, and what is left behind.

use std::io;
use std::sync::Arc;

use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{LIMIT, ask, call, chain, connect, node, read_all, send};
use crate::sim::{Ending, Fault, Rule, SimNode, SimNodeOptions};

async fn refused(node: &SimNode) -> bool {
    let error = TcpStream::connect(node.addr()).await.map(drop).unwrap_err();
    error.kind() == io::ErrorKind::ConnectionRefused
}

#[tokio::test]
async fn a_stopped_node_refuses_and_a_restarted_one_has_its_port_and_memory() {
    let node = node().await;
    node.behave([Rule::method("net_version", Fault::NullResult)]);
    let url = node.http_url();
    for round in 1..=3 {
        assert_eq!(ask(&node, "eth_chainId", &json!([])).await["result"], "0x1");
        let mut idle = connect(&node).await;
        node.stop().await;
        node.stop().await;
        assert!(refused(&node).await);
        assert_eq!(read_all(&mut idle).await.0, b"");
        assert!(node.wait_until(LIMIT, |stats| stats.connections == 0).await);
        node.restart().await.unwrap();
        node.restart().await.unwrap();
        assert_eq!((node.http_url(), node.total_calls()), (url.clone(), 2 * round - 1));
        assert_eq!(ask(&node, "net_version", &json!([])).await["result"], json!(null));
    }
}

#[tokio::test]
async fn a_dropped_node_ends_everything_it_started() {
    let node = node().await;
    node.behave([Rule::any(Fault::Hang)]);
    let addr = node.addr();
    let mut hanging = connect(&node).await;
    send(&mut hanging, &call("eth_chainId", &json!([]))).await;
    let mut idle = connect(&node).await;
    assert!(node.wait_until(LIMIT, |stats| stats.in_flight == 1 && stats.connections == 2).await);
    drop(node);
    assert_eq!(read_all(&mut hanging).await.0, b"");
    assert_eq!(read_all(&mut idle).await.0, b"");
    assert_eq!(TcpStream::connect(addr).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn disconnecting_ends_connections_and_leaves_the_node_up() {
    let node = node().await;
    for (ending, error) in [(Ending::Close, None), (Ending::Reset, Some(io::ErrorKind::ConnectionReset))] {
        let mut idle = connect(&node).await;
        assert!(node.wait_until(LIMIT, |stats| stats.connections == 1).await);
        node.disconnect(ending);
        assert_eq!(read_all(&mut idle).await, (vec![], error));
        assert_eq!(ask(&node, "eth_chainId", &json!([])).await["result"], "0x1");
        assert!(node.wait_until(LIMIT, |stats| stats.connections == 0).await);
    }
}

#[tokio::test]
async fn waiting_ends_with_its_limit() {
    let node = node().await;
    let moment = std::time::Duration::from_millis(1);
    assert!(!node.wait_for_calls(1, moment).await);
    assert!(!node.wait_for_method("eth_chainId", 1, moment).await);
    ask(&node, "eth_chainId", &json!([])).await;
    assert!(node.wait_for_method("eth_chainId", 1, LIMIT).await);
    assert!(!node.wait_for_method("eth_gasPrice", 1, moment).await);
}

#[tokio::test]
async fn memory_of_calls_is_bounded() {
    let options = SimNodeOptions { remember: 2, ..SimNodeOptions::new("forgetful", chain()) };
    let node = SimNode::start(options).await.unwrap();
    for method in ["eth_chainId", "eth_gasPrice", "eth_syncing"] {
        ask(&node, method, &json!([])).await;
    }
    let methods: Vec<_> = node.seen().into_iter().map(|call| call.method).collect();
    assert_eq!(methods, ["eth_gasPrice", "eth_syncing"]);
}

#[tokio::test]
async fn many_nodes_serve_many_clients_at_once() {
    let chain = chain();
    let mut nodes = Vec::new();
    for index in 0..30 {
        nodes.push(Arc::new(
            SimNode::start(SimNodeOptions::new(format!("{index}"), chain.clone())).await.unwrap(),
        ));
    }
    let mut asks = tokio::task::JoinSet::new();
    for index in 0..300 {
        let node = nodes[index % nodes.len()].clone();
        asks.spawn(async move { ask(&node, "eth_blockNumber", &json!([])).await["result"].take() });
    }
    assert!(asks.join_all().await.iter().all(|height| height == "0x3e8"));
    assert!(nodes.iter().all(|node| node.total_calls() == 10));
}

#[tokio::test]
async fn an_http2_preface_alone_does_no_harm() {
    let node = node().await;
    let mut stream = connect(&node).await;
    tokio::io::AsyncWriteExt::write_all(&mut stream, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    // The node's own settings come first (RFC 9113, section 3.4).
    assert!(timeout(LIMIT, stream.read_u8()).await.unwrap().is_ok());
    drop(stream);
    assert!(node.wait_until(LIMIT, |stats| stats.connections == 0).await);
}
