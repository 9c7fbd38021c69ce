//! `Egress`: attempts over an HTTP client, replies checked and handed on.
#![cfg(all(feature = "http", feature = "test-util"))]

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, LOCATION, RETRY_AFTER};
use http::{Method, Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use lasso_layers::attempt::Attempt;
use lasso_layers::call::{
    Body, BoxError, Call, Dispatch, ErrorReply, Failure, Reply, Route, StatusFailure, StreamBody,
    TransportKind,
};
use lasso_layers::catalog::Category;
use lasso_layers::edge::egress::{Egress, EgressLayer, EgressPolicy, RequestBody, StreamError};
use lasso_layers::testing;
use lasso_layers::wire::{self, Parsed, ReplyDefect};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tower::{Layer, ServiceExt, service_fn};

// === The upstream ===

/// A body that does what it is told.
#[derive(Debug)]
struct Script {
    steps: VecDeque<Step>,
    /// What `Content-Length` would say.
    length: Option<u64>,
    /// Held as long as the body is.
    _alive: Arc<()>,
}

#[derive(Debug)]
enum Step {
    Data(Bytes),
    Break,
    Hang,
}

impl Script {
    fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { steps: steps.into_iter().collect(), length: None, _alive: Arc::default() }
    }

    /// `text` in frames of `size` bytes.
    fn chunks(text: &[u8], size: usize) -> Self {
        Self::new(text.chunks(size).map(|chunk| Step::Data(Bytes::copy_from_slice(chunk))))
    }

    fn with_length(mut self, length: u64) -> Self {
        self.length = Some(length);
        self
    }
}

impl HttpBody for Script {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.steps.front() {
            Some(Step::Hang) => return Poll::Pending,
            None => return Poll::Ready(None),
            _ => {}
        }
        Poll::Ready(match self.steps.pop_front() {
            Some(Step::Data(data)) => Some(Ok(Frame::data(data))),
            Some(Step::Break) => Some(Err("reset by peer".into())),
            Some(Step::Hang) | None => None,
        })
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// A body that is written from outside.
struct Piped(mpsc::Receiver<Bytes>);

impl HttpBody for Piped {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.0.poll_recv(cx).map(|data| data.map(|data| Ok(Frame::data(data))))
    }
}

// === The client ===

/// No test waits longer for an outcome.
const LIMIT: Duration = Duration::from_secs(20);

const SMALL: EgressPolicy = EgressPolicy {
    max_buffered: 16,
    max_held: 4096,
    max_refusal: 64,
    stream_idle: Duration::from_secs(30),
    propagate_traces: false,
};

/// An attempt of this request, which is one as clients write it.
fn attempt_of(request: &str) -> Attempt {
    let Ok(Parsed::One(request)) = wire::parse(Bytes::copy_from_slice(request.as_bytes()), 0) else {
        panic!("{request} is one request");
    };
    let live = testing::live(testing::chain(&["a"]));
    let call = Call::new(Route::to_chain("ethereum"), request, Instant::now());
    testing::attempt(testing::planned(&live, call, Duration::from_secs(10)), 0)
}

fn request_with_id(id: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"eth_call","params":[]}}"#)
}

async fn exchange<B>(
    policy: EgressPolicy,
    attempt: Attempt,
    respond: impl FnOnce(Request<()>, Bytes) -> Response<B> + Send,
) -> Result<Reply, Failure>
where
    B: HttpBody<Data = Bytes, Error = BoxError> + Send + Unpin + 'static,
{
    let mut respond = Some(respond);
    let client = service_fn(move |request: Request<RequestBody>| {
        let respond = respond.take().expect("one request");
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.expect("a full body").to_bytes();
            Ok::<_, BoxError>(respond(Request::from_parts(head, ()), body))
        }
    });
    let outcome = Egress::new(client, policy).oneshot(attempt);
    tokio::time::timeout(LIMIT, outcome).await.expect("an outcome in time")
}

/// The outcome when the upstream answers a request with id 1 with this.
async fn outcome_of(policy: EgressPolicy, body: Script) -> Result<Reply, Failure> {
    exchange(policy, attempt_of(&request_with_id("1")), |_, _| Response::new(body)).await
}

async fn outcome_of_text(text: &[u8]) -> Result<Reply, Failure> {
    outcome_of(EgressPolicy::default(), Script::chunks(text, usize::MAX)).await
}

#[track_caller]
fn full(outcome: Result<Reply, Failure>) -> Bytes {
    match outcome {
        Ok(Reply::Result(Body::Full(body))) => body,
        other => panic!("not a whole result: {other:?}"),
    }
}

#[track_caller]
fn stream(outcome: Result<Reply, Failure>) -> StreamBody {
    match outcome {
        Ok(Reply::Result(Body::Stream(stream))) => stream,
        other => panic!("not a streamed result: {other:?}"),
    }
}

#[track_caller]
fn error(outcome: Result<Reply, Failure>) -> ErrorReply {
    match outcome {
        Ok(Reply::Error(error)) => *error,
        other => panic!("not an error reply: {other:?}"),
    }
}

#[track_caller]
fn defect(outcome: Result<Reply, Failure>) -> (ReplyDefect, u64) {
    match outcome {
        Err(Failure::Transport(failure)) => match failure.kind {
            TransportKind::InvalidReply { defect, size } => {
                assert_eq!(failure.dispatch, Dispatch::Unknown);
                (defect, size)
            }
            other => panic!("not an invalid reply: {other:?}"),
        },
        other => panic!("not an invalid reply: {other:?}"),
    }
}

#[track_caller]
fn status(outcome: Result<Reply, Failure>) -> StatusFailure {
    match outcome {
        Err(Failure::Transport(failure)) => match failure.kind {
            TransportKind::Status(status) => {
                assert_eq!(failure.dispatch, Dispatch::Answered);
                status
            }
            other => panic!("not a status: {other:?}"),
        },
        other => panic!("not a status: {other:?}"),
    }
}

async fn next(stream: &mut StreamBody) -> Option<Result<Bytes, BoxError>> {
    let frame = stream.frame().await?;
    Some(frame.map(|frame| frame.into_data().expect("data frames only")))
}

/// Everything the client gets, and how it ends.
async fn drain(mut stream: StreamBody) -> (Vec<u8>, Result<(), StreamError>) {
    let mut received = Vec::new();
    loop {
        match next(&mut stream).await {
            Some(Ok(data)) => received.extend_from_slice(&data),
            Some(Err(error)) => {
                assert!(next(&mut stream).await.is_none(), "nothing follows an error");
                return (received, Err(*error.downcast().expect("a stream error")));
            }
            None => return (received, Ok(())),
        }
    }
}

/// The bytes of a result, however it came.
async fn bytes_of(outcome: Result<Reply, Failure>) -> Vec<u8> {
    match outcome {
        Ok(Reply::Result(Body::Full(body))) => body.to_vec(),
        Ok(Reply::Result(Body::Stream(stream))) => {
            let length = stream.size_hint().exact();
            let (received, end) = drain(stream).await;
            end.expect("a clean end");
            assert!(length.is_none_or(|length| length == received.len() as u64));
            received
        }
        other => panic!("not a result: {other:?}"),
    }
}

// === Requests ===

#[tokio::test]
async fn the_request_is_a_post_of_the_clients_own_bytes() {
    let attempt = attempt_of(&request_with_id("1"));
    let written = attempt.call().request.body().clone();
    let outcome = exchange(EgressPolicy::default(), attempt, |request, body| {
        assert_eq!(request.method(), Method::POST);
        assert_eq!(request.uri(), "http://a.example/");
        assert_eq!(request.headers()["content-type"], "application/json");
        assert_eq!(body.as_ptr(), written.as_ptr());
        Response::new(Script::chunks(br#"{"jsonrpc":"2.0","id":1,"result":null}"#, 99))
    });
    assert_eq!(full(outcome.await), r#"{"jsonrpc":"2.0","id":1,"result":null}"#);
}

/// Strings and integers that are short travel; everything else is replaced, and comes back as it was.
#[tokio::test]
async fn every_id_comes_back_as_it_was_written() {
    let long = format!("\"{}\"", "x".repeat(40));
    for (id, travels) in [
        ("1", true),
        ("0", true),
        ("-7", true),
        ("9007199254740993123", true),
        ("\"a\"", true),
        ("\"\\u0061\"", true),
        ("\"\"", true),
        ("null", false),
        ("1.5", false),
        ("[1]", false),
        ("123456789012345678901234567890123", false),
        (long.as_str(), false),
    ] {
        for policy in [EgressPolicy::default(), SMALL] {
            let outcome = exchange(policy, attempt_of(&request_with_id(id)), |_, body| {
                let Ok(Parsed::One(sent)) = wire::parse(body, 0) else { panic!("one request") };
                let sent = std::str::from_utf8(sent.id().unwrap()).unwrap().to_owned();
                assert_eq!(sent == id, travels, "{id} went out as {sent}");
                assert!(travels || sent.starts_with("\"lasso-"), "{sent}");
                let reply = format!(r#"{{"result":"0123456789abcdef","id":{sent},"jsonrpc":"2.0"}}"#);
                Response::new(Script::chunks(reply.as_bytes(), 9))
            });
            let expected = format!(r#"{{"result":"0123456789abcdef","id":{id},"jsonrpc":"2.0"}}"#);
            assert_eq!(bytes_of(outcome.await).await, expected.as_bytes(), "{id}");
        }
    }
}

#[tokio::test]
async fn a_notification_is_sent_with_an_id_of_ours() {
    let attempt = attempt_of(r#"{"jsonrpc":"2.0","method":"eth_call","params":[]}"#);
    let outcome = exchange(EgressPolicy::default(), attempt, |_, body| {
        let Ok(Parsed::One(sent)) = wire::parse(body, 0) else { panic!("one request") };
        let reply = [br#"{"jsonrpc":"2.0","id":"#, sent.id().unwrap(), br#","result":1}"#].concat();
        Response::new(Script::chunks(&reply, 99))
    });
    assert_eq!(full(outcome.await), r#"{"jsonrpc":"2.0","id":null,"result":1}"#);
}

#[tokio::test]
async fn private_ids_differ() {
    let mut sent = Vec::new();
    for _ in 0..2 {
        let outcome = exchange(EgressPolicy::default(), attempt_of(&request_with_id("null")), |_, body| {
            sent.push(body);
            Response::new(Script::new([]))
        });
        outcome.await.unwrap_err();
    }
    assert_ne!(sent[0], sent[1]);
}

// === Passing through ===

#[tokio::test]
async fn a_small_result_in_one_frame_is_not_copied() {
    let frame = Bytes::from(br#"{"jsonrpc":"2.0","id":1,"result":{}}"#.to_vec());
    let body = Script::new([Step::Data(frame.clone())]);
    assert_eq!(full(outcome_of(EgressPolicy::default(), body).await).as_ptr(), frame.as_ptr());
}

/// Edge cases 23 and 24: only the id token changes, and it is found among look-alikes. Every cut of the body and
/// both ways to hand it on give the same bytes.
#[tokio::test]
async fn only_the_id_changes_however_the_reply_is_cut() {
    let templates = [
        " {\"result\" : [\"ID\" , {\"id\":ID,\"x\":1.0e+0}],\"\\u0069d\":ID\n, \"jsonrpc\":\"2.0\" , \"z\" :null}\r\n",
        "{\"id\":ID,\"jsonrpc\":\"2.0\",\"result\":\"0123456789abcdef ID 0123456789abcdef\"}",
        "{\"jsonrpc\":\"2.0\",\"extra\":[ID],\"result\":{\"id\":ID,\"big\":12345678901234567890},\"id\":ID}  ",
    ];
    // The client's id, and whether the upstream writes the one it got with an escape.
    let ids = [("7", false), ("\"client\"", false), ("\"client\"", true), ("null", false)];
    let write = |template: &str, id: &str, look_alike: &str| {
        // The id is the occurrence right after its key; the others stay what the upstream wrote.
        let key = if template.contains("\"\\u0069d\":") { "\"\\u0069d\":ID" } else { "\"id\":ID" };
        let at = if template.starts_with("{\"id\"") { template.find(key) } else { template.rfind(key) };
        let (before, after) = template.split_at(at.unwrap());
        let after = after.replacen("ID", id, 1).replace("ID", look_alike);
        before.replace("\"ID\"", "\"x\"").replace("ID", look_alike) + &after
    };
    for template in templates {
        for (client_id, escapes) in ids {
            for policy in [EgressPolicy::default(), SMALL, EgressPolicy { max_buffered: 0, ..SMALL }] {
                for size in 1..template.len() + 40 {
                    for announce in [false, true] {
                        let mut look_alike = String::new();
                        let outcome = exchange(policy, attempt_of(&request_with_id(client_id)), |_, body| {
                            let Ok(Parsed::One(sent)) = wire::parse(body, 0) else { panic!("one request") };
                            let sent = std::str::from_utf8(sent.id().unwrap()).unwrap();
                            // Inside a string the private id stands without its quotes.
                            look_alike = sent.trim_matches('"').parse::<i64>().unwrap_or(17).to_string();
                            let returned =
                                if escapes { sent.replacen('c', "\\u0063", 1) } else { sent.to_owned() };
                            let reply = write(template, &returned, &look_alike);
                            let script = Script::chunks(reply.as_bytes(), size);
                            Response::new(if announce {
                                script.with_length(reply.len() as u64)
                            } else {
                                script
                            })
                        })
                        .await;
                        let received = bytes_of(outcome).await;
                        let expected = write(template, client_id, &look_alike);
                        assert_eq!(
                            String::from_utf8(received).unwrap(),
                            expected,
                            "{policy:?} {size} {announce}"
                        );
                    }
                }
            }
        }
    }
}

/// Edge case 24.
#[tokio::test]
async fn the_private_id_inside_the_result_is_left_alone() {
    for policy in [EgressPolicy::default(), SMALL] {
        let mut sent_id = String::new();
        let outcome = exchange(policy, attempt_of(&request_with_id("null")), |_, body| {
            let Ok(Parsed::One(sent)) = wire::parse(body, 0) else { panic!("one request") };
            sent_id = String::from_utf8(sent.id().unwrap().to_vec()).unwrap();
            let reply =
                format!(r#"{{"result":[{sent_id},{{"id":{sent_id}}}],"id":{sent_id},"jsonrpc":"2.0"}}"#);
            Response::new(Script::chunks(reply.as_bytes(), 5))
        });
        let received = bytes_of(outcome.await).await;
        let expected = format!(r#"{{"result":[{sent_id},{{"id":{sent_id}}}],"id":null,"jsonrpc":"2.0"}}"#);
        assert_eq!(String::from_utf8(received).unwrap(), expected);
    }
}

#[tokio::test]
async fn a_result_of_the_buffered_size_is_whole_and_one_byte_more_is_streamed() {
    let policy = EgressPolicy::default();
    let envelope = r#"{"jsonrpc":"2.0","id":1,"result":""}"#.len();
    for (len, is_streamed) in [(policy.max_buffered, false), (policy.max_buffered + 1, true)] {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"result":"{}"}}"#, "f".repeat(len - envelope));
        let outcome = outcome_of(policy, Script::chunks(text.as_bytes(), 1000)).await;
        assert_eq!(matches!(outcome, Ok(Reply::Result(Body::Stream(_)))), is_streamed);
        assert_eq!(bytes_of(outcome).await, text.as_bytes());
    }
}

/// Twenty megabytes, of which the upstream writes each piece only after the client has the one before.
#[tokio::test]
async fn a_large_result_arrives_while_it_is_written() {
    const PIECE: usize = 64 * 1024;
    const PIECES: usize = 320;
    let (write, read) = mpsc::channel(1);
    let outcome = exchange(EgressPolicy::default(), attempt_of(&request_with_id("null")), |_, body| {
        let Ok(Parsed::One(sent)) = wire::parse(body, 0) else { panic!("one request") };
        let id = String::from_utf8(sent.id().unwrap().to_vec()).unwrap();
        let head = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":["{}""#, "a".repeat(PIECE));
        write.try_send(Bytes::from(head)).unwrap();
        Response::new(Piped(read))
    });
    let mut stream = stream(outcome.await);
    let head = next(&mut stream).await.unwrap().unwrap();
    assert!(head.starts_with(br#"{"jsonrpc":"2.0","id":null,"result":["a"#));
    let piece = Bytes::from(format!(",\"{}\"", "b".repeat(PIECE)));
    let mut received = head.len();
    for _ in 0..PIECES {
        write.try_send(piece.clone()).unwrap();
        let data = next(&mut stream).await.unwrap().unwrap();
        assert_eq!(data.as_ptr(), piece.as_ptr(), "frames pass uncopied");
        received += data.len();
    }
    write.try_send(Bytes::from_static(b"]}")).unwrap();
    assert_eq!(next(&mut stream).await.unwrap().unwrap(), "]}");
    drop(write);
    assert!(next(&mut stream).await.is_none());
    assert!(received > 20 * 1024 * 1024);
}

#[tokio::test]
async fn the_length_is_announced_where_it_is_known() {
    let text = format!(r#"{{"jsonrpc":"2.0","id":1,"result":"{}"}}"#, "f".repeat(100));
    let length = text.len() as u64;
    let announced = outcome_of(SMALL, Script::chunks(text.as_bytes(), 40).with_length(length)).await;
    assert_eq!(stream(announced).size_hint().exact(), Some(length));
    let unknown = outcome_of(SMALL, Script::chunks(text.as_bytes(), 40)).await;
    assert_eq!(stream(unknown).size_hint().exact(), None);

    // The id may still come back in other letters, so the length is not known before it was read.
    let id_last = format!(r#"{{"jsonrpc":"2.0","result":"{}","id":1}}"#, "f".repeat(100));
    let announced = outcome_of(SMALL, Script::chunks(id_last.as_bytes(), 40).with_length(length)).await;
    assert_eq!(stream(announced).size_hint().exact(), None);

    // A private id is longer than the `null` that takes its place.
    let outcome = exchange(SMALL, attempt_of(&request_with_id("null")), |_, body| {
        let Ok(Parsed::One(sent)) = wire::parse(body, 0) else { panic!("one request") };
        let id = String::from_utf8(sent.id().unwrap().to_vec()).unwrap();
        let text = text.replacen("\"id\":1", &format!("\"id\":{id}"), 1);
        Response::new(Script::chunks(text.as_bytes(), 60).with_length(text.len() as u64))
    });
    assert_eq!(stream(outcome.await).size_hint().exact(), Some(length + 3));
}

// === Broken streams ===

const HEAD: &str = r#"{"jsonrpc":"2.0","id":1,"result":["0123456789abcdef""#;

async fn ends_with(steps: impl IntoIterator<Item = &'static str>) -> (Vec<u8>, Result<(), StreamError>) {
    let steps =
        std::iter::once(HEAD).chain(steps).map(|text| Step::Data(Bytes::from_static(text.as_bytes())));
    drain(stream(outcome_of(SMALL, Script::new(steps)).await)).await
}

#[tokio::test]
async fn a_stream_that_turns_out_invalid_never_ends_cleanly() {
    for (tail, expected) in [
        (&[][..], ReplyDefect::InvalidJson),
        (&[",1"], ReplyDefect::InvalidJson),
        (&["]"], ReplyDefect::InvalidJson),
        (&["]} x"], ReplyDefect::InvalidJson),
        (&["]}", "{}"], ReplyDefect::InvalidJson),
        (&[",\"\u{7}\"]}"], ReplyDefect::InvalidJson),
        (&["],\"id\":1}"], ReplyDefect::InvalidEnvelope),
        (&["],\"error\":{\"code\":1,\"message\":\"m\"}}"], ReplyDefect::InvalidEnvelope),
        (&["],\"method\":\"m\"}"], ReplyDefect::UnexpectedNotification),
    ] {
        let (received, end) = ends_with(tail.iter().copied()).await;
        assert!(matches!(end, Err(StreamError::Invalid(defect)) if defect == expected), "{tail:?} {end:?}");
        assert!(received.starts_with(HEAD.as_bytes()));
    }
    let (received, end) = ends_with(["]", "}"]).await;
    assert!(end.is_ok());
    assert_eq!(received, [HEAD, "]}"].concat().as_bytes());
}

#[tokio::test]
async fn a_wrong_id_after_the_result_is_found() {
    for text in [
        r#"{"jsonrpc":"2.0","result":"0123456789abcdef","id":2}"#,
        r#"{"jsonrpc":"2.0","result":"0123456789abcdef","id":11}"#,
        r#"{"jsonrpc":"2.0","result":"0123456789abcdef","id":"1"}"#,
    ] {
        let (_, end) = drain(stream(outcome_of(SMALL, Script::chunks(text.as_bytes(), 45)).await)).await;
        assert!(matches!(end, Err(StreamError::Invalid(ReplyDefect::IdMismatch))), "{end:?}");
    }
}

/// A server stops asking once it has the announced number of bytes, so they must not all be there.
#[tokio::test]
async fn the_last_frame_of_an_announced_length_is_held_back_until_the_reply_is_valid() {
    let text = [HEAD, ",1]} x"].concat();
    let body = Script::chunks(text.as_bytes(), HEAD.len()).with_length(text.len() as u64);
    let stream = stream(outcome_of(SMALL, body).await);
    let announced = stream.size_hint().exact().unwrap();
    let (received, end) = drain(stream).await;
    assert!(matches!(end, Err(StreamError::Invalid(ReplyDefect::InvalidJson))), "{end:?}");
    assert!((received.len() as u64) < announced);
}

#[tokio::test]
async fn the_end_of_an_announced_length_is_told_with_the_last_frame() {
    let text = [HEAD, ",1]}"].concat();
    let body = Script::chunks(text.as_bytes(), HEAD.len()).with_length(text.len() as u64);
    let mut stream = stream(outcome_of(SMALL, body).await);
    assert!(!stream.is_end_stream());
    next(&mut stream).await.unwrap().unwrap();
    assert!(!stream.is_end_stream());
    next(&mut stream).await.unwrap().unwrap();
    assert!(stream.is_end_stream());
}

#[tokio::test]
async fn a_connection_that_breaks_in_a_stream_is_an_error_and_is_given_up() {
    let mut body = Script::new([Step::Data(Bytes::from_static(HEAD.as_bytes())), Step::Break, Step::Hang]);
    let alive = Arc::new(());
    body._alive = alive.clone();
    let mut stream = stream(outcome_of(SMALL, body).await);
    next(&mut stream).await.unwrap().unwrap();
    let error = next(&mut stream).await.unwrap().unwrap_err();
    assert!(matches!(error.downcast_ref(), Some(StreamError::Broken(_))), "{error}");
    assert_eq!(Arc::strong_count(&alive), 1, "the body is dropped although the stream is not");
    assert!(next(&mut stream).await.is_none());
}

#[tokio::test]
async fn dropping_the_stream_drops_the_exchange() {
    let mut body = Script::new([Step::Data(Bytes::from_static(HEAD.as_bytes())), Step::Hang]);
    let alive = Arc::new(());
    body._alive = alive.clone();
    let stream = stream(outcome_of(SMALL, body).await);
    assert_eq!(Arc::strong_count(&alive), 2);
    drop(stream);
    assert_eq!(Arc::strong_count(&alive), 1);
}

#[tokio::test(start_paused = true)]
async fn a_pause_of_the_upstream_ends_the_stream() {
    let body = Script::new([Step::Data(Bytes::from_static(HEAD.as_bytes())), Step::Hang]);
    let mut stream = stream(outcome_of(SMALL, body).await);
    next(&mut stream).await.unwrap().unwrap();
    let start = Instant::now();
    let error = next(&mut stream).await.unwrap().unwrap_err();
    assert!(matches!(error.downcast_ref(), Some(StreamError::Idle(_))), "{error}");
    assert_eq!(start.elapsed(), SMALL.stream_idle);
}

#[tokio::test(start_paused = true)]
async fn a_slow_client_is_no_pause_of_the_upstream() {
    let (write, read) = mpsc::channel(4);
    let outcome = exchange(SMALL, attempt_of(&request_with_id("1")), |_, _| {
        write.try_send(Bytes::from_static(HEAD.as_bytes())).unwrap();
        Response::new(Piped(read))
    });
    let mut stream = stream(outcome.await);
    tokio::time::advance(SMALL.stream_idle * 3).await;
    next(&mut stream).await.unwrap().unwrap();
    // The upstream has nothing yet, and from now on it is waited for.
    assert!(poll_fn(|cx| Poll::Ready(Pin::new(&mut stream).poll_frame(cx))).await.is_pending());
    tokio::time::advance(SMALL.stream_idle / 2).await;
    write.try_send(Bytes::from_static(b",1")).unwrap();
    // The client takes its time, while the upstream has written.
    tokio::time::advance(SMALL.stream_idle * 3).await;
    assert_eq!(next(&mut stream).await.unwrap().unwrap(), ",1");
    // Each wait is measured anew.
    assert!(poll_fn(|cx| Poll::Ready(Pin::new(&mut stream).poll_frame(cx))).await.is_pending());
    tokio::time::advance(SMALL.stream_idle - Duration::from_millis(1)).await;
    assert!(poll_fn(|cx| Poll::Ready(Pin::new(&mut stream).poll_frame(cx))).await.is_pending());
    tokio::time::advance(Duration::from_millis(1)).await;
    assert!(next(&mut stream).await.unwrap().is_err());
}

// === Invalid replies ===

#[tokio::test]
async fn every_kind_of_invalid_reply_has_its_word() {
    for (text, reason) in [
        (&b""[..], "invalid_json"),
        (b"<html>", "invalid_json"),
        (br#"{"jsonrpc":"2.0","id":1,"result":1"#, "invalid_json"),
        (br#"{"jsonrpc":"2.0","id":1,"result":1} x"#, "invalid_json"),
        (br#"{"jsonrpc":"2.0","id":1,"result":1}{}"#, "invalid_json"),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"\xff\"}", "invalid_json"),
        (br#"{"jsonrpc":"2.0","id":1,"result":"\x"}"#, "invalid_json"),
        (br#"{"jsonrpc":"1.0","id":1,"result":1}"#, "unsupported_version"),
        (br#"{"jsonrpc":2.0,"id":1,"result":1}"#, "unsupported_version"),
        (br#"{"jsonrpc":"2.0","id":2,"result":1}"#, "id_mismatch"),
        (br#"{"jsonrpc":"2.0","id":"1","result":1}"#, "id_mismatch"),
        (br#"{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"m"}}"#, "id_mismatch"),
        (br#"[{"jsonrpc":"2.0","id":1,"result":1}]"#, "unexpected_batch"),
        (br#"{"jsonrpc":"2.0","method":"m","params":[]}"#, "unexpected_notification"),
        (br#"{"jsonrpc":"2.0","id":1,"result":1,"method":"m"}"#, "unexpected_notification"),
        (br#"{"id":1,"result":1}"#, "invalid_envelope"),
        (br#"{"jsonrpc":"2.0","result":1}"#, "invalid_envelope"),
        (br#"{"jsonrpc":"2.0","id":1}"#, "invalid_envelope"),
        (br#"{"jsonrpc":"2.0","id":1,"id":1,"result":1}"#, "invalid_envelope"),
        (br#"{"jsonrpc":"2.0","jsonrpc":"2.0","id":1,"result":1}"#, "invalid_envelope"),
        (br#"{"jsonrpc":"2.0","id":1,"result":1,"result":1}"#, "invalid_envelope"),
        (br#"{"jsonrpc":"2.0","id":1,"error":"m"}"#, "invalid_envelope"),
        (br#"{"jsonrpc":"2.0","id":1,"error":{"code":"1","message":"m"}}"#, "invalid_envelope"),
        (br#"{"jsonrpc":"2.0","id":1,"error":{"code":1}}"#, "invalid_envelope"),
        (br#"{"jsonrpc":"2.0","id":1,"error":{"message":"m"}}"#, "invalid_envelope"),
        (br#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"code":1,"message":"m"}}"#, "invalid_envelope"),
        // R22.
        (br#"{"jsonrpc":"2.0","id":1,"result":1,"error":{"code":1,"message":"m"}}"#, "invalid_envelope"),
        (br#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"m"},"result":0}"#, "invalid_envelope"),
        (br#"{"jsonrpc":"2.0","id":1,"result":1,"error":null}"#, "invalid_envelope"),
        (br#"7"#, "invalid_envelope"),
    ] {
        let shown = String::from_utf8_lossy(text);
        for size in [1, 7, usize::MAX] {
            let outcome = outcome_of(EgressPolicy::default(), Script::chunks(text, size)).await;
            assert_eq!(outcome.as_ref().unwrap_err().category(), Category::ServerError);
            let (defect, read) = defect(outcome);
            assert_eq!(defect.reason(), reason, "{shown}");
            assert!(read <= text.len() as u64);
        }
    }
}

/// R22: a null result beside an error says nothing.
#[tokio::test]
async fn an_error_beside_a_null_result_is_the_error() {
    for text in [
        &br#"{"jsonrpc":"2.0","id":1,"result":null,"error":{"code":3,"message":"m","data":"0x"}}"#[..],
        br#"{"jsonrpc":"2.0","id":1,"error":{"code":3,"message":"m","data":"0x"},"result":null}"#,
    ] {
        let reply = error(outcome_of_text(text).await);
        assert_eq!((reply.error.code, reply.error.message.as_ref()), (3, "m"));
        assert_eq!(reply.error.data.as_deref(), Some(&b"\"0x\""[..]));
        assert_eq!(reply.category, Category::UnknownError, "not classified here");
    }
}

#[tokio::test]
async fn the_data_of_an_error_keeps_its_bytes() {
    let data = r#"{ "x" : [1.0e5, "\u0061"] }"#;
    let text =
        format!(r#"{{"error":{{"data":{data},"message":"a\"b","code":-32000}},"id":1,"jsonrpc":"2.0"}}"#);
    for size in [1, 10, usize::MAX] {
        let reply = error(outcome_of(SMALL, Script::chunks(text.as_bytes(), size)).await);
        assert_eq!((reply.error.code, reply.error.message.as_ref()), (-32000, "a\"b"));
        assert_eq!(reply.error.data.as_deref(), Some(data.as_bytes()));
    }
}

#[tokio::test]
async fn no_more_than_the_limit_is_held_for_anything_but_a_result() {
    let max = EgressPolicy::default().max_held;
    let filler = "x".repeat(max + 50_000);
    for text in [
        format!(r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":1,"message":"{filler}"}}}}"#),
        format!(r#"{{"jsonrpc":"2.0","id":1,"extra":"{filler}","result":1}}"#),
        format!(r#"{{"jsonrpc":"2.0","id":1,"result":null,"extra":"{filler}"}}"#),
        format!("{}{{}}", " ".repeat(max + 50_000)),
    ] {
        // The limit is found before the end comes, which here never does.
        let mut script = Script::chunks(text.as_bytes(), 50_000);
        script.steps.push_back(Step::Hang);
        let (defect, size) = defect(outcome_of(EgressPolicy::default(), script).await);
        assert_eq!(defect, ReplyDefect::InvalidEnvelope);
        assert!(size <= max as u64 + 50_000, "{size}");
    }
    let text =
        format!(r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":1,"message":"{}"}}}}"#, &filler[50_100..]);
    let reply = error(outcome_of(EgressPolicy::default(), Script::chunks(text.as_bytes(), 50_000)).await);
    assert_eq!(reply.error.message.len(), max - 100);
}

#[tokio::test]
async fn a_body_that_breaks_off_before_it_is_known_is_a_broken_exchange() {
    let body = Script::new([Step::Data(Bytes::from_static(br#"{"jsonrpc""#)), Step::Break]);
    let Err(Failure::Transport(failure)) = outcome_of(EgressPolicy::default(), body).await else {
        panic!("a broken exchange");
    };
    assert!(matches!(failure.kind, TransportKind::Broken));
    assert_eq!(failure.dispatch, Dispatch::Unknown);
    assert_eq!(failure.source.unwrap().to_string(), "reset by peer");
}

#[tokio::test]
async fn compressed_replies_are_refused() {
    for (coding, is_accepted) in [("gzip", false), ("br", false), ("identity", true), ("Identity", true)] {
        let outcome = exchange(EgressPolicy::default(), attempt_of(&request_with_id("1")), |_, _| {
            let body = Script::chunks(br#"{"jsonrpc":"2.0","id":1,"result":1}"#, 99);
            Response::builder().header(CONTENT_ENCODING, coding).body(body).unwrap()
        });
        let outcome = outcome.await;
        if is_accepted {
            full(outcome);
        } else {
            assert_eq!(defect(outcome), (ReplyDefect::InvalidJson, 0));
        }
    }
}

#[tokio::test]
async fn an_error_with_a_status_of_success_keeps_the_header_that_says_when_to_come_back() {
    for (header, expected) in [("7", Some(Duration::from_secs(7))), ("soon", None)] {
        let outcome = exchange(EgressPolicy::default(), attempt_of(&request_with_id("1")), |_, _| {
            let text = br#"{"jsonrpc":"2.0","id":1,"error":{"code":-32005,"message":"slow down"}}"#;
            Response::builder().header(RETRY_AFTER, header).body(Script::chunks(text, 9)).unwrap()
        });
        assert_eq!(error(outcome.await).retry_after, expected);
    }
}

#[tokio::test]
async fn an_error_says_when_to_come_back_in_its_object_or_next_to_it() {
    for (header, text, expected) in [
        (
            None,
            r#"{"id":1,"error":{"code":-32005,"message":"slow down","retry_after":3},"jsonrpc":"2.0"}"#,
            3,
        ),
        (None, r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32005,"message":"x"},"retry_after":"4"}"#, 4),
        (Some("7"), r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32005,"message":"x"},"retry_after":4}"#, 7),
        (Some("0"), r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32005,"message":"x"},"retry_after":4}"#, 4),
    ] {
        let outcome = exchange(EgressPolicy::default(), attempt_of(&request_with_id("1")), |_, _| {
            let mut response = Response::new(Script::chunks(text.as_bytes(), 9));
            response.headers_mut().extend(header.map(|value| (RETRY_AFTER, value.parse().unwrap())));
            response
        });
        assert_eq!(
            error(outcome.await).retry_after,
            Some(Duration::from_secs(expected)),
            "{header:?} {text}"
        );
    }
}

// === Statuses ===

async fn refusal(code: u16, body: Script) -> StatusFailure {
    let outcome = exchange(SMALL, attempt_of(&request_with_id("1")), |_, _| {
        let response = Response::builder().status(code);
        let response = response.header(RETRY_AFTER, "7").header(LOCATION, "http://b.example/");
        response.body(body).unwrap()
    });
    status(outcome.await)
}

#[tokio::test]
async fn other_statuses_are_reported_with_what_their_body_says() {
    // Redirects too: nothing is sent a second time.
    for code in [302, 307, 400, 401, 404, 429, 500, 503] {
        let body = Script::chunks(br#"{"error":{"code":-32602,"message":"bad","data":[1]}}"#, 6);
        let failure = refusal(code, body).await;
        assert_eq!(failure.status, code);
        assert_eq!(failure.retry_after, Some(Duration::from_secs(7)));
        let data = Some(Bytes::from_static(b"[1]"));
        assert_eq!(failure.error, Some((Some(-32602), "bad".to_owned(), data)));

        let failure = refusal(code, Script::chunks(b"<html>\xff", 3)).await;
        assert_eq!((failure.error, failure.text.as_str()), (None, "<html>\u{fffd}"));
    }
}

#[tokio::test]
async fn the_body_of_a_status_is_read_up_to_a_limit_and_as_far_as_it_comes() {
    let mut endless = Script::chunks(&[b'x'; 100], 30);
    endless.steps.push_back(Step::Hang);
    assert_eq!(refusal(500, endless).await.text, "x".repeat(SMALL.max_refusal));
    let broken = Script::new([Step::Data(Bytes::from_static(b"half")), Step::Break]);
    assert_eq!(refusal(500, broken).await.text, "half");
    assert_eq!(refusal(500, Script::new([])).await.text, "");
}

// === The client ===

#[tokio::test]
async fn what_the_client_says_about_dispatch_is_kept() {
    for dispatch in [Dispatch::NotSent, Dispatch::Unknown] {
        let client = service_fn(move |_: Request<RequestBody>| async move {
            Err::<Response<Script>, _>(Failure::transport(
                TransportKind::Connect,
                dispatch,
                lasso_layers::catalog::Transport::Http,
            ))
        });
        let egress = EgressLayer::new(EgressPolicy::default()).layer(client);
        let failure = egress.oneshot(attempt_of(&request_with_id("1"))).await.unwrap_err();
        assert_eq!((failure.dispatch(), failure.category()), (dispatch, Category::NetworkError));
    }
    let client =
        service_fn(|_: Request<RequestBody>| async { Err::<Response<Script>, BoxError>("something".into()) });
    let egress = Egress::new(client, EgressPolicy::default());
    let failure = egress.oneshot(attempt_of(&request_with_id("1"))).await.unwrap_err();
    assert_eq!(failure.dispatch(), Dispatch::Unknown);
}

#[tokio::test]
async fn a_call_that_is_given_up_gives_the_exchange_up() {
    let mut body = Script::new([Step::Data(Bytes::from_static(b"{")), Step::Hang]);
    let alive = Arc::new(());
    body._alive = alive.clone();
    let gave_up = tokio::time::timeout(Duration::ZERO, outcome_of(EgressPolicy::default(), body)).await;
    assert!(gave_up.is_err());
    assert_eq!(Arc::strong_count(&alive), 1);
}

/// The body that an HTTP client gets for an attempt.
fn body_for(attempt: &Attempt) -> RequestBody {
    let taken = Arc::new(Mutex::new(None));
    let slot = taken.clone();
    let client = service_fn(move |request: Request<RequestBody>| {
        *slot.lock().unwrap() = Some(request.into_body());
        std::future::pending::<Result<Response<Script>, BoxError>>()
    });
    drop(tower::Service::call(&mut Egress::new(client, EgressPolicy::default()), attempt.clone()));
    let body = taken.lock().unwrap().take();
    body.expect("the client was called")
}

#[tokio::test]
async fn a_request_whose_body_nobody_took_was_not_sent_and_will_not_be() {
    let attempt = attempt_of(&request_with_id("1"));
    let body = body_for(&attempt);
    assert_eq!(attempt.give_up(), Dispatch::NotSent);
    assert!(body.collect().await.is_err());

    let attempt = attempt_of(&request_with_id("1"));
    let body = body_for(&attempt);
    assert_eq!(body.collect().await.unwrap().to_bytes(), request_with_id("1"));
    assert_eq!(attempt.give_up(), Dispatch::Unknown);
}

#[tokio::test]
async fn the_future_stays_small() {
    let body = Arc::new(Mutex::new(Some(Script::new([]))));
    let client = service_fn(move |_: Request<RequestBody>| {
        std::future::ready(Ok::<_, BoxError>(Response::new(body.lock().unwrap().take().unwrap())))
    });
    let mut egress = Egress::new(client, EgressPolicy::default());
    let future = tower::Service::call(&mut egress, attempt_of(&request_with_id("1")));
    assert!(size_of_val(&future) <= 1024, "{}", size_of_val(&future));
}
