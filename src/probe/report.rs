//! What was found out, as data: the JSON output is this, the table is made of it.

use std::time::Duration;

use serde::Serialize;

use super::catalogue::Level;

/// Everything about an endpoint. Holds nothing that is secret.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// The address for HTTP, masked.
    pub(super) url: String,
    /// The address for WebSocket, masked.
    pub(super) websocket_url: String,
    /// Why nothing was asked over HTTP although something should have been.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) http_error: Option<String>,
    /// Whom the endpoint says it is; `None` where HTTP was not asked.
    pub(super) node: Option<Node>,
    /// Each probe is there if it ran.
    pub(super) methods: Option<Methods>,
    pub(super) limits: Option<Limits>,
    pub(super) websocket: Option<WebSocket>,
    pub(super) recommendations: Recommendations,
}

#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Node {
    pub(super) chain_id: Option<u64>,
    pub(super) height: Option<u64>,
    pub(super) client_version: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Methods {
    pub(super) level: Level,
    pub(super) methods: Vec<Method>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Method {
    pub(super) method: &'static str,
    pub(super) category: &'static str,
    pub(super) verdict: Verdict,
    /// `None` where there was nobody to ask.
    pub(super) latency_ms: Option<f64>,
    /// What the endpoint said instead of a result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    Supported,
    Unsupported,
    Unknown,
    Timeout,
}

#[derive(Debug, Serialize)]
pub(super) struct Limits {
    pub(super) block_range: Bound,
    pub(super) address_count: Bound,
    pub(super) batch: Bound,
    pub(super) block_params: Vec<BlockParam>,
    pub(super) archive: Archive,
    /// Asked for last, because it leaves the endpoint in no mood for more questions.
    pub(super) rate_limit: Option<RateLimit>,
}

/// How much of something an endpoint takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Bound {
    pub(super) verdict: BoundVerdict,
    /// The most that was accepted.
    pub(super) max: Option<u64>,
    /// Why more was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum BoundVerdict {
    /// `max` is taken and more is not.
    Limited,
    /// Everything that was asked for is taken.
    Unlimited,
    /// Not even the least is.
    Unsupported,
    /// The endpoint was busy or gone before it was found out.
    Inconclusive,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct BlockParam {
    pub(super) tag: &'static str,
    pub(super) supported: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Archive {
    pub(super) verdict: ArchiveVerdict,
    /// The chain by which the block was chosen.
    pub(super) chain: &'static str,
    /// The block that was asked for.
    pub(super) block: u64,
    /// Whether its state is there.
    pub(super) balance: bool,
    /// Whether its logs are.
    pub(super) logs: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ArchiveVerdict {
    Full,
    Partial,
    None,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct RateLimit {
    pub(super) verdict: RateLimitVerdict,
    pub(super) requests: usize,
    /// Those that were answered with a result.
    pub(super) ok: usize,
    /// Those that were refused because there were too many.
    pub(super) limited: usize,
    pub(super) elapsed_ms: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RateLimitVerdict {
    Limited,
    Inconclusive,
    Unlimited,
}

#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct WebSocket {
    pub(super) connected: bool,
    /// Why there is no connection, or why it did not stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
    pub(super) connect_ms: Option<f64>,
    /// The mean over the requests that were answered.
    pub(super) latency_ms: Option<f64>,
    pub(super) requests: Vec<Request>,
    pub(super) subscriptions: Vec<Subscription>,
}

/// A request over the WebSocket.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Request {
    pub(super) method: &'static str,
    pub(super) ok: bool,
    pub(super) latency_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Subscription {
    pub(super) topic: &'static str,
    pub(super) subscribed: bool,
    /// From the subscription to its first event; `None` when there was none in time, which on a quiet chain says little.
    pub(super) first_event_ms: Option<f64>,
    pub(super) unsubscribed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<String>,
}

/// What a profile should say of the endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Recommendations {
    pub(super) archival: Option<bool>,
    pub(super) max_block_range: Option<u64>,
    pub(super) max_addresses: Option<u64>,
    pub(super) unsupported_categories: Vec<&'static str>,
    pub(super) unsupported_methods: Vec<&'static str>,
    /// The same as keys of a provider in a profile; `None` when nothing needs to be said.
    pub(super) yaml: Option<String>,
}

/// Milliseconds to a tenth.
pub(super) fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10_000.0).round() / 10.0
}
