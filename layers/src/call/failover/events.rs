//! What failing over has to say to whoever listens: tracing events, on the paths that are not the usual one.

use crate::call::{Call, Candidate};
use crate::catalog::Category;

/// An event about one channel of a call.
macro_rules! event {
    ($level:ident, $name:literal, $call:expr, $candidate:expr, $text:literal $(, $field:ident = $value:expr)*) => {
        if let Some(plan) = $call.plan() {
            tracing::$level!(
                event = $name,
                request_id = $call.origin.request_id.as_deref(),
                profile = %plan.profile().slug,
                chain = %plan.chain().key,
                method = $call.method.name(),
                provider_id = %plan.provider($candidate.provider).id,
                transport = $candidate.transport.as_str(),
                $($field = $value,)*
                $text,
            );
        }
    };
}

/// An attempt failed, and another follows.
pub(super) fn fast_fail(call: &Call, candidate: &Candidate, category: Category) {
    event!(
        warn,
        "lasso.failover.fast_fail",
        call,
        candidate,
        "attempt failed, trying the next channel",
        error_category = category.as_str(),
        failover_reason = reason(category)
    );
}

/// The breaker refused a channel that was chosen while it still admitted.
pub(super) fn circuit_open(call: &Call, candidate: &Candidate) {
    event!(
        warn,
        "lasso.failover.circuit_open",
        call,
        candidate,
        "circuit opened since the channel was chosen"
    );
}

/// A call began on a channel on probation, for want of another.
pub(super) fn degraded_mode(call: &Call, candidate: &Candidate) {
    event!(
        warn,
        "lasso.failover.degraded_mode",
        call,
        candidate,
        "no channel in good health, one on probation was tried"
    );
}

/// Such a call was answered by a channel on probation.
pub(super) fn degraded_success(call: &Call, candidate: &Candidate) {
    event!(info, "lasso.failover.degraded_success", call, candidate, "a channel on probation answered");
}

/// There is no channel to send the call to, and there would be if `count` of them were not too far behind the others.
pub(super) fn lagging(call: &Call, count: usize) {
    let Some(plan) = call.plan().filter(|_| count > 0) else { return };
    tracing::warn!(
        event = "lasso.failover.lagging",
        request_id = call.origin.request_id.as_deref(),
        profile = %plan.profile().slug,
        chain = %plan.chain().key,
        method = call.method.name(),
        channels = count,
        max_lag_blocks = plan.chain().settings.max_lag_blocks,
        "no channel is left for the call because of those that are too far behind",
    );
}

/// There is no channel to send the call to. `retry_after_ms` is 0 when nobody knows when there will be one.
pub(super) fn exhaustion(call: &Call, retry_after_ms: u128) {
    let Some(plan) = call.plan() else { return };
    tracing::error!(
        event = "lasso.failover.exhaustion",
        request_id = call.origin.request_id.as_deref(),
        profile = %plan.profile().slug,
        chain = %plan.chain().key,
        method = call.method.name(),
        transport = plan.transport.map_or("both", crate::catalog::Transport::as_str),
        retry_after_ms = u64::try_from(retry_after_ms).unwrap_or(u64::MAX),
        "no channel is left for the call",
    );
}

/// Why a failure of this category is followed by another attempt.
const fn reason(category: Category) -> &'static str {
    match category {
        Category::RateLimit => "rate_limit_detected",
        Category::ServerError => "server_error_detected",
        Category::NetworkError => "network_error_detected",
        Category::AuthError => "auth_error_detected",
        Category::Timeout => "timeout_detected",
        Category::CapabilityViolation => "capability_violation_detected",
        Category::MethodNotFound => "method_not_found_detected",
        Category::BlockNotAvailable => "block_not_available_failover",
        Category::ClientError => "client_error_failover",
        Category::UnclassifiedServerError => "unclassified_error_failover",
        _ => "retriable_error",
    }
}
