//! Something that happened.

use std::time::Duration;

use serde::Serialize;
use smol_str::SmolStr;

use super::ms;
use crate::observe::{Decision, Outcome};

/// Something that happened, with a number of its own: later events have greater ones.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EventView {
    /// The number.
    pub id: u64,
    /// What it was.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened. `ts` is when, in milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// A call was answered.
    Decision(DecisionView),
    /// A breaker changed its state.
    #[expect(missing_docs, reason = "as in `Decision`, and as in `observe::BreakerChange`")]
    Breaker {
        ts: u64,
        chain: SmolStr,
        provider: SmolStr,
        instance_id: SmolStr,
        transport: &'static str,
        from: &'static str,
        to: &'static str,
        reason: &'static str,
        category: Option<&'static str>,
        code: Option<i64>,
        message: Option<SmolStr>,
        retry_after_ms: Option<u64>,
    },
    /// A connection to a WebSocket upstream came or went.
    #[expect(missing_docs, reason = "as in `Decision`, and as in `observe::LinkChange`")]
    Link {
        ts: u64,
        chain: SmolStr,
        provider: SmolStr,
        transport: &'static str,
        state: &'static str,
        unexpected: bool,
    },
    /// A shared subscription changed.
    #[expect(missing_docs, reason = "as in `Decision`, and as in `observe::StreamChange`")]
    Stream {
        ts: u64,
        chain: SmolStr,
        topic: &'static str,
        change: &'static str,
        provider: Option<SmolStr>,
        detail: &'static str,
    },
    /// A chain is higher than it was known to be.
    #[expect(missing_docs, reason = "as in `Decision`, and as in `observe::NewBlock`")]
    Block { ts: u64, chain: SmolStr, height: u64, provider: SmolStr },
}

/// What became of one call. Neither parameters nor results.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DecisionView {
    /// When it was over, in milliseconds since 1970.
    pub ts: u64,
    /// The name of the request. The items of a batch share one.
    pub request_id: SmolStr,
    /// The chain's key.
    pub chain: SmolStr,
    /// EIP-155 id.
    pub chain_id: Option<u64>,
    /// The method.
    pub method: SmolStr,
    /// How channels were ranked.
    pub strategy: Option<&'static str>,
    /// The provider that answered, or the last one that failed.
    pub provider: Option<SmolStr>,
    /// The instance behind it.
    pub instance_id: Option<SmolStr>,
    /// The protocol to it.
    pub transport: Option<&'static str>,
    /// From the arrival of the request to the outcome.
    pub duration_ms: f64,
    /// The part of it that was spent waiting for upstreams.
    pub upstream_ms: f64,
    /// `success` or `error`.
    pub result: &'static str,
    /// What the client got instead of a result.
    pub error: Option<ErrorView>,
    /// `client`, or `system` for the router's own calls.
    pub origin: &'static str,
    /// Channels sent to after the first.
    pub failovers: u32,
    /// The node that served it.
    pub node: SmolStr,
    /// The whole duration, to tell the items of a batch apart.
    #[serde(skip)]
    pub nanos: u128,
}

/// An error that a client got, without its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ErrorView {
    /// The JSON-RPC code.
    pub code: i64,
    /// What kind of error it is.
    pub category: &'static str,
}

impl DecisionView {
    /// The origin of calls that the router makes on its own behalf.
    const OWN: &'static str = "system";

    /// Of a call that this node served.
    #[must_use]
    pub fn of(decision: &Decision, node: &SmolStr) -> Self {
        Self {
            ts: decision.ts_ms,
            request_id: decision.request_id.clone(),
            chain: decision.chain.clone(),
            chain_id: decision.chain_id,
            method: decision.method.clone(),
            strategy: decision.strategy.map(|strategy| strategy.as_str()),
            provider: decision.provider.clone(),
            instance_id: decision.instance_id.clone(),
            transport: decision.transport.map(|transport| transport.as_str()),
            duration_ms: ms(decision.duration),
            upstream_ms: ms(decision.upstream),
            result: decision.result.as_str(),
            error: decision.error.map(|(code, category)| ErrorView { code, category: category.as_str() }),
            origin: if decision.own { Self::OWN } else { "client" },
            failovers: decision.failovers,
            node: node.clone(),
            nanos: Duration::as_nanos(&decision.duration),
        }
    }

    /// Whether the call had a result.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.result == Outcome::Success.as_str()
    }

    /// Whether the router made the call on its own behalf.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.origin == Self::OWN
    }

    /// What no two calls have in common.
    pub(in crate::live) fn identity(&self) -> (&str, &str, &str, u64, u128) {
        (&self.request_id, &self.node, &self.method, self.ts, self.nanos)
    }
}
