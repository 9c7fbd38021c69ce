//! One connection, from its first byte to its last.

use std::pin::pin;
use std::sync::Arc;

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use lasso_layers::call::{Call, Failure, Reply};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::sleep;
use tower::Service;

use super::ServerPolicy;
use super::heads::Heads;
use super::site::{Site, Visit};
use super::tapped::Tapped;

/// Serves a connection until the client leaves, or until `stopping` says so and the requests under way are
/// answered.
pub(super) async fn run<S>(
    stream: TcpStream,
    site: Site<S>,
    policy: ServerPolicy,
    mut stopping: watch::Receiver<bool>,
) where
    S: Service<Call, Response = Reply> + Clone + Send + 'static,
    S::Error: Into<Failure> + Send,
    S::Future: Send,
{
    // Answers are written whole; waiting to fill a packet would only delay them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let heads = Arc::new(Heads::default());
    let io = TokioIo::new(Tapped::new(stream, heads.clone()));
    let builder = builder(policy);
    let mut connection = pin!(builder.serve_connection(io, Visit::new(site, heads.clone())));
    let mut silence = pin!(sleep(policy.head_timeout));
    let (mut is_heard, mut is_stopping) = (false, false);
    loop {
        // The connection keeps its state in itself; the others are done once or not at all.
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(error, "connection ended");
                }
                return;
            }
            // An error says that the server is gone, which is a reason to stop too.
            _ = stopping.wait_for(|stop| *stop), if !is_stopping => {
                is_stopping = true;
                connection.as_mut().graceful_shutdown();
            }
            // The timeout of heads begins once the protocol is known; this one covers the time until then.
            () = silence.as_mut(), if !is_heard => {
                is_heard = true;
                if !heads.are_begun() {
                    tracing::debug!("connection sent nothing");
                    return;
                }
            }
        }
    }
}

fn builder(policy: ServerPolicy) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    // The number of headers stays at hyper's limit of 100, for which it needs no allocation.
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(policy.head_timeout)
        .max_buf_size(policy.max_head_bytes);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(policy.max_head_bytes).unwrap_or(u32::MAX))
        // A client that vanished without a word is found out as over HTTP/1.
        .keep_alive_interval(policy.head_timeout);
    builder
}
