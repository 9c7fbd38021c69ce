//! How many calls of one socket may be under way.
#![cfg(all(feature = "inflight", feature = "test-util"))]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http_body_util::{BodyExt, StreamBody as Frames};
use lasso_layers::call::inflight::{InflightLayer, InflightService};
use lasso_layers::call::session::{OutboxBudget, Session, SessionPolicy};
use lasso_layers::call::{Body, BoxError, Call, Dispatch, Failure, Reply, StreamBody};
use lasso_layers::catalog::Category;
use lasso_layers::testing;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tower::{Layer, Service, ServiceExt, service_fn};

fn session(max_inflight: usize) -> Session {
    Session::new(SessionPolicy { max_inflight, ..SessionPolicy::default() }, OutboxBudget::default())
}

fn call(session: &Session) -> Call {
    let mut call = testing::call("eth_call", "[]");
    call.session = Some(session.for_call());
    call
}

/// How a call ends.
type Outcome = Result<Reply, Failure>;

/// What upstreams are asked, and not answered before the test says so.
#[derive(Clone, Default)]
struct Upstream(Arc<Mutex<Vec<oneshot::Sender<Outcome>>>>);

impl Upstream {
    fn stack(
        &self,
    ) -> InflightService<impl Service<Call, Response = Reply, Error = Failure, Future: Send> + Clone + use<>>
    {
        let asked = self.0.clone();
        InflightLayer::new().layer(service_fn(move |_: Call| {
            let (answer, answered) = oneshot::channel();
            asked.lock().unwrap().push(answer);
            async move { answered.await.expect("the test answers") }
        }))
    }

    fn asked(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// Answers the oldest call.
    fn answer(&self, reply: Outcome) {
        self.0.lock().unwrap().remove(0).send(reply).expect("the call waits");
    }
}

async fn is_refused(stack: impl Service<Call, Response = Reply, Error = Failure>, call: Call) -> bool {
    match timeout(Duration::from_millis(1), stack.oneshot(call)).await {
        Err(_) => false,
        Ok(Ok(reply)) => panic!("{reply:?}"),
        Ok(Err(failure)) => {
            assert_eq!(failure.error().code, -32008);
            assert_eq!(failure.error().message, "Local request capacity unavailable");
            assert_eq!(failure.category(), Category::LocalCapacityRejection);
            assert_eq!(failure.dispatch(), Dispatch::NotSent);
            assert!(!failure.category().penalises());
            true
        }
    }
}

#[tokio::test(start_paused = true)]
async fn streaming_11_case_9_the_call_after_the_last_permit_is_refused_until_one_completes() {
    let (session, upstream) = (session(32), Upstream::default());
    let hanging: Vec<_> = (0..32).map(|_| Box::pin(upstream.stack().oneshot(call(&session)))).collect();
    let mut hanging = Box::pin(join_all(hanging));
    assert!(timeout(Duration::from_millis(1), &mut hanging).await.is_err());
    assert_eq!(upstream.asked(), 32);
    assert!(is_refused(upstream.stack(), call(&session)).await);
    assert_eq!(upstream.asked(), 32, "it was not forwarded");

    upstream.answer(Ok(testing::reply("1")));
    assert!(timeout(Duration::from_millis(1), &mut hanging).await.is_err());
    assert!(!is_refused(upstream.stack(), call(&session)).await);
}

#[tokio::test(start_paused = true)]
async fn another_socket_has_permits_of_its_own() {
    let (first, second, upstream) = (session(1), session(1), Upstream::default());
    let mut hanging = Box::pin(upstream.stack().oneshot(call(&first)));
    assert!(timeout(Duration::from_millis(1), &mut hanging).await.is_err());
    assert!(is_refused(upstream.stack(), call(&first)).await);
    assert!(!is_refused(upstream.stack(), call(&second)).await);
}

#[tokio::test(start_paused = true)]
async fn the_permit_returns_with_an_answer_a_failure_and_a_call_that_is_dropped() {
    let (session, upstream) = (session(1), Upstream::default());
    for outcome in [Some(Ok(testing::reply("1"))), Some(Err(Failure::from(BoxError::from("broken")))), None] {
        let mut hanging = Box::pin(upstream.stack().oneshot(call(&session)));
        assert!(timeout(Duration::from_millis(1), &mut hanging).await.is_err());
        assert!(is_refused(upstream.stack(), call(&session)).await);
        match outcome {
            Some(outcome) => {
                upstream.answer(outcome);
                assert!(timeout(Duration::from_millis(1), hanging).await.is_ok());
            }
            None => {
                drop(hanging);
                upstream.0.lock().unwrap().clear();
            }
        }
        assert!(session.for_call().permit().is_some());
    }
}

/// A reply in two pieces, as it streams.
fn streamed() -> Reply {
    let pieces = [r#"{"jsonrpc":"2.0","id":1,"#, r#""result":1}"#];
    let frames =
        pieces.map(|piece| Ok::<_, BoxError>(http_body::Frame::data(Bytes::from_static(piece.as_bytes()))));
    Reply::Result(Body::Stream(StreamBody::new(Frames::new(futures_util::stream::iter(frames)))))
}

#[tokio::test]
async fn a_reply_that_streams_keeps_the_permit_until_its_end() {
    let session = session(1);
    let stack = InflightLayer::new().layer(service_fn(async |_: Call| Ok::<_, Failure>(streamed())));
    let Ok(Reply::Result(Body::Stream(mut body))) = stack.clone().oneshot(call(&session)).await else {
        panic!("a stream")
    };
    assert!(body.frame().await.is_some());
    assert!(session.for_call().permit().is_none());
    while body.frame().await.is_some() {}
    assert!(session.for_call().permit().is_some());

    let reply = stack.oneshot(call(&session)).await;
    assert!(session.for_call().permit().is_none());
    drop(reply);
    assert!(session.for_call().permit().is_some(), "given up half-way");
}

#[tokio::test]
async fn calls_without_a_session_and_dry_runs_need_none() {
    let session = session(0);
    let stack = InflightLayer::new().layer(service_fn(async |_: Call| Ok::<_, Failure>(testing::reply("1"))));
    let mut dry_run = call(&session);
    dry_run.dry_run = true;
    for call in [testing::call("eth_call", "[]"), dry_run] {
        assert!(stack.clone().oneshot(call).await.is_ok());
    }
    assert!(stack.oneshot(call(&session)).await.is_err());
}
