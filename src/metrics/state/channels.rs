//! Breakers, connections and classified errors.

use lasso_layers::attempt::breaker::BreakerState;
use lasso_layers::catalog::{Catalog, Channel, Transport};
use metrics::Label;
use tokio::time::Instant;

use crate::metrics::book::{Metric, labels};
use crate::metrics::calls::chain_name;
use crate::metrics::sheet::Sheet;
use crate::runtime::Runtime;
use crate::upstream::ws::{LinkCounters, LinkState};

const BREAKER: Metric = Metric::new(
    "lasso_circuit_breaker_state",
    "The state of a circuit breaker: 0 closed, 1 half-open, 2 open.",
);
const OPENINGS: Metric = Metric::new(
    "lasso_circuit_breaker_openings",
    "How often a circuit breaker opened since it was last closed.",
);
const LINK_UP: Metric =
    Metric::new("lasso_websocket_link_up", "Whether the connection to a WebSocket upstream is up.");
const LINK_ATTEMPTS: Metric = Metric::new(
    "lasso_websocket_link_reconnect_attempts",
    "Attempts to connect since a connection to the upstream was last stable.",
);
const LINK_PENDING: Metric =
    Metric::new("lasso_websocket_link_pending", "Requests that wait for a reply on a connection.");
const LINK_SUBSCRIPTIONS: Metric =
    Metric::new("lasso_websocket_link_subscriptions", "Subscriptions in force on a connection.");
const PENDING: Metric = Metric::new(
    "lasso_websocket_pending_count",
    "Requests that wait for a reply on all connections to WebSocket upstreams.",
);
const CONNECTED: Metric =
    Metric::new("lasso_websocket_connected_count", "Connections to a WebSocket upstream that came up.");
const DISCONNECTED: Metric = Metric::new(
    "lasso_websocket_disconnected_count",
    "Connections to a WebSocket upstream that ended; unexpected are those that count against it.",
);
const PENDING_CLEANUP: Metric = Metric::new(
    "lasso_websocket_pending_cleanup_count",
    "Requests that failed because the connection they waited on ended.",
);
const ORPHANED: Metric = Metric::new(
    "lasso_upstream_subscriptions_orphaned_event_count",
    "Events of upstream subscriptions that nobody has.",
);
const CLASSIFIED: Metric = Metric::new(
    "lasso_error_classification_classified_count",
    "Errors of a provider by category and by what gave it.",
);

/// What a connection counts, by name.
const LINK_COUNTERS: [(Metric, fn(&LinkCounters) -> u64); 11] = [
    (
        Metric::new(
            "lasso_websocket_link_connect_failures_total",
            "Attempts to connect to a WebSocket upstream that came to nothing.",
        ),
        |counters| counters.connect_failures,
    ),
    (
        Metric::new(
            "lasso_websocket_link_received_bytes_total",
            "Bytes that arrived from a WebSocket upstream, after TLS.",
        ),
        |counters| counters.received_bytes,
    ),
    (Metric::new("lasso_websocket_link_pings_total", "Pings that were sent."), |counters| counters.pings),
    (Metric::new("lasso_websocket_link_pongs_total", "Pongs that arrived."), |counters| counters.pongs),
    (Metric::new("lasso_websocket_link_replies_total", "Replies that somebody waited for."), |counters| {
        counters.replies
    }),
    (Metric::new("lasso_websocket_link_events_total", "Events of subscriptions."), |counters| {
        counters.events
    }),
    (Metric::new("lasso_websocket_link_unmatched_total", "Replies that nobody waited for."), |counters| {
        counters.unmatched
    }),
    (
        Metric::new("lasso_websocket_link_malformed_total", "Messages that are not one JSON object."),
        |counters| counters.malformed,
    ),
    (
        Metric::new(
            "lasso_websocket_link_overflows_total",
            "Subscriptions that ended because nobody took their events in time.",
        ),
        |counters| counters.overflows,
    ),
    (
        Metric::new(
            "lasso_websocket_link_abandoned_total",
            "Requests that were given up before the reply was there.",
        ),
        |counters| counters.abandoned,
    ),
    (
        Metric::new(
            "lasso_websocket_link_refused_total",
            "Requests that were refused because too many waited.",
        ),
        |counters| counters.refused,
    ),
];

pub(super) fn write(sheet: &mut Sheet, runtime: &Runtime, catalog: &Catalog, now: Instant) {
    let mut pending = 0;
    for channel in catalog.channels() {
        let chain = chain_name(catalog, channel.chain_id);
        let status = runtime.breakers.status(channel.key, now);
        let state: u32 = match status.state {
            BreakerState::Closed => 0,
            BreakerState::HalfOpen => 1,
            BreakerState::Open => 2,
        };
        let transport = [("transport", channel.transport.as_str())];
        sheet.gauge(BREAKER, names(&chain, channel, transport), state);
        sheet.gauge(OPENINGS, names(&chain, channel, transport), status.openings);
        if channel.transport == Transport::Ws {
            pending += write_link(sheet, runtime, channel, &chain);
        }
    }
    sheet.gauge(PENDING, Vec::new(), pending);
    write_classified(sheet, runtime, catalog);
}

/// Says how many requests wait.
fn write_link(sheet: &mut Sheet, runtime: &Runtime, channel: &Channel, chain: &str) -> usize {
    let (link, counters) = (runtime.links.status(channel.key), runtime.links.counters(channel.key));
    let plain = || names(chain, channel, []);
    sheet.gauge(LINK_UP, plain(), link.state == LinkState::Connected);
    sheet.gauge(LINK_ATTEMPTS, plain(), link.reconnect_attempts);
    sheet.gauge(LINK_PENDING, plain(), link.pending);
    sheet.gauge(LINK_SUBSCRIPTIONS, plain(), link.subscriptions);
    sheet.counter(CONNECTED, plain(), counters.connected);
    let expected = counters.disconnected.saturating_sub(counters.unexpected_ends);
    for (unexpected, count) in [("true", counters.unexpected_ends), ("false", expected)] {
        sheet.counter(DISCONNECTED, names(chain, channel, [("unexpected", unexpected)]), count);
    }
    sheet.counter(PENDING_CLEANUP, plain(), counters.pending_cleanups);
    sheet.counter(ORPHANED, plain(), counters.unknown_subscriptions);
    for (metric, read) in LINK_COUNTERS {
        sheet.counter(metric, plain(), read(&counters));
    }
    link.pending
}

fn write_classified(sheet: &mut Sheet, runtime: &Runtime, catalog: &Catalog) {
    for profile in catalog.profiles() {
        for chain in profile.chains() {
            for provider in &chain.providers {
                for (category, path, count) in runtime.classifications.of(provider.key) {
                    let names = labels([
                        ("profile", &*profile.slug),
                        ("chain", &*chain.key),
                        ("provider_id", &*provider.id),
                        ("category", category.as_str()),
                        ("classification_path", path.as_str()),
                    ]);
                    sheet.counter(CLASSIFIED, names, count);
                }
            }
        }
    }
}

/// A channel as all profiles together know it.
fn names<const N: usize>(chain: &str, channel: &Channel, more: [(&'static str, &str); N]) -> Vec<Label> {
    let mut all = labels([
        ("chain", chain),
        ("provider_id", &*channel.known_as),
        ("instance_id", &*channel.instance_id),
    ]);
    all.extend(labels(more));
    all
}
