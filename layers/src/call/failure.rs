//! Why there is no final answer.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;

use crate::catalog::{Category, Transport, redact};
use crate::wire::{ErrorObject, ReplyDefect, code};

/// Any error of a service outside this crate.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// A call or an attempt without a final answer: another channel may do better, or nothing was sent at all.
#[derive(Debug)]
#[non_exhaustive]
pub enum Failure {
    /// Refused by this process; nothing was sent.
    Rejected(Box<Rejection>),
    /// The exchange with an upstream broke.
    Transport(Box<TransportFailure>),
    /// An upstream answered with an error.
    Upstream(Box<UpstreamFailure>),
    /// There is nothing left to try.
    Exhausted(Box<Exhausted>),
}

/// A refusal by this process.
#[derive(Debug)]
pub struct Rejection {
    /// What the client sees.
    pub error: ErrorObject,
    /// What kind of refusal it is.
    pub category: Category,
    /// The status of an HTTP response that holds only this refusal.
    pub status: StatusCode,
    /// When asking again may help.
    pub retry_after: Option<Duration>,
    /// How much of a batch is refused with it.
    pub scope: Scope,
}

/// How much of what a client sent is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// This call.
    Call,
    /// Everything that came in the same request or batch.
    Request,
}

impl Rejection {
    /// A refusal of this call alone, with HTTP status 200.
    #[must_use]
    pub const fn new(category: Category, error: ErrorObject) -> Self {
        Self { error, category, status: StatusCode::OK, retry_after: None, scope: Scope::Call }
    }

    /// Refuses everything that came in the same request, with this HTTP status.
    #[must_use]
    pub const fn whole_request(mut self, status: StatusCode) -> Self {
        self.status = status;
        self.scope = Scope::Request;
        self
    }

    /// Says when asking again may help.
    #[must_use]
    pub const fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }
}

/// An exchange that broke.
pub struct TransportFailure {
    /// In which way.
    pub kind: TransportKind,
    /// Whether the upstream may have seen the request.
    pub dispatch: Dispatch,
    /// The protocol.
    pub transport: Transport,
    /// What the library underneath said. May name addresses: for logs, after redaction.
    pub source: Option<BoxError>,
}

/// In which way an exchange broke.
#[derive(Debug)]
#[non_exhaustive]
pub enum TransportKind {
    /// No connection: refused, DNS, TLS, or not in time.
    Connect,
    /// A standing connection that the channel needs is not up.
    NotConnected,
    /// The connection broke: reset, closed early, protocol error.
    Broken,
    /// No answer in time.
    Timeout,
    /// An HTTP status other than success, not yet classified.
    Status(StatusFailure),
    /// A body that is not a JSON-RPC reply to this request.
    InvalidReply {
        /// In which way.
        defect: ReplyDefect,
        /// How many bytes were read.
        size: u64,
    },
    /// This process had no room for the exchange.
    Capacity,
    /// The request could not be put together.
    Encode,
    /// An error of a service outside this crate.
    Other,
}

/// An HTTP status other than success.
pub struct StatusFailure {
    /// The status.
    pub status: StatusCode,
    /// The `Retry-After` header, in either of its forms, as time from now; without a usable one, what the body says
    /// beside code, message and data of its error.
    pub retry_after: Option<Duration>,
    /// Code, message and data of a JSON-RPC error in the body.
    pub error: Option<(Option<i64>, String, Option<Bytes>)>,
    /// The beginning of a body that is not JSON-RPC, to look for hints in. Never shown to clients.
    pub text: String,
}

/// Whether an upstream may have seen a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dispatch {
    /// It never left this process.
    NotSent,
    /// It may or may not have been executed.
    Unknown,
    /// The upstream answered.
    Answered,
}

/// An upstream's error, classified.
#[derive(Debug)]
pub struct UpstreamFailure {
    /// What the client sees if this is the last attempt.
    pub error: ErrorObject,
    /// What kind of error it is.
    pub category: Category,
    /// When the upstream wants to be asked again.
    pub retry_after: Option<Duration>,
    /// The protocol.
    pub transport: Transport,
    /// The HTTP response around it, if that was not one of success.
    pub http: Option<HttpRefusal>,
}

/// What is left of an HTTP response other than success once its error is classified. Categories say what an error
/// means to a request of a client; a health probe reads some statuses differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpRefusal {
    /// The status.
    pub status: StatusCode,
    /// Whether the text that came with it speaks of a rate limit or of too many requests.
    pub mentions_limit: bool,
}

/// Nothing is left to try.
#[derive(Debug)]
pub struct Exhausted {
    /// What the client sees.
    pub error: ErrorObject,
    /// What kind of end it is.
    pub category: Category,
}

// === impl Failure ===

impl Failure {
    /// A refusal of one call.
    #[must_use]
    pub fn rejected(category: Category, error: ErrorObject) -> Self {
        Rejection::new(category, error).into()
    }

    /// A broken exchange.
    #[must_use]
    pub fn transport(kind: TransportKind, dispatch: Dispatch, transport: Transport) -> Self {
        Self::Transport(Box::new(TransportFailure { kind, dispatch, transport, source: None }))
    }

    /// The end of a call with nothing left to try.
    #[must_use]
    pub fn exhausted(category: Category, error: ErrorObject) -> Self {
        Self::Exhausted(Box::new(Exhausted { error, category }))
    }

    /// What kind of failure it is.
    #[must_use]
    pub fn category(&self) -> Category {
        match self {
            Self::Rejected(rejection) => rejection.category,
            Self::Transport(failure) => failure.category(),
            Self::Upstream(failure) => failure.category,
            Self::Exhausted(exhausted) => exhausted.category,
        }
    }

    /// Whether an upstream may have seen the request.
    #[must_use]
    pub fn dispatch(&self) -> Dispatch {
        match self {
            Self::Rejected(_) | Self::Exhausted(_) => Dispatch::NotSent,
            Self::Transport(failure) => failure.dispatch,
            Self::Upstream(_) => Dispatch::Answered,
        }
    }

    /// When asking again may help, as the refusing side says.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Rejected(rejection) => rejection.retry_after,
            Self::Upstream(failure) => failure.retry_after,
            Self::Transport(failure) => match &failure.kind {
                TransportKind::Status(status) => status.retry_after,
                _ => None,
            },
            Self::Exhausted(_) => None,
        }
    }

    /// What the client sees. Names no upstream, address or header.
    #[must_use]
    pub fn error(&self) -> Cow<'_, ErrorObject> {
        match self {
            Self::Rejected(rejection) => Cow::Borrowed(&rejection.error),
            Self::Upstream(failure) => Cow::Borrowed(&failure.error),
            Self::Exhausted(exhausted) => Cow::Borrowed(&exhausted.error),
            Self::Transport(failure) => Cow::Owned(failure.error()),
        }
    }
}

impl From<Rejection> for Failure {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(Box::new(rejection))
    }
}

impl From<BoxError> for Failure {
    /// An error of a service outside this crate. Nothing is known about it, so the request may have been
    /// executed.
    fn from(source: BoxError) -> Self {
        match source.downcast::<Self>() {
            Ok(failure) => *failure,
            Err(source) => Self::Transport(Box::new(TransportFailure {
                kind: TransportKind::Other,
                dispatch: Dispatch::Unknown,
                transport: Transport::Http,
                source: Some(source),
            })),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.category(), self.error().message)
    }
}

/// It has no source: what a library underneath says may name an address, and whoever prints a chain of errors would
/// print the keys in it. It is kept as [`TransportFailure::source`], for those who redact it.
impl Error for Failure {}

// === impl TransportFailure ===

/// Libraries name the address they could not reach, and addresses hold keys.
impl fmt::Debug for TransportFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = self.source.as_ref().map(ToString::to_string);
        f.debug_struct("TransportFailure")
            .field("kind", &self.kind)
            .field("dispatch", &self.dispatch)
            .field("transport", &self.transport)
            .field("source", &source.as_deref().map(redact::text))
            .finish()
    }
}

impl TransportFailure {
    /// What kind of failure it is.
    #[must_use]
    pub fn category(&self) -> Category {
        match &self.kind {
            TransportKind::Connect | TransportKind::Broken | TransportKind::Other => Category::NetworkError,
            TransportKind::Timeout => Category::Timeout,
            TransportKind::Status(failure) if failure.status == StatusCode::TOO_MANY_REQUESTS => {
                Category::RateLimit
            }
            TransportKind::Status(_) | TransportKind::InvalidReply { .. } => Category::ServerError,
            TransportKind::Capacity | TransportKind::NotConnected => Category::LocalCapacityRejection,
            // Another upstream may need it otherwise, and a second one that does not says enough.
            TransportKind::Encode => Category::ClientError,
        }
    }

    fn error(&self) -> ErrorObject {
        match &self.kind {
            TransportKind::NotConnected => ErrorObject::new(code::SERVER_ERROR, "WebSocket not connected"),
            TransportKind::Connect if self.transport == Transport::Ws => {
                ErrorObject::new(code::CONNECT, "WebSocket connection failed")
            }
            TransportKind::Broken if self.transport == Transport::Ws => {
                ErrorObject::new(code::NETWORK, "WebSocket connection closed")
            }
            TransportKind::Capacity if self.transport == Transport::Ws => {
                ErrorObject::new(code::CAPACITY, "WebSocket pending capacity exhausted")
            }
            TransportKind::Connect => ErrorObject::new(code::NETWORK, "Upstream connection failed"),
            TransportKind::Broken | TransportKind::Other => {
                ErrorObject::new(code::NETWORK, "Upstream connection broken")
            }
            TransportKind::Timeout => ErrorObject::new(code::TIMEOUT, "Request timeout"),
            TransportKind::Status(failure) => ErrorObject::new(
                code::UPSTREAM_SERVER,
                format!("Provider infrastructure error (HTTP {})", failure.status.as_u16()),
            ),
            TransportKind::InvalidReply { .. } => {
                ErrorObject::new(code::SERVER_ERROR, "Invalid upstream response")
            }
            TransportKind::Capacity => ErrorObject::new(code::CAPACITY, "Local request capacity unavailable"),
            TransportKind::Encode => ErrorObject::new(code::INVALID_REQUEST, "Request could not be encoded"),
        }
    }
}

// === impl StatusFailure ===

/// Leaves out what the upstream wrote: some repeat the key that they refuse.
impl fmt::Debug for StatusFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.error.as_ref().map(|(code, _, _)| code);
        f.debug_struct("StatusFailure")
            .field("status", &self.status)
            .field("retry_after", &self.retry_after)
            .field("code", &code)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_cannot_be_put_together_for_one_upstream_is_tried_with_another() {
        let failure = Failure::transport(TransportKind::Encode, Dispatch::NotSent, Transport::Ws);
        assert_eq!(failure.category().failover(), crate::catalog::Failover::Until(1));
        assert!(!failure.category().penalises());
    }

    #[test]
    fn websocket_failures_have_words_of_their_own() {
        use Category::{LocalCapacityRejection, NetworkError};
        for (kind, code, message, category) in [
            (TransportKind::NotConnected, -32000, "WebSocket not connected", LocalCapacityRejection),
            (TransportKind::Connect, -32006, "WebSocket connection failed", NetworkError),
            (TransportKind::Broken, -32004, "WebSocket connection closed", NetworkError),
            (TransportKind::Capacity, -32008, "WebSocket pending capacity exhausted", LocalCapacityRejection),
            (TransportKind::Timeout, -32007, "Request timeout", Category::Timeout),
        ] {
            let failure = Failure::transport(kind, Dispatch::NotSent, Transport::Ws);
            let error = failure.error();
            assert_eq!((error.code, &*error.message, failure.category()), (code, message, category));
        }
    }

    #[test]
    fn debug_output_shows_no_key() {
        const KEY: &str = "0123456789abcdef";
        let source: BoxError = format!("cannot reach https://node.example/v2/{KEY}").into();
        let kind = TransportKind::Status(StatusFailure {
            status: StatusCode::FORBIDDEN,
            retry_after: None,
            error: Some((Some(-32000), format!("no such key: {KEY}"), None)),
            text: KEY.to_owned(),
        });
        let failure = Failure::Transport(Box::new(TransportFailure {
            kind,
            dispatch: Dispatch::Answered,
            transport: Transport::Http,
            source: Some(source),
        }));
        let shown = format!("{failure:?}");
        assert!(!shown.contains(KEY), "{shown}");
        assert!(shown.contains("node.example") && shown.contains("403"), "{shown}");
        assert!(failure.source().is_none(), "a chain of errors is printed by people who redact nothing");
    }
}
