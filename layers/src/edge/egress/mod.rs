//! Sends attempts to upstreams over any HTTP client that is a tower service.
//!
//! **What it does.** Writes the request of an [`Attempt`] as an HTTP POST to the channel's endpoint and reads the
//! answer once, checking every byte: it must be exactly one JSON-RPC reply to this request
//! ([JSON-RPC 2.0, section 5](https://www.jsonrpc.org/specification#response_object)). The client's own id travels
//! upstream where it can; otherwise a private id is sent and replaced on the way back. Apart from the id, a result
//! reaches the client as the bytes that the upstream wrote.
//!
//! **Small and large replies.** A result of up to [`EgressPolicy::max_buffered`] bytes is read and checked as a whole
//! before anybody hears of it, so that another channel can still be tried. A larger one is handed on while it
//! arrives. It is checked all the same: the client's body ends with an error, and never cleanly, when the upstream
//! breaks off, writes something that is no valid reply, or pauses for [`EgressPolicy::stream_idle`].
//!
//! **Where it stands.** At the bottom of the attempt stack, inside `ClassifyLayer`: it reports JSON-RPC errors with
//! the category [`UnknownError`](crate::catalog::Category::UnknownError), and HTTP statuses other than success as
//! [`TransportKind::Status`](crate::call::TransportKind::Status). Redirects are such statuses; they are not followed.
//! It does not limit the time until a reply is there, that is the work of `TimeoutLayer`.
//!
//! **The client.** Its error says what became of the request: convert it to a [`Failure`] with
//! [`Dispatch::NotSent`](crate::call::Dispatch::NotSent) where the request provably never left. A
//! [`BoxError`] counts as a request that may have been executed. It takes the [`RequestBody`] when it has a connection,
//! so that a request whose time ends before that counts as not sent. It must not follow redirects
//! and must not ask for compression: a compressed reply is refused.
//!
//! **What it counts.** Nothing.
//!
//! **Cancel safety.** Dropping the future, or the body of a large reply, drops the exchange. Over HTTP/1 that costs
//! the connection, over HTTP/2 the stream.
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use lasso_layers::call::BoxError;
//! use lasso_layers::edge::egress::{Egress, EgressPolicy, RequestBody};
//! use tower::service_fn;
//!
//! let client = service_fn(|request: Request<RequestBody>| async move {
//!     let reply = r#"{"jsonrpc":"2.0","id":1,"result":"0x10"}"#;
//!     Ok::<_, BoxError>(Response::new(Full::new(Bytes::from(reply))))
//! });
//! let upstreams = Egress::new(client, EgressPolicy::default());
//! # let _ = upstreams;
//! ```

mod body;
mod future;
mod held;
mod intake;
mod refusal;
mod stream;
mod whole;

use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::Body;
use tower::{Layer, Service};

pub use self::body::RequestBody;
pub use self::future::ResponseFuture;
pub use self::refusal::retry_after;
pub use self::stream::StreamError;
pub use self::whole::read_whole;
use crate::attempt::Attempt;
use crate::call::{BoxError, Failure, Reply};
use crate::wire::{self, ReplyScanner, UpstreamId};

/// How much of a reply is held, and how long a large one may pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EgressPolicy {
    /// Up to this many bytes, a result is checked as a whole before it is handed on.
    pub max_buffered: usize,
    /// The most bytes of a reply that are held, to within a frame: the length of the longest error that is
    /// accepted, and where in a long reply its `result` must have begun.
    pub max_held: usize,
    /// How much of the body of an HTTP status other than success is read.
    pub max_refusal: usize,
    /// How long an upstream may leave a reply that is being handed on without another byte. Time in which the
    /// client takes nothing does not count.
    pub stream_idle: Duration,
    /// Whether upstreams are told the trace of a call, as `traceparent` and `tracestate`.
    pub propagate_traces: bool,
}

impl Default for EgressPolicy {
    fn default() -> Self {
        Self {
            max_buffered: 64 * 1024,
            max_held: 1024 * 1024,
            max_refusal: 64 * 1024,
            stream_idle: Duration::from_secs(30),
            propagate_traces: false,
        }
    }
}

/// Puts [`Egress`] around an HTTP client.
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct EgressLayer {
    policy: EgressPolicy,
}

impl EgressLayer {
    /// With these bounds.
    pub const fn new(policy: EgressPolicy) -> Self {
        Self { policy }
    }
}

impl<C> Layer<C> for EgressLayer {
    type Service = Egress<C>;

    fn layer(&self, client: C) -> Egress<C> {
        Egress::new(client, self.policy)
    }
}

/// Sends attempts over an HTTP client; see the [module](self).
#[derive(Clone, Debug)]
pub struct Egress<C> {
    client: C,
    policy: EgressPolicy,
}

impl<C> Egress<C> {
    /// Over this client.
    pub const fn new(client: C, policy: EgressPolicy) -> Self {
        Self { client, policy }
    }
}

impl<C, B> Service<Attempt> for Egress<C>
where
    C: Service<Request<RequestBody>, Response = Response<B>>,
    C::Error: Into<Failure>,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Reply;
    type Error = Failure;
    type Future = ResponseFuture<C::Future, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.client.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, attempt: Attempt) -> ResponseFuture<C::Future, B> {
        let (body, scanner) = outgoing(&attempt.call().request);
        let endpoint = &attempt.channel().endpoint;
        let mut request = Request::new(RequestBody::new(body, attempt.hold()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = endpoint.uri.clone();
        *request.headers_mut() = endpoint.headers.clone();
        if self.policy.propagate_traces
            && let Some(trace) = &attempt.call().origin.trace
        {
            trace.inject(trace.attempt(attempt.key()), request.headers_mut());
        }
        ResponseFuture::new(self.client.call(request), attempt, scanner, self.policy)
    }
}

/// The body to send, and what reads the reply to it.
fn outgoing(request: &wire::Request) -> (Bytes, ReplyScanner) {
    if let Some(id) = request.upstream_id() {
        return (request.upstream_body(UpstreamId::Client), ReplyScanner::new(id));
    }
    let id = private_id();
    (request.upstream_body(UpstreamId::Private(&id)), ReplyScanner::new(&id))
}

/// An id for a request whose own does not travel. Exchanges do not share a connection's ids over HTTP; that the ids
/// differ serves people who read an upstream's log.
fn private_id() -> Vec<u8> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    // Relaxed: only that no two are the same matters.
    format!("\"lasso-{}\"", NEXT.fetch_add(1, Ordering::Relaxed)).into_bytes()
}
