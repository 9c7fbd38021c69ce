//! How connections fail to be made, how they end, and what follows.

use http::{HeaderMap, HeaderValue, StatusCode};
use lasso_layers::attempt::breaker::BreakerState;
use lasso_layers::catalog::Category;
use tokio_tungstenite::tungstenite::Message;

use super::peer::Peer;
use super::*;
use crate::sim::{Ending, Fault, HugeResult, Rule};

fn close(code: u16) -> Fault {
    Fault::CloseFrame { code, reason: "as ordered".to_owned() }
}

#[tokio::test]
async fn streaming_11_case_48_a_link_that_is_refused_comes_up_with_its_upstream() {
    let node = node().await;
    node.stop().await;
    let world = World::start(profiles(&[node.ws_url()]), eager(), Vec::new());
    let key = world.channel(0).key;
    until("it was refused", || world.links.counters(key).connect_failures >= 2).await;
    let status = world.links.status(key);
    assert_eq!(status.state, LinkState::Reconnecting);
    assert!(status.reconnect_attempts >= 1, "{status:?}");
    let error = world.breaker().last_error.expect("it counts");
    assert_eq!((error.code, &*error.message), (-32006, "WebSocket connection failed"));
    node.restart().await.unwrap();
    world.wait_up(0).await;
    result(world.call("eth_chainId", "[]").await);
}

#[tokio::test]
async fn streaming_11_case_49_a_link_without_pongs_is_given_up() {
    let node = node().await;
    node.behave([Rule::opened(Fault::Freeze).first(1)]);
    let policy = LinkPolicy { ping_interval: ms(60), pong_timeout: ms(40), ..eager() };
    let world = World::connected(node.ws_url(), policy).await;
    let key = world.channel(0).key;
    until("it is given up", || world.links.counters(key).disconnected == 1).await;
    assert_eq!(world.links.counters(key).pings, 1);
    // The next connection answers and lives.
    world.wait_up(0).await;
    let connection = world.links.status(key).connection;
    until("pings were answered", || world.links.counters(key).pongs >= 3).await;
    assert_eq!(world.links.status(key).connection, connection);
}

#[tokio::test]
async fn pings_of_the_upstream_are_answered_with_what_they_say() {
    let peer = Peer::listen().await;
    let world = World::start(profiles(&[peer.url()]), eager(), Vec::new());
    let mut socket = peer.accept().await;
    world.wait_up(0).await;
    socket.ping("are you there?").await;
    assert_eq!(socket.message().await, Message::Pong("are you there?".into()));
}

#[tokio::test]
async fn an_upstream_that_accepts_and_closes_opens_its_breaker() {
    let node = node().await;
    node.behave([Rule::opened(close(1000))]);
    let world = World::start(profiles(&[node.ws_url()]), eager(), Vec::new());
    until("the breaker is open", || world.breaker().state == BreakerState::Open).await;
    let counters = world.links.counters(world.channel(0).key);
    assert_eq!((counters.connected, counters.unexpected_ends), (3, 3));
    // It is left alone now: the next attempt is ten seconds away.
    assert_eq!(world.state(), Some(LinkState::Reconnecting));
    assert_eq!(node.stats().sockets_opened, 3);
}

#[tokio::test]
async fn the_end_of_a_good_idle_connection_in_good_order_costs_nothing() {
    let node = node().await;
    let world = World::connected(node.ws_url(), LinkPolicy { stable_after: Duration::ZERO, ..eager() }).await;
    let key = world.channel(0).key;
    for (count, code) in (1..).zip([1000, 1001, 1012]) {
        node.strike(close(code));
        until("it ended", || world.links.counters(key).disconnected == count).await;
        world.wait_up(0).await;
    }
    assert_eq!(world.links.counters(key).unexpected_ends, 0);
    assert_eq!(world.breaker().failures, 0);
    node.strike(close(1011));
    until("it ended", || world.links.counters(key).unexpected_ends == 1).await;
    let error = world.breaker().last_error.expect("it counts");
    assert_eq!((error.category, &*error.message), (Category::ServerError, "WebSocket internal server error"));
}

#[tokio::test]
async fn every_way_of_ending_is_seen_and_repaired() {
    let node = node().await;
    let world = World::connected(node.ws_url(), LinkPolicy { stable_after: Duration::ZERO, ..eager() }).await;
    let key = world.channel(0).key;
    for (count, fault) in (1..).zip([Fault::Reset, Fault::Close, Fault::TornFrame, close(4_001)]) {
        node.strike(fault);
        until("it ended", || world.links.counters(key).disconnected == count).await;
        // Each of them counts, and would open the breaker in the end.
        world.runtime.breakers.close(&world.channel(0));
        world.wait_up(0).await;
        result(world.call("eth_chainId", "[]").await);
    }
    assert_eq!(world.links.counters(key).unexpected_ends, 4);
}

#[tokio::test]
async fn who_does_not_want_us_is_asked_rarely() {
    let node = node().await;
    for (fault, category) in [
        (Rule::opened(close(1008)), Category::ClientError),
        (Rule::handshake(Fault::status(StatusCode::UNAUTHORIZED)), Category::AuthError),
        (Rule::handshake(Fault::status(StatusCode::NOT_FOUND)), Category::ClientError),
    ] {
        node.behave([fault]);
        let world = World::start(profiles(&[node.ws_url()]), eager(), Vec::new());
        until("it is left alone", || world.state() == Some(LinkState::Disconnected)).await;
        let breaker = world.breaker();
        assert_eq!(breaker.failures, 1, "it counts, though no request of a client failed");
        assert_eq!(breaker.last_error.unwrap().category, category);
    }
}

#[tokio::test]
async fn a_limit_in_place_of_a_handshake_limits_and_blames_nobody() {
    let node = node().await;
    let headers = HeaderMap::from_iter([(http::header::RETRY_AFTER, HeaderValue::from_static("77"))]);
    let status = StatusCode::TOO_MANY_REQUESTS;
    node.behave([Rule::handshake(Fault::Status { status, headers, body: Bytes::new() })]);
    let world = World::start(profiles(&[node.ws_url()]), eager(), Vec::new());
    let key = world.channel(0).key;
    until("it was refused", || world.links.status(key).reconnect_attempts == 1).await;
    let limited = world.runtime.paces.remaining(key, Instant::now()).expect("it is limited");
    assert!(ms(60_000) < limited && limited <= ms(77_000), "{limited:?}");
    assert_eq!(world.breaker().failures, 0);
}

#[tokio::test]
async fn when_all_attempts_are_used_up_the_link_counts_as_disconnected() {
    let node = node().await;
    node.stop().await;
    let world =
        World::start(profiles(&[node.ws_url()]), LinkPolicy { max_attempts: 1, ..eager() }, Vec::new());
    until("it has given up", || world.state() == Some(LinkState::Disconnected)).await;
    assert_eq!(world.links.counters(world.channel(0).key).connect_failures, 2);
}

#[tokio::test]
async fn a_stable_connection_closes_the_breaker_and_begins_the_count_anew() {
    let node = node().await;
    node.behave([Rule::opened(close(1000)).first(1)]);
    let policy = LinkPolicy { stable_after: ms(200), ..eager() };
    let world = World::start(profiles(&[node.ws_url()]), policy, Vec::new());
    let key = world.channel(0).key;
    until("the first connection ended", || world.breaker().failures == 1).await;
    until("the second one is good", || world.breaker().failures == 0).await;
    assert_eq!(world.links.status(key).reconnect_attempts, 0);
    assert!(world.links.is_up(key));
}

#[tokio::test]
async fn an_upstream_that_says_the_connection_timed_out_is_hung_up_on() {
    for error in
        [r#"{"code":-32701,"message":"gone"}"#, r#"{"code":-32000,"message":"Idle Timeout reached"}"#]
    {
        let peer = Peer::listen().await;
        let world = World::start(profiles(&[peer.url()]), eager(), Vec::new());
        let mut socket = peer.accept().await;
        let key = world.channel(0).key;
        socket.send(r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"just so"}}"#).await;
        until("it is noticed", || world.links.counters(key).complaints == 1).await;
        assert!(world.links.is_up(key));
        socket.send(format!(r#"{{"jsonrpc":"2.0","error":{error}}}"#)).await;
        let Message::Close(Some(frame)) = socket.message().await else { panic!("a close frame was due") };
        assert_eq!((u16::from(frame.code), frame.reason.as_str()), (1013, "connection timeout"));
        until("it counts as lost", || world.links.counters(key).unexpected_ends == 1).await;
    }
}

#[tokio::test]
async fn a_message_that_is_too_long_ends_the_connection() {
    let node = node().await;
    let world = World::connected(node.ws_url(), LinkPolicy { max_message_bytes: 10_000, ..eager() }).await;
    node.behave([Rule::method("eth_getLogs", Fault::Stream(HugeResult::new(20_000).chunk(1_000)))]);
    broken(world.call("eth_getLogs", "[{}]").await);
    let error = world.breaker().last_error.expect("it counts");
    assert_eq!((error.code, &*error.message), (-32602, "WebSocket message too big"));
    // It was us who did not want it, so the link comes back soon.
    world.wait_up(0).await;
    result(world.call("eth_chainId", "[]").await);
}

#[tokio::test]
async fn whoever_ends_the_links_ends_what_depends_on_them() {
    let node = node().await;
    let mut world = World::connected(node.ws_url(), eager()).await;
    node.behave([Rule::any(Fault::Hang)]);
    let key = world.channel(0).key;
    let call = tokio::spawn(WsUpstream::new(world.links).oneshot(world.attempt("eth_chainId", "[]")));
    world.wait_pending(1).await;
    let mut changes = world.links.changes();
    changes.mark_unchanged();
    world.tasks.shutdown().await;
    broken(timeout(LIMIT, call).await.expect("it fails at once").unwrap());
    until("it is told", || changes.has_changed().unwrap()).await;
    until("nothing is left", || world.links.state(key).is_none()).await;
    assert!(node.wait_until(LIMIT, |stats| stats.sockets == 0).await);
}

#[tokio::test]
async fn a_lost_connection_is_told() {
    let node = node().await;
    let world = World::connected(node.ws_url(), eager()).await;
    let key = world.channel(0).key;
    let before = world.links.status(key).connection.expect("it is up");
    let mut changes = world.links.changes();
    node.disconnect(Ending::Close);
    timeout(LIMIT, changes.changed()).await.expect("it is told").unwrap();
    until("there is another one", || {
        world.links.status(key).connection.is_some_and(|connection| connection != before)
    })
    .await;
}
