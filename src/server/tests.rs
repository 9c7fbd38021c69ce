//! The server over loopback, spoken to byte by byte.

use std::future::{pending, ready};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use lasso_layers::call::{Body, Call, Failure, Reply};
use lasso_layers::catalog::{ChainSpec, Live, ProfileSpec};
use lasso_layers::edge::ingress::Ingress;
use lasso_layers::wire::result_body;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tower::Service;

use super::{Api, ServerPolicy, WebSockets, serve};
use crate::config::Settings;
use crate::runtime::Runtime;

// === The server ===

type Answer = Pin<Box<dyn Future<Output = Result<Reply, Failure>> + Send>>;

/// A stack that answers by a function and remembers the methods it was asked for.
#[derive(Clone)]
struct Stack {
    answer: Arc<dyn Fn(Call) -> Answer + Send + Sync>,
    methods: Arc<Mutex<Vec<String>>>,
}

impl Stack {
    fn new(answer: impl Fn(Call) -> Answer + Send + Sync + 'static) -> Self {
        Self { answer: Arc::new(answer), methods: Arc::default() }
    }

    fn echo() -> Self {
        Self::new(|call| Box::pin(ready(Ok(echo(&call)))))
    }

    /// Answers when it is told to; says when a call has begun. What it hands out ends when the call is dropped.
    fn held() -> (Self, mpsc::UnboundedReceiver<Held>) {
        let (started, starts) = mpsc::unbounded_channel();
        let stack = Self::new(move |call| {
            let (release, released) = oneshot::channel();
            let (alive, gone) = oneshot::channel();
            started.send(Held { release, gone }).unwrap();
            Box::pin(async move {
                let _alive: oneshot::Sender<()> = alive;
                if released.await.is_err() {
                    pending::<()>().await;
                }
                Ok(echo(&call))
            })
        });
        (stack, starts)
    }
}

struct Held {
    release: oneshot::Sender<()>,
    gone: oneshot::Receiver<()>,
}

impl Service<Call> for Stack {
    type Response = Reply;
    type Error = Failure;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call) -> Answer {
        self.methods.lock().unwrap().push(call.request.method().into_owned());
        (self.answer)(call)
    }
}

fn echo(call: &Call) -> Reply {
    let result = serde_json::to_string(&call.request.method()).unwrap();
    Reply::Result(Body::Full(result_body(call.request.id(), result.as_bytes())))
}

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<usize>,
}

async fn start(stack: Stack, policy: ServerPolicy) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut ethereum = ChainSpec::new("ethereum", 1);
    ethereum.name = "Ethereum Mainnet".into();
    let profile = ProfileSpec::new("default").chain(ethereum).chain(ChainSpec::new("base", 8453));
    let runtime = Runtime::new(Live::new(vec![profile]).unwrap(), &Settings::default());
    let api = Api::new(runtime, None, Instant::now());
    let (stop, stopped) = oneshot::channel();
    let stopped = async move {
        let _ = stopped.await;
    };
    let ended = tokio::spawn(serve(
        listener,
        Ingress::new(stack.clone()),
        WebSockets::new(stack),
        api,
        policy,
        stopped,
    ));
    Running { address, stop, ended }
}

async fn echo_server() -> (Running, Arc<Mutex<Vec<String>>>) {
    let stack = Stack::echo();
    let methods = stack.methods.clone();
    (start(stack, ServerPolicy::default()).await, methods)
}

// === The client ===

/// Nothing here takes long; a test that hangs should say so.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), what).await.expect("it happens soon")
}

struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

struct Response {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Response {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    #[track_caller]
    fn expect_error(&self, status: u16, code: i64) {
        let json = self.json();
        assert_eq!((self.status, &json["error"]["code"], &json["id"]), (status, &json!(code), &Value::Null));
    }
}

impl Client {
    async fn connect(server: &Running) -> Self {
        Self { stream: TcpStream::connect(server.address).await.unwrap(), buffer: Vec::new() }
    }

    async fn write(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    async fn send(&mut self, text: &str) -> Response {
        self.write(text).await;
        self.read().await
    }

    /// The next response with a body; `None` when the connection ends before it.
    async fn next(&mut self) -> io::Result<Option<Response>> {
        let head_end = loop {
            if let Some(at) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        };
        let head = String::from_utf8(self.buffer.drain(..head_end).collect()).unwrap().to_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length = length.map_or(0, |length| length.parse().unwrap());
        while self.buffer.len() < length {
            assert_ne!(self.stream.read_buf(&mut self.buffer).await?, 0, "the body is whole");
        }
        let body = self.buffer.drain(..length).collect();
        Ok(Some(Response { status, head, body }))
    }

    async fn read(&mut self) -> Response {
        soon(self.next()).await.unwrap().expect("a response")
    }

    /// Whether the server closes without another response.
    async fn is_closed(&mut self) -> bool {
        soon(self.next()).await.is_ok_and(|response| response.is_none())
    }
}

fn call(method: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":[]}}"#)
}

fn post(headers: &str, body: &str) -> String {
    format!("POST /rpc/ethereum HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{headers}\r\n{body}")
}

fn sized(body: &str) -> String {
    post(&format!("Content-Length: {}\r\n", body.len()), body)
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")
}

// === Pages ===

#[tokio::test]
async fn the_root_leads_to_the_dashboard() {
    let (server, _) = echo_server().await;
    let response = Client::connect(&server).await.send(&get("/")).await;
    assert_eq!(response.status, 302);
    assert!(response.head.contains("\r\nlocation: /dashboard\r\n"));
}

#[tokio::test]
async fn health_tells_that_the_process_runs() {
    let (server, _) = echo_server().await;
    let mut client = Client::connect(&server).await;
    let response = client.send(&get("/api/health")).await;
    assert_eq!(response.status, 200);
    assert!(response.head.contains("\r\ncontent-type: application/json; charset=utf-8\r\n"));
    assert!(response.head.contains("\r\naccess-control-allow-origin: *\r\n"));
    assert!(response.head.contains("\r\nx-request-id: "));
    let health = response.json();
    assert_eq!(health["status"], "healthy");
    assert_eq!(health["version"], env!("CARGO_PKG_VERSION"));
    assert!(health["uptime_seconds"].is_u64());
    assert!(health["timestamp"].as_str().unwrap().ends_with('Z'));
    let expected = json!({
        "enabled": false, "nodes_connected": 1, "nodes_responding": 1, "nodes_total": 1,
        "regions": [], "status": "standalone",
    });
    assert_eq!(health["cluster"], expected);
}

#[tokio::test]
async fn chains_are_those_of_the_default_profile() {
    let (server, _) = echo_server().await;
    let response = Client::connect(&server).await.send(&get("/api/chains")).await;
    let expected = json!({"chains": [
        {"chain_id": "1", "name": "Ethereum Mainnet", "chain_name": "ethereum", "supported": true},
        {"chain_id": "8453", "name": "base", "chain_name": "base", "supported": true},
    ]});
    assert_eq!(response.json(), expected);
}

#[tokio::test]
async fn head_is_answered_like_get_without_the_body() {
    let (server, _) = echo_server().await;
    let mut client = Client::connect(&server).await;
    let page = client.send(&get("/api/chains")).await;
    client.write("HEAD /api/chains HTTP/1.1\r\nHost: x\r\n\r\n").await;
    // What follows the head is the next response and no body.
    client.write(&get("/nothing")).await;
    let mut heads = String::new();
    while !heads.contains("404 not found") {
        assert_ne!(soon(client.stream.read_buf(&mut client.buffer)).await.unwrap(), 0);
        heads = String::from_utf8(client.buffer.clone()).unwrap().to_lowercase();
    }
    assert!(heads.starts_with("http/1.1 200 ok\r\n"));
    assert!(heads.contains(&format!("\r\ncontent-length: {}\r\n", page.body.len())));
    assert!(heads.contains("\r\n\r\nhttp/1.1 404 not found\r\n"));
}

#[tokio::test]
async fn everything_else_is_not_found() {
    let (server, _) = echo_server().await;
    let mut client = Client::connect(&server).await;
    for path in ["/api", "/api/health/", "/ws/ethereum", "/ws", "/rpc/ethereum", "/dashboards"] {
        let response = client.send(&get(path)).await;
        assert_eq!(response.status, 404, "{path}");
        assert_eq!(response.body, br#"{"errors":{"detail":"Not Found"}}"#);
        assert!(response.head.contains("\r\naccess-control-allow-origin: *\r\n"));
    }
    let response = client.send("OPTIONS /api/health HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(response.status, 204);
    assert!(response.head.contains("\r\naccess-control-max-age: 86400\r\n"));
    let response =
        client.send("POST /api/health HTTP/1.1\r\nHost: x\r\nContent-Length: 8000001\r\n\r\n").await;
    assert_eq!(response.status, 413);
    assert_eq!(response.body, br#"{"errors":{"detail":"Request Entity Too Large"}}"#);
}

// === Calls and framing ===

#[tokio::test]
async fn a_connection_survives_errors() {
    let (server, methods) = echo_server().await;
    let mut client = Client::connect(&server).await;
    client.send(&sized("{")).await.expect_error(400, -32700);
    client.send(&sized("[]")).await.expect_error(200, -32600);
    assert_eq!(client.send(&get("/rpc/ethereum")).await.status, 404);
    assert_eq!(client.send(&sized(r#"{"method":"a"}"#)).await.status, 204);
    let response = client.send(&sized(&call("eth_call"))).await;
    assert_eq!(response.json(), json!({"jsonrpc": "2.0", "id": 1, "result": "eth_call"}));
    assert!(response.head.contains("\r\ncontent-length: "));
    assert_eq!(*methods.lock().unwrap(), ["a", "eth_call"]);
}

#[tokio::test]
async fn requests_may_follow_each_other_without_waiting() {
    let (server, _) = echo_server().await;
    let mut client = Client::connect(&server).await;
    client.write(&[sized(&call("a")), sized(&call("b")), get("/api/chains")].concat()).await;
    assert_eq!(client.read().await.json()["result"], "a");
    assert_eq!(client.read().await.json()["result"], "b");
    assert_eq!(client.read().await.status, 200);
}

#[tokio::test]
async fn a_body_may_arrive_byte_by_byte_and_in_chunks() {
    let (server, _) = echo_server().await;
    let mut client = Client::connect(&server).await;
    for byte in sized(&call("eth_call")).chars() {
        client.write(&byte.to_string()).await;
    }
    assert_eq!(client.read().await.json()["result"], "eth_call");
    let body: String = call("eth_gasPrice").chars().map(|byte| format!("1\r\n{byte}\r\n")).collect();
    let request = post("Transfer-Encoding: chunked\r\n", &format!("{body}0\r\n\r\n"));
    assert_eq!(client.send(&request).await.json()["result"], "eth_gasPrice");
}

#[tokio::test]
async fn api_case_17_a_body_declared_too_large_is_refused_unread_and_the_client_sees_why() {
    let (server, methods) = echo_server().await;
    // The client asks before it sends, and is not invited to.
    let mut client = Client::connect(&server).await;
    let head = post("Content-Length: 8000001\r\nExpect: 100-continue\r\n", "");
    client.send(&head).await.expect_error(413, -32600);
    // The client sends all of it before it reads.
    let mut client = Client::connect(&server).await;
    client.write(&sized(&"x".repeat(8_000_001))).await;
    client.read().await.expect_error(413, -32600);
    assert!(methods.lock().unwrap().is_empty());
}

#[tokio::test]
async fn api_case_18_a_request_with_two_lengths_is_refused_and_its_connection_closed() {
    let (server, methods) = echo_server().await;
    let body = format!("{:x}\r\n{}\r\n0\r\n\r\n", call("a").len(), call("a"));
    for headers in [
        "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
        "transfer-encoding: chunked\r\nCONTENT-LENGTH: 2\r\n",
    ] {
        let mut client = Client::connect(&server).await;
        let ordinary = client.send(&sized(&call("ordinary"))).await;
        assert_eq!(ordinary.json()["result"], "ordinary");
        client.send(&post(headers, &body)).await.expect_error(400, -32700);
        assert!(client.is_closed().await);
    }
    assert_eq!(*methods.lock().unwrap(), ["ordinary", "ordinary"]);
}

#[tokio::test]
async fn malformed_lengths_are_refused_with_400() {
    let (server, methods) = echo_server().await;
    for length in ["", "+42", "-1", "42,", "42, 42", "0x2a", "42\r\nContent-Length: 43"] {
        let mut client = Client::connect(&server).await;
        let response = client.send(&post(&format!("Content-Length: {length}\r\n"), &call("a"))).await;
        assert_eq!(response.status, 400, "{length}");
    }
    assert!(methods.lock().unwrap().is_empty());
    let repeated = format!("Content-Length: {0}\r\nContent-Length: {0}\r\n", call("a").len());
    let response = Client::connect(&server).await.send(&post(&repeated, &call("a"))).await;
    assert_eq!(response.json()["result"], "a");
}

#[tokio::test]
async fn a_body_that_breaks_off_does_not_become_a_call() {
    let (server, methods) = echo_server().await;
    let mut client = Client::connect(&server).await;
    client.write(&post("Content-Length: 1000\r\n", &call("a"))).await;
    client.stream.shutdown().await.unwrap();
    client.read().await.expect_error(400, -32700);
    assert!(client.is_closed().await);
    assert!(methods.lock().unwrap().is_empty());
}

#[tokio::test]
async fn http_2_is_spoken_with_prior_knowledge() {
    let (server, _) = echo_server().await;
    let stream = TokioIo::new(TcpStream::connect(server.address).await.unwrap());
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    let request = |method: &str| {
        let uri = format!("http://{}/rpc/ethereum", server.address);
        Request::post(uri).body(Full::new(Bytes::from(call(method)))).unwrap()
    };
    let (first, second) = (sender.send_request(request("a")), sender.send_request(request("b")));
    for (response, method) in [(soon(first).await.unwrap(), "a"), (soon(second).await.unwrap(), "b")] {
        assert_eq!((response.status(), response.version()), (StatusCode::OK, Version::HTTP_2));
        let body = soon(response.into_body().collect()).await.unwrap().to_bytes();
        assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["result"], method);
    }
}

// === Beginnings and ends ===

#[tokio::test]
async fn a_client_that_does_not_finish_its_head_is_cut_off() {
    let policy = ServerPolicy { head_timeout: Duration::from_millis(50), ..ServerPolicy::default() };
    let server = start(Stack::echo(), policy).await;
    let long = "POST /rpc/ethereum HTTP/1.1\r\nHost: x\r\nX-Slow: ";
    // The second one could still become HTTP/2.
    for beginning in ["", "PRI * H", "POST", long] {
        let mut client = Client::connect(&server).await;
        client.write(beginning).await;
        assert!(client.is_closed().await, "{beginning}");
    }
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let (server, methods) = echo_server().await;
    // hyper looks at the size between two reads, and a read may bring as much again.
    let large = format!("X-Large: {}\r\n", "x".repeat(3 * 64 * 1024));
    for headers in [large, "X-Many: x\r\n".repeat(101)] {
        let mut client = Client::connect(&server).await;
        assert_eq!(client.send(&post(&headers, &call("a"))).await.status, 431);
    }
    assert!(methods.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_client_that_leaves_cancels_its_call() {
    let (stack, mut starts) = Stack::held();
    let server = start(stack, ServerPolicy::default()).await;
    let mut client = Client::connect(&server).await;
    client.write(&sized(&call("a"))).await;
    let held = soon(starts.recv()).await.unwrap();
    drop(client);
    assert!(soon(held.gone).await.is_err(), "the call is dropped while it waits");
}

#[tokio::test]
async fn stopping_answers_what_is_under_way_and_takes_nothing_new() {
    let (stack, mut starts) = Stack::held();
    let server = start(stack, ServerPolicy::default()).await;
    let mut idle = Client::connect(&server).await;
    assert_eq!(idle.send(&get("/api/chains")).await.status, 200);
    let mut busy = Client::connect(&server).await;
    busy.write(&sized(&call("a"))).await;
    let held = soon(starts.recv()).await.unwrap();

    server.stop.send(()).unwrap();
    assert!(idle.is_closed().await);
    // The listener is gone before idle connections are closed.
    let refused = TcpStream::connect(server.address).await.unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    held.release.send(()).unwrap();
    let response = busy.read().await;
    assert_eq!(response.json()["result"], "a");
    assert!(response.head.contains("\r\nconnection: close\r\n"));
    assert!(busy.is_closed().await);
    assert_eq!(soon(server.ended).await.unwrap(), 0);
}

#[tokio::test]
async fn connections_that_do_not_finish_in_time_are_cut_and_counted() {
    let (stack, mut starts) = Stack::held();
    let policy = ServerPolicy { drain: Duration::from_millis(50), ..ServerPolicy::default() };
    let server = start(stack, policy).await;
    let mut clients = [Client::connect(&server).await, Client::connect(&server).await];
    let mut held = Vec::new();
    for client in &mut clients {
        client.write(&sized(&call("a"))).await;
        held.push(soon(starts.recv()).await.unwrap());
    }
    server.stop.send(()).unwrap();
    assert_eq!(soon(server.ended).await.unwrap(), 2);
    for held in held {
        assert!(soon(held.gone).await.is_err());
    }
}
