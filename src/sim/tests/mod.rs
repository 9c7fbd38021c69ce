//! A node as its clients see it: over raw sockets, so that every byte and every ending of a connection counts.

mod faults;
mod life;
mod methods;
mod protocol;
mod shocks;
mod websocket;

use std::io;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{SimChain, SimChainOptions, SimNode, SimNodeOptions};

/// How long a test waits for what must happen.
const LIMIT: Duration = Duration::from_secs(20);

/// How long a test waits to believe that nothing happens.
const QUIET: Duration = Duration::from_millis(50);

fn chain() -> SimChain {
    SimChain::new(1, SimChainOptions::default())
}

async fn node() -> SimNode {
    SimNode::start(SimNodeOptions::new("one", chain())).await.unwrap()
}

fn call(method: &str, params: &Value) -> String {
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string()
}

async fn connect(node: &SimNode) -> TcpStream {
    TcpStream::connect(node.addr()).await.unwrap()
}

async fn send(stream: &mut TcpStream, body: &str) {
    let head = format!(
        "POST /v2/key HTTP/1.1\r\nhost: sim\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all((head + body).as_bytes()).await.unwrap();
}

/// What a node sends on a connection until it ends it, and the error it ends with if it is no FIN.
async fn read_all(stream: &mut TcpStream) -> (Vec<u8>, Option<io::ErrorKind>) {
    let mut bytes = Vec::new();
    let result = timeout(LIMIT, stream.read_to_end(&mut bytes)).await.expect("the connection ends");
    (bytes, result.err().map(|error| error.kind()))
}

/// One exchange on a connection of its own: all that comes back.
async fn exchange(node: &SimNode, body: &str) -> String {
    let mut stream = connect(node).await;
    send(&mut stream, body).await;
    String::from_utf8_lossy(&read_all(&mut stream).await.0).into_owned()
}

fn body_of(response: &str) -> &str {
    response.split_once("\r\n\r\n").expect("a response has a head").1
}

/// The reply to one call.
async fn ask(node: &SimNode, method: &str, params: &Value) -> Value {
    let response = exchange(node, &call(method, params)).await;
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
    serde_json::from_str(body_of(&response)).unwrap()
}
