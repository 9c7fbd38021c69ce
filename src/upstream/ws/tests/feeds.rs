//! Subscriptions and their events.

use lasso_layers::catalog::Category;
use serde_json::json;

use super::peer::{Peer, Socket, confirmed, event};
use super::*;
use crate::sim::{Ending, Fault, Rule};
use crate::upstream::ws::{Feed, FeedEnd};

const HEADS: Bytes = Bytes::from_static(br#"["newHeads"]"#);

async fn subscribe(world: &World) -> Feed {
    world.links.subscribe(world.channel(0).key, HEADS, LIMIT).await.expect("it is confirmed")
}

async fn next(feed: &mut Feed) -> Result<Bytes, FeedEnd> {
    timeout(LIMIT, feed.next()).await.expect("an event or the end in time")
}

async fn number(feed: &mut Feed) -> String {
    let head: serde_json::Value = serde_json::from_slice(&next(feed).await.expect("an event")).unwrap();
    head["number"].as_str().unwrap().to_owned()
}

/// A link to a peer that a test plays.
async fn played(policy: LinkPolicy) -> (World, Socket) {
    let peer = Peer::listen().await;
    let world = World::start(profiles(&[peer.url()]), policy, Vec::new());
    let socket = peer.accept().await;
    world.wait_up(0).await;
    (world, socket)
}

#[tokio::test]
async fn events_arrive_in_order_and_dropping_the_feed_unsubscribes() {
    let node = node().await;
    let world = World::connected(node.ws_url(), eager()).await;
    let mut feed = subscribe(&world).await;
    let mut second = subscribe(&world).await;
    assert_eq!(world.links.status(world.channel(0).key).subscriptions, 2);
    node.chain().mine(3);
    for feed in [&mut feed, &mut second] {
        for expected in ["0x3e9", "0x3ea", "0x3eb"] {
            assert_eq!(number(feed).await, expected);
        }
    }
    drop(feed);
    assert!(node.wait_until(LIMIT, |stats| stats.subscriptions == 1).await);
    node.chain().mine(1);
    assert_eq!(number(&mut second).await, "0x3ec");
    let counters = world.links.counters(world.channel(0).key);
    assert_eq!((counters.unmatched, counters.unknown_subscriptions), (0, 0), "{counters:?}");
}

#[tokio::test]
async fn events_right_behind_the_confirmation_are_not_lost() {
    let (world, mut socket) = played(eager()).await;
    let (mut feed, ()) = tokio::join!(subscribe(&world), async {
        let (id, request) = socket.request().await;
        assert_eq!(
            request,
            json!({ "jsonrpc": "2.0", "id": request["id"], "method": "eth_subscribe", "params": ["newHeads"] })
        );
        socket.send_all([confirmed(&id, "0xa"), event("0xa", 1), event("0xb", 2), event("0xa", 3)]).await;
    });
    assert_eq!(next(&mut feed).await.unwrap(), "1");
    assert_eq!(next(&mut feed).await.unwrap(), "3");
    assert_eq!(world.links.counters(world.channel(0).key).unknown_subscriptions, 1);
}

#[tokio::test]
async fn more_early_events_than_there_is_room_for_end_the_feed_and_the_subscription() {
    let (world, mut socket) = played(LinkPolicy { feed_events: 1, ..eager() }).await;
    let (mut feed, ()) = tokio::join!(subscribe(&world), async {
        let (id, _) = socket.request().await;
        socket.send_all([event("0xa", 1), event("0xa", 2), confirmed(&id, "0xa")]).await;
    });
    assert_eq!(next(&mut feed).await.unwrap(), "1");
    assert_eq!(next(&mut feed).await, Err(FeedEnd::Overflow));
    let (_, request) = socket.request().await;
    assert_eq!((&request["method"], &request["params"]), (&json!("eth_unsubscribe"), &json!(["0xa"])));
    assert_eq!(world.links.counters(world.channel(0).key).overflows, 1);
}

#[tokio::test]
async fn events_before_the_confirmation_are_not_lost_either() {
    let (world, mut socket) = played(eager()).await;
    let (mut feed, ()) = tokio::join!(subscribe(&world), async {
        let (id, _) = socket.request().await;
        socket.send_all([event("0xa", 1), event("0xb", 2), confirmed(&id, "0xa"), event("0xa", 3)]).await;
    });
    assert_eq!(next(&mut feed).await.unwrap(), "1");
    assert_eq!(next(&mut feed).await.unwrap(), "3");
}

#[tokio::test]
async fn a_feed_that_nobody_reads_ends_and_disturbs_nobody() {
    let node = node().await;
    let world = World::connected(node.ws_url(), LinkPolicy { feed_events: 2, ..eager() }).await;
    let mut slow = subscribe(&world).await;
    let mut quick = subscribe(&world).await;
    for expected in ["0x3e9", "0x3ea", "0x3eb", "0x3ec"] {
        node.chain().mine(1);
        assert_eq!(number(&mut quick).await, expected);
    }
    assert!(node.wait_until(LIMIT, |stats| stats.subscriptions == 1).await, "nobody wants it any more");
    assert_eq!(number(&mut slow).await, "0x3e9");
    assert_eq!(number(&mut slow).await, "0x3ea");
    for _ in 0..2 {
        assert_eq!(next(&mut slow).await, Err(FeedEnd::Overflow));
    }
    assert_eq!(world.links.counters(world.channel(0).key).overflows, 1);
}

#[tokio::test]
async fn the_end_of_a_connection_ends_its_feeds() {
    let node = node().await;
    let world = World::connected(node.ws_url(), eager()).await;
    let mut feeds = [subscribe(&world).await, subscribe(&world).await];
    node.disconnect(Ending::Reset);
    for feed in &mut feeds {
        assert_eq!(next(feed).await, Err(FeedEnd::Disconnected));
    }
    world.wait_up(0).await;
    let mut feed = subscribe(&world).await;
    // Dropping feeds of a former connection does nothing to this one.
    drop(feeds);
    node.chain().mine(1);
    assert_eq!(number(&mut feed).await, "0x3e9");
    assert_eq!(node.stats().subscriptions, 1);
}

#[tokio::test]
async fn an_id_given_twice_belongs_to_whoever_got_it_last() {
    let (world, mut socket) = played(eager()).await;
    let mut feeds = Vec::new();
    for _ in 0..2 {
        let (feed, ()) = tokio::join!(subscribe(&world), async {
            let (id, _) = socket.request().await;
            socket.send(confirmed(&id, "0xa")).await;
        });
        feeds.push(feed);
    }
    let (mut second, mut first) = (feeds.pop().unwrap(), feeds.pop().unwrap());
    assert_eq!(next(&mut first).await, Err(FeedEnd::Disconnected));
    drop(first);
    socket.send(event("0xa", 1)).await;
    assert_eq!(next(&mut second).await.unwrap(), "1");
    drop(second);
    let (_, request) = socket.request().await;
    assert_eq!((&request["method"], &request["params"]), (&json!("eth_unsubscribe"), &json!(["0xa"])));
}

#[tokio::test]
async fn a_refusal_is_classified() {
    let node = node().await;
    let world = World::connected(node.ws_url(), eager()).await;
    let refusal = async |fault| {
        node.behave([Rule::method("eth_subscribe", fault)]);
        let failure = world.links.subscribe(world.channel(0).key, HEADS, LIMIT).await.unwrap_err();
        (failure.category(), failure.error().code)
    };
    assert_eq!(refusal(Fault::rpc_error(-32601, "no such method")).await, (Category::MethodNotFound, -32601));
    assert_eq!(refusal(Fault::rpc_error(-32005, "slow down")).await, (Category::RateLimit, -32005));
    assert_eq!(refusal(Fault::NullResult).await, (Category::ServerError, -32000));
    assert_eq!(world.links.status(world.channel(0).key).pending, 0);
}

#[tokio::test]
async fn a_subscription_that_is_confirmed_too_late_is_ended_again() {
    let (world, mut socket) = played(eager()).await;
    let key = world.channel(0).key;
    let failure = world.links.subscribe(key, HEADS, ms(20)).await.unwrap_err();
    assert_eq!((failure.category(), failure.error().code), (Category::Timeout, -32007));
    assert_eq!(world.links.status(key).pending, 0);
    let (id, _) = socket.request().await;
    socket.send_all([event("0xa", 1), confirmed(&id, "0xa"), event("0xa", 2)]).await;
    let (_, request) = socket.request().await;
    assert_eq!((&request["method"], &request["params"]), (&json!("eth_unsubscribe"), &json!(["0xa"])));
    until("both events are dropped", || world.links.counters(key).unknown_subscriptions == 2).await;
}

#[tokio::test]
async fn without_a_connection_there_is_no_subscription() {
    let world = World::start(profiles(&["ws://127.0.0.1:9".to_owned()]), eager(), Vec::new());
    let failure = world.links.subscribe(world.channel(0).key, HEADS, LIMIT).await.unwrap_err();
    assert_eq!(failure.error().message, "WebSocket not connected");
}
