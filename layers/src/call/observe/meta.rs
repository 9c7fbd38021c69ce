//! The routing metadata that a client may ask for.

use bytes::Bytes;
use serde::Serialize;

use super::reasons::{Demotions, Outcome, in_order};
use super::report::{CandidateProviders, Report, Selected, millis};
use crate::call::{Candidate, Candidates, Facts, Finding, Metadata, Opinion, Plan, Progress, Verdict};
use crate::catalog::Transport;

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

/// What is said about one channel: its place, everything that speaks against it, and what became of it.
#[derive(Serialize)]
struct CandidateMeta<'a> {
    provider: &'a str,
    transport: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tier: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    excluded: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<&'static str>,
    #[serde(skip_serializing_if = "Demotions::are_none")]
    demotions: Demotions,
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<&'a Facts>,
    /// The stages that do not simply let the channel pass.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stages: Vec<&'a Finding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Outcome>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_latency_ms: Option<f64>,
}

impl<'a> CandidateMeta<'a> {
    fn of(plan: &'a Plan, order: Option<usize>, candidate: &'a Candidate) -> Self {
        let reasons = candidate.reasons.as_deref();
        let findings = reasons.map_or(&[][..], |reasons| &reasons.findings);
        let passes = |finding: &Finding| finding.opinion == Opinion::Verdict(Verdict::Keep);
        Self {
            provider: &plan.provider(candidate.provider).id,
            transport: candidate.transport.as_str(),
            order,
            tier: reasons.and_then(|reasons| reasons.tier),
            excluded: candidate.excluded,
            limit: candidate.limit,
            demotions: Demotions(candidate.demotion),
            score: reasons.map(|reasons| &reasons.score).filter(|score| !score.is_empty()),
            stages: findings.iter().filter(|finding| !passes(finding)).collect(),
            outcome: candidate.excluded.is_none().then(|| Outcome(candidate.progress())),
            upstream_latency_ms: match candidate.progress() {
                Progress::Answered | Progress::Failed(_) => Some(millis(candidate.upstream())),
                _ => None,
            },
        }
    }
}

/// The metadata of a call.
pub(super) fn of(report: &Report<'_>) -> Metadata {
    let brief = brief(report);
    let full = match (report.plan(), report.candidates()) {
        (Some(plan), Some(candidates)) => with_candidates(&brief, plan, candidates),
        _ => brief.clone(),
    };
    Metadata { full, brief }
}

/// The object with one more member.
fn with_candidates(object: &[u8], plan: &Plan, candidates: &Candidates) -> Bytes {
    let candidates: Vec<_> = in_order(candidates)
        .into_iter()
        .map(|(order, candidate)| CandidateMeta::of(plan, order, candidate))
        .collect();
    let members = object.strip_suffix(b"}").expect("it is an object, and not an empty one");
    let mut full = [members, br#","candidates":"#].concat();
    serde_json::to_writer(&mut full, &candidates).expect("the keys are strings, and a vector takes it all");
    full.push(b'}');
    full.into()
}

fn brief(report: &Report<'_>) -> Bytes {
    let meta = Meta {
        version: "1.0",
        request_id: report.record.origin.request_id.as_deref(),
        strategy: report.strategy().map(|strategy| strategy.as_str()),
        chain: &report.chain(),
        chain_id: report.chain_id(),
        transport: report.transport().map(Transport::as_str),
        candidate_providers: report.candidate_providers(),
        selected_provider: report.selected_name(),
        selection_latency_ms: report.selection().map(millis),
        upstream_latency_ms: report.upstream().map(millis),
        end_to_end_latency_ms: millis(report.end_to_end()),
        lasso_overhead_ms: millis(report.overhead()),
        retries: report.retries(),
        circuit_breaker_state: report.breaker_state(),
        selection_reason: report.selection_reason(),
    };
    serde_json::to_vec(&meta).expect("the keys are strings and the numbers finite").into()
}
