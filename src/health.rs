//! The health of a provider as pages show it: what probes and polls found, and what routing makes of it.
//!
//! Nothing is decided by it. A call asks breakers, limits and heights themselves.

use std::time::Duration;

use lasso_layers::attempt::breaker::{BreakerState, BreakerStatus};
use lasso_layers::catalog::{Provider, Transport};
use lasso_layers::state::health::{Availability, Rows, Status};
use tokio::time::Instant;

use crate::runtime::Runtime;
use crate::upstream::ws::LinkState;

/// The health of a provider at one moment. It is that of the instance behind it, which all profiles share.
#[derive(Clone, Debug)]
pub struct ProviderHealth {
    /// The worst of all below.
    pub status: Status,
    /// What can be had of it.
    pub availability: Availability,
    /// What probes and polls found. Where they are off, or have not asked yet, there is nothing.
    pub rows: Rows,
    /// What routing makes of its channels.
    pub routing: Routing,
}

/// What routing makes of the channels of a provider.
#[derive(Clone, Debug)]
pub struct Routing {
    /// Unhealthy if every breaker is open, connecting or disconnected if there is nothing but a connection in that state.
    /// Degraded if one channel is like that, or on probation, limited or stalled: calls are served, over another channel
    /// or after other providers were asked. A second channel that is still being connected is no loss yet.
    pub status: Status,
    /// Each channel, HTTP first.
    pub channels: Vec<ChannelHealth>,
}

/// What routing makes of one channel.
#[derive(Clone, Debug)]
pub struct ChannelHealth {
    /// The protocol.
    pub transport: Transport,
    /// Its breaker, with the consecutive failures and the last one.
    pub breaker: BreakerStatus,
    /// For how much longer it is limited.
    pub limited: Option<Duration>,
    /// Whether it has stopped answering just now.
    pub stalled: bool,
    /// The state of its connection, for a WebSocket channel in a process that keeps one.
    pub link: Option<LinkState>,
}

impl Runtime {
    /// The health of a provider.
    #[must_use]
    pub fn provider_health(&self, provider: &Provider, now: Instant) -> ProviderHealth {
        let instance = provider.channels().next().map(|channel| channel.instance);
        let rows = instance.map(|instance| self.health.of(instance)).unwrap_or_default();
        let channels = provider.channels().map(|channel| ChannelHealth {
            transport: channel.transport,
            breaker: self.breakers.status(channel.key, now),
            limited: self.paces.remaining(channel.key, now),
            stalled: self.stalls.is_stalled(channel.key, now),
            link: self.links.state(channel.key),
        });
        let routing = Routing::of(channels.collect());
        let status = rows.status().map_or(routing.status, |status| status.max(routing.status));
        ProviderHealth { status, availability: status.availability(), rows, routing }
    }
}

// === impl Routing ===

impl Routing {
    fn of(channels: Vec<ChannelHealth>) -> Self {
        let is_clean = |status: &Status| *status <= Status::Connecting;
        let each: Vec<_> = channels.iter().map(ChannelHealth::status).collect();
        let (best, worst) = (each.iter().min().copied(), each.iter().max().copied());
        let status = match (best, worst) {
            // Who has no channel has nothing to complain of.
            (None, _) | (_, None) => Status::Healthy,
            (Some(best), Some(worst)) if is_clean(&worst) => best,
            // Nothing can be had of any.
            (Some(best), _) if best > Status::Degraded => best,
            _ => Status::Degraded,
        };
        Self { status, channels }
    }
}

// === impl ChannelHealth ===

impl ChannelHealth {
    fn status(&self) -> Status {
        let is_troubled =
            self.breaker.state != BreakerState::Closed || self.limited.is_some() || self.stalled;
        match self.link {
            _ if self.breaker.state == BreakerState::Open => Status::Unhealthy,
            Some(LinkState::Disconnected) => Status::Disconnected,
            Some(LinkState::Reconnecting) if !is_troubled => Status::Connecting,
            Some(_) | None if is_troubled => Status::Degraded,
            Some(_) | None => Status::Healthy,
        }
    }
}

#[cfg(test)]
mod tests {
    use lasso_layers::catalog::{Catalog, ChainSpec, Live, ProfileSpec, ProviderSpec};
    use lasso_layers::state::health::{Aspect, Report};

    use super::*;
    use crate::config::Settings;

    fn runtime() -> Runtime {
        let both = ProviderSpec {
            ws_url: Some("ws://both.example".to_owned()),
            ..ProviderSpec::http("both", "http://both.example")
        };
        let chain = ChainSpec::new("ethereum", 1).provider(both);
        let live = Live::new(vec![ProfileSpec::new("default").chain(chain)]).unwrap();
        Runtime::new(live, &Settings::default())
    }

    fn provider(catalog: &Catalog) -> &Provider {
        &catalog.profiles()[0].chains()[0].providers[0]
    }

    fn report(status: Status) -> Report {
        Report { status, failures: 0, latency: None, error: None }
    }

    #[tokio::test(start_paused = true)]
    async fn routing_alone_speaks_where_nobody_asked() {
        let (runtime, now) = (runtime(), Instant::now());
        let catalog = runtime.live.snapshot();
        let provider = provider(&catalog);
        let status = || runtime.provider_health(provider, now).status;
        assert_eq!(status(), Status::Healthy);
        runtime.paces.limit(provider.http.as_ref().unwrap(), None, now);
        assert_eq!(status(), Status::Degraded);
        runtime.breakers.open(provider.http.as_ref().unwrap(), now);
        assert_eq!(status(), Status::Degraded, "the other channel still serves");
        runtime.breakers.open(provider.ws.as_ref().unwrap(), now);
        let health = runtime.provider_health(provider, now);
        assert_eq!((health.status, health.availability), (Status::Unhealthy, Availability::Down));
        let later = now + Duration::from_secs(3600);
        assert_eq!(runtime.provider_health(provider, later).status, Status::Degraded, "on probation");
    }

    #[tokio::test(start_paused = true)]
    async fn a_channel_that_stopped_answering_degrades() {
        let (runtime, now) = (runtime(), Instant::now());
        let catalog = runtime.live.snapshot();
        let provider = provider(&catalog);
        let channel = provider.http.as_ref().unwrap();
        (0..100).for_each(|_| runtime.stalls.sent(channel.key, now));
        let later = now + Duration::from_secs(1);
        let health = runtime.provider_health(provider, later);
        assert_eq!((health.status, health.routing.channels[0].stalled), (Status::Degraded, true));
        runtime.stalls.heard(channel.key);
        assert_eq!(runtime.provider_health(provider, later).status, Status::Healthy);
    }

    #[tokio::test(start_paused = true)]
    async fn the_worst_row_counts() {
        let (runtime, now) = (runtime(), Instant::now());
        let catalog = runtime.live.snapshot();
        let provider = provider(&catalog);
        let instance = provider.http.as_ref().unwrap().instance;
        runtime.health.report(instance, Aspect::Probe, report(Status::Misconfigured), now);
        runtime.health.report(instance, Aspect::BlockSync, report(Status::Degraded), now);
        let health = runtime.provider_health(provider, now);
        assert_eq!((health.status, health.availability), (Status::Misconfigured, Availability::Down));
        assert_eq!(health.routing.status, Status::Healthy);
        runtime.health.report(instance, Aspect::Probe, report(Status::Healthy), now);
        assert_eq!(runtime.provider_health(provider, now).availability, Availability::Limited);
    }
}
