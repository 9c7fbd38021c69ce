//! Probes and polls: what the router finds out without traffic.

use std::time::Duration;

use http::StatusCode;
use lasso_layers::attempt::breaker::BreakerState;
use lasso_layers::catalog::{Category, ChainSpec};
use lasso_layers::state::health::{Availability, Rows, Status};
use lasso_rpc::config::Settings;
use lasso_rpc::health::ProviderHealth;
use lasso_rpc::sim::{Fault, Rule, SimChain, SimChainOptions, SimNode, SimNodeOptions};
use serde_json::json;
use tokio::time::Instant;

use crate::support::{LIMIT, Proxy, WHO, World, chain_of, ms, node, profile, until};

const PROBE: &str = "eth_chainId";
const POLL: &str = "eth_blockNumber";

/// Probes alone; two failures of any kind open a breaker, and nothing but a probe closes one.
fn probes(settings: &mut Settings) {
    settings.probe.enabled = true;
    settings.probe.tick = ms(5);
    let breaker = &mut settings.circuit_breaker;
    breaker.failure_threshold = 2;
    breaker.category_thresholds.clear();
    breaker.recovery_timeout = Duration::from_secs(3600);
    breaker.max_recovery_timeout = Duration::from_secs(3600);
}

fn polls(settings: &mut Settings) {
    settings.block_sync.enabled = true;
}

fn often(chain: &mut ChainSpec) {
    chain.settings.probe_interval = ms(20);
}

async fn wait_for(world: &World, provider: &str, state: BreakerState) {
    until(&format!("the breaker of {provider} is {state}"), || world.proxy.breaker(provider).state == state)
        .await;
}

fn health(proxy: &Proxy, provider: &str) -> ProviderHealth {
    let catalog = proxy.runtime.live.snapshot();
    let (_, provider) = catalog.profiles()[0].chains()[0].provider(provider).expect("the provider exists");
    proxy.runtime.provider_health(provider, Instant::now())
}

async fn node_on(chain: SimChain, name: &str) -> SimNode {
    SimNode::start(SimNodeOptions::new(name, chain)).await.unwrap()
}

/// Waits until the node was asked so many more times.
async fn asked_again(node: &SimNode, method: &str, times: u64) {
    let calls = node.calls(method) + times;
    assert!(node.wait_for_method(method, calls, LIMIT).await, "{} is no longer asked", node.name());
}

#[tokio::test]
async fn routing_17_case_56_probes_alone_open_and_close_a_breaker() {
    let world = World::with(&["a", "b"], probes, often).await;
    asked_again(world.node("a"), PROBE, 2).await;
    world.node("a").stop().await;
    wait_for(&world, "a", BreakerState::Open).await;
    assert_eq!(world.proxy.breaker("a").last_error.unwrap().category, Category::NetworkError);
    world.node("a").restart().await.unwrap();
    wait_for(&world, "a", BreakerState::Closed).await;
    assert_eq!(world.proxy.breaker("b").openings, 0);
    assert_eq!(world.asked(), [0, 0], "no client asked anything");
    assert_eq!(world.who().await, "a");
}

#[tokio::test]
async fn routing_17_case_63_a_node_of_another_chain_is_isolated_and_has_no_say_in_heights() {
    let (right, wrong) =
        (SimChain::new(1, SimChainOptions::default()), SimChain::new(5, SimChainOptions::default()));
    wrong.mine(1_000);
    let nodes = [node_on(right.clone(), "right").await, node_on(wrong, "wrong").await];
    let mut spec = chain_of(&nodes);
    often(&mut spec);
    let both = |settings: &mut Settings| {
        probes(settings);
        polls(settings);
        // There are two seconds between the second failure and the third, and many polls in them.
        settings.circuit_breaker.failure_threshold = 3;
    };
    let proxy = Proxy::start(vec![profile("default", spec)], both).await;
    until("the breaker is open", || proxy.breaker("wrong").state == BreakerState::Open).await;
    let error = proxy.breaker("wrong").last_error.unwrap();
    assert_eq!(error.category, Category::ServerError);
    assert!(error.message.contains("id 1,") && error.message.contains("has 5"), "{}", error.message);
    let heights = proxy.runtime.heights;
    assert_eq!(heights.latest(1, proxy.channel("wrong").instance), None);
    assert_eq!(heights.consensus(1, Instant::now()), Some(right.height()));
    assert_eq!(proxy.breaker("wrong").state, BreakerState::Open);
    let health = health(&proxy, "wrong");
    assert_eq!((health.status, health.availability), (Status::Unhealthy, Availability::Down));
    let probe = health.rows.probe.unwrap();
    assert!(probe.failures >= 3 && probe.last_error.unwrap().contains("has 5"));
    assert_eq!(self::health(&proxy, "right").status, Status::Healthy);
}

#[tokio::test]
async fn a_node_of_another_chain_answers_nobody_however_well() {
    let (wrong, right) =
        (SimChain::new(5, SimChainOptions::default()), SimChain::new(1, SimChainOptions::default()));
    let nodes = [node_on(wrong, "wrong").await, node_on(right, "right").await];
    let mut spec = chain_of(&nodes);
    often(&mut spec);
    let tolerant = |settings: &mut Settings| {
        probes(settings);
        settings.circuit_breaker.failure_threshold = 255;
    };
    let proxy = Proxy::start(vec![profile("default", spec)], tolerant).await;
    let instance = proxy.channel("wrong").instance;
    until("the stranger is found", || proxy.runtime.strangers.contains(instance)).await;
    assert_eq!(proxy.breaker("wrong").state, BreakerState::Closed);
    for _ in 0..10 {
        assert_eq!(proxy.call(WHO, json!([])).await.who(), "right");
    }
    let by_name = proxy.call_at("/rpc/ethereum/wrong", WHO, json!([])).await;
    assert_eq!(by_name.error(), (-32000, "No channels available".to_owned()));
    assert_eq!(nodes[0].calls(WHO), 0);
}

#[tokio::test]
async fn a_rate_limited_probe_limits_and_does_not_count() {
    let world = World::with(&["a"], probes, often).await;
    asked_again(world.node("a"), PROBE, 1).await;
    world.node("a").behave([Rule::method(PROBE, Fault::status(StatusCode::TOO_MANY_REQUESTS))]);
    until("the provider is limited", || world.proxy.limited("a").is_some()).await;
    let limited = world.proxy.limited("a").unwrap();
    assert!(ms(30_000) < limited && limited <= ms(60_000), "{limited:?}");
    assert_eq!(
        (world.proxy.breaker("a").state, world.proxy.breaker("a").failures),
        (BreakerState::Closed, 0)
    );
}

#[tokio::test]
async fn what_a_status_means_to_a_probe_is_shown_and_not_always_counted() {
    let forbidden = Fault::status(StatusCode::FORBIDDEN);
    let busy = Fault::Html(StatusCode::SERVICE_UNAVAILABLE);
    let codes = Fault::RpcError { code: -32029, message: "slow down".to_owned(), data: None };
    let unpaid = Fault::status(StatusCode::PAYMENT_REQUIRED);
    let world = World::with(&["forbidden", "codes", "unpaid", "busy"], probes, often).await;
    for (name, fault) in [("forbidden", forbidden), ("codes", codes), ("unpaid", unpaid), ("busy", busy)] {
        world.node(name).behave([Rule::method(PROBE, fault)]);
    }
    let status = |name| health(&world.proxy, name).status;
    until("all were asked", || {
        let unpaid = status("unpaid") == Status::Misconfigured;
        unpaid && ["forbidden", "codes", "busy"].iter().all(|name| status(name) >= Status::Degraded)
    })
    .await;
    for limited in ["forbidden", "codes"] {
        assert!(world.proxy.limited(limited).is_some_and(|left| left > ms(30_000)), "{limited}");
        assert_eq!(world.proxy.breaker(limited).failures, 0, "{limited}");
    }
    for failed in ["unpaid", "busy"] {
        assert_eq!(world.proxy.limited(failed), None, "{failed}");
        assert!(world.proxy.breaker(failed).failures > 0, "{failed}");
    }
}

#[tokio::test]
async fn polls_that_fail_open_the_breaker() {
    let strict = |settings: &mut Settings| {
        polls(settings);
        settings.circuit_breaker.category_thresholds.clear();
        settings.circuit_breaker.failure_threshold = 2;
    };
    let world = World::with(&["a", "b"], strict, often).await;
    world.node("a").behave([Rule::method(POLL, Fault::status(StatusCode::BAD_GATEWAY))]);
    wait_for(&world, "a", BreakerState::Open).await;
    assert_eq!(world.proxy.breaker("a").last_error.unwrap().category, Category::ServerError);
    let row = health(&world.proxy, "a").rows.block_sync.unwrap();
    assert_eq!((row.status, row.failures), (Status::Degraded, 2));
    // Left alone now: what is skipped is not counted.
    let polled = world.node("a").calls(POLL);
    asked_again(world.node("b"), POLL, 3).await;
    assert_eq!(world.node("a").calls(POLL), polled);
    assert_eq!(health(&world.proxy, "a").rows.block_sync.unwrap().failures, 2);
}

#[tokio::test]
async fn a_probe_that_hangs_keeps_no_other_waiting() {
    let nodes = [node("a").await, node("b").await];
    nodes[0].behave([Rule::method(PROBE, Fault::latency(Duration::from_secs(3600)))]);
    let mut spec = chain_of(&nodes);
    often(&mut spec);
    let patient = |settings: &mut Settings| {
        probes(settings);
        settings.probe.timeout = Duration::from_secs(3600);
    };
    let _proxy = Proxy::start(vec![profile("default", spec)], patient).await;
    assert!(nodes[0].wait_for_method(PROBE, 1, LIMIT).await);
    asked_again(&nodes[1], PROBE, 5).await;
    assert_eq!(nodes[0].calls(PROBE), 1, "one probe of an instance is in flight at a time");
}

#[tokio::test]
async fn polls_make_the_consensus_height() {
    let chain = SimChain::new(1, SimChainOptions::default());
    let nodes = [node_on(chain.clone(), "a").await, node_on(chain.clone(), "b").await];
    let mut spec = chain_of(&nodes);
    often(&mut spec);
    let proxy = Proxy::start(vec![profile("default", spec)], polls).await;
    let agreed = || proxy.runtime.heights.consensus(1, Instant::now());
    until("a height is known", || agreed() == Some(chain.height())).await;
    chain.mine(7);
    until("the new height is known", || agreed() == Some(chain.height())).await;
    until("both nodes tell theirs", || proxy.runtime.heights.all(1).len() == 2).await;
}

#[tokio::test]
async fn polls_close_a_half_open_breaker_and_skip_an_open_one() {
    let quick = |settings: &mut Settings| {
        polls(settings);
        settings.circuit_breaker.recovery_timeout = ms(300);
    };
    let world = World::with(&["a", "b"], quick, often).await;
    let heights = world.proxy.runtime.heights;
    let instance = world.proxy.channel("a").instance;
    until("no poll is on its way", || heights.latest(1, instance).is_some()).await;
    world.proxy.open_breaker("a");
    let before = world.node("a").calls(POLL);
    asked_again(world.node("b"), POLL, 1).await;
    wait_for(&world, "a", BreakerState::Closed).await;
    let polled = world.node("a").calls(POLL) - before;
    assert!(polled >= 2, "it takes two successes to close, {polled} were polled");

    world.proxy.runtime.breakers.open(&world.proxy.channel("a"), Instant::now() + Duration::from_secs(3600));
    // One may have been on its way.
    asked_again(world.node("b"), POLL, 2).await;
    let before = world.node("a").calls(POLL);
    asked_again(world.node("b"), POLL, 3).await;
    assert_eq!(world.node("a").calls(POLL), before);
}

#[tokio::test]
async fn instances_join_and_leave_with_the_catalogue() {
    let nodes = [node("a").await, node("b").await];
    let both = |settings: &mut Settings| {
        probes(settings);
        polls(settings);
    };
    let published = |nodes: &[SimNode]| {
        let mut spec = chain_of(nodes);
        often(&mut spec);
        vec![profile("default", spec)]
    };
    let proxy = Proxy::start(published(&nodes[..1]), both).await;
    asked_again(&nodes[0], PROBE, 2).await;
    asked_again(&nodes[0], POLL, 2).await;
    assert_eq!(nodes[1].total_calls(), 0);
    let left = proxy.channel("a").instance;

    proxy.runtime.live.publish(published(&nodes[1..])).unwrap();
    asked_again(&nodes[1], PROBE, 2).await;
    asked_again(&nodes[1], POLL, 2).await;
    until("the height of the one that left is forgotten", || proxy.runtime.heights.latest(1, left).is_none())
        .await;
    until("its rows are deleted", || proxy.runtime.health.of(left) == Rows::default()).await;
    let calls = nodes[0].total_calls();
    asked_again(&nodes[1], PROBE, 3).await;
    asked_again(&nodes[1], POLL, 3).await;
    assert_eq!(nodes[0].total_calls(), calls);
}

#[tokio::test]
async fn nothing_is_asked_where_both_are_off() {
    // Otherwise the first probe and the first poll would come at once.
    let world = World::with(&["a"], |_| {}, |chain| chain.settings.probe_interval = ms(1)).await;
    for _ in 0..20 {
        assert_eq!(world.who().await, "a");
    }
    assert_eq!((world.node("a").total_calls(), world.node("a").calls(WHO)), (20, 20));
}
