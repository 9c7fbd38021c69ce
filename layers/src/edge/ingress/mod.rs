//! Where HTTP becomes calls: the service to mount in a server.
//!
//! **What it does.** [`Ingress`] turns an HTTP request into one [`Call`], or one for each item of a batch, runs
//! them through the stack inside it and turns the replies into an HTTP response. It never fails: whatever goes
//! wrong becomes a JSON-RPC error. It checks methods, lengths and envelopes, names requests, limits the bytes
//! under way, finds out who is asking, and lets browsers in. What a call means is left to the stack.
//!
//! **Where it stands.** Outermost, directly in a hyper or axum server. It takes `/rpc/…` paths (with the
//! feature `profile`), or every path when it is given a [route](Ingress::route). To learn the client's address it needs
//! [`Ingress::peer`], or [`PeerAddr`] among the extensions of the request.
//!
//! **Large answers.** A reply that is a stream is passed on as one. Replies are neither parsed nor copied.
//!
//! **Cancel safety.** Dropping the future, or the body of the response, drops the calls and upstream streams it
//! stands for; nothing is spawned. Bytes reserved for the request are given back.
//!
//! ```
//! use bytes::Bytes;
//! use http_body_util::{BodyExt, Full};
//! use lasso_layers::call::{Body, Call, Failure, Reply, Route};
//! use lasso_layers::edge::ingress::Ingress;
//! use lasso_layers::wire::result_body;
//! use tower::{ServiceExt, service_fn};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let stack = service_fn(|call: Call| async move {
//!     Ok::<_, Failure>(Reply::Result(Body::Full(result_body(call.request.id(), b"\"0x10\""))))
//! });
//! let ingress = Ingress::new(stack).route(Route::to_chain("base"));
//! let call = r#"{"jsonrpc":"2.0","id":7,"method":"eth_blockNumber","params":[]}"#;
//! let request = http::Request::post("/").body(Full::new(Bytes::from(call))).unwrap();
//! let response = ingress.oneshot(request).await.unwrap();
//! let answer = response.into_body().collect().await.unwrap().to_bytes();
//! assert_eq!(answer, r#"{"jsonrpc":"2.0","id":7,"result":"0x10"}"#);
//! # });
//! ```

mod body;
mod budget;
mod client;
mod exchange;
mod framing;
mod media;
mod network;
mod policy;
mod query;
mod refusal;
mod request_id;
mod response;
mod route;

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::FutureExt;
use http::header::USER_AGENT;
use http::{Method, Request, Response, StatusCode};
use smol_str::SmolStr;
use tokio::time::Instant;
use tower::Service;

pub use self::body::ResponseBody;
pub use self::budget::{ByteBudget, Reservation};
pub use self::client::{PeerAddr, client_address, client_id};
use self::exchange::Exchange;
use self::media::Media;
pub use self::network::{InvalidNetwork, Network};
pub use self::policy::IngressPolicy;
use self::refusal::Refusal;
pub use self::request_id::RequestId;
pub use self::response::{empty_response, json_response, plain_error, preflight};
use crate::call::{Call, Failure, MetaMode, Origin, RemoteParent, Reply, Route};
use crate::catalog::Transport;
use crate::edge::items::Message;
use crate::edge::query::meta_mode;

/// HTTP in, calls out; see the [module](self).
#[derive(Clone)]
pub struct Ingress<S> {
    stack: S,
    policy: Arc<IngressPolicy>,
    budget: ByteBudget,
    route: Option<Route>,
    peer: Option<SocketAddr>,
}

impl<S> Ingress<S> {
    /// In front of a stack of call layers.
    pub fn new(stack: S) -> Self {
        Self { stack, policy: Arc::default(), budget: ByteBudget::default(), route: None, peer: None }
    }

    /// With these limits.
    #[must_use]
    pub fn policy(mut self, policy: IngressPolicy) -> Self {
        self.policy = Arc::new(policy);
        self
    }

    /// Counts bytes on this budget, which others may draw on too.
    #[must_use]
    pub fn budget(mut self, budget: ByteBudget) -> Self {
        self.budget = budget;
        self
    }

    /// Sends every request here, whatever its path.
    #[must_use]
    pub fn route(mut self, route: Route) -> Self {
        self.route = Some(route);
        self
    }

    /// For the requests of one connection, from this address. Without it, [`PeerAddr`] is looked for in each
    /// request.
    #[must_use]
    pub const fn peer(mut self, address: SocketAddr) -> Self {
        self.peer = Some(address);
        self
    }

    /// The stack of call layers, for calls that do not come as JSON-RPC over HTTP.
    pub const fn stack(&self) -> &S {
        &self.stack
    }

    /// Answers a request, like [`Service::call`] and without exclusive access.
    pub fn handle<B>(&self, request: Request<B>) -> ResponseFuture
    where
        S: Service<Call, Response = Reply> + Clone + Send + 'static,
        S::Error: Into<Failure> + Send,
        S::Future: Send,
        B: http_body::Body<Data = Bytes> + Send + 'static,
    {
        // The one look at the clock: all deadlines of the request count from here.
        let received = Instant::now();
        let exchange = match self.admit(&request, received) {
            Ok(exchange) => exchange,
            Err(answer) => return ResponseFuture(State::Answered(Some(answer))),
        };
        let id = exchange.id.clone();
        // Nothing of a call that panicked is used afterwards. Combinators, because an async block would hold the
        // large future twice: as what it was given and as what it waits for.
        let outcome = AssertUnwindSafe(exchange.run(self.stack.clone(), request.into_body()))
            .catch_unwind()
            .map(move |outcome| {
                outcome.unwrap_or_else(|_| {
                    tracing::error!(request_id = %id.name(), "a request panicked");
                    Refusal::internal().response(&id)
                })
            });
        ResponseFuture(State::Running(Box::pin(outcome)))
    }

    /// What can be said before the body is read.
    fn admit<B: http_body::Body>(&self, request: &Request<B>, received: Instant) -> Result<Exchange, Answer> {
        let headers = request.headers();
        let uri = request.uri();
        let id = RequestId::of(headers);
        if request.method() == Method::OPTIONS {
            return Err(Box::new(preflight(&id)));
        }
        if request.method() == Method::HEAD {
            // Not every server takes the body out.
            let answer = plain_error(StatusCode::NOT_FOUND, &id).map(|_| ResponseBody::empty());
            return Err(Box::new(answer));
        }
        if request.method() != Method::POST {
            return Err(Box::new(plain_error(StatusCode::NOT_FOUND, &id)));
        }
        let declared = framing::declared_length(headers);
        let length = match &declared {
            Ok(Some(length)) => Some(*length),
            // Some bodies know their length without a header: empty ones, and those made in this process.
            _ => request.body().size_hint().exact(),
        };
        let too_large = length.is_some_and(|length| length > self.policy.max_body_bytes);
        let routed = match &self.route {
            Some(route) => Some((route.clone(), meta_mode(uri, headers))),
            None => route::of_path(uri, headers),
        };
        let Some((route, meta)) = routed else {
            let unread = too_large && !route::is_rpc(uri);
            let status = if unread { StatusCode::PAYLOAD_TOO_LARGE } else { StatusCode::NOT_FOUND };
            return Err(Box::new(plain_error(status, &id)));
        };
        if !media::accepts_json(headers) {
            return Err(Box::new(plain_error(StatusCode::NOT_ACCEPTABLE, &id)));
        }
        let refuse = |refusal: Refusal| Box::new(refusal.response(&id));
        declared.map_err(refuse)?;
        if too_large {
            return Err(refuse(Refusal::too_large(self.policy.max_body_bytes)));
        }
        let reservation = self.budget.reserve(length).ok_or_else(|| refuse(Refusal::no_room()))?;
        let origin = Origin { meta, ..self.origin(request, &id) };
        let policy = self.policy.clone();
        let media = Media::of(headers);
        let message = Message { route, origin, received, session: None };
        Ok(Exchange { policy, message, id, media, length, reservation })
    }

    fn origin<B>(&self, request: &Request<B>, id: &RequestId) -> Origin {
        let (headers, uri) = (request.headers(), request.uri());
        let peer = self.peer.or_else(|| request.extensions().get().map(|PeerAddr(address)| *address));
        Origin {
            transport: Some(Transport::Http),
            request_id: Some(id.name().clone()),
            client: client_id(headers, uri, peer, &self.policy.trusted_proxies),
            address: client_address(headers, peer, &self.policy.trusted_proxies),
            path: Some(SmolStr::new(uri.path())),
            user_agent: headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).map(SmolStr::new),
            meta: MetaMode::None,
            parent: RemoteParent::of(headers).map(Box::new),
            trace: None,
        }
    }
}

/// A response that is there already. It is boxed so that the way past it stays narrow.
type Answer = Box<Response<ResponseBody>>;

impl<S, B> Service<Request<B>> for Ingress<S>
where
    S: Service<Call, Response = Reply> + Clone + Send + 'static,
    S::Error: Into<Failure> + Send,
    S::Future: Send,
    B: http_body::Body<Data = Bytes> + Send + 'static,
{
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = ResponseFuture;

    /// Always ready: each call waits for the stack by itself, as the items of a batch have to.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        self.handle(request)
    }
}

impl<S> fmt::Debug for Ingress<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ingress")
            .field("policy", &self.policy)
            .field("route", &self.route)
            .finish_non_exhaustive()
    }
}

/// The future of [`Ingress`].
pub struct ResponseFuture(State);

enum State {
    /// The answer was clear from the head.
    Answered(Option<Answer>),
    /// Waiting for the body or for the stack.
    Running(Pin<Box<dyn Future<Output = Response<ResponseBody>> + Send>>),
}

impl Future for ResponseFuture {
    type Output = Result<Response<ResponseBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Answered(answer) => {
                Poll::Ready(Ok(*answer.take().expect("a future is not polled after it is done")))
            }
            State::Running(exchange) => exchange.as_mut().poll(cx).map(Ok),
        }
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
