//! How a simulated node misbehaves: plain data, changeable while the node runs.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::Value;

use super::ledger::Transport;

/// The method name under which the messages of a subscription are matched by a [`Rule`].
pub const NOTIFICATION: &str = "eth_subscription";

/// The method name under which a WebSocket that was just opened is matched by a [`Rule`]: see [`Rule::opened`].
pub const OPENED: &str = "open";

/// One way to misbehave.
///
/// Faults come in three kinds, and one request can meet one of each:
///
/// - *circumstances* ([`Latency`](Self::Latency), [`Lag`](Self::Lag), [`WrongChain`](Self::WrongChain)) change what is
///   answered or when;
/// - *answers* ([`RpcError`](Self::RpcError) to [`Overtaken`](Self::Overtaken)) replace the reply to one call, also inside
///   a batch;
/// - *deliveries* (the rest) concern the whole HTTP exchange or WebSocket message. In a batch, the first item
///   that meets one decides for all.
///
/// Over HTTP/2, `Reset` and `Close` end the connection with all its streams, `HalfBody` resets the stream.
/// Over WebSocket, where there is no status and no header, `Html`, `Status` and `Redirect` send their body as a
/// message, `RateLimited` answers with error code 429, and `LargeHeaders` does nothing.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Fault {
    /// Answers after `base` and up to `jitter` more. Several of these add up; in a batch, the slowest item counts.
    Latency {
        /// The least delay.
        base: Duration,
        /// The most that is added to it, evenly distributed and seeded by the rule.
        jitter: Duration,
    },
    /// Answers as of so many blocks behind the head. A rule for any method without a condition also holds back
    /// the subscriptions of the node.
    Lag(u64),
    /// Answers `eth_chainId` and `net_version` with this chain id.
    WrongChain(u64),

    /// Answers with an error.
    RpcError {
        /// The error's code.
        code: i64,
        /// The error's message.
        message: String,
        /// The error's data, if it has any.
        data: Option<Value>,
    },
    /// Answers with this result.
    Result(Value),
    /// Answers with `"result":null`.
    NullResult,
    /// Answers correctly, but with an id that nobody asked with.
    WrongId,
    /// Answers `{}`.
    EmptyObject,
    /// Answers with a result and an error in one object.
    ResultAndError,
    /// Answers nothing: the item is missing from the batch reply, a single call gets an empty body, a message of
    /// a subscription is left out.
    Omit,
    /// Answers twice. Over HTTP this matters in a batch only.
    Repeat,
    /// A message of a subscription is sent after the one that follows it on the same WebSocket. Nothing else is changed.
    Overtaken,

    /// Reads the request and never answers. The connection stays good for others.
    Hang,
    /// Over WebSocket: stops reading and writing, so that pings stay unanswered too. Over HTTP as `Hang`.
    Freeze,
    /// Sends status and headers of the reply and nothing more.
    HangAfterHeaders,
    /// Ends the connection with a TCP RST.
    Reset,
    /// Ends the connection without a word: a TCP FIN where an answer was due.
    Close,
    /// Over WebSocket: sends a close frame and ends the connection. Over HTTP as `Close`.
    CloseFrame {
        /// Close code (RFC 6455, section 7.4).
        code: u16,
        /// Reason text.
        reason: String,
    },
    /// Sends the reply's headers with its full `content-length`, half of its body, and ends the connection.
    HalfBody,
    /// Over WebSocket: sends a frame's header and half of its payload and ends the connection with a TCP RST. Over
    /// HTTP as `HalfBody`.
    TornFrame,
    /// Sends the reply in pieces of `chunk` bytes with a pause before each.
    SlowBody {
        /// Bytes of a piece.
        chunk: usize,
        /// Time before each piece.
        pause: Duration,
    },
    /// Answers a batch in reverse order, which JSON-RPC 2.0 allows (section 6).
    ReverseBatch,
    /// Sends the reply with this many bytes of further headers.
    LargeHeaders(usize),
    /// Sends status 200 and bytes that are neither JSON nor UTF-8.
    Garbage,
    /// Sends status 200, the content type of JSON, and these bytes.
    Raw(Bytes),
    /// Sends an HTML page, as the proxies in front of nodes do.
    Html(StatusCode),
    /// Sends this response.
    Status {
        /// Its status.
        status: StatusCode,
        /// Its headers; `content-length` is added.
        headers: HeaderMap,
        /// Its body.
        body: Bytes,
    },
    /// Sends status 429.
    RateLimited {
        /// Value of `retry-after`, if the header is to be there.
        retry_after: Option<HeaderValue>,
    },
    /// Sends status 307 to this address.
    Redirect(HeaderValue),
    /// Answers with a result made on the fly.
    Stream(HugeResult),
}

/// The shape of a result of any size, made while it is sent: an array of logs as `eth_getLogs` answers, valid to
/// the last byte. Neither the node nor the chain ever hold more than a piece of it.
#[derive(Clone, Debug)]
#[must_use]
pub struct HugeResult {
    pub(crate) total_bytes: u64,
    pub(crate) chunk: usize,
    pub(crate) known_length: bool,
    pub(crate) cut_after: Option<u64>,
}

/// When a node misbehaves, and how.
///
/// All rules of a node that match a call apply to it; where two disagree, the one given first wins.
///
/// ```
/// use lasso_rpc::sim::{Fault, Rule, Transport};
///
/// let rules = [
///     Rule::method("eth_call", Fault::Reset).first(3),
///     Rule::any(Fault::Lag(5)).over(Transport::Http),
/// ];
/// # let _ = rules;
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Rule {
    pub(crate) method: Option<String>,
    pub(crate) params_contain: Vec<String>,
    pub(crate) transport: Option<Transport>,
    pub(crate) when: When,
    pub(crate) seed: u64,
    pub(crate) fault: Fault,
}

/// Which of the calls that match a rule meet its fault.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum When {
    Always,
    First(u64),
    After(u64),
    Every(u64),
    Chance(f64),
}

// === impl Fault ===

impl Fault {
    /// Latency without jitter.
    #[must_use]
    pub fn latency(base: Duration) -> Self {
        Self::Latency { base, jitter: Duration::ZERO }
    }

    /// An error without data.
    #[must_use]
    pub fn rpc_error(code: i64, message: impl Into<String>) -> Self {
        Self::RpcError { code, message: message.into(), data: None }
    }

    /// A status without a body.
    #[must_use]
    pub fn status(status: StatusCode) -> Self {
        Self::Status { status, headers: HeaderMap::new(), body: Bytes::new() }
    }
}

// === impl HugeResult ===

impl HugeResult {
    /// A reply of exactly `total_bytes` bytes, or a few hundred if that is less than an empty reply, in chunked
    /// encoding and pieces of 64 KiB.
    pub fn new(total_bytes: u64) -> Self {
        Self { total_bytes, chunk: 64 * 1024, known_length: false, cut_after: None }
    }

    /// Sends pieces of this many bytes, at least one; over WebSocket each piece is a frame.
    pub fn chunk(mut self, bytes: usize) -> Self {
        self.chunk = bytes.max(1);
        self
    }

    /// Announces the length in `content-length`.
    pub fn known_length(mut self) -> Self {
        self.known_length = true;
        self
    }

    /// Ends the connection after this many bytes.
    pub fn cut_after(mut self, bytes: u64) -> Self {
        self.cut_after = Some(bytes);
        self
    }
}

// === impl Rule ===

impl Rule {
    /// Meets every call over HTTP and WebSocket. Messages of subscriptions ([`NOTIFICATION`]), handshakes
    /// ([`Transport::Handshake`]) and WebSockets that open ([`OPENED`]) are not calls: they need a rule that names
    /// them.
    pub fn any(fault: Fault) -> Self {
        Self { method: None, params_contain: Vec::new(), transport: None, when: When::Always, seed: 0, fault }
    }

    /// Meets the calls of one method.
    pub fn method(method: impl Into<String>, fault: Fault) -> Self {
        Self { method: Some(method.into()), ..Self::any(fault) }
    }

    /// Meets WebSocket handshakes.
    pub fn handshake(fault: Fault) -> Self {
        Self::any(fault).over(Transport::Handshake)
    }

    /// Meets WebSockets right after their handshake was answered with 101. Of the deliveries, those that end or freeze
    /// a socket or send something made up take effect.
    pub fn opened(fault: Fault) -> Self {
        Self::method(OPENED, fault).over(Transport::WebSocket)
    }

    /// Meets only calls whose parameters contain this text, byte for byte as sent; said more than once, all of the
    /// texts. Of a message of a subscription, the result counts as the parameters.
    pub fn params_contain(mut self, text: impl Into<String>) -> Self {
        self.params_contain.push(text.into());
        self
    }

    /// Meets only what arrives this way.
    pub fn over(mut self, transport: Transport) -> Self {
        self.transport = Some(transport);
        self
    }

    /// Meets only the first `calls` that match.
    pub fn first(mut self, calls: u64) -> Self {
        self.when = When::First(calls);
        self
    }

    /// Leaves the first `calls` that match in peace.
    pub fn after(mut self, calls: u64) -> Self {
        self.when = When::After(calls);
        self
    }

    /// Meets every `nth` call that matches, beginning with the `nth`; 0 is never.
    pub fn every(mut self, nth: u64) -> Self {
        self.when = When::Every(nth);
        self
    }

    /// Meets each call that matches with this probability. Equal seeds give equal sequences.
    pub fn chance(mut self, probability: f64, seed: u64) -> Self {
        self.when = When::Chance(probability);
        self.seed = seed;
        self
    }
}
