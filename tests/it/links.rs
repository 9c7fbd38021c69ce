//! Calls over WebSocket upstreams.

use std::sync::Arc;

use futures_util::future::join_all;
use http::StatusCode;
use lasso_layers::attempt::benchmark::Series;
use lasso_layers::attempt::breaker::BreakerState;
use lasso_layers::catalog::{ChainSpec, Channel, MethodId, Transport};
use lasso_layers::state::health::{Availability, Status};
use lasso_rpc::config::Settings;
use lasso_rpc::sim::{self, Ending, Fault, Rule};
use lasso_rpc::upstream::ws::LinkState;
use serde_json::json;
use tokio::time::Instant;

use crate::support::{LIMIT, Proxy, WHO, World, chain_of, node, profile, until};

/// Every provider has a socket beside its HTTP address.
fn with_sockets(chain: &mut ChainSpec) {
    for provider in &mut chain.providers {
        provider.ws_url = provider.url.as_ref().map(|url| url.replace("http://", "ws://"));
    }
}

/// Every provider has a socket only.
fn sockets_only(chain: &mut ChainSpec) {
    with_sockets(chain);
    chain.providers.iter_mut().for_each(|provider| provider.url = None);
}

fn socket(proxy: &Proxy, provider: &str) -> Arc<Channel> {
    let catalog = proxy.runtime.live.snapshot();
    let (_, profile) = catalog.profile("default").unwrap();
    let (_, chain) = profile.chain("ethereum").unwrap();
    chain.provider(provider).unwrap().1.ws.clone().expect("the provider speaks WebSocket")
}

async fn connected(world: &World) {
    for node in &world.nodes {
        let key = socket(&world.proxy, node.name()).key;
        until("the link is up", || world.proxy.runtime.links.is_up(key)).await;
    }
}

async fn start(
    names: &[&str],
    settings: impl FnOnce(&mut Settings),
    chain: impl FnOnce(&mut ChainSpec),
) -> World {
    let world = World::with(names, settings, chain).await;
    connected(&world).await;
    world
}

/// Who answered, over which transport.
async fn served(world: &World, path: &str) -> (String, &'static str) {
    let reply = world.proxy.call_at(path, WHO, json!([])).await;
    let name = reply.who();
    let seen = world.node(&name).seen();
    let last = seen.iter().rfind(|call| call.method == WHO).expect("it was asked").transport;
    (name, if last == sim::Transport::Http { "http" } else { "ws" })
}

fn over(transport: sim::Transport, fault: Fault) -> Rule {
    Rule::method(WHO, fault).over(transport)
}

#[tokio::test]
async fn both_transports_compete_and_the_client_may_choose() {
    let world = start(&["a", "b"], |_| {}, with_sockets).await;
    let reply = world.proxy.call_at("/rpc/ethereum?include_meta=headers", WHO, json!([])).await;
    let candidates = &reply.meta()["candidate_providers"];
    assert_eq!(*candidates, json!(["a:http", "a:ws", "b:http", "b:ws"]));
    for (query, expected) in [("", "http"), ("?transport=http", "http"), ("?transport=ws", "ws")] {
        assert_eq!(served(&world, &format!("/rpc/ethereum{query}")).await, ("a".to_owned(), expected));
    }
    let page = world.proxy.call_at("/rpc/ethereum/b?transport=ws&include_meta=headers", WHO, json!([])).await;
    assert_eq!((page.who(), &page.meta()["transport"]), ("b".to_owned(), &json!("ws")), "{}", page.meta());
}

#[tokio::test]
async fn routing_17_case_14_a_missing_method_over_http_is_not_tried_over_the_socket() {
    let world = start(&["a", "b"], |_| {}, with_sockets).await;
    world.behave("a", Fault::rpc_error(-32601, "the method does not exist"));
    assert_eq!(world.who().await, "b");
    assert_eq!(world.asked(), [1, 1]);
    assert_eq!(world.node("a").seen().last().unwrap().transport, sim::Transport::Http);
}

#[tokio::test]
async fn routing_17_case_32_a_socket_counts_while_it_is_up() {
    let world = start(&["a"], |_| {}, with_sockets).await;
    assert_eq!(served(&world, "/rpc/ethereum?transport=ws").await.1, "ws");
    world.node("a").stop().await;
    let key = socket(&world.proxy, "a").key;
    until("the link is down", || !world.proxy.runtime.links.is_up(key)).await;
    let reply = world.proxy.call_at("/rpc/ethereum?transport=ws", WHO, json!([])).await;
    let message = format!("No available channels for method: {WHO}. All circuit breakers are open.");
    assert_eq!(reply.error(), (-32000, message));
    world.node("a").restart().await.unwrap();
    until("the link is up again", || world.proxy.runtime.links.is_up(key)).await;
    world.proxy.runtime.breakers.close(&socket(&world.proxy, "a"));
    assert_eq!(served(&world, "/rpc/ethereum?transport=ws").await.1, "ws");
}

#[tokio::test]
async fn routing_17_case_54_with_the_http_breaker_open_the_same_provider_serves_over_its_socket() {
    let world = start(&["a", "b"], |_| {}, with_sockets).await;
    world.proxy.open_breaker("a");
    assert_eq!(served(&world, "/rpc/ethereum").await, ("a".to_owned(), "ws"));
    assert_eq!(world.proxy.breaker("a").state, BreakerState::Open);
}

#[tokio::test]
async fn routing_17_case_62_with_http_limited_the_socket_goes_first() {
    let world = start(&["a", "b"], |_| {}, with_sockets).await;
    world.node("a").behave([over(sim::Transport::Http, Fault::RateLimited { retry_after: None })]);
    assert_eq!(served(&world, "/rpc/ethereum").await, ("a".to_owned(), "ws"));
    assert!(world.proxy.limited("a").is_some());
    let socket = socket(&world.proxy, "a");
    assert_eq!(world.proxy.runtime.paces.remaining(socket.key, Instant::now()), None);
    assert_eq!(served(&world, "/rpc/ethereum").await, ("a".to_owned(), "ws"));
    assert_eq!(world.asked(), [3, 0]);
}

#[tokio::test]
async fn failover_crosses_from_http_to_the_socket() {
    let world = start(&["a"], |_| {}, with_sockets).await;
    for fault in [Fault::Reset, Fault::status(StatusCode::BAD_GATEWAY), Fault::Garbage] {
        world.node("a").behave([over(sim::Transport::Http, fault)]);
        assert_eq!(served(&world, "/rpc/ethereum").await, ("a".to_owned(), "ws"));
        world.proxy.runtime.breakers.close(&world.proxy.channel("a"));
    }
}

#[tokio::test]
async fn failover_crosses_from_the_socket_to_http() {
    let world = start(&["a"], |_| {}, with_sockets).await;
    let http = world.proxy.channel("a");
    for fault in [Fault::rpc_error(-32603, "broken"), Fault::EmptyObject, Fault::Reset] {
        // So that the socket goes first.
        world.proxy.runtime.paces.limit(&http, None, Instant::now());
        // A reply that says nothing of whose it is answers nobody: the attempt times out.
        let is_lost = matches!(fault, Fault::EmptyObject);
        world.node("a").behave([over(sim::Transport::WebSocket, fault)]);
        let path = if is_lost { "/rpc/ethereum?timeout=1000" } else { "/rpc/ethereum" };
        assert_eq!(served(&world, path).await, ("a".to_owned(), "http"));
        world.proxy.runtime.breakers.close(&socket(&world.proxy, "a"));
        // The last one costs the connection, and a provider that is limited is not connected to at once.
    }
    assert_eq!(world.asked(), [6]);
}

#[tokio::test]
async fn streaming_11_case_45_calls_on_a_connection_that_drops_are_answered_by_others() {
    let world = start(&["a", "b"], |_| {}, sockets_only).await;
    world.behave("a", Fault::Hang);
    let calls = (0..5).map(|_| world.who());
    let (answers, ()) = tokio::join!(join_all(calls), async {
        assert!(world.node("a").wait_for_method(WHO, 5, LIMIT).await);
        world.node("a").disconnect(Ending::Reset);
    });
    assert_eq!(answers, ["b"; 5]);
    assert_eq!(world.asked(), [5, 5]);
}

#[tokio::test]
async fn a_transaction_that_may_have_arrived_goes_to_the_next_provider_too() {
    let world = start(&["a", "b"], |_| {}, sockets_only).await;
    world.node("a").behave([Rule::method("eth_sendRawTransaction", Fault::Reset)]);
    let reply = world.proxy.call("eth_sendRawTransaction", json!(["0x1234"])).await;
    assert!(reply.result().is_string());
    assert_eq!(world.node("b").calls("eth_sendRawTransaction"), 1);
}

#[tokio::test]
async fn what_must_not_happen_twice_is_not_sent_again() {
    let allow = |settings: &mut Settings| settings.methods.allow_stateful_filters = true;
    let world = start(&["a", "b"], allow, sockets_only).await;
    world.node("a").behave([Rule::method("eth_newFilter", Fault::Reset)]);
    world.proxy.call("eth_newFilter", json!([{}])).await.error();
    assert_eq!((world.node("a").calls("eth_newFilter"), world.node("b").calls("eth_newFilter")), (1, 0));
}

#[tokio::test]
async fn transports_are_measured_apart() {
    let world = start(&["a"], |_| {}, with_sockets).await;
    for (query, times) in [("http", 2), ("ws", 3)] {
        for _ in 0..times {
            served(&world, &format!("/rpc/ethereum?transport={query}")).await;
        }
    }
    let catalog = world.proxy.runtime.live.snapshot();
    let provider = catalog.profiles()[0].chains()[0].providers[0].key;
    let successes = |transport| {
        let series = Series { provider, transport, method: MethodId::of(WHO) };
        world.proxy.runtime.benchmarks.read(series).map(|summary| summary.successes)
    };
    assert_eq!((successes(Transport::Http), successes(Transport::Ws)), (Some(2), Some(3)));
}

#[tokio::test]
async fn a_full_socket_sends_the_call_elsewhere_and_blames_nobody() {
    let one = |settings: &mut Settings| settings.upstream_websocket.max_pending = 1;
    let world = start(&["a", "b"], one, sockets_only).await;
    world.behave("a", Fault::Hang);
    let waiting = world.proxy.spawn_call("/rpc/ethereum/a", WHO);
    world.wait_in_flight("a", 1).await;
    assert_eq!(world.who().await, "b");
    assert_eq!(world.asked(), [1, 1]);
    let status = world.proxy.runtime.breakers.status(socket(&world.proxy, "a").key, Instant::now());
    assert_eq!(status.failures, 0);
    let reply = world.proxy.call_at("/rpc/ethereum/a", WHO, json!([])).await;
    assert_eq!(reply.error(), (-32008, "WebSocket pending capacity exhausted".to_owned()));
    waiting.abort();
}

#[tokio::test]
async fn pages_show_the_state_of_sockets() {
    let nodes = [node("a").await, node("b").await];
    let mut chain = chain_of(&nodes);
    sockets_only(&mut chain);
    // The second one serves over HTTP as well.
    chain.providers[1].url = Some(nodes[1].http_url());
    nodes.iter().for_each(|node| node.behave([Rule::handshake(Fault::status(StatusCode::FORBIDDEN))]));
    let proxy = Proxy::start(vec![profile("default", chain)], |_| {}).await;
    let health = |provider: usize| {
        let catalog = proxy.runtime.live.snapshot();
        let provider = &catalog.profiles()[0].chains()[0].providers[provider];
        let health = proxy.runtime.provider_health(provider, Instant::now());
        (health.status, health.availability)
    };
    until("both were refused", || {
        let state = |provider| proxy.runtime.links.state(socket(&proxy, provider).key);
        state("a") == Some(LinkState::Disconnected) && state("b") == Some(LinkState::Disconnected)
    })
    .await;
    assert_eq!(health(0), (Status::Disconnected, Availability::Down));
    assert_eq!(health(1), (Status::Degraded, Availability::Limited));
}

#[tokio::test]
async fn a_reload_brings_sockets_into_service() {
    let nodes = [node("a").await, node("b").await];
    let mut chain = chain_of(&nodes[..1]);
    with_sockets(&mut chain);
    let proxy = Proxy::start(vec![profile("default", chain)], |_| {}).await;
    let mut chain = chain_of(&nodes[1..]);
    with_sockets(&mut chain);
    proxy.runtime.live.publish(vec![profile("default", chain)]).unwrap();
    let key = socket(&proxy, "b").key;
    until("the new link is up", || proxy.runtime.links.is_up(key)).await;
    assert!(nodes[0].wait_until(LIMIT, |stats| stats.sockets == 0).await);
    let reply = proxy.call_at("/rpc/ethereum?transport=ws", WHO, json!([])).await;
    assert_eq!(reply.who(), "b");
}
