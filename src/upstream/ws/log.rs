//! What links tell the log: changes of state, not requests.

use lasso_layers::call::Failure;
use lasso_layers::catalog::{Channel, redact};

use super::closing::Loss;
use super::schedule::{Reason, Wait};

macro_rules! event {
    ($level:ident, $name:literal, $channel:ident, $($rest:tt)*) => {
        tracing::$level!(
            event = concat!("lasso.upstream_websocket.", $name),
            provider_id = $channel.known_as.as_str(),
            instance_id = %$channel.instance_id,
            $($rest)*
        )
    };
}

pub(super) fn connected(channel: &Channel, reconnect_attempts: u32) {
    event!(info, "connected", channel, reconnect_attempts, "websocket connected");
}

/// `expected` is the end of an idle connection in good order: providers do that daily.
pub(super) fn disconnected(channel: &Channel, loss: &Loss) {
    let (reason, code, was_stable, pending) =
        (loss.end.as_str(), loss.end.code(), loss.was_stable, loss.pending);
    let (had_active_traffic, unexpected) = (pending > 0, !loss.is_blameless());
    macro_rules! told {
        ($level:ident) => {
            event!(
                $level,
                "disconnected",
                channel,
                reason,
                code,
                was_stable,
                had_active_traffic,
                unexpected,
                pending_request_count = pending,
                "websocket disconnected"
            )
        };
    }
    if unexpected {
        told!(warn);
    } else {
        told!(info);
    }
    if pending > 0 {
        event!(debug, "pending_cleanup", channel, pending_request_count = pending, "requests were failed");
    }
}

pub(super) fn connection_failed(channel: &Channel, failure: &Failure) {
    let source = match failure {
        Failure::Transport(failure) => {
            failure.source.as_ref().map(|source| redact::text(&source.to_string()).into_owned())
        }
        _ => None,
    };
    let error = failure.error();
    event!(
        debug,
        "connection_failed",
        channel,
        code = error.code,
        error_message = %error.message,
        error_category = failure.category().as_str(),
        source = source.as_deref(),
        "websocket could not be opened"
    );
}

pub(super) fn scheduled(channel: &Channel, wait: Wait, attempts: u32) {
    let delay_ms = u64::try_from(wait.delay.as_millis()).unwrap_or(u64::MAX);
    let reason = match wait.reason {
        Reason::Step => "step",
        Reason::BreakerOpen => "circuit_open",
        Reason::RateLimited => "rate_limited",
        Reason::Refused => "refused",
        Reason::Exhausted => "exhausted",
    };
    if wait.reason == Reason::Exhausted {
        event!(warn, "reconnect_exhausted", channel, attempts, delay_ms, "websocket attempts are used up");
    } else {
        event!(
            debug,
            "reconnect_scheduled",
            channel,
            attempts,
            delay_ms,
            reason,
            "websocket reconnects later"
        );
    }
}

pub(super) fn heartbeat_failed(channel: &Channel) {
    event!(debug, "heartbeat_failed", channel, "websocket peer is silent");
}
