//! A decision as JSON.

use serde::Serialize;

use super::reasons::{Demotions, in_order, whole_millis};
use crate::call::{Candidate, Facts, Finding, Hints, Journal, Plan};

/// How a call is routed and why: what a dry run with [`Call::explain`](crate::call::Call::explain) left in its journal.
///
/// Names, numbers and reasons only: no address and no key of a provider.
#[derive(Debug, Serialize)]
pub struct Explanation<'a> {
    profile: &'a str,
    chain: &'a str,
    chain_id: u64,
    method: &'a str,
    strategy: &'static str,
    strategy_source: &'static str,
    /// The only upstream transport to use.
    transport: Option<&'static str>,
    hints: HintsReport,
    consensus_height: Option<u64>,
    candidates: Vec<CandidateReport<'a>>,
}

#[derive(Debug, Serialize)]
struct HintsReport {
    archival: bool,
    requested_block: Option<u64>,
    block_range: Option<u64>,
    address_count: Option<usize>,
    block_age: Option<u64>,
}

#[derive(Debug, Serialize)]
struct CandidateReport<'a> {
    /// From 1; null for what is not to be tried.
    order: Option<usize>,
    provider: &'a str,
    transport: &'static str,
    instance_id: Option<&'a str>,
    tier: Option<u8>,
    pinned: bool,
    excluded: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    limit: Option<&'static str>,
    demotions: Demotions,
    score: Option<&'a Facts>,
    stages: &'a [Finding],
}

impl<'a> Explanation<'a> {
    /// What the journal of a call of this method says; nothing for a call that was not routed.
    #[must_use]
    pub fn of(method: &'a str, journal: &'a Journal) -> Option<Self> {
        let (plan, premises) = (journal.plan()?, journal.premises().copied().unwrap_or_default());
        let candidates = in_order(journal.candidates()?);
        Some(Self {
            profile: &plan.profile().slug,
            chain: &plan.chain().key,
            chain_id: plan.chain().chain_id,
            method,
            strategy: plan.strategy.as_str(),
            strategy_source: plan.strategy_source.as_str(),
            transport: plan.transport.map(|transport| transport.as_str()),
            hints: HintsReport::of(premises.hints),
            consensus_height: premises.head,
            candidates: candidates
                .into_iter()
                .map(|(order, candidate)| CandidateReport::of(plan, order, candidate))
                .collect(),
        })
    }
}

impl HintsReport {
    const fn of(hints: Hints) -> Self {
        let Hints { archival, requested_block, block_range, address_count, block_age } = hints;
        Self { archival, requested_block, block_range, address_count, block_age }
    }
}

impl<'a> CandidateReport<'a> {
    fn of(plan: &'a Plan, order: Option<usize>, candidate: &'a Candidate) -> Self {
        let provider = plan.provider(candidate.provider);
        let reasons = candidate.reasons.as_deref();
        Self {
            order,
            provider: &provider.id,
            transport: candidate.transport.as_str(),
            instance_id: provider.channel(candidate.transport).map(|channel| channel.instance_id.as_str()),
            tier: reasons.and_then(|reasons| reasons.tier),
            pinned: candidate.pinned,
            excluded: candidate.excluded,
            retry_after_ms: candidate.retry_after.map(whole_millis),
            limit: candidate.limit,
            demotions: Demotions(candidate.demotion),
            score: reasons.map(|reasons| &reasons.score).filter(|score| !score.is_empty()),
            stages: reasons.map_or(&[], |reasons| &reasons.findings),
        }
    }
}
