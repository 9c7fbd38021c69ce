//! Decisions as JSON.

use std::time::Duration;

use lasso_layers::call::Candidate;
use lasso_layers::call::observe::{AttemptOutcome, Explanation};
use lasso_layers::catalog::{Category, Provider, Strategy, Transport};
use serde::{Serialize, Serializer};

use super::Decision;

/// A decision in a list or a feed.
#[derive(Serialize)]
struct Row<'a> {
    ts: u64,
    request_id: &'a str,
    profile: &'a str,
    chain: &'a str,
    chain_id: Option<u64>,
    method: &'a str,
    strategy: Option<&'static str>,
    provider: Option<&'a str>,
    instance_id: Option<&'a str>,
    transport: Option<&'static str>,
    duration_ms: f64,
    upstream_ms: f64,
    result: &'static str,
    error: Option<ErrorRow<'a>>,
    origin: &'static str,
    failovers: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    batch_size: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    batch_index: Option<usize>,
}

#[derive(Serialize)]
struct ErrorRow<'a> {
    code: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    category: &'static str,
}

/// Everything there is to say about one decision.
#[derive(Serialize)]
pub(crate) struct DecisionPage<'a> {
    #[serde(flatten)]
    row: Row<'a>,
    /// `null` for a call that was refused or answered before channels were considered.
    explanation: Option<Explanation<'a>>,
    attempts: Vec<AttemptRow<'a>>,
    timing: Timing,
    /// The other items of the batch; empty for a call that did not come in one.
    items: Vec<&'a Decision>,
}

#[derive(Serialize)]
struct AttemptRow<'a> {
    provider: &'a str,
    transport: &'static str,
    outcome: &'static str,
    category: Option<&'static str>,
    /// `null` for an attempt that was given up: nobody was left to look at the clock.
    duration_ms: Option<f64>,
}

#[derive(Serialize)]
struct Timing {
    selection_ms: f64,
    upstream_ms: f64,
    end_to_end_ms: f64,
    overhead_ms: f64,
}

impl<'a> Row<'a> {
    fn of(decision: &'a Decision) -> Self {
        let error = decision.error;
        Self {
            ts: decision.ts_ms,
            request_id: &decision.request_id,
            profile: &decision.profile,
            chain: &decision.chain,
            chain_id: decision.chain_id,
            method: &decision.method,
            strategy: decision.strategy.map(Strategy::as_str),
            provider: decision.provider.as_deref(),
            instance_id: decision.instance_id.as_deref(),
            transport: decision.transport.map(Transport::as_str),
            duration_ms: millis(decision.duration),
            upstream_ms: millis(decision.upstream),
            result: decision.result.as_str(),
            error: error.map(|(code, category)| ErrorRow {
                code,
                message: None,
                category: category.as_str(),
            }),
            origin: decision.origin(),
            failovers: decision.failovers,
            batch_size: decision.batch_size,
            batch_index: decision.batch_index,
        }
    }
}

/// As it is shown in a feed or a list: without the text of an error.
impl Serialize for Decision {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Row::of(self).serialize(serializer)
    }
}

impl<'a> DecisionPage<'a> {
    /// Of a decision and the items of the batch that it came in.
    pub(crate) fn of(decision: &'a Decision, items: Vec<&'a Decision>) -> Self {
        let mut row = Row::of(decision);
        if let Some(error) = &mut row.error {
            error.message = decision.message.as_deref();
        }
        let (journal, latest) = (&decision.journal, decision.journal.latest());
        let answer = decision.error.map(|(_, category)| category);
        let attempts = journal.attempts();
        let selection = latest.candidates().map(|_| latest.selection());
        Self {
            row,
            explanation: Explanation::of(&decision.method, latest),
            attempts: attempts.filter_map(|(provider, it)| AttemptRow::of(provider, it, answer)).collect(),
            timing: Timing {
                selection_ms: millis(selection.unwrap_or_default()),
                upstream_ms: millis(decision.upstream),
                end_to_end_ms: millis(decision.duration),
                overhead_ms: millis(decision.duration.saturating_sub(decision.upstream)),
            },
            items,
        }
    }
}

impl<'a> AttemptRow<'a> {
    fn of(provider: &'a Provider, candidate: &Candidate, answer: Option<Category>) -> Option<Self> {
        let (outcome, category) = AttemptOutcome::of(candidate, answer)?;
        let took = (outcome != AttemptOutcome::Cancelled).then(|| millis(candidate.upstream()));
        Some(Self {
            provider: &provider.id,
            transport: candidate.transport.as_str(),
            outcome: outcome.as_str(),
            category: category.map(Category::as_str),
            duration_ms: took,
        })
    }
}

/// Milliseconds to two decimals.
fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e5).round() / 1e2
}
