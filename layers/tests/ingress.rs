//! The ingress in front of stacks that answer from memory.

#![cfg(all(feature = "http", feature = "profile", feature = "test-util"))]

use std::collections::VecDeque;
use std::future::{pending, ready};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body::{Body as _, Frame};
use http_body_util::{BodyExt, Full};
use lasso_layers::call::{
    Body, BoxError, Call, Candidate, ClientId, Failure, MetaMode, Metadata, Rejection, Reply, Route,
    StreamBody,
};
use lasso_layers::catalog::{Category, Live};
use lasso_layers::edge::ingress::{ByteBudget, Ingress, IngressPolicy, PeerAddr, ResponseBody};
use lasso_layers::testing;
use lasso_layers::wire::{ErrorObject, code, result_body};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tower::Service;

// === The stack ===

type Answer = Pin<Box<dyn Future<Output = Result<Reply, Failure>> + Send>>;

/// A stack that answers by a function and remembers what it was asked.
#[derive(Clone)]
struct Stack {
    answer: Arc<dyn Fn(Call) -> Answer + Send + Sync>,
    /// Every call that was no dry run.
    calls: Arc<Mutex<Vec<Call>>>,
    dry_runs: Arc<Mutex<Vec<Call>>>,
}

impl Stack {
    fn new(answer: impl Fn(Call) -> Answer + Send + Sync + 'static) -> Self {
        Self { answer: Arc::new(answer), calls: Arc::default(), dry_runs: Arc::default() }
    }

    /// Answers every call with the name of its method.
    fn echo() -> Self {
        Self::new(|call| Box::pin(ready(Ok(echo(&call)))))
    }

    fn failing(failure: impl Fn() -> Failure + Send + Sync + 'static) -> Self {
        Self::new(move |_| Box::pin(ready(Err(failure()))))
    }

    fn methods(&self) -> Vec<String> {
        let calls = self.calls.lock().unwrap();
        calls.iter().map(|call| call.request.method().into_owned()).collect()
    }

    fn call(&self, index: usize) -> Call {
        self.calls.lock().unwrap()[index].clone()
    }
}

impl Service<Call> for Stack {
    type Response = Reply;
    type Error = Failure;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call) -> Answer {
        let list = if call.dry_run { &self.dry_runs } else { &self.calls };
        list.lock().unwrap().push(call.clone());
        (self.answer)(call)
    }
}

fn echo(call: &Call) -> Reply {
    let result = serde_json::to_string(&call.request.method()).unwrap();
    Reply::Result(Body::Full(result_body(call.request.id(), result.as_bytes())))
}

fn rejection(code: i64, status: StatusCode) -> Rejection {
    Rejection::new(Category::InvalidParams, ErrorObject::new(code, "refused")).whole_request(status)
}

// === Requests and responses ===

fn post(uri: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let request = Request::post(uri).header("content-type", "application/json");
    request.body(Full::new(body.into())).unwrap()
}

fn call(id: &str, method: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":[]}}"#)
}

struct Answered {
    status: StatusCode,
    headers: http::HeaderMap,
    body: Bytes,
}

impl Answered {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {:?}", self.body))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    #[track_caller]
    fn expect_error(&self, status: u16, code: i64, id: Value) {
        let json = self.json();
        let seen = (self.status.as_u16(), &json["error"]["code"], &json["id"]);
        assert_eq!(seen, (status, &json!(code), &id), "{json}");
        assert_eq!(json["jsonrpc"], "2.0");
    }
}

async fn send<B>(ingress: &Ingress<Stack>, request: Request<B>) -> Answered
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
{
    let Ok(response) = ingress.handle(request).await;
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answered { status: head.status, headers: head.headers, body }
}

/// Sends a body to `/rpc/ethereum` in front of the echo stack.
async fn send_body(body: impl Into<Bytes>) -> (Answered, Stack) {
    let stack = Stack::echo();
    let answered = send(&Ingress::new(stack.clone()), post("/rpc/ethereum", body)).await;
    (answered, stack)
}

/// A body in pieces, without a known length. `None` never ends.
struct Pieces(VecDeque<Option<Result<Bytes, BoxError>>>);

impl Pieces {
    fn new(pieces: impl IntoIterator<Item = impl Into<Bytes>>) -> Self {
        Self(pieces.into_iter().map(|piece| Some(Ok(piece.into()))).collect())
    }
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.0.pop_front() {
            None => Poll::Ready(None),
            Some(None) => {
                self.0.push_front(None);
                Poll::Pending
            }
            Some(Some(piece)) => Poll::Ready(Some(piece.map(Frame::data))),
        }
    }
}

fn pieces(body: Pieces) -> Request<Pieces> {
    Request::post("/rpc/ethereum").header("content-type", "application/json").body(body).unwrap()
}

// === Bodies ===

#[tokio::test]
async fn a_call_is_answered_with_the_bytes_of_the_stack() {
    let body = r#"  {"id": 1, "jsonrpc":"2.0",  "result" : 1.50}"#;
    let stack = Stack::new(move |_| {
        Box::pin(ready(Ok(Reply::Result(Body::Full(Bytes::from_static(body.as_bytes()))))))
    });
    let answered = send(&Ingress::new(stack), post("/rpc/ethereum", call("1", "eth_call"))).await;
    assert_eq!(answered.status, 200);
    assert_eq!(answered.body, body);
    assert_eq!(answered.header("content-type"), Some("application/json; charset=utf-8"));
}

#[tokio::test]
async fn api_case_1_an_empty_batch_is_one_error() {
    let (answered, _) = send_body("[]").await;
    answered.expect_error(200, code::INVALID_REQUEST, Value::Null);
}

#[tokio::test]
async fn api_case_16_broken_json_is_a_parse_error() {
    for body in [r#"{"id":"#, r#"{"id":1} true"#, "\"\u{1}\"", " ", "[1,]"] {
        let (answered, stack) = send_body(body).await;
        answered.expect_error(400, code::PARSE_ERROR, Value::Null);
        assert_eq!(answered.json()["error"]["message"], "Parse error: Invalid JSON");
        assert!(stack.methods().is_empty());
    }
    let (answered, _) = send_body(&b"{\"id\":\"\xff\"}"[..]).await;
    answered.expect_error(400, code::PARSE_ERROR, Value::Null);
}

#[tokio::test]
async fn scalars_and_nothing_are_no_requests() {
    for body in ["\"x\"", "1", "null", "true", ""] {
        let (answered, _) = send_body(body).await;
        answered.expect_error(200, code::INVALID_REQUEST, Value::Null);
    }
}

#[tokio::test]
async fn the_content_type_matters_only_when_the_body_is_not_json() {
    for (kind, status, code) in [
        ("application/json", 400, code::PARSE_ERROR),
        ("application/vnd.api+json", 400, code::PARSE_ERROR),
        ("text/plain", 200, code::INVALID_REQUEST),
        ("application/x-www-form-urlencoded", 415, code::INVALID_REQUEST),
        ("multipart/form-data; boundary=b", 415, code::INVALID_REQUEST),
        ("", 200, code::INVALID_REQUEST),
    ] {
        let ingress = Ingress::new(Stack::echo());
        let mut request = post("/rpc/ethereum", call("1", "eth_call"));
        request.headers_mut().insert("content-type", kind.parse().unwrap());
        assert_eq!(send(&ingress, request).await.json()["result"], "eth_call", "{kind}");

        let mut request = post("/rpc/ethereum", "method=eth_call&id=1");
        request.headers_mut().insert("content-type", kind.parse().unwrap());
        send(&ingress, request).await.expect_error(status, code, Value::Null);

        // Meant as JSON, whatever the header says.
        let mut request = post("/rpc/ethereum", r#" {"method":"eth_call","id":1"#);
        request.headers_mut().insert("content-type", kind.parse().unwrap());
        send(&ingress, request).await.expect_error(400, code::PARSE_ERROR, Value::Null);
    }
}

#[tokio::test]
async fn a_client_that_does_not_take_json_gets_406() {
    let ingress = Ingress::new(Stack::echo());
    let mut request = post("/rpc/ethereum", call("1", "eth_call"));
    request.headers_mut().insert("accept", "text/html".parse().unwrap());
    let answered = send(&ingress, request).await;
    assert_eq!(answered.status, 406);
    assert_eq!(answered.body, r#"{"errors":{"detail":"Not Acceptable"}}"#);
    let mut request = post("/rpc/ethereum", call("1", "eth_call"));
    request.headers_mut().insert("accept", "text/html, */*;q=0.1".parse().unwrap());
    assert_eq!(send(&ingress, request).await.status, 200);
}

// === Lengths and bytes under way ===

#[tokio::test]
async fn api_case_17_a_body_of_exactly_the_limit_is_read() {
    let limit = 8_000_000;
    let head = r#"{"jsonrpc":"2.0","id":1,"method":"eth_call","params":[""#;
    let body = |length: usize| format!("{head}{}\"]}}", "x".repeat(length - head.len() - 3));
    let (answered, _) = send_body(body(limit)).await;
    assert_eq!(answered.json()["result"], "eth_call");
    let (answered, stack) = send_body(body(limit + 1)).await;
    answered.expect_error(413, code::INVALID_REQUEST, Value::Null);
    assert!(stack.methods().is_empty());
}

#[tokio::test]
async fn api_case_17_a_longer_declared_body_is_not_read() {
    let mut request = pieces(Pieces([None].into()));
    request.headers_mut().insert("content-length", "8000001".parse().unwrap());
    // The body never comes: an answer means that nobody waited for it.
    let answered = send(&Ingress::new(Stack::echo()), request).await;
    answered.expect_error(413, code::INVALID_REQUEST, Value::Null);
}

#[tokio::test]
async fn an_undeclared_body_is_cut_off_at_the_limit() {
    let policy = IngressPolicy { max_body_bytes: 100, ..IngressPolicy::default() };
    let ingress = Ingress::new(Stack::echo()).policy(policy);
    for sizes in [&[101][..], &[100, 1], &[60, 40, 1]] {
        let body: Vec<String> = sizes.iter().map(|size| " ".repeat(*size)).collect();
        let answered = send(&ingress, pieces(Pieces::new(body))).await;
        answered.expect_error(413, code::INVALID_REQUEST, Value::Null);
    }
}

#[tokio::test]
async fn a_body_that_arrives_byte_by_byte_is_put_together() {
    let body = call("\"a\"", "eth_call");
    let single = body.as_bytes().chunks(1).map(Bytes::copy_from_slice);
    let answered = send(&Ingress::new(Stack::echo()), pieces(Pieces::new(single))).await;
    assert_eq!(answered.json(), json!({"jsonrpc": "2.0", "id": "a", "result": "eth_call"}));
}

#[tokio::test]
async fn api_case_18_wrong_lengths_are_refused() {
    let body = call("1", "eth_call");
    let exact = body.len().to_string();
    for (lengths, encoding) in [
        (vec!["+2"], None),
        (vec!["2,"], None),
        (vec!["x"], None),
        (vec![exact.as_str(), "7"], None),
        (vec!["2"], None),
        (vec!["7000"], None),
        (vec!["2"], Some("chunked")),
    ] {
        let stack = Stack::echo();
        let mut request = post("/rpc/ethereum", body.clone());
        for length in &lengths {
            request.headers_mut().append("content-length", length.parse().unwrap());
        }
        if let Some(encoding) = encoding {
            request.headers_mut().insert("transfer-encoding", encoding.parse().unwrap());
        }
        let answered = send(&Ingress::new(stack.clone()), request).await;
        answered.expect_error(400, code::PARSE_ERROR, Value::Null);
        assert!(stack.methods().is_empty(), "{lengths:?}");
    }
    let mut request = post("/rpc/ethereum", body.clone());
    for _ in 0..2 {
        request.headers_mut().append("content-length", exact.parse().unwrap());
    }
    assert_eq!(send(&Ingress::new(Stack::echo()), request).await.status, 200);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_a_parse_error() {
    let body = Pieces([Some(Ok(Bytes::from_static(b"{"))), Some(Err("reset".into()))].into());
    let answered = send(&Ingress::new(Stack::echo()), pieces(body)).await;
    answered.expect_error(400, code::PARSE_ERROR, Value::Null);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_given_up() {
    let budget = ByteBudget::default();
    let ingress = Ingress::new(Stack::echo()).budget(budget.clone());
    let answered = send(&ingress, pieces(Pieces([None].into()))).await;
    answered.expect_error(408, code::PARSE_ERROR, Value::Null);
    assert_eq!(budget.used(), 0);
}

#[tokio::test]
async fn a_client_that_leaves_while_its_body_is_read_gives_its_room_back() {
    let budget = ByteBudget::default();
    let ingress = Ingress::new(Stack::echo()).budget(budget.clone());
    let body = Pieces([Some(Ok(Bytes::from_static(b"{"))), None].into());
    let mut answer = Box::pin(ingress.handle(pieces(body)));
    assert!(answer.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(budget.used(), 9_000_000);
    drop(answer);
    assert_eq!(budget.used(), 0);
}

#[tokio::test]
async fn without_room_the_answer_comes_before_the_body() {
    let budget = ByteBudget::new(9_000_000 + 4096);
    let ingress = Ingress::new(Stack::echo()).budget(budget.clone());
    let waiting = ingress.handle(pieces(Pieces([None].into())));
    assert_eq!(budget.used(), 9_000_000);
    let small = || post("/rpc/ethereum", call("1", "eth_call"));
    assert_eq!(send(&ingress, small()).await.status, 200);
    let answered = send(&ingress, pieces(Pieces([None].into()))).await;
    answered.expect_error(503, code::CAPACITY, Value::Null);

    // The room is held until the response is gone.
    let Ok(response) = ingress.handle(small()).await;
    assert_eq!(budget.used(), 9_000_000 + 4096);
    send(&ingress, small()).await.expect_error(503, code::CAPACITY, Value::Null);
    drop(response);
    assert_eq!(send(&ingress, small()).await.status, 200);
    drop(waiting);
    assert_eq!(budget.used(), 0);
}

// === Envelopes and notifications ===

#[tokio::test]
async fn envelopes_without_a_method_or_with_another_version_are_refused() {
    for (body, id) in [
        (r#"{"jsonrpc":"2.0","id":7}"#, json!(7)),
        (r#"{"jsonrpc":"2.0","method":7,"id":"a"}"#, json!("a")),
        (r#"{"jsonrpc":"2.0","id":[1.5],"params":[]}"#, json!([1.5])),
        (r#"{}"#, Value::Null),
        (r#"{"jsonrpc":"1.0","method":"eth_call","id":1}"#, json!(1)),
        (r#"{"jsonrpc":2.0,"method":"eth_call","id":1}"#, json!(1)),
        // Case 7: no notification either.
        (r#"{"jsonrpc":"1.0","method":"eth_blockNumber"}"#, Value::Null),
    ] {
        let (answered, stack) = send_body(body).await;
        answered.expect_error(200, code::INVALID_REQUEST, id);
        assert!(stack.methods().is_empty());
    }
}

#[tokio::test]
async fn api_case_8_the_version_may_be_left_out() {
    let (answered, _) = send_body(r#"{"method":"eth_chainId","id":"a"}"#).await;
    assert_eq!(answered.json(), json!({"jsonrpc": "2.0", "id": "a", "result": "eth_chainId"}));
}

#[tokio::test]
async fn ids_are_echoed_as_they_were_written() {
    for id in ["9007199254740993123", "\"\\u0061\"", "null", "1.50", "[true]"] {
        let ingress = Ingress::new(Stack::failing(|| {
            Failure::rejected(Category::InvalidParams, ErrorObject::new(code::INVALID_PARAMS, "no"))
        }));
        let answered = send(&ingress, post("/rpc/ethereum", call(id, "eth_call"))).await;
        let expected = format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32602,"message":"no"}}}}"#);
        assert_eq!(answered.body, expected);
        assert_eq!(answered.status, 200);
    }
}

#[tokio::test]
async fn api_case_6_a_notification_is_run_and_answered_with_204() {
    let (answered, stack) = send_body(r#"{"jsonrpc":"2.0","method":"eth_blockNumber","params":[]}"#).await;
    assert_eq!(answered.status, 204);
    assert!(answered.body.is_empty());
    assert_eq!(stack.methods(), ["eth_blockNumber"]);
    // Whatever comes of it.
    let stack = Stack::failing(|| {
        Failure::rejected(Category::MethodNotFound, ErrorObject::new(code::METHOD_NOT_FOUND, "blocked"))
    });
    let answered = send(&Ingress::new(stack), post("/rpc/ethereum", r#"{"method":"eth_sign"}"#)).await;
    assert_eq!((answered.status.as_u16(), answered.body.len()), (204, 0));
}

// === Batches ===

#[tokio::test]
async fn api_case_2_a_batch_has_at_most_50_items() {
    let batch = |size: usize| {
        let items: Vec<String> = (0..size).map(|id| call(&id.to_string(), "eth_call")).collect();
        format!("[{}]", items.join(","))
    };
    let (answered, stack) = send_body(batch(51)).await;
    answered.expect_error(200, code::INVALID_REQUEST, Value::Null);
    assert!(stack.methods().is_empty() && stack.dry_runs.lock().unwrap().is_empty());
    let (answered, stack) = send_body(batch(50)).await;
    let ids: Vec<Value> = answered.json().as_array().unwrap().iter().map(|item| item["id"].clone()).collect();
    assert_eq!(ids, (0..50).map(Value::from).collect::<Vec<_>>());
    assert_eq!(stack.methods().len(), 50);
}

#[tokio::test]
async fn api_case_3_invalid_items_are_errors_in_their_place() {
    let (answered, stack) = send_body("[{},42]").await;
    let json = answered.json();
    for item in json.as_array().unwrap() {
        assert_eq!((&item["error"]["code"], &item["id"]), (&json!(-32600), &Value::Null));
    }
    assert_eq!(json.as_array().unwrap().len(), 2);
    assert!(stack.dry_runs.lock().unwrap().is_empty(), "nothing to choose a provider for");

    let (answered, _) = send_body(format!(r#"[{},{{"id":8}},"x",{}]"#, call("7", "a"), call("9", "b"))).await;
    let json = answered.json();
    assert_eq!(json[0], json!({"jsonrpc": "2.0", "id": 7, "result": "a"}));
    assert_eq!((&json[1]["id"], &json[1]["error"]["code"]), (&json!(8), &json!(-32600)));
    assert_eq!((&json[2]["id"], &json[2]["error"]["code"]), (&Value::Null, &json!(-32600)));
    assert_eq!(json[3]["result"], "b");
}

#[tokio::test]
async fn api_case_4_a_notification_leaves_no_element_and_a_null_id_does() {
    let (answered, stack) = send_body(format!(r#"[{{"method":"a"}},{}]"#, call("null", "b"))).await;
    assert_eq!(answered.json(), json!([{"jsonrpc": "2.0", "id": null, "result": "b"}]));
    assert_eq!(stack.methods(), ["a", "b"]);
}

#[tokio::test]
async fn api_case_5_a_batch_of_notifications_is_answered_with_204() {
    let (answered, stack) = send_body(r#"[{"method":"a"},{"method":"b"}]"#).await;
    assert_eq!((answered.status.as_u16(), answered.body.len()), (204, 0));
    assert_eq!(stack.methods(), ["a", "b"]);
}

#[tokio::test]
async fn api_case_45_equal_ids_are_answered_each_and_in_order() {
    let (answered, _) = send_body(format!("[{},{}]", call("1", "a"), call("1", "b"))).await;
    let one = |result| json!({"jsonrpc": "2.0", "id": 1, "result": result});
    assert_eq!(answered.json(), json!([one("a"), one("b")]));
}

#[tokio::test]
async fn answers_keep_the_order_of_the_request_and_run_four_at_a_time() {
    let running = Arc::new(AtomicUsize::new(0));
    let (started, mut starts) = mpsc::unbounded_channel();
    let stack = Stack::new({
        let running = running.clone();
        move |call| {
            let (running, started) = (running.clone(), started.clone());
            Box::pin(async move {
                if call.dry_run {
                    return Ok(echo(&call));
                }
                assert!(running.fetch_add(1, Ordering::SeqCst) < 4);
                let (release, released) = oneshot::channel();
                started.send((call.request.method().into_owned(), release)).unwrap();
                released.await.unwrap();
                running.fetch_sub(1, Ordering::SeqCst);
                Ok(echo(&call))
            })
        }
    });
    let items: Vec<String> = (0..6).map(|id| call(&id.to_string(), &format!("m{id}"))).collect();
    let ingress = Ingress::new(stack);
    let request = post("/rpc/ethereum", format!("[{}]", items.join(",")));
    let sending = tokio::spawn(async move { send(&ingress, request).await.json() });

    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(starts.recv().await.unwrap());
    }
    assert_eq!(running.load(Ordering::SeqCst), 4);
    // The first one is the slowest; the others do not wait for it.
    let first = held.remove(0);
    for (_, release) in held {
        release.send(()).unwrap();
    }
    for _ in 0..2 {
        let (_, release) = starts.recv().await.unwrap();
        release.send(()).unwrap();
    }
    first.1.send(()).unwrap();
    let results: Vec<Value> =
        sending.await.unwrap().as_array().unwrap().iter().map(|item| item["result"].clone()).collect();
    assert_eq!(results, ["m0", "m1", "m2", "m3", "m4", "m5"].map(Value::from));
}

#[tokio::test]
async fn a_failing_item_fails_alone() {
    let stack = Stack::new(|call| {
        let reply = match call.request.method().as_ref() {
            "eth_sign" => Err(Failure::rejected(
                Category::MethodNotFound,
                ErrorObject::new(code::METHOD_NOT_FOUND, "Method not supported by proxy"),
            )),
            "eth_call" => {
                Ok(Reply::error(ErrorObject::new(3, "execution reverted"), Category::ExecutionRevert))
            }
            _ => Ok(echo(&call)),
        };
        Box::pin(ready(reply))
    });
    let body = format!("[{},{},{}]", call("1", "eth_sign"), call("2", "eth_call"), call("3", "eth_gasPrice"));
    let answered = send(&Ingress::new(stack), post("/rpc/ethereum", body)).await;
    assert_eq!(
        answered.json(),
        json!([
            {"jsonrpc": "2.0", "id": 1, "error": {"code": -32601, "message": "Method not supported by proxy"}},
            {"jsonrpc": "2.0", "id": 2, "error": {"code": 3, "message": "execution reverted"}},
            {"jsonrpc": "2.0", "id": 3, "result": "eth_gasPrice"},
        ])
    );
}

fn choosing(live: Live, excluded: Option<&'static str>) -> Stack {
    Stack::new(move |call| {
        if call.dry_run {
            let mut planned = testing::listed(testing::planned(&live, call, Duration::from_secs(10)));
            let list: &mut Vec<Candidate> = planned.shortlist.as_mut().unwrap();
            list[0].excluded = excluded;
            planned.candidates();
            return Box::pin(ready(Ok(Reply::Result(Body::Full(Bytes::new())))));
        }
        Box::pin(ready(Ok(echo(&call))))
    })
}

#[tokio::test]
async fn the_items_of_a_batch_share_what_the_dry_run_chose() {
    let live = testing::live(testing::chain(&["a", "b"]));
    let body = || format!("[{},42,{}]", call("1", "eth_call"), call("2", "eth_call"));

    let stack = choosing(live.clone(), Some("circuit_open"));
    send(&Ingress::new(stack.clone()), post("/rpc/ethereum?key=secret", body())).await;
    let lead = stack.dry_runs.lock().unwrap()[0].clone();
    assert_eq!(stack.dry_runs.lock().unwrap().len(), 1);
    assert_eq!(lead.request.method(), "eth_blockNumber");
    assert!(lead.batch.is_none(), "the dry run pays for the batch");
    assert!(matches!(lead.origin.client, Some(ClientId::Key(_))));
    let (first, second) = (stack.call(0).batch.unwrap(), stack.call(1).batch.unwrap());
    assert_eq!((first.index, second.index), (0, 1), "counted without what is no call");
    assert!(Arc::ptr_eq(&first.batch, &second.batch));
    assert_eq!((first.batch.size, first.batch.pin), (3, Some(1)));
    assert!(Arc::ptr_eq(&first.batch.snapshot, &live.snapshot()));
    assert_eq!(stack.call(0).received, lead.received);
    assert_eq!(stack.call(1).received, lead.received);

    // A provider that the client names needs no other one pinned.
    let stack = choosing(live, None);
    send(&Ingress::new(stack.clone()), post("/rpc/provider/b/ethereum", body())).await;
    assert_eq!(stack.call(0).batch.unwrap().batch.pin, None);
}

#[tokio::test]
async fn a_dry_run_that_fails_leaves_the_items_to_themselves() {
    let stack = Stack::new(|call| {
        let reply = if call.dry_run {
            Err(Failure::exhausted(Category::ProviderError, ErrorObject::new(code::SERVER_ERROR, "none")))
        } else {
            Ok(echo(&call))
        };
        Box::pin(ready(reply))
    });
    let body = format!("[{}]", call("1", "eth_chainId"));
    let answered = send(&Ingress::new(stack), post("/rpc/ethereum", body)).await;
    assert_eq!(answered.json()[0]["result"], "eth_chainId");
}

// === Refusals of everything ===

#[tokio::test]
async fn api_case_13_a_route_that_is_not_there_is_refused_with_its_status_and_a_null_id() {
    for (status, code) in [(400, code::INVALID_PARAMS), (404, code::SERVER_ERROR)] {
        let refused = StatusCode::from_u16(status).unwrap();
        let stack = Stack::failing(move || rejection(code, refused).into());
        let ingress = Ingress::new(stack.clone());
        let batch = format!("[{}]", call("1", "eth_call"));
        for body in [call("1", "eth_call"), batch, r#"{"method":"eth_call"}"#.to_owned()] {
            let answered = send(&ingress, post("/rpc/profile/%20/ethereum", body)).await;
            answered.expect_error(status, code, Value::Null);
            assert_eq!(answered.header("access-control-allow-origin"), Some("*"));
        }
        assert_eq!(stack.call(0).route.profile, " ");
    }
}

#[tokio::test]
async fn api_case_44_a_limited_client_gets_429_with_its_id_and_the_time_to_wait() {
    let limited = |wait: Duration| {
        Stack::failing(move || {
            let error = ErrorObject::new(code::SERVER_ERROR, "limited")
                .with_data(r#"{"retry_after_ms":1000,"rate_limit":1}"#);
            Rejection::new(Category::RateLimit, error)
                .whole_request(StatusCode::TOO_MANY_REQUESTS)
                .retry_after(wait)
                .into()
        })
    };
    for (wait, header) in [(0, "1"), (1, "1"), (1000, "1"), (1001, "2")] {
        let ingress = Ingress::new(limited(Duration::from_millis(wait)));
        let answered = send(&ingress, post("/rpc/ethereum", call("5", "eth_call"))).await;
        answered.expect_error(429, code::SERVER_ERROR, json!(5));
        assert_eq!(answered.json()["error"]["data"]["rate_limit"], 1);
        assert_eq!(answered.header("retry-after"), Some(header));
    }
    let stack = limited(Duration::from_secs(1));
    let ingress = Ingress::new(stack.clone());
    let answered = send(&ingress, post("/rpc/ethereum", format!("[{}]", call("5", "eth_call")))).await;
    answered.expect_error(429, code::SERVER_ERROR, Value::Null);
    assert!(stack.methods().is_empty(), "no item runs");
    for body in [r#"{"method":"eth_call"}"#, r#"[{"method":"eth_call"}]"#] {
        let answered = send(&ingress, post("/rpc/ethereum", body)).await;
        assert_eq!((answered.status.as_u16(), answered.body.len()), (429, 0));
        assert_eq!(answered.header("retry-after"), Some("1"));
    }
}

#[tokio::test]
async fn api_cases_14_and_15_a_refusal_of_one_call_has_status_200_and_its_id() {
    let stack = Stack::failing(|| {
        let error = ErrorObject::new(code::METHOD_NOT_FOUND, "Method not supported by proxy");
        Failure::rejected(Category::MethodNotFound, error)
    });
    let uri = "/rpc/profile/default/fastest/ethereum?x=1";
    let answered = send(&Ingress::new(stack.clone()), post(uri, call("1", "eth_subscribe"))).await;
    answered.expect_error(200, code::METHOD_NOT_FOUND, json!(1));
    let path = stack.call(0).origin.path.unwrap();
    assert_eq!(path, "/rpc/profile/default/fastest/ethereum");
}

#[tokio::test]
async fn a_panic_in_the_stack_is_an_internal_error() {
    let stack = Stack::new(|_| Box::pin(async { panic!("on purpose") }));
    let budget = ByteBudget::default();
    let ingress = Ingress::new(stack).budget(budget.clone());
    let answered = send(&ingress, post("/rpc/ethereum", call("1", "eth_call"))).await;
    answered.expect_error(500, code::INTERNAL_ERROR, Value::Null);
    assert_eq!(budget.used(), 0);
}

// === Paths, methods, headers ===

#[tokio::test]
async fn api_case_19_other_methods_and_paths_are_not_found() {
    let ingress = Ingress::new(Stack::echo());
    for (method, path) in [
        (Method::GET, "/rpc/ethereum"),
        (Method::PUT, "/rpc/ethereum"),
        (Method::POST, "/ws/rpc/ethereum"),
        (Method::POST, "/rpc"),
        (Method::POST, "/rpc/a/b/c/d/e/f"),
        (Method::POST, "/other"),
    ] {
        let mut request = post(path, call("1", "eth_call"));
        *request.method_mut() = method;
        let answered = send(&ingress, request).await;
        assert_eq!(answered.status, 404, "{path}");
        assert_eq!(answered.body, r#"{"errors":{"detail":"Not Found"}}"#);
        assert_eq!(answered.header("access-control-allow-origin"), Some("*"));
        assert_eq!(answered.header("content-type"), Some("application/json; charset=utf-8"));
    }
}

#[tokio::test]
async fn an_answer_to_head_has_no_body() {
    let request = Request::head("/rpc/ethereum").body(Full::<Bytes>::default()).unwrap();
    let answered = send(&Ingress::new(Stack::echo()), request).await;
    assert_eq!((answered.status.as_u16(), answered.body.len()), (404, 0));
}

#[tokio::test]
async fn a_large_body_for_another_path_is_not_read() {
    let mut request = post("/other", "");
    request.headers_mut().insert("content-length", "8000001".parse().unwrap());
    let answered = send(&Ingress::new(Stack::echo()), request).await;
    assert_eq!(answered.status, 413);
    assert_eq!(answered.body, r#"{"errors":{"detail":"Request Entity Too Large"}}"#);
}

#[tokio::test]
async fn api_case_20_browsers_may_ask_on_any_path() {
    for path in ["/rpc/ethereum", "/anything"] {
        let request = Request::options(path).body(Full::<Bytes>::default()).unwrap();
        let answered = send(&Ingress::new(Stack::echo()), request).await;
        assert_eq!((answered.status.as_u16(), answered.body.len()), (204, 0));
        assert_eq!(answered.header("access-control-max-age"), Some("86400"));
        assert_eq!(answered.header("access-control-allow-methods"), Some("GET,POST,OPTIONS"));
        let allowed = answered.header("access-control-allow-headers").unwrap();
        for name in ["Content-Type", "Authorization", "X-Lasso-Provider", "X-Lasso-Include-Meta"] {
            assert!(allowed.split(',').any(|allowed| allowed == name), "{allowed}");
        }
    }
}

#[tokio::test]
async fn every_reply_can_be_read_by_browsers_and_carries_the_name_of_the_request() {
    let name = "a-name-of-twenty-chars";
    for body in [call("1", "eth_call"), "[".to_owned(), "[]".to_owned(), r#"{"method":"a"}"#.to_owned()] {
        let mut request = post("/rpc/ethereum", body);
        request.headers_mut().insert("x-request-id", name.parse().unwrap());
        let answered = send(&Ingress::new(Stack::echo()), request).await;
        assert_eq!(answered.header("x-request-id"), Some(name));
        assert_eq!(answered.header("access-control-allow-origin"), Some("*"));
        assert_eq!(answered.header("access-control-allow-credentials"), None);
        let exposed = answered.header("access-control-expose-headers").unwrap();
        for header in ["X-Request-Id", "X-Lasso-Request-ID", "X-Lasso-Meta", "Retry-After"] {
            assert!(exposed.split(',').any(|exposed| exposed == header), "{exposed}");
        }
    }
    let (answered, stack) = send_body(call("1", "eth_call")).await;
    let made = answered.header("x-request-id").unwrap();
    assert_eq!(made.len(), 20);
    assert_eq!(stack.call(0).origin.request_id.as_deref(), Some(made));
}

#[tokio::test]
async fn a_fixed_route_takes_every_path() {
    let stack = Stack::echo();
    let ingress = Ingress::new(stack.clone()).route(Route::to_chain("base"));
    let answered = send(&ingress, post("/whatever?include_meta=headers", call("1", "eth_call"))).await;
    assert_eq!(answered.status, 200);
    assert_eq!(stack.call(0).route, Route::to_chain("base"));
    assert_eq!(stack.call(0).origin.meta, MetaMode::Headers);
}

#[tokio::test]
async fn clients_are_known_by_key_or_by_address() {
    let stack = Stack::echo();
    let policy =
        IngressPolicy { trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()], ..IngressPolicy::default() };
    let ingress = Ingress::new(stack.clone()).policy(policy);
    let request = |peer: &str| {
        let mut request = post("/rpc/ethereum", call("1", "eth_call"));
        request.headers_mut().insert("x-forwarded-for", "192.0.2.1, 10.0.0.9".parse().unwrap());
        request.extensions_mut().insert(PeerAddr(peer.parse().unwrap()));
        request
    };
    let address = |index: usize| match stack.call(index).origin.client {
        Some(ClientId::Address(address)) => address.to_string(),
        other => panic!("{other:?}"),
    };
    send(&ingress, request("10.0.0.9:1")).await;
    assert_eq!(address(0), "192.0.2.1");
    send(&ingress, request("198.51.100.1:1")).await;
    assert_eq!(address(1), "198.51.100.1");
    send(&ingress.clone().peer("203.0.113.1:1".parse().unwrap()), request("198.51.100.1:1")).await;
    assert_eq!(address(2), "203.0.113.1");
    let mut keyed = request("10.0.0.9:1");
    keyed.headers_mut().insert("authorization", "Bearer k".parse().unwrap());
    send(&ingress, keyed).await;
    assert!(matches!(stack.call(3).origin.client, Some(ClientId::Key(_))));
}

// === Metadata ===

/// A stack whose calls were all routed; `meta` is what is told about it.
fn routed(
    meta: impl Fn(&Call) -> Option<String> + Send + Sync + 'static,
    reply: fn(&Call) -> Reply,
) -> Stack {
    Stack::new(move |call| {
        if let Some(meta) = meta(&call).filter(|_| call.origin.meta != MetaMode::None) {
            let meta = Bytes::from(meta);
            call.journal().set_meta(Metadata { full: meta.clone(), brief: meta });
        }
        Box::pin(ready(Ok(reply(&call))))
    })
}

const META: &str = r#"{"version":"1.0","strategy":"fastest"}"#;

#[tokio::test]
async fn api_case_21_metadata_in_headers() {
    let stack = routed(|_| Some(META.to_owned()), echo);
    let request = post("/rpc/ethereum?include_meta=headers", call("1", "eth_call"));
    let answered = send(&Ingress::new(stack.clone()), request).await;
    assert_eq!(answered.header("x-lasso-request-id"), answered.header("x-request-id"));
    let encoded = answered.header("x-lasso-meta").unwrap();
    assert!(!encoded.contains('='));
    assert_eq!(URL_SAFE_NO_PAD.decode(encoded).unwrap(), META.as_bytes());
    assert_eq!(answered.json(), json!({"jsonrpc": "2.0", "id": 1, "result": "eth_call"}));

    // A blocked method was not routed.
    let stack = Stack::failing(|| {
        Failure::rejected(Category::MethodNotFound, ErrorObject::new(code::METHOD_NOT_FOUND, "blocked"))
    });
    let request = post("/rpc/ethereum?include_meta=headers", call("1", "eth_sign"));
    let answered = send(&Ingress::new(stack), request).await;
    assert!(answered.headers.keys().all(|name| !name.as_str().starts_with("x-lasso")));
}

#[tokio::test]
async fn long_metadata_leaves_only_the_name_in_the_headers() {
    // 3072 bytes are 4096 in base64; one more is too much.
    for (size, fits) in [(3072, true), (3073, false)] {
        let stack = routed(move |_| Some(format!("{{\"a\":\"{}\"}}", "x".repeat(size - 8))), echo);
        let request = post("/rpc/ethereum?include_meta=headers", call("1", "eth_call"));
        let answered = send(&Ingress::new(stack), request).await;
        assert_eq!(answered.header("x-lasso-meta").is_some(), fits);
        assert!(answered.header("x-lasso-request-id").is_some());
    }
}

#[tokio::test]
async fn where_headers_have_no_room_for_the_candidates_they_have_the_rest() {
    // What is said about the candidates makes it too long; without them it fits, or is too long too.
    for (full, brief, expected) in [(3072, 9, Some(3072)), (3073, 3072, Some(3072)), (3073, 3073, None)] {
        let of = |size: usize| Bytes::from(format!("{{\"a\":\"{}\"}}", "x".repeat(size - 8)));
        let stack = Stack::new(move |call| {
            call.journal().set_meta(Metadata { full: of(full), brief: of(brief) });
            Box::pin(ready(Ok(echo(&call))))
        });
        let request = post("/rpc/ethereum?include_meta=headers", call("1", "eth_call"));
        let answered = send(&Ingress::new(stack.clone()), request).await;
        let length = answered.header("x-lasso-meta").map(|meta| URL_SAFE_NO_PAD.decode(meta).unwrap().len());
        assert_eq!(length, expected);

        let request = post("/rpc/ethereum?include_meta=body", call("1", "eth_call"));
        let in_body = send(&Ingress::new(stack), request).await.json()["lasso_meta"].to_string();
        assert_eq!(in_body.len(), full, "a body always has room");
    }
}

#[tokio::test]
async fn api_case_22_an_invalid_query_beats_the_header() {
    let stack = routed(|_| Some(META.to_owned()), echo);
    let mut request = post("/rpc/ethereum?include_meta=bogus", call("1", "eth_call"));
    request.headers_mut().insert("x-lasso-include-meta", "body".parse().unwrap());
    let answered = send(&Ingress::new(stack.clone()), request).await;
    assert_eq!(answered.json(), json!({"jsonrpc": "2.0", "id": 1, "result": "eth_call"}));
    assert!(answered.headers.keys().all(|name| !name.as_str().starts_with("x-lasso")));
    assert_eq!(stack.call(0).origin.meta, MetaMode::None);
}

#[tokio::test]
async fn metadata_in_the_body_stands_first_and_leaves_the_rest_as_it_is() {
    type Replying = fn(&Call) -> Reply;
    let replies: [(Replying, &str); 3] = [
        (echo, r#"{"lasso_meta":META,"jsonrpc":"2.0","id":1,"result":"eth_call"}"#),
        (
            |_| stream([r#" {"jsonrpc":"2.0","id":1,"#, r#""result":[1,2 ]}"#]),
            r#"{"lasso_meta":META,"jsonrpc":"2.0","id":1,"result":[1,2 ]}"#,
        ),
        (
            |_| Reply::error(ErrorObject::new(3, "reverted"), Category::ExecutionRevert),
            r#"{"lasso_meta":META,"jsonrpc":"2.0","id":1,"error":{"code":3,"message":"reverted"}}"#,
        ),
    ];
    for (reply, expected) in replies {
        let stack = routed(|_| Some(META.to_owned()), reply);
        let mut request = post("/rpc/ethereum", call("1", "eth_call"));
        request.headers_mut().insert("x-lasso-include-meta", "body".parse().unwrap());
        let answered = send(&Ingress::new(stack), request).await;
        assert_eq!(answered.body, expected.replace("META", META));
        assert_eq!(answered.header("x-lasso-meta"), None);
    }
}

#[tokio::test]
async fn a_batch_tells_about_its_first_routed_item_in_headers_and_never_in_the_body() {
    let stack = routed(
        |call| (call.request.method() != "eth_chainId").then(|| format!("{:?}", call.request.method())),
        echo,
    );
    let batch = format!("[{},{},{}]", call("1", "eth_chainId"), call("2", "b"), call("3", "c"));
    let request = post("/rpc/ethereum?include_meta=headers", batch.clone());
    let answered = send(&Ingress::new(stack.clone()), request).await;
    let meta = URL_SAFE_NO_PAD.decode(answered.header("x-lasso-meta").unwrap()).unwrap();
    assert_eq!(meta, b"\"b\"");
    let answered = send(&Ingress::new(stack), post("/rpc/ethereum?include_meta=body", batch)).await;
    assert!(!String::from_utf8_lossy(&answered.body).contains("lasso_meta"));
    assert_eq!(answered.header("x-lasso-meta"), None);
}

// === Streams and leaving clients ===

fn stream(pieces: impl IntoIterator<Item = &'static str>) -> Reply {
    Reply::Result(Body::Stream(StreamBody::new(Pieces::new(pieces))))
}

#[tokio::test]
async fn a_streamed_reply_is_passed_on_piece_by_piece() {
    let stack = Stack::new(|_| {
        let mut pieces = Pieces::new(["{\"id\":1,", "\"result\":1}"]);
        pieces.0.push_back(None);
        Box::pin(ready(Ok(Reply::Result(Body::Stream(StreamBody::new(pieces))))))
    });
    let budget = ByteBudget::default();
    let ingress = Ingress::new(stack).budget(budget.clone());
    let Ok(response) = ingress.handle(post("/rpc/ethereum", call("1", "eth_call"))).await;
    let mut body = response.into_body();
    for expected in ["{\"id\":1,", "\"result\":1}"] {
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), expected);
    }
    // The stream never ends; leaving gives everything back.
    assert_eq!(budget.used(), 4096);
    drop(body);
    assert_eq!(budget.used(), 0);
}

#[tokio::test]
async fn a_batch_with_streams_is_one_array() {
    let stack = Stack::new(|call| {
        let reply = match call.request.method().as_ref() {
            "stream" => stream(["{\"id\":2,", "\"result\":[]}"]),
            _ => echo(&call),
        };
        Box::pin(ready(Ok(reply)))
    });
    let body = format!("[{},{},{}]", call("1", "a"), call("2", "stream"), call("3", "b"));
    let answered = send(&Ingress::new(stack), post("/rpc/ethereum", body)).await;
    let results: Vec<Value> =
        answered.json().as_array().unwrap().iter().map(|item| item["result"].clone()).collect();
    assert_eq!(results, [json!("a"), json!([]), json!("b")]);
}

#[tokio::test]
async fn a_client_that_leaves_cancels_its_calls() {
    for batch in [false, true] {
        let (started, mut starts) = mpsc::unbounded_channel();
        let stack = Stack::new(move |call| {
            let started = started.clone();
            Box::pin(async move {
                if call.dry_run {
                    return Ok(echo(&call));
                }
                let (alive, gone) = oneshot::channel::<()>();
                started.send(gone).unwrap();
                let _alive = alive;
                pending().await
            })
        });
        let budget = ByteBudget::default();
        let ingress = Ingress::new(stack).budget(budget.clone());
        let body = if batch { format!("[{}]", call("1", "a")) } else { call("1", "a") };
        let client = tokio::spawn(async move { drop(ingress.handle(post("/rpc/ethereum", body)).await) });
        let gone = starts.recv().await.unwrap();
        client.abort();
        assert!(gone.await.is_err(), "the call's future is dropped");
        assert!(client.await.unwrap_err().is_cancelled());
        assert_eq!(budget.used(), 0);
    }
}

#[test]
fn the_response_can_be_sent_from_any_thread() {
    fn is_send<T: Send + 'static>() {}
    is_send::<Response<ResponseBody>>();
    assert!(ResponseBody::empty().is_end_stream());
}
