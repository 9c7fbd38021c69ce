//! What there is to see of a provider.

use std::time::Duration;

use lasso_layers::catalog::{Chain, Provider};
use lasso_layers::state::health::Status;
use smol_str::format_smolstr;
use tokio::time::Instant;

use super::Sources;
use super::figures::ChainFigures;
use super::issues::{Facts, issues};
use crate::health::{ChannelHealth, ProviderHealth};
use crate::live::policy::BreakerLimits;
use crate::live::status::{Figures, ProviderStatus};
use crate::live::view::{BreakerError, BreakerView, LinkView, PerTransport, ProviderView, Span};

/// A provider that told no height for this long is not being heard.
const SILENT: Duration = Duration::from_secs(60);

pub(super) fn view(
    sources: &Sources,
    chain: &Chain,
    provider: &Provider,
    figures: &ChainFigures,
    now: Instant,
) -> ProviderView {
    let (runtime, policy) = (&sources.runtime, &sources.policy);
    let health = runtime.provider_health(provider, now);
    let did = figures.providers.get(&provider.key).cloned().unwrap_or_default();
    let channel = provider.channels().next();
    let standing = channel.and_then(|channel| {
        runtime.heights.standing(chain.chain_id, channel.instance, chain.block_time, now)
    });
    let lag = standing.and_then(|standing| standing.optimistic_lag());
    let lag = lag.map(|lag| if lag < 0 { lag.unsigned_abs() } else { 0 });
    let link_status = provider.ws.as_ref().map(|ws| runtime.links.status(ws.key));
    let link_state = health.routing.channels.iter().find_map(|channel| channel.link);
    let attempts = link_status.map_or(0, |link| link.reconnect_attempts);
    let is_known = health.rows.status().is_some() || link_state.is_some() || did.performance.calls > 0;
    let standing_figures = Figures {
        breakers: breaker_states(&health),
        is_limited: health.routing.channels.iter().any(|channel| channel.limited.is_some()),
        health: is_known.then_some(health.status),
        link: link_state,
        reconnect_attempts: attempts,
        lag,
        lag_threshold: policy.lag_threshold,
        failures: failures(&health),
    };
    let facts = Facts {
        health: &health,
        is_stranger: channel.is_some_and(|channel| runtime.strangers.contains(channel.instance)),
        is_misconfigured: health.status == Status::Misconfigured,
        failures: failures(&health),
        threshold: policy.breaker.failures,
        lag: lag.filter(|_| standing_figures.is_lagging()),
        now,
    };
    let observed = standing.map(|standing| standing.observation);
    ProviderView {
        key: format_smolstr!("{}/{}", chain.key, provider.id),
        chain: chain.key.clone(),
        id: provider.id.clone(),
        name: provider.name.clone(),
        instance_id: channel.map(|channel| channel.instance_id.clone()).unwrap_or_default(),
        region: policy.node.clone(),
        status: ProviderStatus::of(&standing_figures),
        transports: provider.channels().map(|channel| channel.transport.as_str()).collect(),
        height: observed.map(|observed| observed.height),
        lag,
        height_age_ms: observed.map(|observed| Span::since(observed.at, now)),
        polling_failing: observed.is_some_and(|it| now.saturating_duration_since(it.at) > SILENT),
        breakers: per_transport(&health, |channel| Some(breaker(channel, policy.breaker, now))),
        limited_ms: per_transport(&health, |channel| channel.limited.map(|left| Span::left(left, now))),
        link: link_state.map(|state| LinkView {
            state: state.as_str(),
            reconnect_attempts: attempts,
            pending: did.link.0,
            subscriptions: did.link.1,
        }),
        issues: issues(&facts),
        performance: did.performance,
        traffic_share: did.traffic_share,
        methods: did.methods,
    }
}

fn breaker_states(health: &ProviderHealth) -> [Option<lasso_layers::attempt::breaker::BreakerState>; 2] {
    let mut states = health.routing.channels.iter().map(|channel| channel.breaker.state);
    [states.next(), states.next()]
}

/// Consecutive failures, by whoever counted the most.
fn failures(health: &ProviderHealth) -> u32 {
    let rows = [&health.rows.probe, &health.rows.block_sync].into_iter().flatten().map(|row| row.failures);
    let breakers = health.routing.channels.iter().map(|channel| channel.breaker.failures);
    rows.chain(breakers).max().unwrap_or(0)
}

fn per_transport<T>(health: &ProviderHealth, of: impl Fn(&ChannelHealth) -> Option<T>) -> PerTransport<T> {
    let mut all = PerTransport::default();
    for channel in &health.routing.channels {
        *all.of(channel.transport) = of(channel);
    }
    all
}

fn breaker(channel: &ChannelHealth, limits: BreakerLimits, now: Instant) -> BreakerView {
    let breaker = &channel.breaker;
    BreakerView {
        state: breaker.state.as_str(),
        failures: breaker.failures,
        threshold: limits.failures,
        successes: breaker.successes,
        success_threshold: limits.successes,
        retry_after_ms: breaker.remaining.map(|left| Span::left(left, now)),
        openings: breaker.openings,
        error: breaker.last_error.as_deref().map(|error| BreakerError {
            category: error.category.as_str(),
            code: error.code,
            message: error.message.clone(),
        }),
    }
}
