//! A provider of a chain.

use lasso_layers::catalog::Transport;
use serde::Serialize;
use smol_str::SmolStr;

use super::Span;
use crate::live::delta::Keyed;
use crate::live::status::ProviderStatus;

/// How a provider is and how it did lately.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProviderView {
    /// `chain/id`.
    pub key: SmolStr,
    /// The chain's key.
    pub chain: SmolStr,
    /// Unique within the chain.
    pub id: SmolStr,
    /// The name people read.
    pub name: String,
    /// The instance behind it, which other profiles may share.
    pub instance_id: SmolStr,
    /// Where it was looked at from.
    pub region: SmolStr,
    /// How it is.
    pub status: ProviderStatus,
    /// `http` and `ws`, as far as it has them.
    pub transports: Vec<&'static str>,
    /// The last height it told.
    pub height: Option<u64>,
    /// Blocks behind what the providers agree on, with credit for those since it told.
    pub lag: Option<u64>,
    /// How long ago it told.
    pub height_age_ms: Option<Span>,
    /// It has told no height for a minute.
    pub polling_failing: bool,
    /// The breakers of its channels.
    pub breakers: PerTransport<BreakerView>,
    /// For how much longer its channels are limited.
    pub limited_ms: PerTransport<Span>,
    /// Its connection, where one is kept.
    pub link: Option<LinkView>,
    /// How it did.
    #[serde(flatten)]
    pub performance: Performance,
    /// Its part of the chain's calls by clients in the last five minutes, in percent.
    pub traffic_share: Option<f64>,
    /// What is wrong.
    pub issues: Vec<Issue>,
    /// The busiest methods, ten at most.
    pub methods: Vec<MethodView>,
}

impl Keyed for ProviderView {
    fn key(&self) -> &SmolStr {
        &self.key
    }
}

/// Something of both channels; `null` for one that is not there, or that has none of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the names are those of the protocols")]
pub struct PerTransport<T> {
    pub http: Option<T>,
    pub ws: Option<T>,
}

impl<T> PerTransport<T> {
    pub(in crate::live) const fn of(&mut self, transport: Transport) -> &mut Option<T> {
        match transport {
            Transport::Http => &mut self.http,
            Transport::Ws => &mut self.ws,
        }
    }
}

impl<T> Default for PerTransport<T> {
    fn default() -> Self {
        Self { http: None, ws: None }
    }
}

/// A breaker.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BreakerView {
    /// `closed`, `half_open` or `open`.
    pub state: &'static str,
    /// Consecutive failures; while it is not closed, those that opened it.
    pub failures: u32,
    /// How many open it.
    pub threshold: u32,
    /// Successes on probation.
    pub successes: u32,
    /// How many close it.
    pub success_threshold: u32,
    /// For how much longer it is open.
    pub retry_after_ms: Option<Span>,
    /// How often it opened since it was last closed.
    pub openings: u32,
    /// The last failure that counted.
    pub error: Option<BreakerError>,
}

/// A failure that counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BreakerError {
    /// What kind of failure it was.
    pub category: &'static str,
    /// The JSON-RPC code.
    pub code: i64,
    /// The message as clients see it.
    pub message: String,
}

/// A connection to a WebSocket upstream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LinkView {
    /// `connected`, `reconnecting` or `disconnected`.
    pub state: &'static str,
    /// Attempts to connect since it was last stable.
    pub reconnect_attempts: u32,
    /// Requests that wait for a reply.
    pub pending: usize,
    /// Subscriptions in force.
    pub subscriptions: usize,
}

/// How a provider did, over all methods.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Performance {
    /// Half of the recent attempts took no longer.
    pub p50_ms: Option<f64>,
    /// Of a hundred recent attempts 95 took no longer.
    pub p95_ms: Option<f64>,
    /// Of a hundred recent attempts 99 took no longer.
    pub p99_ms: Option<f64>,
    /// Attempts that succeeded, in percent of all that are recorded.
    pub success_rate: Option<f64>,
    /// Recorded attempts.
    pub calls: u64,
    /// Attempts each second, over the last minute.
    pub rps: f64,
}

/// How a provider did with one method.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MethodView {
    /// The method's name.
    pub method: &'static str,
    /// Half of the recent attempts took no longer.
    pub p50_ms: Option<f64>,
    /// Attempts that succeeded, in percent.
    pub success_rate: Option<f64>,
    /// Attempts.
    pub calls: u64,
}

/// Something that somebody may have to do something about.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Issue {
    /// What it is.
    pub kind: IssueKind,
    /// How bad it is.
    pub severity: Severity,
    /// The channel it is about, if it is about one.
    pub transport: Option<&'static str>,
    /// The same in words.
    pub text: String,
    /// When the provider is asked again.
    pub retry_after_ms: Option<Span>,
}

/// What is wrong with a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum IssueKind {
    /// A breaker lets nothing through.
    BreakerOpen,
    /// A breaker lets a few calls through.
    Recovering,
    /// It asked for fewer requests.
    RateLimited,
    /// It failed a few times in a row.
    Failures,
    /// Its connection is lost.
    WsDisconnected,
    /// It does not accept our credentials.
    Misconfigured,
    /// It is on another chain.
    Stranger,
    /// It stopped answering.
    Stalled,
    /// Its blocks are behind those of others.
    Lagging,
}

/// How bad an issue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Calls go elsewhere.
    Error,
    /// Calls may go elsewhere.
    Warning,
    /// It is getting better, or hurts nobody.
    Info,
}
