//! What a client is told when no channel gave an answer.

use std::time::Duration;

use bytes::Bytes;

use super::events;
use crate::call::{Call, Candidate, Candidates, Failure};
use crate::catalog::Category;
use crate::wire::{ErrorObject, code};

/// Nothing is left to draw, and no upstream said anything.
pub(super) fn nothing_usable(call: &Call, candidates: &Candidates) -> Failure {
    let is_alone = call.plan().and_then(|plan| plan.pin).is_some_and(|pin| !pin.failover);
    // Who asked for one provider is not told about the others.
    if is_alone || candidates.all().iter().any(|candidate| candidate.excluded.is_none()) {
        return Failure::exhausted(
            Category::ProviderError,
            ErrorObject::new(code::SERVER_ERROR, "No channels available"),
        );
    }
    let method = call.request.method();
    let shortest = candidates.all().iter().filter_map(|candidate| candidate.retry_after).min();
    let shortest = shortest.filter(|wait| !wait.is_zero());
    let lagging = candidates.all().iter().filter(|candidate| candidate.excluded == Some(Candidate::LAGGING));
    events::lagging(call, lagging.count());
    events::exhaustion(call, shortest.map_or(0, |wait| up_to(wait, Duration::from_millis(1))));
    let (message, data) = match shortest {
        Some(wait) => {
            let (seconds, millis) =
                (up_to(wait, Duration::from_secs(1)), up_to(wait, Duration::from_millis(1)));
            (
                format!(
                    "No available channels for method: {method}. All circuits open, retry after {seconds}s"
                ),
                Bytes::from(format!("{{\"retry_after_ms\":{millis}}}")),
            )
        }
        None => (
            format!("No available channels for method: {method}. All circuit breakers are open."),
            Bytes::from_static(b"{}"),
        ),
    };
    let error = ErrorObject::new(code::SERVER_ERROR, message).with_data(data);
    Failure::exhausted(Category::ProviderError, error)
}

/// The deadline leaves no room for another attempt.
pub(super) fn out_of_time(call: &Call, candidates: &Candidates) -> Failure {
    let (code, reason) = if call.batch.is_some() && candidates.dispatched() == 0 {
        (code::DEADLINE, "deadline_expired")
    } else {
        (code::SERVER_ERROR, "deadline_exhausted")
    };
    let data = Bytes::from(format!("{{\"reason\":\"{reason}\"}}"));
    Failure::exhausted(
        Category::Timeout,
        ErrorObject::new(code, "Request deadline exhausted").with_data(data),
    )
}

/// The request may have been executed and must not be sent again.
pub(super) fn indeterminate() -> Failure {
    let error = ErrorObject::new(code::SERVER_ERROR, "Upstream dispatch outcome is indeterminate");
    Failure::exhausted(Category::IndeterminateDispatch, error)
}

/// How many of `unit` cover `wait`: rounded up, so that nobody comes back too early.
fn up_to(wait: Duration, unit: Duration) -> u128 {
    wait.as_nanos().div_ceil(unit.as_nanos())
}
