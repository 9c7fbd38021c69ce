//! Made-up views for tests.

use super::view::{DecisionView, ErrorView, EventKind};

/// A client's call, told apart by its number.
pub(super) fn decision(number: u64, success: bool) -> DecisionView {
    DecisionView {
        ts: 1_000,
        request_id: format!("request-{number}").into(),
        chain: "ethereum".into(),
        chain_id: Some(1),
        method: "eth_blockNumber".into(),
        strategy: Some("load_balanced"),
        provider: Some("one".into()),
        instance_id: Some("1:one:000000000000".into()),
        transport: Some("http"),
        duration_ms: 1.5,
        upstream_ms: 1.25,
        result: if success { "success" } else { "error" },
        error: (!success).then_some(ErrorView { code: -32_000, category: "server_error" }),
        origin: "client",
        failovers: 0,
        node: "local".into(),
        nanos: 1_500_000,
    }
}

/// The same as an event.
pub(super) fn call(number: u64, success: bool) -> EventKind {
    EventKind::Decision(decision(number, success))
}

/// A new block.
pub(super) fn block(height: u64) -> EventKind {
    EventKind::Block { ts: 1_000, chain: "ethereum".into(), height, provider: "one".into() }
}
