//! What streams have to say to operators.

use std::time::Duration;

use lasso_layers::call::subscribe::Topic;
use lasso_layers::catalog::Channel;

use super::coordinator::{End, LossReason};
use super::key::StreamKey;

/// An event about a stream.
macro_rules! stream {
    ($level:ident, $name:literal, $key:expr, $text:literal $(, $field:ident = $value:expr)*) => {
        tracing::$level!(
            event = $name,
            profile = %$key.profile,
            chain_id = $key.chain_id,
            subscription_type = kind(&$key.topic),
            $($field = $value,)*
            $text,
        )
    };
}

/// An event about an upstream subscription.
macro_rules! upstream {
    ($level:ident, $name:literal, $channel:expr, $topic:expr, $text:literal $(, $field:ident = $value:expr)*) => {
        tracing::$level!(
            event = $name,
            instance_id = %$channel.instance_id,
            provider_id = %$channel.known_as,
            chain_id = $channel.chain_id,
            subscription_type = kind($topic),
            $($field = $value,)*
            $text,
        )
    };
}

/// How much a stream has failed over lately, and how much it may.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    /// Providers that may be asked within five seconds.
    pub(super) attempts: u32,
    /// Providers that can serve the stream by configuration.
    pub(super) providers: usize,
}

pub(super) fn established(key: &StreamKey, provider: &Channel) {
    stream!(info, "subs.established", key, "stream is there", provider_id = provider.known_as.as_str());
}

pub(super) fn refused(key: &StreamKey) {
    stream!(warn, "subs.failed", key, "no provider serves the stream");
}

pub(super) fn failover_initiated(key: &StreamKey, from: &Channel, reason: &'static str, budget: Budget) {
    stream!(
        warn,
        "subs.failover.initiated",
        key,
        "stream leaves its provider",
        old_provider = from.known_as.as_str(),
        reason = reason,
        failover_budget = budget.attempts,
        provider_count = budget.providers
    );
}

pub(super) fn resubscribe_initiated(key: &StreamKey, to: &Channel) {
    stream!(
        info,
        "subs.failover.resubscribe_initiated",
        key,
        "stream asks a provider to go on with",
        new_provider = to.known_as.as_str()
    );
}

pub(super) fn failover_completed(key: &StreamKey, to: &Channel, took: Duration, filled: u64) {
    stream!(
        info,
        "subs.failover.completed",
        key,
        "stream goes on",
        new_provider = to.known_as.as_str(),
        duration_ms = lasso_layers::state::millis(took),
        filled_blocks = filled
    );
}

pub(super) fn degraded(key: &StreamKey, budget: Budget) {
    stream!(
        warn,
        "subs.failover.degraded",
        key,
        "nobody can continue the stream at the moment",
        failover_budget = budget.attempts,
        provider_count = budget.providers
    );
}

pub(super) fn gap_left(key: &StreamKey, blocks: u64) {
    stream!(warn, "subs.gap_left", key, "blocks were left out of the stream", blocks = blocks);
}

pub(super) fn reorganised(key: &StreamKey, depth: u64) {
    stream!(info, "subs.reorg", key, "stream followed a reorganisation", depth = depth);
}

pub(super) fn dropped(key: &StreamKey, reason: &'static str) {
    stream!(debug, "stream.dropped_event", key, "event was not passed on", reason = reason);
}

pub(super) fn exhausted(key: &StreamKey, end: End) {
    stream!(
        warn,
        "subs.continuity_exhausted",
        key,
        "stream cannot be continued, its clients are told",
        reason = end.as_str()
    );
}

pub(super) fn withdrawn(key: &StreamKey) {
    stream!(
        warn,
        "subs.withdrawn",
        key,
        "the configuration no longer has what the stream is of, its clients are told"
    );
}

pub(super) fn stale(channel: &Channel, topic: &Topic) {
    upstream!(
        warn,
        "upstream_subscriptions.staleness_detected",
        channel,
        topic,
        "upstream subscription is silent"
    );
}

pub(super) fn subscription_created(channel: &Channel, topic: &Topic) {
    upstream!(
        debug,
        "upstream_subscriptions.subscription_created",
        channel,
        topic,
        "upstream subscription is there"
    );
}

pub(super) fn subscription_destroyed(channel: &Channel, topic: &Topic, why: LossReason) {
    let reason = match why {
        LossReason::Disconnected => "disconnected",
        LossReason::Replaced => "replaced",
        LossReason::Unhealthy => "unhealthy",
        LossReason::Overflow => "overflow",
    };
    upstream!(
        debug,
        "upstream_subscriptions.subscription_destroyed",
        channel,
        topic,
        "upstream subscription is gone",
        reason = reason
    );
}

const fn kind(topic: &Topic) -> &'static str {
    match topic {
        Topic::NewHeads => "new_heads",
        Topic::Logs(_) => "logs",
        _ => "new_pending_transactions",
    }
}
