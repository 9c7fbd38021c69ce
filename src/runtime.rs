//! Every store of the process.

use std::sync::Arc;

use lasso_layers::attempt::benchmark::Benchmarks;
use lasso_layers::attempt::breaker::Breakers;
use lasso_layers::attempt::classify::Classifications;
use lasso_layers::attempt::pace::Paces;
use lasso_layers::attempt::stall::Stalls;
use lasso_layers::call::failover::Failovers;
use lasso_layers::call::rate_limit::Limits;
use lasso_layers::call::session::OutboxBudget;
use lasso_layers::catalog::Live;
use lasso_layers::edge::ingress::ByteBudget;
use lasso_layers::state::Entropy;
use lasso_layers::state::health::HealthRows;
use lasso_layers::state::heights::Heights;

use crate::config::Settings;
use crate::history::BreakerLog;
use crate::observe::Observed;
use crate::policies;
use crate::strangers::Strangers;
use crate::streams::StreamCounters;
use crate::upstream::ws::Links;

/// The state that outlives requests: one handle on each store, and the catalogue in force. Layers and background
/// tasks hold clones of the same handles.
#[derive(Clone, Debug)]
pub struct Runtime {
    /// The catalogue in force.
    pub live: Live,
    /// Circuit breakers, one for each channel.
    pub breakers: Breakers,
    /// Channels whose provider asked for fewer requests.
    pub paces: Paces,
    /// Channels that stopped answering.
    pub stalls: Stalls,
    /// Measurements of every provider, by method and transport.
    pub benchmarks: Benchmarks,
    /// How often calls left a provider for another one.
    pub failovers: Failovers,
    /// Instances that are on another chain than they should.
    pub strangers: Strangers,
    /// How far every instance is.
    pub heights: Heights,
    /// What probes and polls found; see [`provider_health`](Self::provider_health) for the whole.
    pub health: HealthRows,
    /// Rate limits of clients.
    pub limits: Limits,
    /// Bytes of requests in flight.
    pub budget: ByteBudget,
    /// Connections to WebSocket upstreams. Without [`Links::run`], which a router with its own connections runs among
    /// its background tasks, none is ever up.
    pub links: Links,
    /// What subscriptions did.
    pub streams: StreamCounters,
    /// Bytes that wait for clients of WebSockets.
    pub outboxes: OutboxBudget,
    /// How errors of upstreams were classified.
    pub classifications: Classifications,
    /// What happened, and what happens.
    pub observed: Observed,
    /// The latest changes of breakers.
    pub breaker_log: BreakerLog,
    /// Where layers and tasks have their random numbers from.
    pub entropy: Entropy,
}

impl Runtime {
    /// Empty stores for a catalogue.
    #[must_use]
    pub fn new(live: Live, settings: &Settings) -> Self {
        Self::with_entropy(live, settings, Entropy::default())
    }

    /// As [`new`](Self::new), with random numbers from this source: a seeded one makes runs that can be repeated.
    #[must_use]
    pub fn with_entropy(live: Live, settings: &Settings, entropy: Entropy) -> Self {
        let server = &settings.server;
        let breakers = Breakers::with_entropy(policies::breaker(settings), entropy.clone());
        let paces = Paces::new(policies::pace(settings));
        let strangers = Strangers::default();
        let links = policies::links(settings);
        let observed = Observed::new(settings.observability.kept_decisions);
        let breaker_log = BreakerLog::default();
        observed.listen(Arc::new(breaker_log.clone()));
        breakers.observe({
            let observed = observed.clone();
            move |channel, transition| observed.breaker_changed(channel, transition)
        });
        Self {
            links: Links::new(
                links,
                live.clone(),
                breakers,
                paces,
                strangers,
                entropy.clone(),
                observed.clone(),
            ),
            streams: StreamCounters::default(),
            live,
            breakers,
            paces,
            stalls: Stalls::new(policies::stall(settings)),
            benchmarks: Benchmarks::new(),
            failovers: Failovers::new(),
            strangers,
            heights: Heights::new(),
            health: HealthRows::new(),
            limits: Limits::new(),
            budget: ByteBudget::with_min_charge(server.inflight_bytes, server.inflight_min_charge_bytes),
            outboxes: OutboxBudget::new(settings.websocket.outbox_total_bytes as usize),
            classifications: Classifications::new(),
            observed,
            breaker_log,
            entropy,
        }
    }
}
