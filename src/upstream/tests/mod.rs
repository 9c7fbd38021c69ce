//! Attempts over real connections.

pub(super) mod server;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::header::LOCATION;
use http::{StatusCode, Version};
use http_body_util::BodyExt;
use lasso_layers::attempt::Attempt;
use lasso_layers::attempt::timeout::TimeoutLayer;
use lasso_layers::call::{Body, Dispatch, Failure, Reply, TransportKind};
use lasso_layers::edge::egress::StreamError;
use lasso_layers::testing;
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tower::{Layer, ServiceExt};

use self::server::{Server, accept, endless, identity, read_request, whole};
use super::{HttpUpstream, UpstreamHttpPolicy};

/// No test waits longer for anything.
const LIMIT: Duration = Duration::from_secs(20);

const REPLY: &str = r#"{"jsonrpc":"2.0","id":1,"result":"0x1"}"#;
const BEGINNING: &str = r#"{"jsonrpc":"2.0","id":1,"result":""#;

fn attempt(url: &str) -> Attempt {
    let mut chain = testing::chain(&["a"]);
    chain.providers[0].url = Some(url.to_owned());
    let call = testing::call("eth_blockNumber", "[]");
    testing::attempt(testing::planned(&testing::live(chain), call, LIMIT), 0)
}

fn plain(addr: SocketAddr) -> String {
    format!("http://{addr}/")
}

fn tls(addr: SocketAddr) -> String {
    format!("https://localhost:{}/", addr.port())
}

fn upstream() -> HttpUpstream {
    trusting(Vec::new())
}

fn trusting(extra_roots: Vec<CertificateDer<'static>>) -> HttpUpstream {
    HttpUpstream::new(UpstreamHttpPolicy { extra_roots, ..UpstreamHttpPolicy::default() }).unwrap()
}

async fn send(upstream: &HttpUpstream, url: &str) -> Result<Reply, Failure> {
    timeout(LIMIT, upstream.clone().oneshot(attempt(url))).await.expect("an outcome in time")
}

#[track_caller]
fn result(outcome: Result<Reply, Failure>) -> Bytes {
    match outcome {
        Ok(Reply::Result(Body::Full(body))) => body,
        other => panic!("not a whole result: {other:?}"),
    }
}

#[track_caller]
fn broken(outcome: Result<Reply, Failure>) -> (TransportKind, Dispatch) {
    match outcome {
        Err(Failure::Transport(failure)) => (failure.kind, failure.dispatch),
        other => panic!("not a broken exchange: {other:?}"),
    }
}

#[tokio::test]
async fn plain_connections_speak_http_1_and_are_used_again() {
    let server = Server::start(None, |version, body| {
        assert_eq!(version, Version::HTTP_11);
        assert_eq!(body, r#"{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]}"#);
        whole(REPLY)
    })
    .await;
    let upstream = upstream();
    for _ in 0..5 {
        assert_eq!(result(send(&upstream, &plain(server.addr)).await), REPLY);
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn tls_connections_speak_http_2_where_the_server_does() {
    for (protocols, expected) in [
        (&["h2", "http/1.1"][..], Version::HTTP_2),
        (&["http/1.1"], Version::HTTP_11),
        (&[], Version::HTTP_11),
    ] {
        let (config, root) = identity(protocols);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let versions = seen.clone();
        let server = Server::start(Some(config), move |version, _| {
            versions.lock().unwrap().push(version);
            whole(REPLY)
        })
        .await;
        let upstream = trusting(vec![root]);
        for _ in 0..2 {
            assert_eq!(result(send(&upstream, &tls(server.addr)).await), REPLY);
        }
        assert_eq!(*seen.lock().unwrap(), [expected; 2], "{protocols:?}");
        assert_eq!(server.connections(), 1);
    }
}

#[tokio::test]
async fn many_exchanges_share_one_http_2_connection() {
    let (config, root) = identity(&["h2"]);
    let server = Server::start(Some(config), |_, _| whole(REPLY)).await;
    let upstream = trusting(vec![root]);
    result(send(&upstream, &tls(server.addr)).await);
    let url = tls(server.addr);
    let sends = (0..50).map(|_| send(&upstream, &url));
    for outcome in futures_util::future::join_all(sends).await {
        assert_eq!(result(outcome), REPLY);
    }
    assert_eq!(server.connections(), 1);
}

/// Replies that nobody reads fill their own share of the connection and not that of others.
#[tokio::test]
async fn slow_clients_do_not_stop_others_on_the_same_connection() {
    let (config, root) = identity(&["h2"]);
    let is_endless = Arc::new(Mutex::new(true));
    let flag = is_endless.clone();
    let server =
        Server::start(
            Some(config),
            move |_, _| {
                if *flag.lock().unwrap() { endless(BEGINNING) } else { whole(REPLY) }
            },
        )
        .await;
    let upstream = trusting(vec![root]);
    let mut unread = Vec::new();
    for _ in 0..20 {
        let Ok(Reply::Result(Body::Stream(stream))) = send(&upstream, &tls(server.addr)).await else {
            panic!("a large reply is a stream")
        };
        unread.push(stream);
    }
    *is_endless.lock().unwrap() = false;
    assert_eq!(result(send(&upstream, &tls(server.addr)).await), REPLY);
    assert_eq!(server.connections(), 1);
    drop(unread);
}

#[tokio::test]
async fn an_unknown_authority_is_no_connection() {
    let (config, _) = identity(&["h2"]);
    let server = Server::start(Some(config), |_, _| whole(REPLY)).await;
    let (_, another_root) = identity(&[]);
    let outcome = broken(send(&trusting(vec![another_root]), &tls(server.addr)).await);
    assert!(matches!(outcome, (TransportKind::Connect, Dispatch::NotSent)), "{outcome:?}");
}

#[test]
fn an_extra_root_must_be_a_certificate() {
    let policy = UpstreamHttpPolicy {
        extra_roots: vec![CertificateDer::from(vec![1, 2, 3])],
        ..UpstreamHttpPolicy::default()
    };
    assert_eq!(HttpUpstream::new(policy).unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
}

#[tokio::test]
async fn a_refused_connection_sent_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    drop(listener);
    let outcome = broken(send(&upstream(), &plain(addr)).await);
    assert!(matches!(outcome, (TransportKind::Connect, Dispatch::NotSent)), "{outcome:?}");
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_cut_off() {
    let (addr, task) = accept(|socket| async move {
        std::future::pending::<()>().await;
        drop(socket);
    })
    .await;
    let policy =
        UpstreamHttpPolicy { connect_timeout: Duration::from_millis(50), ..UpstreamHttpPolicy::default() };
    let outcome = broken(send(&HttpUpstream::new(policy).unwrap(), &tls(addr)).await);
    assert!(matches!(outcome, (TransportKind::Connect, Dispatch::NotSent)), "{outcome:?}");
    task.abort();
}

#[tokio::test]
async fn a_call_whose_time_ends_while_connecting_was_not_sent() {
    // Both accept a connection and say nothing; with one of them there is no way to send before it does.
    let talk = |socket: tokio::net::TcpStream| async move {
        let _socket = socket;
        std::future::pending::<()>().await;
    };
    let (addr, task) = accept(talk).await;
    for (url, expected) in [(tls(addr), Dispatch::NotSent), (plain(addr), Dispatch::Unknown)] {
        let mut attempt = attempt(&url);
        attempt.deadline = tokio::time::Instant::now() + Duration::from_millis(200);
        let service = TimeoutLayer::new().layer(upstream());
        let outcome = timeout(LIMIT, service.oneshot(attempt)).await.expect("an outcome in time");
        let (kind, dispatch) = broken(outcome);
        assert!(matches!(kind, TransportKind::Timeout), "{kind:?}");
        assert_eq!(dispatch, expected, "{url}");
    }
    task.abort();
}

#[tokio::test]
async fn a_connection_that_breaks_after_the_request_may_have_executed_it() {
    let (addr, task) = accept(|mut socket| async move {
        read_request(&mut socket).await;
        // With nothing in the way of it, dropping a socket that lingers for no time resets the connection.
        let _ = socket.set_zero_linger();
    })
    .await;
    let outcome = broken(send(&upstream(), &plain(addr)).await);
    assert!(matches!(outcome, (TransportKind::Broken, Dispatch::Unknown)), "{outcome:?}");
    task.abort();
}

/// Answers with a head that promises `promised` bytes, and writes `body` only.
async fn promising(promised: usize, body: String) -> (SocketAddr, tokio::task::JoinHandle<()>) {
    accept(move |mut socket| {
        let body = body.clone();
        async move {
            read_request(&mut socket).await;
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {promised}\r\n\r\n");
            let _ = socket.write_all(head.as_bytes()).await;
            let _ = socket.write_all(body.as_bytes()).await;
        }
    })
    .await
}

#[tokio::test]
async fn half_a_small_body_is_a_broken_exchange() {
    let (addr, task) = promising(REPLY.len(), REPLY[..20].to_owned()).await;
    let outcome = broken(send(&upstream(), &plain(addr)).await);
    assert!(matches!(outcome, (TransportKind::Broken, Dispatch::Unknown)), "{outcome:?}");
    task.abort();
}

#[tokio::test]
async fn half_a_large_body_is_a_stream_that_breaks() {
    let half = format!("{BEGINNING}{}", "f".repeat(500_000));
    let (addr, task) = promising(1_000_000, half.clone()).await;
    let Ok(Reply::Result(Body::Stream(mut stream))) = send(&upstream(), &plain(addr)).await else {
        panic!("a large reply is a stream")
    };
    let mut received = Vec::new();
    let error = loop {
        match timeout(LIMIT, stream.frame()).await.expect("a frame in time").expect("an error before the end")
        {
            Ok(frame) => received.extend_from_slice(&frame.into_data().unwrap()),
            Err(error) => break error,
        }
    };
    assert!(matches!(error.downcast_ref(), Some(StreamError::Broken(_))), "{error}");
    assert_eq!(received, half.as_bytes());
    task.abort();
}

#[tokio::test]
async fn giving_up_on_a_hanging_upstream_closes_the_connection() {
    let (events, mut heard) = mpsc::channel(2);
    let (addr, task) = accept(move |mut socket| {
        let events = events.clone();
        async move {
            read_request(&mut socket).await;
            events.send("asked").await.unwrap();
            let read = socket.read(&mut [0; 16]).await;
            assert!(matches!(read, Ok(0) | Err(_)));
            events.send("closed").await.unwrap();
        }
    })
    .await;
    let hanging = tokio::spawn(upstream().oneshot(attempt(&plain(addr))));
    assert_eq!(timeout(LIMIT, heard.recv()).await.unwrap(), Some("asked"));
    hanging.abort();
    assert_eq!(timeout(LIMIT, heard.recv()).await.unwrap(), Some("closed"));
    task.abort();
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = Server::start(None, |_, _| whole(REPLY)).await;
    let location = plain(elsewhere.addr);
    let server = Server::start(None, move |_, _| {
        let mut answer = whole("");
        *answer.status_mut() = StatusCode::TEMPORARY_REDIRECT;
        answer.headers_mut().insert(LOCATION, location.parse().unwrap());
        answer
    })
    .await;
    let (kind, dispatch) = broken(send(&upstream(), &plain(server.addr)).await);
    assert!(matches!(kind, TransportKind::Status(status) if status.status == 307));
    assert_eq!(dispatch, Dispatch::Answered);
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn a_connection_that_the_server_closed_while_idle_is_replaced() {
    let (events, mut closed) = mpsc::channel(4);
    let (addr, task) = accept(move |mut socket| {
        let events = events.clone();
        async move {
            read_request(&mut socket).await;
            let reply = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{REPLY}", REPLY.len());
            socket.write_all(reply.as_bytes()).await.unwrap();
            socket.shutdown().await.unwrap();
            // The client closes its side once it has noticed.
            assert!(matches!(socket.read(&mut [0; 16]).await, Ok(0) | Err(_)));
            events.send(()).await.unwrap();
        }
    })
    .await;
    let upstream = upstream();
    for _ in 0..3 {
        assert_eq!(result(send(&upstream, &plain(addr)).await), REPLY);
        timeout(LIMIT, closed.recv()).await.unwrap().unwrap();
    }
    task.abort();
}

#[test]
fn debug_output_names_no_address() {
    assert!(!format!("{:?}", upstream()).contains("://"));
}
