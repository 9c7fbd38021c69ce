//! What is said about a call to who wants to know it in detail.

use tracing::Level;

use super::AttemptOutcome;
use super::report::{Report, millis};
use crate::call::{Candidate, Progress};
use crate::catalog::{Category, Provider, Transport};

/// Sums a call up, and says what became of each channel that was tried or refused by this process.
pub(super) fn write(report: &Report<'_>) {
    if !tracing::enabled!(Level::DEBUG) {
        return;
    }
    let answer = report.error().map(|(_, category)| category);
    let mut attempts = 0_u32;
    for (provider, candidate) in report.attempts() {
        if let Some((outcome, category)) = AttemptOutcome::of(candidate, answer) {
            attempts += 1;
            attempt(report, provider, candidate, outcome, category);
        }
    }
    if let (Some(plan), Some(candidates)) = (report.plan(), report.candidates()) {
        for candidate in candidates.all() {
            if let Some(reason) = refusal(candidate) {
                rejection(report, plan.provider(candidate.provider), candidate, reason);
            }
        }
    }
    terminal(report, attempts);
}

fn terminal(report: &Report<'_>, attempts: u32) {
    let selected = report.selected();
    let result = match report.error() {
        _ if report.is_cancelled() => "cancelled",
        None => "success",
        Some(_) => "error",
    };
    tracing::debug!(
        event = "lasso.rpc.request.terminal",
        request_id = report.request_id().map(|id| id.as_str()),
        profile = report.profile().map(|profile| profile.slug.as_str()),
        chain = &*report.chain(),
        chain_id = report.chain_id(),
        method = &*report.method_name(),
        provider_id = selected.map(|(provider, _)| provider.id.as_str()),
        instance_id = selected.and_then(|(provider, candidate)| instance(provider, candidate)),
        transport =
            selected.map(|(_, it)| it.transport).or_else(|| report.transport()).map(Transport::as_str),
        request_origin = "client",
        result,
        failovers = report.retries(),
        dispatch_count = attempts,
        elapsed_us = u64::try_from(report.end_to_end().as_micros()).unwrap_or(u64::MAX),
        "the call is over"
    );
}

fn attempt(
    report: &Report<'_>,
    provider: &Provider,
    candidate: &Candidate,
    outcome: AttemptOutcome,
    category: Option<Category>,
) {
    // Of an attempt that was given up nobody measured the time.
    let took = (outcome != AttemptOutcome::Cancelled).then(|| millis(candidate.upstream()));
    tracing::debug!(
        event = "lasso.rpc.attempt.terminal",
        request_id = report.request_id().map(|id| id.as_str()),
        upstream_instance_id = instance(provider, candidate),
        chain_id = report.chain_id(),
        provider_id = provider.id.as_str(),
        transport = candidate.transport.as_str(),
        outcome = outcome.as_str(),
        error_category = category.map(Category::as_str),
        duration_ms = took,
        "an attempt is over"
    );
}

fn rejection(report: &Report<'_>, provider: &Provider, candidate: &Candidate, reason: Category) {
    tracing::debug!(
        event = "lasso.rpc.admission.rejected",
        request_id = report.request_id().map(|id| id.as_str()),
        upstream_instance_id = instance(provider, candidate),
        chain_id = report.chain_id(),
        provider_id = provider.id.as_str(),
        transport = candidate.transport.as_str(),
        reason = reason.as_str(),
        "a channel was passed by"
    );
}

/// Why a channel whose turn had come was not sent to.
fn refusal(candidate: &Candidate) -> Option<Category> {
    match candidate.progress() {
        Progress::Skipped(category) => Some(category),
        Progress::Failed(category) if !candidate.was_tried() => Some(category),
        _ => None,
    }
}

fn instance<'a>(provider: &'a Provider, candidate: &Candidate) -> Option<&'a str> {
    Some(provider.channel(candidate.transport)?.instance_id.as_str())
}
