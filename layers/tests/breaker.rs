//! Breakers refuse, count, and recover.
#![cfg(all(feature = "circuit-breaker", feature = "test-util"))]

#[path = "support/log.rs"]
mod log;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body::Frame;
use http_body_util::BodyExt;
use lasso_layers::attempt::Attempt;
use lasso_layers::attempt::breaker::{
    BreakerPolicy, BreakerState, Breakers, CircuitBreaker, CircuitBreakerLayer, Reason, Refusal, Transition,
};
use lasso_layers::call::{
    Body, BoxError, Demotion, Dispatch, Failure, Filter, Hints, Reply, StreamBody, Subject, TransportKind,
    UpstreamFailure, Verdict,
};
use lasso_layers::catalog::{Category, Live, ProfileSpec, ProviderSpec, Transport};
use lasso_layers::testing::{attempt, call, chain, live, planned, reply};
use lasso_layers::wire::{ErrorObject, code};
use tokio::time::{Instant, advance, timeout};
use tower::Layer;
use tower_test::mock::{self, Mock};
use tracing::Level;
use tracing::level_filters::LevelFilter;

use self::log::{Entry, Log};

type Upstream = mock::Handle<Attempt, Reply>;

fn spawn(breakers: Breakers) -> (mock::Spawn<CircuitBreaker<Mock<Attempt, Reply>>>, Upstream) {
    let (mut service, upstream) =
        mock::spawn_with(move |inner| CircuitBreakerLayer::new(breakers).layer(inner));
    assert!(service.poll_ready().is_ready());
    (service, upstream)
}

fn breakers() -> Breakers {
    Breakers::new(BreakerPolicy::default())
}

fn attempt_on(live: &Live) -> Attempt {
    attempt(planned(live, call("eth_chainId", "[]"), Duration::from_secs(1)), 0)
}

fn an_attempt() -> Attempt {
    attempt_on(&live(chain(&["a"])))
}

fn answered(category: Category) -> Failure {
    Failure::Upstream(Box::new(UpstreamFailure {
        error: ErrorObject::new(code::SERVER_ERROR, "no"),
        category,
        retry_after: None,
        transport: Transport::Http,
        http: None,
    }))
}

/// The next request that reaches the upstream; fails where none comes.
async fn sent(upstream: &mut Upstream) -> (Attempt, mock::SendResponse<Reply>) {
    let request = timeout(Duration::from_secs(1), upstream.next_request());
    request.await.expect("the attempt is let through").expect("the service is there")
}

/// Sends one attempt through and has the upstream answer like this.
async fn exchange(
    service: &mut mock::Spawn<CircuitBreaker<Mock<Attempt, Reply>>>,
    upstream: &mut Upstream,
    attempt: Attempt,
    outcome: Result<Reply, Failure>,
) -> Result<Reply, Failure> {
    assert!(service.poll_ready().is_ready());
    let answer = service.call(attempt);
    let (_, send) = sent(upstream).await;
    match outcome {
        Ok(reply) => send.send_response(reply),
        Err(failure) => send.send_error(BoxError::from(failure)),
    }
    answer.await
}

/// Opens the breaker of an attempt's channel by failing on it.
fn open(breakers: &Breakers, attempt: &Attempt) {
    for _ in 0..5 {
        let permit = breakers.admit(attempt.channel(), Instant::now()).unwrap();
        permit.failure(attempt.channel(), &answered(Category::ServerError), Instant::now());
    }
    assert_eq!(breakers.status(attempt.key(), Instant::now()).state, BreakerState::Open);
}

fn verdict(breakers: &Breakers, attempt: &Attempt) -> Verdict {
    breakers.check(&Subject {
        call: attempt.call(),
        plan: attempt.plan(),
        hints: &Hints::default(),
        provider: attempt.provider(),
        channel: attempt.channel(),
        now: Instant::now(),
    })
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_47_two_timeouts_open_and_the_third_attempt_is_not_sent() {
    let breakers = breakers();
    let (mut service, mut upstream) = spawn(breakers);
    let attempt = an_attempt();
    for _ in 0..2 {
        let failure =
            exchange(&mut service, &mut upstream, attempt.clone(), Err(silence())).await.unwrap_err();
        assert_eq!(failure.category(), Category::Timeout);
    }
    let refused = service.call(attempt.clone()).await.unwrap_err();
    assert_eq!(refused.category(), Category::CircuitOpen);
    assert_eq!(refused.dispatch(), Dispatch::NotSent);
    assert_eq!(refused.error().code, code::SERVER_ERROR);
    let wait = refused.retry_after().unwrap();
    assert!(Duration::from_secs(60) < wait && wait <= Duration::from_secs(63), "{wait:?}");
    let status = breakers.status(attempt.key(), Instant::now());
    assert_eq!((status.state, status.failures, status.openings), (BreakerState::Open, 2, 1));
    assert_eq!(status.remaining, Some(wait));
    let error = status.last_error.unwrap();
    assert_eq!(
        (error.category, error.code, &*error.message),
        (Category::Timeout, code::TIMEOUT, "Request timeout")
    );
}

/// No answer in time.
fn silence() -> Failure {
    Failure::transport(TransportKind::Timeout, Dispatch::Unknown, Transport::Http)
}

/// An attempt whose client chose less than the usual time.
fn rushed() -> Attempt {
    let mut call = planned(&live(chain(&["a"])), call("eth_chainId", "[]"), Duration::from_secs(1));
    call.is_rushed = true;
    attempt(call, 0)
}

#[tokio::test(start_paused = true)]
async fn timeouts_of_clients_in_a_hurry_neither_count_nor_reset() {
    let breakers = breakers();
    let (mut service, mut upstream) = spawn(breakers);
    let attempt = rushed();
    let failures = || {
        let status = breakers.status(attempt.key(), Instant::now());
        assert_eq!(status.state, BreakerState::Closed);
        status.failures
    };
    for _ in 0..3 {
        let _ = exchange(&mut service, &mut upstream, attempt.clone(), Err(silence())).await;
        assert_eq!(failures(), 0);
    }
    // What else goes wrong within the time is the provider's doing, and so is what it says itself.
    let reset = Failure::transport(TransportKind::Broken, Dispatch::Unknown, Transport::Http);
    let _ = exchange(&mut service, &mut upstream, attempt.clone(), Err(reset)).await;
    assert_eq!(failures(), 1);
    let _ = exchange(&mut service, &mut upstream, attempt.clone(), Err(silence())).await;
    assert_eq!(failures(), 1);
    let _ = exchange(&mut service, &mut upstream, attempt.clone(), Err(answered(Category::Timeout))).await;
    assert_eq!(breakers.status(attempt.key(), Instant::now()).state, BreakerState::Open);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_of_a_client_in_a_hurry_gives_its_slot_back() {
    let breakers = breakers();
    let (mut service, mut upstream) = spawn(breakers);
    let attempt = rushed();
    open(&breakers, &attempt);
    advance(Duration::from_secs(64)).await;
    let answer = service.call(attempt.clone());
    let (_, send) = sent(&mut upstream).await;
    assert_eq!(breakers.status(attempt.key(), Instant::now()).in_flight, 1);
    send.send_error(BoxError::from(silence()));
    assert_eq!(answer.await.unwrap_err().category(), Category::Timeout);
    let status = breakers.status(attempt.key(), Instant::now());
    assert_eq!((status.state, status.in_flight, status.successes), (BreakerState::HalfOpen, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_47_three_refused_connections_open() {
    let breakers = breakers();
    let (mut service, mut upstream) = spawn(breakers);
    let attempt = an_attempt();
    for _ in 0..3 {
        let refused = Failure::transport(TransportKind::Connect, Dispatch::NotSent, Transport::Http);
        let _ = exchange(&mut service, &mut upstream, attempt.clone(), Err(refused)).await;
    }
    assert_eq!(breakers.status(attempt.key(), Instant::now()).state, BreakerState::Open);
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_49_ten_rate_limits_do_not_count() {
    ten_neither_count_nor_reset(|| Err(answered(Category::RateLimit))).await;
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_50_ten_reverts_do_not_count() {
    let reverted = || ErrorObject::new(3, "execution reverted");
    ten_neither_count_nor_reset(|| Ok(Reply::error(reverted(), Category::ExecutionRevert))).await;
}

#[tokio::test(start_paused = true)]
async fn what_the_provider_may_refuse_and_our_own_refusals_do_not_count() {
    ten_neither_count_nor_reset(|| Err(answered(Category::CapabilityViolation))).await;
    ten_neither_count_nor_reset(|| {
        Err(Failure::transport(TransportKind::Capacity, Dispatch::NotSent, Transport::Http))
    })
    .await;
    // A refusal by this process says nothing about the provider, whatever it is called.
    let refused = || ErrorObject::new(code::INTERNAL_ERROR, "no");
    ten_neither_count_nor_reset(|| Err(Failure::rejected(Category::InternalError, refused()))).await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_refused_counts_whatever_the_refusal_is_called() {
    let breakers = breakers();
    let attempt = an_attempt();
    let (channel, refused) = (attempt.channel(), answered(Category::ClientError));
    breakers.probe_failed(channel, &refused, Instant::now());
    assert_eq!(breakers.status(attempt.key(), Instant::now()).failures, 0, "what a request may meet");
    for failures in 1..=5 {
        assert_eq!(breakers.status(attempt.key(), Instant::now()).state, BreakerState::Closed);
        breakers.connection_failed(channel, &refused, Instant::now());
        assert_eq!(breakers.status(attempt.key(), Instant::now()).failures, failures);
    }
    let status = breakers.status(attempt.key(), Instant::now());
    assert_eq!(
        (status.state, status.last_error.unwrap().category),
        (BreakerState::Open, Category::ClientError)
    );
}

/// Ten such outcomes leave a breaker that counted one failure as it was; a success would not.
async fn ten_neither_count_nor_reset(outcome: impl Fn() -> Result<Reply, Failure>) {
    let breakers = breakers();
    let (mut service, mut upstream) = spawn(breakers);
    let attempt = an_attempt();
    let counted = Err(answered(Category::ServerError));
    let _ = exchange(&mut service, &mut upstream, attempt.clone(), counted).await;
    for _ in 0..10 {
        let _ = exchange(&mut service, &mut upstream, attempt.clone(), outcome()).await;
        let status = breakers.status(attempt.key(), Instant::now());
        assert_eq!((status.state, status.failures), (BreakerState::Closed, 1));
    }
    let _ = exchange(&mut service, &mut upstream, attempt.clone(), Ok(reply("1"))).await;
    assert_eq!(breakers.status(attempt.key(), Instant::now()).failures, 0);
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_51_recovery_by_traffic() {
    let breakers = breakers();
    let (mut service, mut upstream) = spawn(breakers);
    let attempt = an_attempt();
    open(&breakers, &attempt);
    advance(Duration::from_secs(64)).await;
    assert_eq!(breakers.status(attempt.key(), Instant::now()).state, BreakerState::HalfOpen);
    for after in [BreakerState::HalfOpen, BreakerState::Closed] {
        assert!(exchange(&mut service, &mut upstream, attempt.clone(), Ok(reply("1"))).await.is_ok());
        assert_eq!(breakers.status(attempt.key(), Instant::now()).state, after);
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_recovery_timeout_is_told_once_and_without_a_call() {
    let breakers = breakers();
    let heard = Arc::new(Mutex::new(Vec::<Transition>::new()));
    let sink = heard.clone();
    breakers.observe(move |_, transition| sink.lock().unwrap().push(transition.clone()));
    let attempt = an_attempt();
    open(&breakers, &attempt);
    let remaining = breakers.status(attempt.key(), Instant::now()).remaining.unwrap();
    advance(remaining - Duration::from_millis(1)).await;
    breakers.tick(attempt.channel(), Instant::now());
    assert_eq!(heard.lock().unwrap().len(), 1, "its time is not over");
    advance(Duration::from_millis(1)).await;
    breakers.tick(attempt.channel(), Instant::now());
    breakers.tick(attempt.channel(), Instant::now());
    let heard = heard.lock().unwrap();
    assert_eq!(heard.len(), 2);
    assert_eq!((heard[1].from, heard[1].to), (BreakerState::Open, BreakerState::HalfOpen));
    assert_eq!((heard[1].reason, heard[1].recovery_timeout), (Reason::ProactiveRecovery, None));
    let status = breakers.status(attempt.key(), Instant::now());
    assert_eq!((status.successes, status.in_flight, status.openings), (0, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_recovery_timeout_is_an_event() {
    let breakers = breakers();
    let attempt = an_attempt();
    open(&breakers, &attempt);
    advance(Duration::from_secs(64)).await;
    let (log, _guard) = Log::at(LevelFilter::INFO);
    breakers.tick(attempt.channel(), Instant::now());
    let entries = log.entries("lasso.circuit_breaker.proactive_recovery");
    let [Entry { level, fields }] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!(*level, Level::INFO);
    for (field, value) in [
        ("provider_id", "a"),
        ("transport", "http"),
        ("from_state", "open"),
        ("to_state", "half_open"),
        ("reason", "proactive_recovery"),
    ] {
        assert_eq!(fields[field], value);
    }
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_channel_starts_anew_and_others_do_not() {
    let live = live(chain(&["a", "b"]));
    let planned = planned(&live, call("eth_chainId", "[]"), Duration::from_secs(1));
    let (gone, stays) = (attempt(planned.clone(), 0), attempt(planned, 1));
    let breakers = breakers();
    let under_way = breakers.admit(gone.channel(), Instant::now()).unwrap();
    open(&breakers, &gone);
    open(&breakers, &stays);
    let before = breakers.status(stays.key(), Instant::now());
    breakers.forget(gone.key());
    let failure = answered(Category::ServerError);
    under_way.failure(gone.channel(), &failure, Instant::now());
    let status = breakers.status(gone.key(), Instant::now());
    assert_eq!((status.state, status.failures, status.openings), (BreakerState::Closed, 0, 0));
    assert_eq!(status.last_error, None);
    assert!(breakers.admit(gone.channel(), Instant::now()).is_ok());
    let after = breakers.status(stays.key(), Instant::now());
    assert_eq!(format!("{after:?}"), format!("{before:?}"));
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_53_half_open_refuses_the_fourth_at_a_time() {
    let breakers = breakers();
    let (mut service, mut upstream) = spawn(breakers);
    let attempt = an_attempt();
    open(&breakers, &attempt);
    advance(Duration::from_secs(64)).await;
    let mut in_flight = Vec::new();
    for _ in 0..3 {
        assert!(service.poll_ready().is_ready());
        let answer = service.call(attempt.clone());
        in_flight.push((answer, sent(&mut upstream).await));
    }
    let refused = service.call(attempt.clone()).await.unwrap_err();
    assert_eq!(refused.category(), Category::HalfOpenBusy);
    assert_eq!(breakers.status(attempt.key(), Instant::now()).in_flight, 3);
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_10_half_open_slot_returns_when_the_call_is_dropped() {
    let breakers = breakers();
    let (mut service, mut upstream) = spawn(breakers);
    let attempt = an_attempt();
    open(&breakers, &attempt);
    advance(Duration::from_secs(64)).await;
    let before = breakers.status(attempt.key(), Instant::now());
    let answer = service.call(attempt.clone());
    let _sent = sent(&mut upstream).await;
    assert_eq!(breakers.status(attempt.key(), Instant::now()).in_flight, 1);
    drop(answer);
    let after = breakers.status(attempt.key(), Instant::now());
    assert_eq!((after.state, after.in_flight, after.successes), (BreakerState::HalfOpen, 0, 0));
    assert_eq!((after.failures, after.openings), (before.failures, before.openings));
}

/// A large result that arrives in these pieces; one without data breaks off.
fn streamed(pieces: [&'static str; 2]) -> Reply {
    let frames = stream::iter(pieces).map(|piece| match piece {
        "" => Err(BoxError::from("reset")),
        piece => Ok(Frame::data(Bytes::from(piece))),
    });
    Reply::Result(Body::Stream(StreamBody::new(http_body_util::StreamBody::new(frames))))
}

/// The stream of a reply.
fn stream_of(reply: Result<Reply, Failure>) -> StreamBody {
    let Ok(Reply::Result(Body::Stream(stream))) = reply else { panic!("{reply:?} is not streamed") };
    stream
}

#[tokio::test(start_paused = true)]
async fn streams_that_break_off_open_as_broken_connections_do() {
    let breakers = breakers();
    let (mut service, mut upstream) = spawn(breakers);
    let attempt = an_attempt();
    for failures in 0..3 {
        let outcome = Ok(streamed(["{", ""]));
        let mut stream = stream_of(exchange(&mut service, &mut upstream, attempt.clone(), outcome).await);
        assert!(stream.frame().await.unwrap().is_ok());
        assert_eq!(
            breakers.status(attempt.key(), Instant::now()).failures,
            failures,
            "it may still end well"
        );
        assert!(stream.frame().await.unwrap().is_err());
        assert_eq!(breakers.status(attempt.key(), Instant::now()).failures, failures + 1);
    }
    let status = breakers.status(attempt.key(), Instant::now());
    assert_eq!(status.state, BreakerState::Open);
    assert_eq!(status.last_error.unwrap().category, Category::NetworkError);
}

/// A service whose breaker has waited long enough, and the attempt that it is about.
async fn on_probation(
    breakers: Breakers,
) -> (mock::Spawn<CircuitBreaker<Mock<Attempt, Reply>>>, Upstream, Attempt) {
    let (service, upstream) = spawn(breakers);
    let attempt = an_attempt();
    open(&breakers, &attempt);
    advance(Duration::from_secs(64)).await;
    (service, upstream, attempt)
}

#[tokio::test(start_paused = true)]
async fn a_stream_on_probation_holds_no_slot_and_counts_at_its_end() {
    let breakers = breakers();
    let (mut service, mut upstream, attempt) = on_probation(breakers).await;
    let status = || breakers.status(attempt.key(), Instant::now());
    // One that waits for its answer meanwhile, so that a slot too many that comes back is seen.
    let _waits = breakers.admit(attempt.channel(), Instant::now()).unwrap();
    let mut whole =
        stream_of(exchange(&mut service, &mut upstream, attempt.clone(), Ok(streamed(["{", "}"]))).await);
    let dropped =
        stream_of(exchange(&mut service, &mut upstream, attempt.clone(), Ok(streamed(["{", "}"]))).await);
    assert_eq!((status().in_flight, status().successes), (1, 0));
    drop(dropped);
    assert_eq!((status().in_flight, status().successes), (1, 0), "who leaves says nothing");
    while whole.frame().await.is_some() {}
    assert_eq!((status().in_flight, status().successes), (1, 1));
    drop(whole);
    assert_eq!((status().in_flight, status().successes), (1, 1), "it is told once");
}

#[tokio::test(start_paused = true)]
async fn streams_that_nobody_reads_do_not_end_probation() {
    let breakers = breakers();
    let (mut service, mut upstream, attempt) = on_probation(breakers).await;
    let mut unread = Vec::new();
    for _ in 0..3 {
        let outcome = Ok(streamed(["{", "}"]));
        unread.push(stream_of(exchange(&mut service, &mut upstream, attempt.clone(), outcome).await));
    }
    assert_eq!(verdict(&breakers, &attempt), Verdict::Demote(Demotion::HALF_OPEN), "it is not busy");
    for after in [BreakerState::HalfOpen, BreakerState::Closed] {
        assert!(exchange(&mut service, &mut upstream, attempt.clone(), Ok(reply("1"))).await.is_ok());
        assert_eq!(breakers.status(attempt.key(), Instant::now()).state, after);
    }
    drop(unread);
    let status = breakers.status(attempt.key(), Instant::now());
    assert_eq!((status.state, status.failures), (BreakerState::Closed, 0));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_breaks_off_on_probation_opens_again() {
    let breakers = breakers();
    let (mut service, mut upstream, attempt) = on_probation(breakers).await;
    let outcome = Ok(streamed(["{", ""]));
    let mut stream = stream_of(exchange(&mut service, &mut upstream, attempt.clone(), outcome).await);
    while stream.frame().await.is_some_and(|frame| frame.is_ok()) {}
    let status = breakers.status(attempt.key(), Instant::now());
    assert_eq!((status.state, status.openings), (BreakerState::Open, 2));
}

#[tokio::test(start_paused = true)]
async fn each_permit_gives_back_one_slot() {
    let breakers = breakers();
    let attempt = an_attempt();
    let channel = attempt.channel();
    open(&breakers, &attempt);
    advance(Duration::from_secs(64)).await;
    let [first, second, third] = [(); 3].map(|()| breakers.admit(channel, Instant::now()).unwrap());
    first.success(channel);
    let status = breakers.status(attempt.key(), Instant::now());
    assert_eq!((status.in_flight, status.successes), (2, 1));
    drop(second);
    assert_eq!(breakers.status(attempt.key(), Instant::now()).in_flight, 1);
    drop(third);
    assert_eq!(breakers.status(attempt.key(), Instant::now()).in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn an_outcome_from_before_the_breaker_opened_changes_nothing() {
    let breakers = breakers();
    let (mut service, mut upstream) = spawn(breakers);
    let attempt = an_attempt();
    let slow = service.call(attempt.clone());
    let (_, send) = sent(&mut upstream).await;
    open(&breakers, &attempt);
    breakers.probe_succeeded(attempt.channel(), Instant::now());
    assert_eq!(breakers.status(attempt.key(), Instant::now()).successes, 1);
    send.send_response(reply("1"));
    assert!(slow.await.is_ok());
    let status = breakers.status(attempt.key(), Instant::now());
    assert_eq!((status.state, status.successes), (BreakerState::HalfOpen, 1));
}

#[tokio::test(start_paused = true)]
async fn failed_probes_open_the_breaker_of_an_idle_channel() {
    let breakers = breakers();
    let attempt = an_attempt();
    for category in [Category::RateLimit, Category::RateLimit, Category::Timeout, Category::Timeout] {
        assert_eq!(breakers.status(attempt.key(), Instant::now()).state, BreakerState::Closed);
        breakers.probe_failed(attempt.channel(), &answered(category), Instant::now());
    }
    assert_eq!(breakers.status(attempt.key(), Instant::now()).state, BreakerState::Open);
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_58_a_breaker_closed_by_hand_lets_the_next_one_through() {
    let breakers = breakers();
    let attempt = an_attempt();
    breakers.open(attempt.channel(), Instant::now());
    assert!(matches!(breakers.admit(attempt.channel(), Instant::now()), Err(Refusal::Open { .. })));
    breakers.close(attempt.channel());
    assert!(breakers.admit(attempt.channel(), Instant::now()).is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_filter_keeps_demotes_and_excludes() {
    let breakers = breakers();
    let attempt = an_attempt();
    assert_eq!(verdict(&breakers, &attempt), Verdict::Keep);
    open(&breakers, &attempt);
    let remaining = breakers.status(attempt.key(), Instant::now()).remaining;
    assert!(remaining.is_some());
    assert_eq!(
        verdict(&breakers, &attempt),
        Verdict::Exclude { reason: "circuit_open", retry_after: remaining }
    );
    // No call and no timer was needed for this.
    advance(remaining.unwrap()).await;
    assert_eq!(verdict(&breakers, &attempt), Verdict::Demote(Demotion::HALF_OPEN));
    let _permit = breakers.admit(attempt.channel(), Instant::now()).unwrap();
    assert_eq!(verdict(&breakers, &attempt), Verdict::Demote(Demotion::HALF_OPEN));
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_54_transports_have_breakers_of_their_own() {
    let mut provider = ProviderSpec::http("a", "http://a.example");
    provider.ws_url = Some("ws://a.example".to_owned());
    let live = live(chain(&[]).provider(provider));
    let breakers = breakers();
    let http = attempt_on(&live);
    let ws = attempt(planned(&live, call("eth_chainId", "[]"), Duration::from_secs(1)), 1);
    assert_eq!((http.transport(), ws.transport()), (Transport::Http, Transport::Ws));
    open(&breakers, &http);
    assert_eq!(breakers.status(ws.key(), Instant::now()).state, BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_55_profiles_share_the_breaker_of_an_upstream() {
    let profiles = ["default", "other"].map(|slug| ProfileSpec::new(slug).chain(chain(&["a"])));
    let live = Live::new(profiles.into()).unwrap();
    let breakers = breakers();
    let here = attempt_on(&live);
    let mut there = call("eth_chainId", "[]");
    there.route.profile = "other".into();
    let there = attempt(planned(&live, there, Duration::from_secs(1)), 0);
    assert_ne!(here.provider().key, there.provider().key);
    open(&breakers, &here);
    assert!(matches!(verdict(&breakers, &there), Verdict::Exclude { .. }));
}

#[tokio::test(start_paused = true)]
async fn the_observer_hears_every_change_of_state() {
    let breakers = breakers();
    let heard = Arc::new(Mutex::new(Vec::<Transition>::new()));
    let sink = heard.clone();
    breakers.observe(move |channel, transition| {
        assert_eq!(channel.transport, Transport::Http);
        sink.lock().unwrap().push(transition.clone());
    });
    let attempt = an_attempt();
    let channel = attempt.channel();
    open(&breakers, &attempt);
    advance(Duration::from_secs(64)).await;
    let permit = breakers.admit(channel, Instant::now()).unwrap();
    permit.failure(channel, &answered(Category::NetworkError), Instant::now());
    breakers.probe_succeeded(channel, Instant::now());
    breakers.probe_succeeded(channel, Instant::now());
    let heard = heard.lock().unwrap();
    let seen: Vec<_> = heard.iter().map(|change| (change.from, change.to, change.reason)).collect();
    assert_eq!(
        seen,
        [
            (BreakerState::Closed, BreakerState::Open, Reason::FailureThresholdExceeded),
            (BreakerState::Open, BreakerState::HalfOpen, Reason::AttemptRecovery),
            (BreakerState::HalfOpen, BreakerState::Open, Reason::ReopenDueToFailure),
            (BreakerState::Open, BreakerState::HalfOpen, Reason::RecoveryAttempt),
            (BreakerState::HalfOpen, BreakerState::Closed, Reason::Recovered),
        ]
    );
    let opened = &heard[2];
    assert_eq!(opened.error.as_deref().map(|error| error.category), Some(Category::NetworkError));
    assert_eq!(opened.openings, 2);
    assert!(opened.recovery_timeout.unwrap() > Duration::from_secs(120));
}

#[tokio::test(start_paused = true)]
async fn failures_that_count_are_told_with_the_state_they_met() {
    let breakers = breakers();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let sink = heard.clone();
    breakers.observe_failures(move |channel, state, category| {
        sink.lock().unwrap().push((channel.transport, state, category));
    });
    let attempt = an_attempt();
    let channel = attempt.channel();
    let fail = |category| breakers.probe_failed(channel, &answered(category), Instant::now());
    fail(Category::RateLimit);
    assert_eq!(*heard.lock().unwrap(), [], "the provider is not to blame");
    open(&breakers, &attempt);
    let opened_by = heard.lock().unwrap().pop();
    assert!(matches!(opened_by, Some((Transport::Http, BreakerState::Closed, _))), "{opened_by:?}");
    heard.lock().unwrap().clear();
    advance(Duration::from_secs(64)).await;
    fail(Category::Timeout);
    assert_eq!(*heard.lock().unwrap(), [(Transport::Http, BreakerState::HalfOpen, Category::Timeout)]);
}

#[test]
fn many_threads_agree_on_one_word() {
    const THREADS: usize = 8;
    let breakers = breakers();
    let attempt = an_attempt();
    open(&breakers, &attempt);
    breakers.probe_succeeded(attempt.channel(), Instant::now());
    // Each thread takes and gives back slots; there are never more than three, and none is lost.
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..2_000 {
                    let permit = breakers.admit(attempt.channel(), Instant::now());
                    assert!(breakers.status(attempt.key(), Instant::now()).in_flight <= 3);
                    drop(permit);
                }
            });
        }
    });
    let status = breakers.status(attempt.key(), Instant::now());
    assert_eq!((status.state, status.in_flight, status.successes), (BreakerState::HalfOpen, 0, 1));
}
