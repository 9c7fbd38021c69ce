//! Runs every example as a person would, and asks it over HTTP.
//!
//! `cargo test` builds the examples first. `cargo test --test examples` does not: it runs what was built last.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::{Error, Message};

/// Until an example listens, or answers. Generous, because the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running example; dropping it ends it.
struct Example {
    process: Child,
    /// Scheme, host and port.
    base: String,
}

impl Example {
    /// Starts an example on a free port and waits until it listens.
    fn start(name: &str) -> Self {
        let mut process = Command::new(binary(name))
            .arg("127.0.0.1:0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                // Only the first line is waited for; the rest is read so that the pipe never fills.
                let _ = sender.send(line);
            }
        });
        let mut example = Self { process, base: String::new() };
        let line = receiver.recv_timeout(PATIENCE).expect("the example says where it listens");
        let url = line.strip_prefix("listening on ").unwrap_or_else(|| panic!("{line}"));
        let authority = url.strip_prefix("http://").and_then(|rest| rest.split('/').next());
        example.base = format!("http://{}", authority.unwrap_or_else(|| panic!("{line}")));
        example
    }

    async fn send(&self, method: Method, path: &str, body: impl Into<Bytes>) -> (StatusCode, Bytes) {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("content-type", "application/json")
            .body(Full::new(body.into()))
            .unwrap();
        let exchange = async {
            let response = client.request(request).await.unwrap();
            let status = response.status();
            (status, response.into_body().collect().await.unwrap().to_bytes())
        };
        tokio::time::timeout(PATIENCE, exchange).await.expect("the example answers")
    }

    async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        let (status, body) = self.send(Method::POST, path, body.to_string()).await;
        (status, serde_json::from_slice(&body).unwrap())
    }

    /// The result of a call that succeeds.
    async fn result(&self, path: &str, method: &str, params: Value) -> Value {
        let call = json!({ "jsonrpc": "2.0", "id": "a-1", "method": method, "params": params });
        let (status, reply) = self.post(path, call).await;
        assert_eq!((status, &reply["id"]), (StatusCode::OK, &json!("a-1")), "{reply}");
        reply.get("result").unwrap_or_else(|| panic!("{reply}")).clone()
    }

    /// The name of the node that answers.
    async fn node(&self, path: &str) -> String {
        let version = self.result(path, "web3_clientVersion", json!([])).await;
        version.as_str().unwrap().rsplit('/').next().unwrap().to_owned()
    }

    /// A call with metadata in the reply's body: the whole reply.
    async fn explained(&self, id: u64, method: &str, params: &Value) -> Value {
        let call = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        let (_, reply) = self.post("/rpc/ethereum?include_meta=body", call).await;
        assert_eq!(reply["id"], id, "{reply}");
        reply
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        // Fails when it ended by itself, which the test has noticed then.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Examples are built beside the folder of the tests.
fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(|deps| deps.parent()).unwrap();
    let binary = profile.join("examples").join(name).with_extension(std::env::consts::EXE_EXTENSION);
    assert!(binary.exists(), "{} is not built; `cargo build --examples` builds it", binary.display());
    binary
}

/// The height at which a simulated chain starts.
const HEIGHT: &str = "0x3e8";

#[tokio::test]
async fn proxy_fails_over_and_explains_itself() {
    let example = Example::start("proxy");
    assert_eq!(example.result("/rpc/ethereum", "eth_chainId", json!([])).await, "0x1");
    for _ in 0..4 {
        assert_eq!(example.result("/rpc/1", "eth_blockNumber", json!([])).await, HEIGHT);
    }
    // The node that is asked first fails every second call, so of two calls in a row one is a retry.
    let mut answers = Vec::new();
    for id in 0..4 {
        let reply = example.explained(id, "eth_gasPrice", &json!([])).await;
        let meta = &reply["lasso_meta"];
        assert_eq!(meta["strategy"], "priority", "{reply}");
        answers.push((
            meta["selected_provider"]["id"].as_str().unwrap().to_owned(),
            meta["retries"].as_u64().unwrap(),
        ));
    }
    answers.sort();
    let (shaky, steady) = (("shaky".to_owned(), 0), ("steady".to_owned(), 1));
    assert_eq!(answers, [shaky.clone(), shaky, steady.clone(), steady]);

    let (status, reply) =
        example.post("/rpc/nowhere", json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_call" })).await;
    assert_eq!((status, &reply["error"]["code"]), (StatusCode::BAD_REQUEST, &json!(-32602)), "{reply}");
}

#[tokio::test]
async fn axum_serves_its_own_routes_and_ours() {
    let example = Example::start("axum_drop_in");
    assert_eq!(example.send(Method::GET, "/hello", "").await, (StatusCode::OK, "hello\n".into()));
    assert_eq!(example.result("/rpc/ethereum", "eth_blockNumber", json!([])).await, HEIGHT);
    assert_eq!(example.node("/rpc/provider/two/ethereum").await, "two");
    assert_eq!(example.node("/rpc/profile/default/ethereum/one").await, "one");
    // The client's address reaches the rate limit. One token comes back each second, so it runs dry.
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": ["forwarded"] });
    let mut limited = false;
    for _ in 0..1_000 {
        limited =
            limited || example.post("/rpc/ethereum", call.clone()).await.0 == StatusCode::TOO_MANY_REQUESTS;
    }
    assert!(limited);
    assert_eq!(example.send(Method::GET, "/hello", "").await.0, StatusCode::OK);
}

#[tokio::test]
async fn hyper_server_hides_the_broken_node() {
    let example = Example::start("hyper_server");
    for _ in 0..3 {
        assert_eq!(example.node("/").await, "backup");
    }
    assert_eq!(example.result("/any/path", "eth_blockNumber", json!([])).await, HEIGHT);
    let batch = json!([
        { "jsonrpc": "2.0", "id": 1, "method": "eth_chainId" },
        { "jsonrpc": "2.0", "id": 2, "method": "eth_blockNumber" },
    ]);
    let (status, reply) = example.post("/", batch).await;
    let results: Vec<_> =
        reply.as_array().unwrap().iter().map(|item| (&item["id"], &item["result"])).collect();
    assert_eq!(status, StatusCode::OK);
    assert_eq!(results, [(&json!(1), &json!("0x1")), (&json!(2), &json!(HEIGHT))]);
}

#[tokio::test]
async fn a_layer_and_a_filter_of_ones_own_take_part() {
    let example = Example::start("custom_layer");
    let provider = |reply: &Value| reply["lasso_meta"]["selected_provider"]["id"].clone();

    let sent = example.explained(1, "eth_sendRawTransaction", &json!(["0x02"])).await;
    assert_eq!(provider(&sent), "relay", "{sent}");
    assert!(sent["result"].as_str().is_some_and(|hash| hash.len() == 66), "{sent}");

    let latest = example.explained(2, "eth_getBlockByNumber", &json!(["latest", false])).await;
    assert_eq!(provider(&latest), "public", "{latest}");
    let by_hash = json!([latest["result"]["hash"], false]);
    let asked = example.explained(3, "eth_getBlockByHash", &by_hash).await;
    let cached = example.explained(4, "eth_getBlockByHash", &by_hash).await;
    assert_eq!(provider(&asked), "public", "{asked}");
    // No provider was asked, and the answer is the same but for the id.
    assert_eq!(provider(&cached), Value::Null, "{cached}");
    assert_eq!([&asked["result"], &cached["result"]], [&latest["result"]; 2]);
    // The whole block is another question.
    let whole = example.explained(5, "eth_getBlockByHash", &json!([latest["result"]["hash"], true])).await;
    assert_eq!(provider(&whole), "public", "{whole}");
}

#[tokio::test]
async fn routes_differ_in_strategy_and_limit() {
    let example = Example::start("per_route");
    let mut indexed = std::collections::BTreeSet::new();
    // A uniform shuffle that gives the same node 64 times is not to be expected in this world.
    for _ in 0..64 {
        indexed.insert(example.node("/indexer").await);
    }
    assert_eq!(indexed, ["own".to_owned(), "rented".to_owned()].into());

    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "web3_clientVersion" });
    let mut refusal = None;
    for at in 0..1_000 {
        let (status, reply) = example.post("/wallet", call.clone()).await;
        if status == StatusCode::TOO_MANY_REQUESTS {
            refusal = Some((at, reply));
            break;
        }
        assert!(reply["result"].as_str().unwrap().ends_with("/own"), "{reply}");
    }
    let (served, refusal) = refusal.expect("the wallet's limit is reached");
    assert!(served >= 3, "a burst of three is allowed: {served}");
    assert_eq!(refusal["error"]["data"]["rate_limit"], 1, "{refusal}");
    // The same client may still ask the other route.
    example.node("/indexer").await;
    assert_eq!(example.send(Method::POST, "/elsewhere", "{}").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn axum_serves_sockets_that_are_pushed_to() {
    let example = Example::start("websocket");
    assert_eq!(example.send(Method::GET, "/hello", "").await, (StatusCode::OK, "hello\n".into()));
    assert_eq!(example.node("/rpc/ethereum").await, "node");
    let connect = async |path: &str| {
        let authority = example.base.strip_prefix("http://").unwrap();
        let stream = TcpStream::connect(authority).await.unwrap();
        client_async(format!("ws://{authority}{path}"), stream).await
    };
    assert!(matches!(connect("/ws/rpc/nowhere").await, Err(Error::Http(refused)) if refused.status() == 404));

    let (mut socket, _) = connect("/ws/rpc/ethereum").await.unwrap();
    let mut next = async |call: Option<Value>| {
        if let Some(call) = call {
            socket.send(Message::text(call.to_string())).await.unwrap();
        }
        let message = tokio::time::timeout(PATIENCE, socket.next()).await.expect("it comes in time");
        serde_json::from_str::<Value>(&message.unwrap().unwrap().into_text().unwrap()).unwrap()
    };
    let height = next(Some(json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber" }))).await;
    assert_eq!(height["result"], HEIGHT);
    let subscribed = json!({ "jsonrpc": "2.0", "id": 2, "method": "eth_subscribe", "params": ["newHeads"] });
    let id = next(Some(subscribed)).await["result"].clone();
    for number in ["0x0", "0x1", "0x2"] {
        let push = next(None).await;
        assert_eq!(push["params"], json!({ "subscription": id, "result": { "number": number } }));
    }
}
