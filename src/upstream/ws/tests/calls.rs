//! Calls and their replies.

use bytes::Bytes;
use futures_util::future::join_all;
use lasso_layers::attempt::timeout::TimeoutLayer;
use lasso_layers::call::{Call, Dispatch, Reply, Route, TransportKind};
use lasso_layers::testing;
use lasso_layers::wire::Request;
use tokio::time::Instant;
use tower::{Layer, ServiceExt};

use super::peer::Peer;
use super::*;
use crate::sim::{Ending, Fault, HugeResult, REVERTING_CONTRACT, Rule};

#[tokio::test]
async fn clients_get_their_own_ids_back() {
    let node = node().await;
    let world = World::connected(node.ws_url(), eager()).await;
    for id in ["1", "null", "\"a-1\"", "9007199254740993", "\"lasso-1\""] {
        let request = Request::new(id, "eth_chainId", "[]").unwrap();
        let call = Call::new(Route::to_chain("ethereum"), request, Instant::now());
        let attempt = testing::attempt(testing::planned(&world.runtime.live, call, LIMIT), 0);
        let expected = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":"0x1"}}"#);
        assert_eq!(result(world.send(attempt).await), expected);
    }
    let ids: Vec<_> = node.seen().into_iter().filter_map(|call| call.id).collect();
    assert_eq!(ids, [1, 2, 3, 4, 5].map(|id| format!("\"lasso-{id}\"")));
}

#[tokio::test]
async fn errors_are_handed_on_for_others_to_classify() {
    let node = node().await;
    let world = World::connected(node.ws_url(), eager()).await;
    let params = format!(r#"[{{"to":"{REVERTING_CONTRACT}"}},"latest"]"#);
    let Ok(Reply::Error(reply)) = world.call("eth_call", &params).await else {
        panic!("a revert is an error")
    };
    assert_eq!(reply.error.code, 3);
    assert!(reply.error.data.is_some());
    node.behave([Rule::any(Fault::ResultAndError)]);
    let (kind, dispatch) = broken(world.call("eth_chainId", "[]").await);
    assert!(matches!(kind, TransportKind::InvalidReply { .. }), "{kind:?}");
    assert_eq!(dispatch, Dispatch::Unknown);
}

#[tokio::test]
async fn a_reply_of_many_frames_is_one_reply() {
    let node = node().await;
    let world = World::connected(node.ws_url(), eager()).await;
    node.behave([Rule::any(Fault::Stream(HugeResult::new(3_000_000).chunk(10_000)))]);
    // Our id is longer than the client's, which is `1`.
    assert_eq!(result(world.call("eth_getLogs", "[{}]").await).len(), 3_000_000 - r#""lasso-1""#.len() + 1);
}

#[tokio::test]
async fn many_calls_at_once_all_get_their_own_answer() {
    let node = node().await;
    let world = World::connected(node.ws_url(), eager()).await;
    // More than one write takes.
    let calls = (0..250).map(|at| {
        let params = format!(r#"[{{"to":"0x{at:040x}","data":"0x{}"}},"latest"]"#, "ab".repeat(1_000));
        let world = &world;
        async move { result(world.call("eth_call", &params).await) }
    });
    let mut answers = join_all(calls).await;
    answers.sort();
    answers.dedup();
    assert_eq!(answers.len(), 250);
    world.wait_pending(0).await;
    assert_eq!(node.stats().sockets_opened, 1);
}

#[tokio::test]
async fn streaming_11_case_45_calls_on_a_connection_that_drops_fail_at_once() {
    let node = node().await;
    let world = World::connected(node.ws_url(), eager()).await;
    node.behave([Rule::any(Fault::Hang)]);
    let ending = async {
        assert!(node.wait_for_calls(5, LIMIT).await);
        assert_eq!(world.links.status(world.channel(0).key).pending, 5);
        node.disconnect(Ending::Reset);
    };
    let calls = (0..5).map(|_| world.call("eth_chainId", "[]"));
    let (outcomes, ()) = tokio::join!(join_all(calls), ending);
    for outcome in outcomes {
        let (kind, dispatch) = broken(outcome);
        assert!(matches!(kind, TransportKind::Broken), "{kind:?}");
        assert_eq!(dispatch, Dispatch::Unknown);
    }
    let counters = world.links.counters(world.channel(0).key);
    assert_eq!((counters.disconnected, counters.unexpected_ends, counters.pending_cleanups), (1, 1, 5));
    node.heal();
    world.wait_up(0).await;
    result(world.call("eth_chainId", "[]").await);
}

#[tokio::test]
async fn streaming_11_case_46_what_is_no_json_ends_nothing() {
    let node = node().await;
    let world = World::connected(node.ws_url(), eager()).await;
    let key = world.channel(0).key;
    let before = world.links.status(key).connection;
    for (count, fault) in (1..).zip([
        Fault::Raw(Bytes::from_static(b"hello")),
        Fault::Garbage,
        Fault::Html(http::StatusCode::BAD_GATEWAY),
    ]) {
        node.strike(fault);
        until("it arrived", || world.links.counters(key).malformed == count).await;
    }
    result(world.call("eth_chainId", "[]").await);
    assert_eq!(world.links.status(key).connection, before);
}

#[tokio::test]
async fn streaming_11_case_47_swapped_replies_find_their_callers() {
    let peer = Peer::listen().await;
    let world = World::start(profiles(&[peer.url()]), eager(), Vec::new());
    let mut socket = peer.accept().await;
    world.wait_up(0).await;
    let serve = async {
        let mut requests = Vec::new();
        for _ in 0..3 {
            requests.push(socket.request().await);
        }
        for (id, request) in requests.iter().rev() {
            let method = request["method"].as_str().unwrap();
            socket.send(format!(r#"{{"jsonrpc":"2.0","result":"{method}","id":{id}}}"#)).await;
        }
    };
    let calls = ["eth_a", "eth_b", "eth_c"].map(|method| world.call(method, "[]"));
    let (outcomes, ()) = tokio::join!(join_all(calls), serve);
    for (outcome, method) in outcomes.into_iter().zip(["eth_a", "eth_b", "eth_c"]) {
        assert_eq!(result(outcome), format!(r#"{{"jsonrpc":"2.0","result":"{method}","id":1}}"#));
    }
}

#[tokio::test]
async fn replies_that_nobody_waits_for_are_counted_and_ignored() {
    let peer = Peer::listen().await;
    let world = World::start(profiles(&[peer.url()]), eager(), Vec::new());
    let mut socket = peer.accept().await;
    world.wait_up(0).await;
    let key = world.channel(0).key;
    let (outcome, id) = tokio::join!(world.call("eth_chainId", "[]"), async {
        let (id, _) = socket.request().await;
        socket.send(r#"{"jsonrpc":"2.0","id":"lasso-99","result":"unknown"}"#).await;
        socket.send(r#"{"jsonrpc":"2.0","id":1,"result":"not ours"}"#).await;
        socket.send(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":"right"}}"#)).await;
        id
    });
    assert_eq!(result(outcome), r#"{"jsonrpc":"2.0","id":1,"result":"right"}"#);
    socket.send(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":"repeated"}}"#)).await;
    until("all arrived", || world.links.counters(key).unmatched == 3).await;
    assert!(world.links.is_up(key));
}

#[tokio::test]
async fn a_call_that_is_given_up_leaves_nothing_behind() {
    let peer = Peer::listen().await;
    let world = World::start(profiles(&[peer.url()]), eager(), Vec::new());
    let mut socket = peer.accept().await;
    world.wait_up(0).await;
    let key = world.channel(0).key;
    let call = tokio::spawn(WsUpstream::new(world.links).oneshot(world.attempt("eth_chainId", "[]")));
    let (id, _) = socket.request().await;
    assert_eq!(world.links.status(key).pending, 1);
    call.abort();
    world.wait_pending(0).await;
    socket.send(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":"late"}}"#)).await;
    until("it arrived", || world.links.counters(key).unmatched == 1).await;
    assert_eq!(world.links.counters(key).abandoned, 1);
}

#[tokio::test]
async fn a_timeout_takes_the_request_back() {
    let node = node().await;
    let world = World::connected(node.ws_url(), eager()).await;
    node.behave([Rule::any(Fault::Hang)]);
    let mut attempt = world.attempt("eth_chainId", "[]");
    attempt.deadline = Instant::now() + ms(50);
    let outcome = TimeoutLayer::new().layer(WsUpstream::new(world.links)).oneshot(attempt).await;
    assert!(matches!(broken(outcome), (TransportKind::Timeout, Dispatch::Unknown)));
    world.wait_pending(0).await;
}

#[tokio::test]
async fn no_more_than_the_limit_is_in_flight() {
    let node = node().await;
    let world = World::connected(node.ws_url(), LinkPolicy { max_pending: 2, ..eager() }).await;
    node.behave([Rule::any(Fault::Hang)]);
    let upstream = WsUpstream::new(world.links);
    let waiting = [0, 1].map(|_| tokio::spawn(upstream.oneshot(world.attempt("eth_chainId", "[]"))));
    world.wait_pending(2).await;
    let failure = world.call("eth_chainId", "[]").await.unwrap_err();
    let error = failure.error();
    assert_eq!((error.code, &*error.message), (-32008, "WebSocket pending capacity exhausted"));
    assert_eq!(
        (failure.category().as_str(), failure.dispatch()),
        ("local_capacity_rejection", Dispatch::NotSent)
    );
    let failure =
        world.links.subscribe(world.channel(0).key, Bytes::from_static(b"[]"), LIMIT).await.unwrap_err();
    assert_eq!(failure.error().code, -32008);
    assert_eq!(world.links.counters(world.channel(0).key).refused, 2);
    waiting[0].abort();
    world.wait_pending(1).await;
    node.heal();
    result(world.call("eth_chainId", "[]").await);
}

#[tokio::test]
async fn without_a_connection_nothing_is_sent() {
    let world = World::start(profiles(&["ws://127.0.0.1:9".to_owned()]), eager(), Vec::new());
    let failure = world.call("eth_chainId", "[]").await.unwrap_err();
    let error = failure.error();
    assert_eq!((error.code, &*error.message), (-32000, "WebSocket not connected"));
    assert_eq!(
        (failure.category().as_str(), failure.dispatch()),
        ("local_capacity_rejection", Dispatch::NotSent)
    );
}

#[tokio::test]
async fn a_peer_that_reads_nothing_is_given_up_and_what_did_not_leave_was_not_sent() {
    let peer = Peer::listen().await;
    let policy = LinkPolicy { write_timeout: ms(100), ..eager() };
    let world = World::start(profiles(&[peer.url()]), policy, Vec::new());
    let _socket = peer.accept().await;
    world.wait_up(0).await;
    // More than all buffers on the way hold.
    let large = format!("[\"0x{}\"]", "f".repeat(32 << 20));
    let (large, small) = tokio::join!(world.call("eth_call", &large), async {
        world.wait_pending(1).await;
        world.call("eth_chainId", "[]").await
    });
    assert!(matches!(broken(large), (TransportKind::Broken, Dispatch::Unknown)));
    assert!(matches!(broken(small), (TransportKind::Broken, Dispatch::NotSent)));
    let key = world.channel(0).key;
    assert_eq!(world.links.counters(key).pending_cleanups, 2);
}
