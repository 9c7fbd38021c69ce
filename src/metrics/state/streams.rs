//! Subscriptions of clients, and the upstream streams behind them.

use lasso_layers::call::session::SessionCounts;
use lasso_layers::catalog::Catalog;

use crate::metrics::book::{Metric, labels};
use crate::metrics::calls::chain_name;
use crate::metrics::sheet::Sheet;
use crate::runtime::Runtime;
use crate::streams::StreamFigures;

const STREAMS: Metric =
    Metric::new("lasso_stream_streams", "Streams: what clients subscribe to alike is one.");
const SUBSCRIPTIONS: Metric = Metric::new("lasso_client_subscriptions", "Subscriptions of clients.");
const UPSTREAM: Metric = Metric::new("lasso_upstream_subscriptions", "Subscriptions at providers.");
const DROPPED: Metric = Metric::new(
    "lasso_stream_dropped_event_count",
    "Events of providers that were not passed on, by reason.",
);

/// What streams count, by name.
const COUNTERS: [(Metric, fn(&StreamFigures) -> u64); 7] = [
    (Metric::new("lasso_stream_failovers_total", "How often a stream left a provider."), |figures| {
        figures.failovers
    }),
    (
        Metric::new("lasso_stream_recovered_total", "How often a stream went on after that without a gap."),
        |figures| figures.recovered,
    ),
    (Metric::new("lasso_stream_filled_blocks_total", "Blocks that were filled in."), |figures| {
        figures.filled_blocks
    }),
    (
        Metric::new(
            "lasso_stream_left_out_blocks_total",
            "Blocks that were left out because the chain's policy is best effort.",
        ),
        |figures| figures.left_out_blocks,
    ),
    (
        Metric::new(
            "lasso_stream_ended_total",
            "Streams that were ended, with their subscriptions, because they could not be continued.",
        ),
        |figures| figures.exhausted,
    ),
    (Metric::new("lasso_stream_reorgs_total", "Reorganisations that streams followed."), |figures| {
        figures.reorgs
    }),
    (Metric::new("lasso_stream_late_logs_total", "Logs that came after those of their block."), |figures| {
        figures.late_logs
    }),
];

/// What becomes of clients that do not read, by name.
const SESSIONS: [(Metric, fn(&SessionCounts) -> u64); 4] = [
    (
        Metric::new(
            "lasso_client_slow_consumers_total",
            "Clients that were closed because they did not read what they subscribed to.",
        ),
        |counts| counts.slow_consumer,
    ),
    (
        Metric::new(
            "lasso_client_continuity_exhausted_total",
            "Clients that were closed because a stream could not be continued.",
        ),
        |counts| counts.continuity_exhausted,
    ),
    (
        Metric::new("lasso_client_over_budget_total", "Times that all outboxes together were full."),
        |counts| counts.over_budget,
    ),
    (
        Metric::new(
            "lasso_client_dropped_deliveries_total",
            "Events that waited for clients that left or unsubscribed.",
        ),
        |counts| counts.dropped_at_end + counts.dropped_unsubscribed,
    ),
];

pub(super) fn write(sheet: &mut Sheet, runtime: &Runtime, catalog: &Catalog) {
    let figures = runtime.streams.figures();
    sheet.gauge(STREAMS, Vec::new(), figures.streams);
    sheet.gauge(SUBSCRIPTIONS, Vec::new(), figures.subscribers);
    sheet.gauge(UPSTREAM, Vec::new(), figures.upstream_subscriptions);
    for (metric, read) in COUNTERS {
        sheet.counter(metric, Vec::new(), read(&figures));
    }
    for ((chain_id, reason), count) in &figures.dropped {
        let chain = chain_name(catalog, *chain_id);
        sheet.counter(DROPPED, labels([("chain", &*chain), ("reason", reason)]), *count);
    }
    let counts = runtime.outboxes.counts();
    for (metric, read) in SESSIONS {
        sheet.counter(metric, Vec::new(), read(&counts));
    }
}
