//! The HTTP server: accepts connections, and ends without cutting anybody off.
//!
//! | Request | Answered by |
//! |---|---|
//! | `POST /rpc/…` | the stack, through [`Ingress`] |
//! | `GET /api/health`, `/api/ready`, `/api/chains`, `/api/metrics/:chain`, `/api/history`, `/api/series`, `/api/breakers`, `/api/requests`, `/api/requests/:id` | [`Api`] |
//! | `GET /api/live`, `/api/streams` | [`Api`], from [`live`](crate::live) |
//! | `GET /api/explain` | the stack, by a dry run |
//! | `GET /metrics` | [`Metrics`](crate::metrics::Metrics), unless they have an address of their own |
//! | `GET /ws/…` | the stack, through [`WebSockets`] |
//! | `GET /` | a redirect to the dashboard |
//! | `GET /dashboard/…` | the pages of `dashboard`, whose files are in the binary |
//! | `OPTIONS`, anything else | [`Ingress`]: 204, 404 |
//!
//! HTTP/1.1 and HTTP/2 (with prior knowledge) share one port. Each connection is one task; when the client
//! leaves, its task drops everything that was done for it.

mod api;
mod connection;
mod heads;
mod listen;
mod site;
mod tapped;
#[cfg(test)]
mod tests;
mod ws;

use std::time::Duration;

use lasso_layers::call::{Call, Failure, Reply};
use lasso_layers::edge::ingress::Ingress;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;
use tower::Service;

pub use self::api::Api;
use self::listen::Listener;
use self::site::Site;
pub use self::ws::{Accepted, LivenessPolicy, OpenSockets, WebSocketPolicy, WebSockets};

/// The limits of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerPolicy {
    /// How long requests under way may still take once the server is told to stop.
    pub drain: Duration,
    /// How long a client may take to send the head of a request; also how long a connection may be idle.
    pub head_timeout: Duration,
    /// The most bytes that the head of a request may have.
    pub max_head_bytes: usize,
}

impl Default for ServerPolicy {
    fn default() -> Self {
        Self {
            drain: Duration::from_secs(30),
            // Longer than the minute for which load balancers commonly keep their idle connections: the side
            // that sends requests should be the one that closes.
            head_timeout: Duration::from_secs(75),
            max_head_bytes: 64 * 1024,
        }
    }
}

/// Serves until `shutdown` is done; then takes no new connections, waits for the requests under way and closes.
///
/// Returns how many connections had to be cut because they were still busy after [`ServerPolicy::drain`].
///
/// Cancel safety: dropping the future cuts every connection.
pub async fn serve<S>(
    listener: TcpListener,
    ingress: Ingress<S>,
    sockets: WebSockets<S>,
    api: Api,
    policy: ServerPolicy,
    shutdown: impl Future<Output = ()>,
) -> usize
where
    S: Service<Call, Response = Reply> + Clone + Send + Sync + 'static,
    S::Error: Into<Failure> + Send,
    S::Future: Send,
{
    let site = Site::new(ingress, sockets.clone(), api);
    let (stop, stopping) = watch::channel(false);
    let mut listener = Listener::new(listener);
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        // Each of these may be dropped and polled anew without losing anything.
        tokio::select! {
            () = &mut shutdown => break,
            Some(ended) = connections.join_next() => {
                listener.connection_ended();
                note(ended);
            }
            (stream, peer) = listener.accept() => {
                let site = site.for_peer(peer);
                connections.spawn(connection::run(stream, site, policy, stopping.clone()));
            }
        }
    }
    // First of all, so that whoever asks whether to send calls here hears that it should not.
    site.api().stop();
    drop(listener);
    // Fails when no connection is left to hear it.
    let _ = stop.send(true);
    sockets.stop();
    let drained = async {
        while let Some(ended) = connections.join_next().await {
            note(ended);
        }
    };
    let cut = match timeout(policy.drain, drained).await {
        Ok(()) => 0,
        Err(_) => connections.len(),
    };
    connections.shutdown().await;
    cut
}

/// A connection task ends by itself; that it panicked is a defect, but only of this one connection.
fn note(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection's task panicked");
    }
}
