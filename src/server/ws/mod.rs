//! WebSockets of clients.
//!
//! A handshake at `/ws/rpc/…` leads to a task of the client's own, which reads its messages, runs their calls side by
//! side through the same stack that serves HTTP, and writes replies in the order in which they are ready, and the
//! events of subscriptions in between.
//!
//! | Part | Does |
//! |---|---|
//! | `handshake` | judges the request |
//! | `io` | takes the connection out of hyper |
//! | `link` | reads frames, answers pings |
//! | `gate` | orders and writes frames |
//! | `outlet` | lets streams write to an idle client without its task |
//! | `replies` | gathers replies that stream |
//! | `liveness` | the heartbeat |
//! | `client` | the task |

mod client;
mod gate;
mod handshake;
mod io;
mod link;
mod liveness;
mod open;
mod outlet;
mod policy;
mod replies;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::USER_AGENT;
use http::{Request, Response, StatusCode};
use hyper::upgrade::{self, OnUpgrade};
use lasso_layers::call::session::{OutboxBudget, Session};
use lasso_layers::call::{Call, Failure, MetaMode, Origin, Reply, Route};
use lasso_layers::catalog::Transport;
use lasso_layers::edge::ingress::{
    ByteBudget, PeerAddr, RequestId, ResponseBody, client_address, client_id, json_response, plain_error,
};
use lasso_layers::edge::profile;
use lasso_layers::edge::socket::{Socket, Sockets};
use smol_str::SmolStr;
use tokio::sync::watch;
use tower::Service;

use self::client::{Client, End};
use self::link::Link;
pub use self::liveness::LivenessPolicy;
use self::open::Open;
pub use self::open::OpenSockets;
pub use self::policy::WebSocketPolicy;

/// Serves WebSockets over a stack of call layers: the other half of
/// [`Ingress`](lasso_layers::edge::ingress::Ingress), for a hyper or axum server.
///
/// It is a service of handshakes. As a [`tower::Service`] it spawns a task for each client that it lets in; use
/// [`accept`](Self::accept) to run clients elsewhere. It takes `/ws/rpc/…` paths, or every path when it is given a
/// [route](Self::route). The server has to allow upgrades: in hyper that is `with_upgrades`, in axum nothing.
///
/// | Refused with | Why |
/// |---|---|
/// | 404 | no such path, profile, chain or provider |
/// | 426 | no handshake, or not of version 13 |
/// | 400 | a bad key, or HTTP/2 |
///
/// A clone is a handle on the same sockets.
pub struct WebSockets<S> {
    shared: Arc<Shared<S>>,
    route: Option<Route>,
    peer: Option<SocketAddr>,
}

struct Shared<S> {
    sockets: Sockets<S>,
    policy: Arc<WebSocketPolicy>,
    outboxes: OutboxBudget,
    open: OpenSockets,
    stop: watch::Sender<bool>,
}

/// A client that was let in: what is left to do is to [run](Self::run) it.
///
/// Boxed, so that the room it takes until the connection is upgraded is given back then.
pub struct Accepted<S>(Box<Waiting<S>>);

struct Waiting<S> {
    upgrade: OnUpgrade,
    socket: Socket<S>,
    policy: Arc<WebSocketPolicy>,
    session: Session,
    stop: watch::Receiver<bool>,
    open: OpenSockets,
}

// === impl WebSockets ===

impl<S> WebSockets<S> {
    /// In front of a stack of call layers.
    pub fn new(stack: S) -> Self {
        Self::with(stack, WebSocketPolicy::default(), ByteBudget::default(), OutboxBudget::default())
    }

    /// With these limits, and budgets that others may draw on too: of the bytes of requests, and of those that wait for
    /// clients.
    pub fn with(stack: S, policy: WebSocketPolicy, requests: ByteBudget, outboxes: OutboxBudget) -> Self {
        let shared = Shared {
            sockets: Sockets::with(stack, policy.messages, requests),
            policy: Arc::new(policy),
            outboxes,
            open: OpenSockets::default(),
            stop: watch::Sender::new(false),
        };
        Self { shared: Arc::new(shared), route: None, peer: None }
    }

    /// Sends the calls of every client here, whatever path it connects to.
    #[must_use]
    pub fn route(self, route: Route) -> Self {
        Self { route: Some(route), ..self }
    }

    /// For the requests of one connection, from this address. Without it, [`PeerAddr`] is looked for in each request.
    #[must_use]
    pub fn peer(self, address: SocketAddr) -> Self {
        Self { peer: Some(address), ..self }
    }

    /// How many clients are connected.
    #[must_use]
    pub fn open(&self) -> usize {
        self.shared.open.now()
    }

    /// The same number, to be read later too.
    #[must_use]
    pub fn clients(&self) -> OpenSockets {
        self.shared.open.clone()
    }

    /// Tells every client, now and later, that the server goes (1001), once it has what it asked for.
    pub fn stop(&self) {
        self.shared.stop.send_replace(true);
    }
}

impl<S> WebSockets<S>
where
    S: Service<Call, Response = Reply> + Clone,
    S::Error: Into<Failure>,
{
    /// Judges a handshake: the response that switches protocols and the client behind it, or a refusal.
    ///
    /// # Errors
    ///
    /// The refusal, as a response.
    pub async fn accept<B>(
        &self,
        request: &mut Request<B>,
    ) -> Result<(Response<ResponseBody>, Accepted<S>), Response<ResponseBody>> {
        let id = RequestId::of(request.headers());
        let (socket, response) = {
            let route = self.route_of(request).ok_or_else(|| plain_error(StatusCode::NOT_FOUND, &id))?;
            let response = handshake::accept(request, &id).map_err(|refusal| refusal.response(&id))?;
            (self.shared.sockets.connect(route, self.origin(request)), response)
        };
        let upgrade = upgrade::on(request);
        if let Err(rejection) = socket.is_admitted().await {
            return Err(json_response(StatusCode::NOT_FOUND, &id, rejection.error.body(None)));
        }
        let accepted = Waiting {
            upgrade,
            socket,
            policy: self.shared.policy.clone(),
            session: Session::new(self.shared.policy.session, self.shared.outboxes.clone()),
            stop: self.shared.stop.subscribe(),
            open: self.shared.open.clone(),
        };
        Ok((response, Accepted(Box::new(accepted))))
    }

    fn route_of<B>(&self, request: &Request<B>) -> Option<Route> {
        let uri = request.uri();
        match &self.route {
            Some(route) => Some(route.clone()),
            // The same shapes without `/ws` are for calls over HTTP.
            None if is_socket_path(uri.path()) => Some(profile::parse(uri, request.headers())?.route),
            None => None,
        }
    }

    fn origin<B>(&self, request: &Request<B>) -> Origin {
        let (headers, uri) = (request.headers(), request.uri());
        let peer = self.peer.or_else(|| request.extensions().get().map(|PeerAddr(address)| *address));
        Origin {
            transport: Some(Transport::Ws),
            request_id: None,
            client: client_id(headers, uri, peer, &self.shared.policy.trusted_proxies),
            address: client_address(headers, peer, &self.shared.policy.trusted_proxies),
            path: Some(SmolStr::new(uri.path())),
            user_agent: headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).map(SmolStr::new),
            meta: MetaMode::None,
            // Each of its calls is a trace of its own: a connection lives too long to be a span.
            parent: None,
            trace: None,
        }
    }
}

/// Whether a path is one of those that serve sockets.
pub(super) fn is_socket_path(path: &str) -> bool {
    path.starts_with("/ws/")
}

impl<S, B> Service<Request<B>> for WebSockets<S>
where
    S: Service<Call, Response = Reply> + Clone + Send + Sync + 'static,
    S::Error: Into<Failure> + Send,
    S::Future: Send,
    B: Send + 'static,
{
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            Ok(match this.accept(&mut request).await {
                Ok((response, accepted)) => {
                    tokio::spawn(accepted.run());
                    response
                }
                Err(refusal) => refusal,
            })
        })
    }
}

impl<S> Clone for WebSockets<S> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), route: self.route.clone(), peer: self.peer }
    }
}

impl<S> fmt::Debug for WebSockets<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSockets").field("open", &self.open()).finish_non_exhaustive()
    }
}

// === impl Accepted ===

impl<S> Accepted<S>
where
    S: Service<Call, Response = Reply> + Clone,
    S::Error: Into<Failure>,
{
    /// Serves the client until one of the two ends it. Polled after the response that switches protocols was handed to
    /// the server.
    ///
    /// Cancel safety: dropping the future hangs up, and drops everything that was done for the client.
    pub async fn run(self) {
        let Some((client, id, _open)) = Box::pin(self.0.upgraded()).await else { return };
        match client.run().await {
            End::Left => tracing::debug!(connection = %id, "client left"),
            End::Close(code, reason) => tracing::debug!(connection = %id, code, reason, "client closed"),
        }
    }
}

impl<S> Waiting<S>
where
    S: Service<Call, Response = Reply> + Clone,
    S::Error: Into<Failure>,
{
    async fn upgraded(self) -> Option<(Client<S>, SmolStr, Open)> {
        let Self { upgrade, socket, policy, session, stop, open } = self;
        let id = socket.id().clone();
        let upgraded = match upgrade.await {
            Ok(upgraded) => upgraded,
            Err(error) => {
                tracing::debug!(connection = %id, %error, "client left before the connection was upgraded");
                return None;
            }
        };
        tracing::debug!(connection = %id, "client connected");
        let (reader, writer, read) = io::split(upgraded);
        let link = Link::new(reader, writer, read, policy.max_message_bytes);
        session.shorten(link.outlet.clone());
        let client = Client::new(link, socket, session, policy, stop);
        Some((client, id, open.enter()))
    }
}

impl<S> fmt::Debug for Accepted<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accepted").field("socket", &self.0.socket).finish_non_exhaustive()
    }
}
