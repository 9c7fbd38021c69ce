//! The pool of HTTP connections.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use lasso_layers::call::{BoxError, Dispatch, Failure, TransportFailure, TransportKind};
use lasso_layers::catalog::Transport;
use lasso_layers::edge::egress::RequestBody;
use tower::Service;

use super::dial::Dial;
use super::{UpstreamHttpPolicy, tls};

/// How much of one HTTP/2 reply may wait here for a slow client.
const STREAM_WINDOW: u32 = 1024 * 1024;

/// How much of all replies on one HTTP/2 connection may wait: many times a stream's share, because replies whose
/// clients read slowly must not stop the others on the connection.
const CONNECTION_WINDOW: u32 = 64 * STREAM_WINDOW;

/// A busy HTTP/2 connection on which nothing arrives for so long is asked for a sign of life, because it would be
/// used for every further request to the host.
const PING_INTERVAL: Duration = Duration::from_secs(10);

/// How long that sign may take.
const PING_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a TCP connection is silent before the system asks whether the peer is still there.
const TCP_KEEPALIVE: Duration = Duration::from_secs(30);

/// An HTTP client with a pool of connections; a clone shares it. `B` is the body of its requests.
///
/// `https` addresses are served over HTTP/2 where the server chooses it by ALPN and over HTTP/1.1 otherwise, `http`
/// addresses over HTTP/1.1. Redirects are not followed, compression is not asked for.
///
/// Its errors are [`Failure`]s that tell a request that never left from one that may have been executed.
///
/// **Cancel safety.** Dropping the future gives the exchange up; a connection that was being made for it is finished
/// and goes to the pool.
pub struct HttpClient<B = RequestBody> {
    client: Client<Dial, B>,
}

impl<B> HttpClient<B>
where
    B: Body<Data: Send> + Send,
{
    /// With a pool of its own.
    ///
    /// # Errors
    ///
    /// When one of the policy's extra roots is not a certificate.
    pub fn new(policy: UpstreamHttpPolicy) -> io::Result<Self> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(TCP_KEEPALIVE));
        // Shared among the addresses of a name, so that a dead one leaves time for the others.
        tcp.set_connect_timeout(Some(policy.connect_timeout));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls::client_config(policy.extra_roots)?)
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(policy.idle_timeout)
            .pool_max_idle_per_host(policy.max_idle_per_host)
            .http2_initial_stream_window_size(STREAM_WINDOW)
            .http2_initial_connection_window_size(CONNECTION_WINDOW)
            .http2_keep_alive_interval(PING_INTERVAL)
            .http2_keep_alive_timeout(PING_TIMEOUT)
            // The outer limit includes the name and the handshake.
            .build(Dial::new(connector, policy.connect_timeout));
        Ok(Self { client })
    }
}

impl<B> Service<Request<B>> for HttpClient<B>
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    type Response = Response<Incoming>;
    type Error = Failure;
    type Future = ClientFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ClientFuture {
        ClientFuture { inner: self.client.request(request) }
    }
}

/// Whatever the body is: only the pool is cloned.
impl<B> Clone for HttpClient<B> {
    fn clone(&self) -> Self {
        Self { client: self.client.clone() }
    }
}

impl<B> fmt::Debug for HttpClient<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").finish_non_exhaustive()
    }
}

/// The future of [`HttpClient`].
pub struct ClientFuture {
    inner: legacy::ResponseFuture,
}

impl Future for ClientFuture {
    type Output = Result<Response<Incoming>, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.inner).poll(cx).map_err(failure)
    }
}

impl fmt::Debug for ClientFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientFuture").finish_non_exhaustive()
    }
}

/// What became of a request that got no response.
fn failure(error: legacy::Error) -> Failure {
    let (kind, dispatch) = if error.is_connect() {
        (TransportKind::Connect, Dispatch::NotSent)
    } else if was_handed_back(&error) {
        (TransportKind::Broken, Dispatch::NotSent)
    } else {
        (TransportKind::Broken, Dispatch::Unknown)
    };
    let source = Some(error.into());
    Failure::Transport(Box::new(TransportFailure { kind, dispatch, transport: Transport::Http, source }))
}

/// Whether the connection closed before it took the request.
fn was_handed_back(error: &legacy::Error) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref::<hyper::Error>());
    source.is_some_and(hyper::Error::is_canceled)
}
