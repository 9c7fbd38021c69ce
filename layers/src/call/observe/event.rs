//! Log entries.
//!
//! Field names with dots stand for nested objects; the formatter of the binary nests them. A list is a text with
//! commas. Fields without a value are left out.

use std::time::Duration;

use tracing::Level;
use tracing::level_filters::LevelFilter;

use super::report::{Report, millis};
use super::{ObservePolicy, SlowPolicy};
use crate::catalog::{Transport, redact};
use crate::state::Entropy;

/// Says how a call ended: errors as warnings, successes at the configured level and rate.
pub(super) fn completed(report: &Report<'_>, policy: &ObservePolicy, entropy: &Entropy) {
    let error = report.error();
    let level = if error.is_some() { Level::WARN } else { policy.success_level };
    if level > LevelFilter::current() || (error.is_none() && !is_sampled(policy.sampling_rate, entropy)) {
        return;
    }
    let record = report.record;
    let method = report.method_name();
    let address = record.origin.address.filter(|_| policy.client_address);
    let message = error.as_ref().map(|(error, _)| redact::text(&error.message));
    // Levels are part of an event's static description, so there is one event for each.
    macro_rules! completed {
        ($level:expr) => {
            tracing::event!(
                $level,
                event = "rpc.request.completed",
                request_id = record.origin.request_id.as_deref(),
                strategy = report.strategy().map(|strategy| strategy.as_str()),
                chain = &*report.chain(),
                chain_id = report.chain_id(),
                transport = report.transport().map(Transport::as_str),
                jsonrpc_method = &*method,
                params_present = !record.request.params().is_empty(),
                path = record.origin.path.as_deref(),
                client_ip = address.map(display),
                user_agent = record.origin.user_agent.as_deref(),
                batch_size = record.batch_size,
                routing.selected_provider.id = report.selected_name().map(|selected| selected.id),
                routing.selected_provider.protocol = report.selected_name().map(|selected| selected.protocol),
                routing.retries = report.retries(),
                routing.candidate_providers = report.candidate_providers().map(display),
                routing.selection_reason = report.selection_reason(),
                routing.circuit_breaker_state = report.breaker_state(),
                timing.selection_latency_ms = report.selection().map(millis),
                timing.upstream_latency_ms = report.upstream().map(millis),
                timing.end_to_end_latency_ms = millis(report.end_to_end()),
                timing.lasso_overhead_ms = millis(report.overhead()),
                response.status = if error.is_none() { "success" } else { "error" },
                response.result_type = report.result_type(),
                response.result_size_bytes = report.result_size(),
                response.error.code = error.as_ref().map(|(error, _)| error.code),
                response.error.message =
                    message.as_ref().map(|message| clip(message, policy.max_error_message_chars)),
                response.error.category = error.as_ref().map(|(_, category)| category.as_str()),
                response.error.data_present = error.as_ref().map(|(error, _)| error.data.is_some()),
            )
        };
    }
    match level {
        Level::ERROR => completed!(Level::ERROR),
        Level::WARN => completed!(Level::WARN),
        Level::INFO => completed!(Level::INFO),
        Level::DEBUG => completed!(Level::DEBUG),
        Level::TRACE => completed!(Level::TRACE),
    }
}

/// Says that a provider took long to answer, if it did. The bounds themselves are not slow.
pub(super) fn slow(report: &Report<'_>, policy: SlowPolicy, took: Duration) {
    macro_rules! slow {
        ($level:expr, $event:literal, $text:literal) => {
            tracing::event!(
                $level,
                event = $event,
                request_id = report.record.origin.request_id.as_deref(),
                profile = report.profile().map(|profile| profile.slug.as_str()),
                chain = &*report.chain(),
                method = &*report.method_name(),
                provider_id = report.selected_name().map(|selected| selected.id),
                transport = report.selected_name().map(|selected| selected.protocol),
                latency_ms = millis(took),
                $text
            )
        };
    }
    if took > policy.error {
        slow!(Level::ERROR, "lasso.request.very_slow", "the provider answered very slowly");
    } else if took > policy.warn {
        slow!(Level::WARN, "lasso.request.slow", "the provider answered slowly");
    } else if took > policy.info {
        slow!(Level::INFO, "lasso.request.delayed", "the provider took its time");
    }
}

/// Draws whether a success is logged.
fn is_sampled(rate: f64, entropy: &Entropy) -> bool {
    rate >= 1.0 || (rate > 0.0 && entropy.rng().f64() < rate)
}

/// The first characters of a text.
fn clip(text: &str, max_chars: usize) -> &str {
    let end = text.char_indices().nth(max_chars).map_or(text.len(), |(at, _)| at);
    &text[..end]
}
