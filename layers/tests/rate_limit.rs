//! How much a client may ask.
#![cfg(all(feature = "rate-limit", feature = "test-util"))]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use lasso_layers::call::rate_limit::{Limits, RateLimitLayer};
use lasso_layers::call::{Batch, BatchItem, Call, ClientId, Failure, Rejection, Scope};
use lasso_layers::catalog::{ClientLimit, Live, ProfileSpec};
use lasso_layers::testing;
use tokio::time::advance;
use tower::{Layer, ServiceExt, service_fn};

const CLIENT: ClientId = ClientId::Address(IpAddr::V4(Ipv4Addr::LOCALHOST));

fn profile(slug: &str, rps: u32, burst: u32) -> ProfileSpec {
    let limit = ClientLimit { rps, burst };
    ProfileSpec { limit, ..ProfileSpec::new(slug).chain(testing::chain(&["a"])) }
}

fn live(rps: u32, burst: u32) -> Live {
    Live::new(vec![profile("default", rps, burst), profile("other", rps, burst)]).unwrap()
}

fn call(live: &Live, slug: &str, client: Option<ClientId>) -> Call {
    let mut call = testing::call("eth_call", "[]");
    call.route.profile = slug.into();
    call.origin.client = client;
    testing::planned(live, call, Duration::from_secs(1))
}

/// `None` when the call passed.
async fn refusal(limits: &Limits, call: Call) -> Option<Box<Rejection>> {
    let next = service_fn(|_: Call| async { Ok::<_, Failure>(testing::reply("null")) });
    match RateLimitLayer::new(limits.clone()).layer(next).oneshot(call).await {
        Ok(_) => None,
        Err(Failure::Rejected(rejection)) => Some(rejection),
        Err(other) => panic!("{other}"),
    }
}

async fn passes(limits: &Limits, call: Call) -> bool {
    refusal(limits, call).await.is_none()
}

#[tokio::test(start_paused = true)]
async fn api_case_44_a_burst_passes_and_the_next_request_is_told_when_to_come_back() {
    let (live, limits) = (live(1, 2), Limits::new());
    for _ in 0..2 {
        assert!(passes(&limits, call(&live, "default", Some(CLIENT))).await);
    }
    let rejection = refusal(&limits, call(&live, "default", Some(CLIENT))).await.unwrap();
    assert_eq!((rejection.status, rejection.scope), (StatusCode::TOO_MANY_REQUESTS, Scope::Request));
    assert_eq!(rejection.error.code, -32000);
    let data: serde_json::Value = serde_json::from_slice(rejection.error.data.as_ref().unwrap()).unwrap();
    assert_eq!(data, serde_json::json!({"retry_after_ms": 1000, "rate_limit": 1}));
    assert_eq!(rejection.retry_after, Some(Duration::from_secs(1)));
    // Another profile has a bucket of its own, and so has another client.
    assert!(passes(&limits, call(&live, "other", Some(CLIENT))).await);
    assert!(passes(&limits, call(&live, "default", Some(ClientId::Key([7; 16])))).await);

    advance(Duration::from_millis(999)).await;
    assert!(!passes(&limits, call(&live, "default", Some(CLIENT))).await);
    advance(Duration::from_millis(1)).await;
    assert!(passes(&limits, call(&live, "default", Some(CLIENT))).await);
}

#[tokio::test(start_paused = true)]
async fn the_wait_is_rounded_up_and_never_zero() {
    let (live, limits) = (live(3, 1), Limits::new());
    assert!(passes(&limits, call(&live, "default", Some(CLIENT))).await);
    let wait = |rejection: Option<Box<Rejection>>| rejection.unwrap().retry_after.unwrap();
    assert_eq!(
        wait(refusal(&limits, call(&live, "default", Some(CLIENT))).await),
        Duration::from_millis(334)
    );
    advance(Duration::from_micros(333_300)).await;
    assert_eq!(wait(refusal(&limits, call(&live, "default", Some(CLIENT))).await), Duration::from_millis(1));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_nobody_pays_for_is_free() {
    let (live, limits) = (live(1, 1), Limits::new());
    for _ in 0..5 {
        assert!(passes(&limits, call(&live, "default", None)).await);
    }
    assert!(limits.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_batch_costs_one_token_which_its_dry_run_pays() {
    let (live, limits) = (live(1, 1), Limits::new());
    let dry_run = || {
        let mut lead = call(&live, "default", Some(CLIENT));
        lead.dry_run = true;
        lead
    };
    assert!(passes(&limits, dry_run()).await);
    let batch = Arc::new(Batch { size: 3, snapshot: live.snapshot(), pin: None });
    for index in 0..3 {
        let mut item = call(&live, "default", Some(CLIENT));
        item.batch = Some(BatchItem { batch: batch.clone(), index });
        assert!(passes(&limits, item).await);
    }
    assert!(!passes(&limits, dry_run()).await);
}

#[tokio::test(start_paused = true)]
async fn a_reload_takes_effect_at_once_without_giving_tokens_away() {
    let (live, limits) = (live(1, 4), Limits::new());
    for _ in 0..3 {
        assert!(passes(&limits, call(&live, "default", Some(CLIENT))).await);
    }
    live.publish(vec![profile("default", 2, 100)]).unwrap();
    assert!(passes(&limits, call(&live, "default", Some(CLIENT))).await);
    let rejection = refusal(&limits, call(&live, "default", Some(CLIENT))).await.unwrap();
    assert_eq!(rejection.retry_after, Some(Duration::from_millis(500)));

    // Ten seconds bring twenty tokens, of which a smaller bucket holds three.
    advance(Duration::from_secs(10)).await;
    live.publish(vec![profile("default", 1, 3)]).unwrap();
    for expected in [true, true, true, false] {
        assert_eq!(passes(&limits, call(&live, "default", Some(CLIENT))).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_plan_a_paying_call_is_an_internal_error() {
    let mut unplanned = testing::call("eth_call", "[]");
    unplanned.origin.client = Some(CLIENT);
    assert_eq!(refusal(&Limits::new(), unplanned).await.unwrap().error.code, -32603);
}
