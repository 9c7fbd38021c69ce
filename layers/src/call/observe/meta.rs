//! The routing metadata that a client may ask for.

use bytes::Bytes;
use serde::Serialize;

use super::report::{CandidateProviders, Report, Selected, millis};

/// The members of the object, in the order in which they are written; what is not known is left out.
#[derive(Serialize)]
struct Meta<'a> {
    version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strategy: Option<&'static str>,
    chain: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    chain_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transport: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    candidate_providers: Option<CandidateProviders<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    selected_provider: Option<Selected<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    selection_latency_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_latency_ms: Option<f64>,
    end_to_end_latency_ms: f64,
    lasso_overhead_ms: f64,
    retries: u32,
    circuit_breaker_state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    selection_reason: Option<&'static str>,
}

/// The metadata of a call as a JSON object.
pub(super) fn json(report: &Report<'_>) -> Bytes {
    let meta = Meta {
        version: "1.0",
        request_id: report.record.origin.request_id.as_deref(),
        strategy: report.strategy().map(|strategy| strategy.as_str()),
        chain: &report.chain(),
        chain_id: report.chain_id(),
        transport: report.transport(),
        candidate_providers: report.candidate_providers(),
        selected_provider: report.selected(),
        selection_latency_ms: report.selection().map(millis),
        upstream_latency_ms: report.upstream().map(millis),
        end_to_end_latency_ms: millis(report.end_to_end),
        lasso_overhead_ms: millis(report.overhead()),
        retries: report.retries(),
        circuit_breaker_state: report.breaker_state(),
        selection_reason: report.selection_reason(),
    };
    serde_json::to_vec(&meta).expect("the keys are strings and the numbers finite").into()
}
