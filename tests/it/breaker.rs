//! Breakers as traffic opens and closes them.

use std::sync::{Arc, Mutex};

use http::StatusCode;
use http_body_util::BodyExt;
use lasso_layers::attempt::breaker::{BreakerState, Reason, Transition};
use lasso_layers::catalog::Category;
use lasso_rpc::config::Settings;
use lasso_rpc::sim::{Ending, Fault, HugeResult, REVERTING_CONTRACT, Rule};
use serde_json::json;
use tokio::time::Instant;

use crate::support::{Proxy, WHO, World, chain_of, ms, node, profile, request, until};

const DOWN: fn() -> Fault = || Fault::status(StatusCode::INTERNAL_SERVER_ERROR);

/// Breakers recover at once, by human measure.
fn quick(settings: &mut Settings) {
    settings.circuit_breaker.recovery_timeout = ms(20);
    settings.circuit_breaker.max_recovery_timeout = ms(200);
}

async fn wait_half_open(world: &World, provider: &str) {
    let breaker = || world.proxy.breaker(provider).state;
    until("the breaker is half-open", || breaker() == BreakerState::HalfOpen).await;
}

/// Everything that happens to breakers from now on.
fn transitions(world: &World) -> Arc<Mutex<Vec<Transition>>> {
    let seen = Arc::<Mutex<Vec<Transition>>>::default();
    let kept = seen.clone();
    world.proxy.runtime.breakers.observe(move |_, transition| kept.lock().unwrap().push(transition.clone()));
    seen
}

#[tokio::test]
async fn routing_17_case_46_five_server_errors_open() {
    let world = World::start(&["a", "b"]).await;
    world.behave("a", DOWN());
    for failures in 1..=5 {
        assert_eq!(world.proxy.breaker("a").state, BreakerState::Closed);
        assert_eq!(world.who().await, "b");
        assert_eq!(world.proxy.breaker("a").failures, failures);
    }
    assert_eq!(world.proxy.breaker("a").state, BreakerState::Open);
    assert_eq!(world.who().await, "b");
    assert_eq!(world.asked(), [5, 6], "the sixth request does not reach the first provider");
}

#[tokio::test]
async fn routing_17_case_46_a_success_starts_the_count_anew() {
    let world = World::start(&["a", "b"]).await;
    world.node("a").behave([Rule::method(WHO, DOWN()).first(4)]);
    for _ in 0..4 {
        assert_eq!(world.who().await, "b");
    }
    assert_eq!(world.proxy.breaker("a").failures, 4);
    assert_eq!(world.who().await, "a");
    assert_eq!(world.proxy.breaker("a").failures, 0);
}

#[tokio::test]
async fn routing_17_case_47_three_refused_connections_open() {
    let world = World::start(&["a", "b"]).await;
    world.node("a").stop().await;
    for state in [BreakerState::Closed, BreakerState::Closed, BreakerState::Open] {
        assert_eq!(world.who().await, "b");
        assert_eq!(world.proxy.breaker("a").state, state);
    }
}

#[tokio::test]
async fn three_large_results_that_break_off_open() {
    let world = World::start(&["a"]).await;
    let cut = HugeResult::new(4 << 20).cut_after(1 << 20);
    world.node("a").behave([Rule::method("eth_getLogs", Fault::Stream(cut))]);
    let url = world.proxy.url("/rpc/ethereum");
    for failures in 1..=3 {
        assert_eq!(world.proxy.breaker("a").state, BreakerState::Closed);
        let response =
            world.proxy.client.open(&url, &[], request("eth_getLogs", &json!([{}]))).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert!(response.into_body().collect().await.is_err(), "the client sees that it is not all");
        until("it is counted", || world.proxy.breaker("a").failures == failures).await;
    }
    assert_eq!(world.proxy.breaker("a").state, BreakerState::Open);
}

#[tokio::test]
async fn routing_17_case_47_two_timeouts_open() {
    let world = World::with(&["a"], |settings| settings.timeouts.default = ms(100), |_| {}).await;
    world.behave("a", Fault::Hang);
    for state in [BreakerState::Closed, BreakerState::Open] {
        assert_eq!(world.proxy.call(WHO, json!([])).await.error().0, -32007);
        assert_eq!(world.proxy.breaker("a").state, state);
    }
}

#[tokio::test]
async fn timeouts_of_clients_in_a_hurry_do_not_open() {
    let usual = |settings: &mut Settings| _ = settings.timeouts.methods.insert(WHO.into(), ms(100));
    let world = World::with(&["a"], usual, |_| {}).await;
    world.behave("a", Fault::Hang);
    let timed_out = async |path| {
        assert_eq!(world.proxy.call_at(path, WHO, json!([])).await.error().0, -32007, "{path}");
        let breaker = world.proxy.breaker("a");
        (breaker.state, breaker.failures)
    };
    for _ in 0..3 {
        assert_eq!(timed_out("/rpc/ethereum?timeout=50").await, (BreakerState::Closed, 0));
    }
    // Who asks for as much as there would have been is in no hurry.
    assert_eq!(timed_out("/rpc/ethereum?timeout=100").await, (BreakerState::Closed, 1));
    assert_eq!(timed_out("/rpc/ethereum").await, (BreakerState::Open, 2));
    assert_eq!(world.asked(), [5]);
}

#[tokio::test]
async fn routing_17_case_48_failures_of_two_kinds_share_the_count() {
    let world = World::with(&["a"], |settings| settings.timeouts.default = ms(300), |_| {}).await;
    let opened = transitions(&world);
    // A status needs no work of the node: if the time is too short for it, the case is held all the same.
    world.behave("a", DOWN());
    world.proxy.call(WHO, json!([])).await.error();
    assert_eq!(world.proxy.breaker("a").state, BreakerState::Closed);
    world.behave("a", Fault::Hang);
    world.proxy.call(WHO, json!([])).await.error();
    let opened = opened.lock().unwrap();
    assert_eq!((opened[0].reason, opened[0].failures), (Reason::FailureThresholdExceeded, 2));
    assert_eq!(opened[0].error.as_ref().unwrap().category, Category::Timeout);
}

#[tokio::test]
async fn routing_17_case_49_rate_limits_do_not_open() {
    let world = World::start(&["a"]).await;
    world.behave("a", Fault::RateLimited { retry_after: None });
    for _ in 0..10 {
        assert_eq!(world.proxy.call(WHO, json!([])).await.error().0, -32005);
    }
    let breaker = world.proxy.breaker("a");
    assert_eq!((world.asked(), breaker.state, breaker.failures), (vec![10], BreakerState::Closed, 0));
}

#[tokio::test]
async fn routing_17_case_50_reverts_do_not_open() {
    let world = World::start(&["a", "b"]).await;
    for _ in 0..10 {
        let reply = world.proxy.call("eth_call", json!([{ "to": REVERTING_CONTRACT }, "latest"])).await;
        assert_eq!(reply.error().0, 3);
    }
    let breaker = world.proxy.breaker("a");
    assert_eq!((breaker.state, breaker.failures), (BreakerState::Closed, 0));
    assert_eq!((world.node("a").calls("eth_call"), world.node("b").calls("eth_call")), (10, 0));
}

#[tokio::test]
async fn routing_17_case_51_two_successes_on_probation_close() {
    let world = World::with(&["a"], quick, |_| {}).await;
    world.behave("a", DOWN());
    for _ in 0..5 {
        world.proxy.call(WHO, json!([])).await.error();
    }
    world.node("a").heal();
    wait_half_open(&world, "a").await;
    assert_eq!(world.who().await, "a");
    let breaker = world.proxy.breaker("a");
    assert_eq!((breaker.state, breaker.successes), (BreakerState::HalfOpen, 1));
    assert_eq!(world.who().await, "a");
    let breaker = world.proxy.breaker("a");
    assert_eq!((breaker.state, breaker.failures, breaker.openings), (BreakerState::Closed, 0, 0));
}

#[tokio::test]
async fn routing_17_case_51_one_failure_on_probation_opens_for_twice_as_long() {
    let world = World::with(&["a"], quick, |_| {}).await;
    let seen = transitions(&world);
    world.proxy.open_breaker("a");
    wait_half_open(&world, "a").await;
    world.behave("a", DOWN());
    world.proxy.call(WHO, json!([])).await.error();
    let seen = seen.lock().unwrap();
    let last = seen.last().unwrap();
    assert_eq!((last.to, last.reason), (BreakerState::Open, Reason::ReopenDueToFailure));
    let time = last.recovery_timeout.unwrap();
    assert!(time >= ms(40) && time <= ms(42), "{time:?} is not twice 20 ms and up to 5 % more");
}

#[tokio::test]
async fn routing_17_case_52_each_failed_probation_doubles_the_time() {
    let world = World::with(&["a"], quick, |_| {}).await;
    let seen = transitions(&world);
    world.behave("a", DOWN());
    for _ in 0..5 {
        world.proxy.call(WHO, json!([])).await.error();
    }
    for opening in 2..=6 {
        wait_half_open(&world, "a").await;
        world.proxy.call(WHO, json!([])).await.error();
        assert_eq!(world.proxy.breaker("a").openings, opening);
    }
    let seen = seen.lock().unwrap();
    let opened = seen.iter().filter(|transition| transition.to == BreakerState::Open);
    let times: Vec<_> = opened.map(|transition| transition.recovery_timeout.unwrap()).collect();
    assert_eq!(times.len(), 6);
    for (time, base) in times.into_iter().zip([20, 40, 80, 160, 200, 200]) {
        // Up to 5 % of jitter, at least a millisecond.
        let longest = ms(base + (base / 20).max(1));
        assert!(time >= ms(base) && time <= longest, "{time:?} for {base}");
    }
}

#[tokio::test]
async fn probation_begins_by_itself() {
    let world = World::with(&["a", "b"], quick, |_| {}).await;
    let seen = transitions(&world);
    world.proxy.open_breaker("a");
    until("the end of the time is told", || seen.lock().unwrap().len() == 2).await;
    let told = seen.lock().unwrap()[1].clone();
    assert_eq!((told.from, told.to), (BreakerState::Open, BreakerState::HalfOpen));
    assert_eq!(told.reason, Reason::ProactiveRecovery);
    let breaker = world.proxy.breaker("a");
    assert_eq!((breaker.state, breaker.successes, breaker.in_flight), (BreakerState::HalfOpen, 0, 0));
    assert_eq!(world.asked(), [0, 0]);
    for _ in 0..2 {
        assert_eq!(world.ask("a").await.who(), "a");
    }
    assert_eq!(world.proxy.breaker("a").state, BreakerState::Closed);
}

#[tokio::test]
async fn routing_17_case_53_a_fourth_call_on_probation_goes_elsewhere() {
    let world = World::with(&["a", "b"], quick, |_| {}).await;
    world.proxy.open_breaker("a");
    world.proxy.open_breaker("b");
    wait_half_open(&world, "a").await;
    wait_half_open(&world, "b").await;
    world.behave("a", Fault::Hang);
    let held: Vec<_> = (0..3).map(|_| world.proxy.spawn_call("/rpc/ethereum", WHO)).collect();
    world.wait_in_flight("a", 3).await;
    assert_eq!(world.proxy.breaker("a").in_flight, 3);
    assert_eq!(world.who().await, "b");
    assert_eq!(world.asked(), [3, 1]);
    // Clients that leave give their slots back and blame nobody.
    held.iter().for_each(tokio::task::JoinHandle::abort);
    until("the slots are free", || world.proxy.breaker("a").in_flight == 0).await;
    assert_eq!(world.proxy.breaker("a").state, BreakerState::HalfOpen);
    world.node("a").heal();
    assert_eq!(world.ask("a").await.who(), "a");
}

#[tokio::test]
async fn routing_17_case_55_profiles_share_the_breaker_of_an_upstream_unless_they_log_in_differently() {
    let (a, b) = (node("a").await, node("b").await);
    let mut other = chain_of([&a, &b]);
    other.providers[0].id = "x".to_owned();
    let mut keyed = chain_of([&a]);
    keyed.providers[0].api_key = Some("k".to_owned());
    let profiles =
        vec![profile("default", chain_of([&a, &b])), profile("other", other), profile("keyed", keyed)];
    let proxy = Proxy::start(profiles, |_| {}).await;
    a.behave([Rule::method(WHO, DOWN())]);
    for _ in 0..5 {
        proxy.call_at("/rpc/ethereum/a", WHO, json!([])).await.error();
    }
    assert_eq!(proxy.breaker("a").state, BreakerState::Open);
    assert_eq!(proxy.channel("a").key, proxy.channel_in("other", "x").key);
    a.heal();
    assert_eq!(proxy.call_at("/rpc/profile/other/ethereum", WHO, json!([])).await.who(), "b");
    assert_eq!(a.calls(WHO), 5);
    assert_eq!(proxy.call_at("/rpc/profile/keyed/ethereum", WHO, json!([])).await.who(), "a");
}

#[tokio::test]
async fn routing_17_case_56_a_good_probe_shortens_the_wait() {
    let world = World::start(&["a"]).await;
    world.proxy.open_breaker("a");
    let (breakers, channel) = (world.proxy.runtime.breakers, world.proxy.channel("a"));
    breakers.probe_succeeded(&channel, Instant::now());
    let breaker = world.proxy.breaker("a");
    assert_eq!((breaker.state, breaker.successes), (BreakerState::HalfOpen, 1));
    assert_eq!(world.who().await, "a");
    assert_eq!(world.proxy.breaker("a").state, BreakerState::Closed);
}

#[tokio::test]
async fn routing_17_case_57_and_api_case_34_all_open() {
    let world = World::start(&["a", "b"]).await;
    world.proxy.open_breaker("a");
    world.proxy.open_breaker("b");
    let shortest = || {
        let remaining = ["a", "b"].map(|name| world.proxy.breaker(name).remaining.expect("it is open"));
        remaining[0].min(remaining[1]).as_millis()
    };
    let before = shortest();
    let reply = world.proxy.call(WHO, json!([])).await;
    let after = shortest();
    assert_eq!(reply.status, StatusCode::OK);
    let body = reply.json();
    let error = body["error"].as_object().unwrap();
    assert_eq!(error.keys().map(String::as_str).collect::<Vec<_>>(), ["code", "data", "message"]);
    assert_eq!(error["code"], -32000);
    let wait = u128::from(error["data"]["retry_after_ms"].as_u64().unwrap());
    assert!(after <= wait && wait <= before, "{after} <= {wait} <= {before}");
    let seconds = wait.div_ceil(1_000);
    let message =
        format!("No available channels for method: {WHO}. All circuits open, retry after {seconds}s");
    assert_eq!(error["message"], message);
    assert_eq!(world.asked(), [0, 0]);
}

#[tokio::test]
async fn routing_17_case_58_closing_by_hand_lets_the_next_call_through() {
    let world = World::start(&["a", "b"]).await;
    world.proxy.open_breaker("a");
    assert_eq!(world.who().await, "b");
    world.proxy.runtime.breakers.close(&world.proxy.channel("a"));
    assert_eq!(world.who().await, "a");
}

#[tokio::test]
async fn routing_17_case_35_an_open_first_provider_is_left_out() {
    let world = World::start(&["a", "b", "c"]).await;
    world.proxy.open_breaker("a");
    for _ in 0..5 {
        assert_eq!(world.who().await, "b");
    }
    assert_eq!(world.asked(), [0, 5, 0]);
}

#[tokio::test]
async fn routing_17_case_45_healthy_then_limited_then_on_probation() {
    // By priority the order would be the opposite.
    let world = World::with(&["c", "b", "a"], quick, |_| {}).await;
    let now = Instant::now();
    world.proxy.runtime.paces.limit(&world.proxy.channel("b"), None, now);
    world.proxy.open_breaker("c");
    wait_half_open(&world, "c").await;
    let reply = world.proxy.call_at("/rpc/ethereum?include_meta=headers", WHO, json!([])).await;
    assert_eq!(reply.who(), "a");
    assert_eq!(reply.meta()["candidate_providers"], json!(["a:http", "b:http", "c:http"]));
}

#[tokio::test]
async fn a_late_failure_of_a_call_from_before_changes_nothing() {
    let world = World::start(&["a", "b"]).await;
    world.behave("a", Fault::Hang);
    let held = world.proxy.spawn_call("/rpc/ethereum/a", WHO);
    world.wait_in_flight("a", 1).await;
    world.proxy.open_breaker("a");
    world.proxy.runtime.breakers.close(&world.proxy.channel("a"));
    world.node("a").disconnect(Ending::Reset);
    assert_eq!(held.await.unwrap().error().0, -32004);
    assert_eq!(world.proxy.breaker("a").failures, 0);
}
