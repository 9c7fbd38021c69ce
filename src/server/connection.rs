//! One connection, from its first byte to its last.

use std::fmt::Display;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1::UpgradeableConnection;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use lasso_layers::call::{Call, Failure, Reply};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tower::Service;

use super::ServerPolicy;
use super::heads::Heads;
use super::site::{Door, Site, Visit};
use super::tapped::Tapped;

/// How an HTTP/2 connection begins
/// ([RFC 9113, section 3.4](https://www.rfc-editor.org/rfc/rfc9113#section-3.4)); no HTTP/1 method begins so.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How long to wait for more of a beginning that could be either protocol's. A client that sends its request line
/// letter by letter is not served any faster.
const UNDECIDED: Duration = Duration::from_millis(5);

/// What a client speaks.
enum Protocol {
    Http1,
    Http2,
}

/// Serves a connection until the client leaves, or until `stopping` says so and the requests under way are
/// answered. A connection that becomes a WebSocket is served as one.
pub(super) async fn run<S>(
    stream: TcpStream,
    site: Site<S>,
    policy: ServerPolicy,
    mut stopping: watch::Receiver<bool>,
) where
    S: Service<Call, Response = Reply> + Clone + Send + Sync + 'static,
    S::Error: Into<Failure> + Send,
    S::Future: Send,
{
    // Answers are written whole; waiting to fill a packet would only delay them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    // Looked at and left in the socket: a protocol that reads its first bytes from there, and not from a copy, needs
    // no larger read buffer than usual.
    let protocol = tokio::select! {
        protocol = timeout(policy.head_timeout, protocol(&stream)) => protocol,
        // An error says that the server is gone, which is a reason to stop too.
        _ = stopping.wait_for(|stop| *stop) => return,
    };
    let Ok(protocol) = protocol else {
        tracing::debug!("connection said too little in time");
        // Closing with unread bytes would reset the connection. What cannot be read is not in the way.
        let _ = stream.try_read(&mut [0; PREFACE.len()]);
        return;
    };
    let heads = Arc::new(Heads::default());
    let io = TokioIo::new(Tapped::new(stream, heads.clone()));
    let door = Arc::new(Door::default());
    let visit = Visit::new(site, heads, door.clone());
    match protocol {
        Ok(Protocol::Http1) => {
            // Boxed, so that a client that stays for its WebSocket does not keep the room that HTTP took.
            let connection = http1(policy).serve_connection(io, visit).with_upgrades();
            Box::pin(drive(connection, UpgradeableConnection::graceful_shutdown, stopping)).await;
            let accepted = door.take();
            drop(door);
            if let Some(accepted) = accepted {
                accepted.run().await;
            }
        }
        Ok(Protocol::Http2) => {
            let connection = http2(policy).serve_connection(io, visit);
            Box::pin(drive(connection, http2::Connection::graceful_shutdown, stopping)).await;
        }
        Err(error) => tracing::debug!(%error, "connection ended before it began"),
    }
}

/// Waits for the first bytes and tells the protocol by them.
async fn protocol(stream: &TcpStream) -> io::Result<Protocol> {
    let mut start = [0; PREFACE.len()];
    loop {
        let seen = stream.peek(&mut start).await?;
        if start[..seen] != PREFACE[..seen] {
            return Ok(Protocol::Http1);
        }
        match seen {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            seen if seen == PREFACE.len() => return Ok(Protocol::Http2),
            _ => sleep(UNDECIDED).await,
        }
    }
}

async fn drive<C, E>(connection: C, shut_down: fn(Pin<&mut C>), mut stopping: watch::Receiver<bool>)
where
    C: Future<Output = Result<(), E>>,
    E: Display,
{
    let mut connection = pin!(connection);
    let mut is_stopping = false;
    loop {
        // The connection keeps its state in itself; the other is done once or not at all.
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "connection ended");
                }
                return;
            }
            _ = stopping.wait_for(|stop| *stop), if !is_stopping => {
                is_stopping = true;
                shut_down(connection.as_mut());
            }
        }
    }
}

fn http1(policy: ServerPolicy) -> http1::Builder {
    let mut builder = http1::Builder::new();
    // The number of headers stays at hyper's limit of 100, for which it needs no allocation.
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(policy.head_timeout)
        .max_buf_size(policy.max_head_bytes);
    builder
}

fn http2(policy: ServerPolicy) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(policy.max_head_bytes).unwrap_or(u32::MAX))
        // A client that vanished without a word is found out as over HTTP/1.
        .keep_alive_interval(policy.head_timeout);
    builder
}
