//! Channels that asked for fewer requests go after the others.
#![cfg(all(feature = "pace", feature = "test-util"))]

use std::time::Duration;

use lasso_layers::attempt::Attempt;
use lasso_layers::attempt::pace::{Pace, PaceLayer, PacePolicy, Paces};
use lasso_layers::call::{
    BoxError, Demotion, Dispatch, Failure, Filter, Hints, Reply, Subject, TransportKind, UpstreamFailure,
    Verdict,
};
use lasso_layers::catalog::{Category, ProviderSpec, Transport};
use lasso_layers::testing::{attempt, call, chain, listed, live, planned, reply};
use lasso_layers::wire::{ErrorObject, code};
use tokio::time::{Instant, advance, timeout};
use tower::Layer;
use tower_test::mock::{self, Mock};

type Service = mock::Spawn<Pace<Mock<Attempt, Reply>>>;
type Upstream = mock::Handle<Attempt, Reply>;

fn spawn(paces: Paces) -> (Service, Upstream) {
    let (mut service, upstream) = mock::spawn_with(move |inner| PaceLayer::new(paces).layer(inner));
    assert!(service.poll_ready().is_ready());
    (service, upstream)
}

fn paces() -> Paces {
    Paces::new(PacePolicy::default())
}

fn attempt_among(providers: &[&str]) -> Attempt {
    let call = planned(&live(chain(providers)), call("eth_chainId", "[]"), Duration::from_secs(1));
    let attempt = attempt(call, 0);
    // As failover does before it sends.
    assert_eq!(attempt.call().journal().candidates().unwrap().draw(), Some(0));
    attempt
}

fn limited(retry_after: Option<Duration>) -> Failure {
    Failure::Upstream(Box::new(UpstreamFailure {
        error: ErrorObject::new(code::RATE_LIMITED, "slow down"),
        category: Category::RateLimit,
        retry_after,
        transport: Transport::Http,
        http: None,
    }))
}

/// The next request that reaches the upstream; fails where none comes.
async fn sent(upstream: &mut Upstream) -> (Attempt, mock::SendResponse<Reply>) {
    let request = timeout(Duration::from_secs(1), upstream.next_request());
    request.await.expect("the attempt is let through").expect("the service is there")
}

async fn exchange(
    service: &mut Service,
    upstream: &mut Upstream,
    attempt: &Attempt,
    outcome: Result<Reply, Failure>,
) {
    assert!(service.poll_ready().is_ready());
    let answer = service.call(attempt.clone());
    let (_, send) = sent(upstream).await;
    match outcome {
        Ok(reply) => send.send_response(reply),
        Err(failure) => send.send_error(BoxError::from(failure)),
    }
    let _ = answer.await;
}

fn verdict(paces: &Paces, attempt: &Attempt) -> Verdict {
    paces.check(&Subject {
        call: attempt.call(),
        plan: attempt.plan(),
        hints: &Hints::default(),
        provider: attempt.provider(),
        channel: attempt.channel(),
        now: Instant::now(),
    })
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_59_a_limit_lasts_as_long_as_the_provider_says() {
    let paces = paces();
    let (mut service, mut upstream) = spawn(paces);
    let attempt = attempt_among(&["a", "b"]);
    assert_eq!(verdict(&paces, &attempt), Verdict::Keep);
    exchange(&mut service, &mut upstream, &attempt, Err(limited(Some(Duration::from_secs(5))))).await;
    assert_eq!(paces.remaining(attempt.key(), Instant::now()), Some(Duration::from_secs(5)));
    advance(Duration::from_millis(4_999)).await;
    assert_eq!(verdict(&paces, &attempt), Verdict::Demote(Demotion::LIMITED));
    advance(Duration::from_millis(1)).await;
    assert_eq!(verdict(&paces, &attempt), Verdict::Keep);
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_60_without_a_hint_it_is_thirty_seconds_and_never_more_than_ten_minutes() {
    for (hint, expected) in [(None, 30), (Some(0), 30), (Some(599), 599), (Some(86_400), 600)] {
        let paces = paces();
        let (mut service, mut upstream) = spawn(paces);
        let attempt = attempt_among(&["a"]);
        let failure = limited(hint.map(Duration::from_secs));
        exchange(&mut service, &mut upstream, &attempt, Err(failure)).await;
        let remaining = paces.remaining(attempt.key(), Instant::now());
        assert_eq!(remaining, Some(Duration::from_secs(expected)), "hint {hint:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_is_only_made_longer() {
    let paces = paces();
    let attempt = attempt_among(&["a"]);
    for seconds in [20, 5, 40] {
        paces.limit(attempt.channel(), Some(Duration::from_secs(seconds)), Instant::now());
        let expected = Duration::from_secs(seconds.max(20));
        assert_eq!(paces.remaining(attempt.key(), Instant::now()), Some(expected));
    }
    paces.clear(attempt.key());
    assert_eq!(paces.remaining(attempt.key(), Instant::now()), None);
}

#[tokio::test(start_paused = true)]
async fn only_rate_limits_of_the_provider_limit() {
    let paces = paces();
    let (mut service, mut upstream) = spawn(paces);
    let attempt = attempt_among(&["a"]);
    for failure in [
        Failure::transport(TransportKind::Timeout, Dispatch::Unknown, Transport::Http),
        Failure::rejected(Category::RateLimit, ErrorObject::new(code::SERVER_ERROR, "ours")),
    ] {
        exchange(&mut service, &mut upstream, &attempt, Err(failure)).await;
        assert_eq!(paces.remaining(attempt.key(), Instant::now()), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_success_under_the_limit_ends_it() {
    let paces = paces();
    let (mut service, mut upstream) = spawn(paces);
    let attempt = attempt_among(&["a"]);
    paces.limit(attempt.channel(), None, Instant::now());
    exchange(&mut service, &mut upstream, &attempt, Ok(reply("1"))).await;
    assert_eq!(paces.remaining(attempt.key(), Instant::now()), None);
}

#[tokio::test(start_paused = true)]
async fn an_error_under_the_limit_does_not_end_it() {
    let paces = paces();
    let (mut service, mut upstream) = spawn(paces);
    let attempt = attempt_among(&["a"]);
    paces.limit(attempt.channel(), None, Instant::now());
    let revert = Reply::error(ErrorObject::new(3, "execution reverted"), Category::ExecutionRevert);
    exchange(&mut service, &mut upstream, &attempt, Ok(revert)).await;
    assert!(paces.remaining(attempt.key(), Instant::now()).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_success_that_began_before_the_limit_proves_nothing() {
    let paces = paces();
    let (mut service, mut upstream) = spawn(paces);
    let attempt = attempt_among(&["a"]);
    let slow = service.call(attempt.clone());
    let (_, send) = sent(&mut upstream).await;
    paces.limit(attempt.channel(), None, Instant::now());
    send.send_response(reply("1"));
    assert!(slow.await.is_ok());
    assert!(paces.remaining(attempt.key(), Instant::now()).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_channel_limited_since_selection_is_put_off_while_others_are_left() {
    let paces = paces();
    let (mut service, mut upstream) = spawn(paces);
    let mut attempt = attempt_among(&["a", "b"]);
    paces.limit(attempt.channel(), Some(Duration::from_secs(5)), Instant::now());
    let failure = service.call(attempt.clone()).await.unwrap_err();
    assert!(matches!(failure, Failure::Rejected(_)));
    assert_eq!(failure.category(), Category::RateLimit);
    assert_eq!(failure.retry_after(), Some(Duration::from_secs(5)));
    // Put back once, it is used when its turn comes again.
    attempt.insist = true;
    exchange(&mut service, &mut upstream, &attempt, Ok(reply("1"))).await;
}

#[tokio::test(start_paused = true)]
async fn a_channel_is_not_put_off_for_those_that_are_drawn_after_it_anyway() {
    let paces = paces();
    for demotion in [Demotion::HALF_OPEN, Demotion::LIMITED] {
        let (mut service, mut upstream) = spawn(paces);
        let live = live(chain(&["a", "b"]));
        let mut call = listed(planned(&live, call("eth_chainId", "[]"), Duration::from_secs(1)));
        call.shortlist.as_mut().unwrap()[1].demotion = demotion;
        assert_eq!(call.candidates().draw(), Some(0));
        let deadline = call.deadline;
        let attempt = Attempt::new(call.into(), 0, deadline, 0);
        paces.limit(attempt.channel(), None, Instant::now());
        exchange(&mut service, &mut upstream, &attempt, Ok(reply("1"))).await;
    }
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_61_the_last_channel_is_used_limited_or_not() {
    let paces = paces();
    let (mut service, mut upstream) = spawn(paces);
    let attempt = attempt_among(&["a"]);
    paces.limit(attempt.channel(), None, Instant::now());
    exchange(&mut service, &mut upstream, &attempt, Ok(reply("1"))).await;
}

#[tokio::test(start_paused = true)]
async fn what_selection_knew_is_not_put_off_again() {
    let paces = paces();
    for (demotion, pinned) in [(Demotion::LIMITED, false), (Demotion::NONE, true)] {
        let (mut service, mut upstream) = spawn(paces);
        let live = live(chain(&["a", "b"]));
        let mut call = listed(planned(&live, call("eth_chainId", "[]"), Duration::from_secs(1)));
        let first = &mut call.shortlist.as_mut().unwrap()[0];
        (first.demotion, first.pinned) = (demotion, pinned);
        assert_eq!(call.candidates().draw(), Some(0));
        let deadline = call.deadline;
        let attempt = Attempt::new(call.into(), 0, deadline, 0);
        paces.limit(attempt.channel(), None, Instant::now());
        exchange(&mut service, &mut upstream, &attempt, Ok(reply("1"))).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_attempt_neither_makes_nor_ends_a_limit() {
    let paces = paces();
    let (mut service, mut upstream) = spawn(paces);
    let attempt = attempt_among(&["a"]);
    for limit in [None, Some(Duration::from_secs(30))] {
        if limit.is_some() {
            paces.limit(attempt.channel(), limit, Instant::now());
        }
        assert!(service.poll_ready().is_ready());
        let answer = service.call(attempt.clone());
        let (_, send) = sent(&mut upstream).await;
        drop(answer);
        // What the provider says then reaches nobody.
        send.send_response(reply("1"));
        assert_eq!(paces.remaining(attempt.key(), Instant::now()), limit);
    }
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_62_transports_are_limited_apart() {
    let mut provider = ProviderSpec::http("a", "http://a.example");
    provider.ws_url = Some("ws://a.example".to_owned());
    let live = live(chain(&[]).provider(provider));
    let on = |index| attempt(planned(&live, call("eth_chainId", "[]"), Duration::from_secs(1)), index);
    let (http, ws) = (on(0), on(1));
    let paces = paces();
    paces.limit(http.channel(), None, Instant::now());
    assert_eq!(verdict(&paces, &http), Verdict::Demote(Demotion::LIMITED));
    assert_eq!(verdict(&paces, &ws), Verdict::Keep);
}
