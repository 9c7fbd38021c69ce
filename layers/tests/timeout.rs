//! Attempts end at their deadline.
#![cfg(all(feature = "timeout", feature = "test-util"))]

use std::future::{Future, pending, ready};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use lasso_layers::attempt::Attempt;
use lasso_layers::attempt::timeout::{Timeout, TimeoutLayer};
use lasso_layers::call::{BoxError, Dispatch, Failure, Reply};
use lasso_layers::catalog::Category;
use lasso_layers::testing::{attempt, call, chain, live, planned, reply};
use lasso_layers::wire::{ErrorObject, code};
use tokio::time::Instant;
use tower::{Layer, Service, service_fn};
use tower_test::mock::{self, Mock};

const LIMIT: Duration = Duration::from_millis(500);

fn an_attempt() -> Attempt {
    let call = planned(&live(chain(&["a"])), call("eth_chainId", "[]"), LIMIT);
    attempt(call, 0)
}

type Upstream = mock::Handle<Attempt, Reply>;

fn spawn() -> (mock::Spawn<Timeout<Mock<Attempt, Reply>>>, Upstream) {
    let (mut service, upstream) = mock::spawn_with(|inner| TimeoutLayer::new().layer(inner));
    assert!(service.poll_ready().is_ready());
    (service, upstream)
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_time_passes() {
    let (mut service, mut upstream) = spawn();
    let sent = Instant::now();
    let answer = tokio::spawn(service.call(an_attempt()));
    let (_, send) = upstream.next_request().await.unwrap();
    tokio::time::sleep(LIMIT - Duration::from_millis(1)).await;
    send.send_response(reply("1"));
    assert!(answer.await.unwrap().is_ok());
    assert_eq!(sent.elapsed(), LIMIT - Duration::from_millis(1));
}

#[tokio::test(start_paused = true)]
async fn silence_ends_at_the_deadline_with_an_unknown_outcome() {
    let (mut service, mut upstream) = spawn();
    let sent = Instant::now();
    let answer = tokio::spawn(service.call(an_attempt()));
    let exchange = upstream.next_request().await.unwrap();
    let failure = answer.await.unwrap().unwrap_err();
    assert_eq!(sent.elapsed(), LIMIT);
    assert_eq!(failure.category(), Category::Timeout);
    assert_eq!(failure.dispatch(), Dispatch::Unknown);
    assert_eq!(failure.error().code, code::TIMEOUT);
    drop(exchange);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_held_at_the_deadline_was_not_sent_and_stays_here() {
    for leaves in [false, true] {
        let (mut service, mut upstream) = spawn();
        let answer = tokio::spawn(service.call(an_attempt()));
        let (attempt, _send) = upstream.next_request().await.unwrap();
        let mut departure = Some(attempt.hold());
        if leaves {
            assert!(departure.take().unwrap().may_leave());
        }
        let failure = answer.await.unwrap().unwrap_err();
        assert_eq!(failure.category(), Category::Timeout);
        let expected = if leaves { Dispatch::Unknown } else { Dispatch::NotSent };
        assert_eq!(failure.dispatch(), expected);
        assert!(departure.is_none_or(|departure| !departure.may_leave()));
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_there_at_a_past_deadline_counts() {
    let attempt = an_attempt();
    tokio::time::sleep(2 * LIMIT).await;
    let (mut service, mut upstream) = spawn();
    let answer = service.call(attempt);
    upstream.next_request().await.unwrap().1.send_response(reply("1"));
    assert!(answer.await.is_ok());
}

#[test]
fn an_instant_answer_needs_no_timer() {
    // There is no timer to be had outside a runtime: asking for one would panic.
    let instant = tower::service_fn(|_: Attempt| ready(Ok::<_, Failure>(reply("1"))));
    let answer = pin!(TimeoutLayer::new().layer(instant).call(an_attempt()));
    assert!(answer.poll(&mut Context::from_waker(Waker::noop())).is_ready());
}

#[tokio::test(start_paused = true)]
async fn errors_of_the_inner_service_pass() {
    let (mut service, mut upstream) = spawn();
    let answer = service.call(an_attempt());
    let failure = Failure::rejected(Category::CircuitOpen, ErrorObject::new(code::SERVER_ERROR, "no"));
    upstream.next_request().await.unwrap().1.send_error(BoxError::from(failure));
    assert_eq!(answer.await.unwrap_err().category(), Category::CircuitOpen);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_future_drops_the_attempt_inside() {
    let alive = Arc::new(());
    let held = alive.clone();
    let mut service = TimeoutLayer::new().layer(service_fn(move |_: Attempt| {
        let held = held.clone();
        async move {
            let _held = held;
            pending::<Result<Reply, Failure>>().await
        }
    }));
    let mut answer = Box::pin(service.call(an_attempt()));
    assert!(answer.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(service);
    assert_eq!(Arc::strong_count(&alive), 2);
    drop(answer);
    assert_eq!(Arc::strong_count(&alive), 1);
}
