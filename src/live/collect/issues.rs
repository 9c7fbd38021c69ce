//! What is wrong with a provider, in words.

use lasso_layers::attempt::breaker::BreakerState;
use tokio::time::Instant;

use crate::health::{ChannelHealth, ProviderHealth};
use crate::live::view::{Issue, IssueKind, Severity, Span};
use crate::upstream::ws::LinkState;

/// Failures in a row from which they are an error.
const SERIOUS: u32 = 3;

/// What is known about a provider.
pub(super) struct Facts<'a> {
    pub(super) health: &'a ProviderHealth,
    pub(super) is_stranger: bool,
    pub(super) is_misconfigured: bool,
    pub(super) failures: u32,
    /// Failures that open a breaker.
    pub(super) threshold: u32,
    /// Blocks behind, if that is too many.
    pub(super) lag: Option<u64>,
    pub(super) now: Instant,
}

/// The worst first.
pub(super) fn issues(facts: &Facts<'_>) -> Vec<Issue> {
    let mut issues = Vec::new();
    let whole = |kind, severity, text| Issue { kind, severity, transport: None, text, retry_after_ms: None };
    if facts.is_stranger {
        let text = "answers for another chain than its profile says; nothing is sent to it".to_owned();
        issues.push(whole(IssueKind::Stranger, Severity::Error, text));
    }
    if facts.is_misconfigured {
        let text = "does not accept the configured credentials".to_owned();
        issues.push(whole(IssueKind::Misconfigured, Severity::Error, text));
    }
    let channels = &facts.health.routing.channels;
    channels.iter().for_each(|channel| of_channel(channel, facts.now, &mut issues));
    let is_closed = channels.iter().all(|channel| channel.breaker.state == BreakerState::Closed);
    if facts.failures > 0 && is_closed {
        let severity = if facts.failures >= SERIOUS { Severity::Error } else { Severity::Warning };
        let text = match facts.failures {
            1 => format!("1 failure, {} in a row open its breaker", facts.threshold),
            failures => format!("{failures} failures in a row, {} open its breaker", facts.threshold),
        };
        issues.push(whole(IssueKind::Failures, severity, text));
    }
    if let Some(lag) = facts.lag {
        let blocks = if lag == 1 { "block" } else { "blocks" };
        issues.push(whole(
            IssueKind::Lagging,
            Severity::Warning,
            format!("{lag} {blocks} behind the others"),
        ));
    }
    issues.sort_by_key(|issue| issue.severity as u8);
    issues
}

fn of_channel(channel: &ChannelHealth, now: Instant, issues: &mut Vec<Issue>) {
    let transport = channel.transport.as_str();
    let name = if transport == "ws" { "WebSocket" } else { "HTTP" };
    let mut add = |kind, severity, text, left: Option<_>| {
        let retry_after_ms = left.map(|left| Span::left(left, now));
        issues.push(Issue { kind, severity, transport: Some(transport), text, retry_after_ms });
    };
    let breaker = &channel.breaker;
    match breaker.state {
        BreakerState::Open => {
            let why = breaker
                .last_error
                .as_deref()
                .map(|error| format!(": {} ({}) {}", error.category.as_str(), error.code, error.message));
            let text = format!("{name} circuit is open{}", why.unwrap_or_default());
            add(IssueKind::BreakerOpen, Severity::Error, text, breaker.remaining);
        }
        BreakerState::HalfOpen => {
            let text = format!("{name} circuit lets a few calls through, to see whether it is back");
            add(IssueKind::Recovering, Severity::Info, text, None);
        }
        BreakerState::Closed => {}
    }
    if let Some(left) = channel.limited {
        let text = format!("asked for fewer requests over {name}; it is used last until then");
        add(IssueKind::RateLimited, Severity::Warning, text, Some(left));
    }
    if channel.stalled {
        let text = format!("stopped answering over {name}; it is used last until it does");
        add(IssueKind::Stalled, Severity::Warning, text, None);
    }
    match channel.link {
        Some(LinkState::Disconnected) => {
            let text = "WebSocket is disconnected".to_owned();
            add(IssueKind::WsDisconnected, Severity::Error, text, None);
        }
        Some(LinkState::Reconnecting) => {
            let text = "WebSocket is being connected".to_owned();
            add(IssueKind::WsDisconnected, Severity::Warning, text, None);
        }
        Some(_) | None => {}
    }
}
