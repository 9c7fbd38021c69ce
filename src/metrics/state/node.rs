//! The node as a whole: what it is, what it has under way, and what it lost of its own observations.

use lasso_layers::catalog::Catalog;

use super::Sources;
use crate::metrics::book::{Metric, labels};
use crate::metrics::sheet::Sheet;
use crate::telemetry;

const BUILD_INFO: Metric = Metric::new("lasso_build_info", "1, with the version of the program.");
const GENERATION: Metric = Metric::new(
    "lasso_config_generation",
    "How many sets of profiles were in force so far: one more at every reload.",
);
const WEBSOCKETS: Metric = Metric::new("lasso_client_websockets", "Clients connected over WebSocket.");
const REQUESTS: Metric = Metric::new(
    "lasso_inflight_requests",
    "HTTP requests and messages of WebSockets that are being read or answered.",
);
const BYTES: Metric = Metric::new("lasso_inflight_bytes", "What these count for, in bytes.");
const OUTBOX: Metric = Metric::new(
    "lasso_client_outbox_bytes",
    "Bytes that wait for clients of WebSockets, by whether they are live or fill a gap.",
);
const LOG_DROPS: Metric = Metric::new(
    "lasso_log_dropped_lines_total",
    "Log lines that were dropped because nobody took the ones before them.",
);
const FEED_QUEUED: Metric =
    Metric::new("lasso_feed_queued_events", "Events that wait for the viewers of the dashboard.");
const FEED_DROPS: Metric = Metric::new(
    "lasso_feed_dropped_events_total",
    "Events that the dashboard was not told of because too many waited.",
);

pub(super) fn write(sheet: &mut Sheet, sources: &Sources<'_>, catalog: &Catalog) {
    let runtime = sources.runtime;
    sheet.gauge(BUILD_INFO, labels([("version", env!("CARGO_PKG_VERSION"))]), true);
    sheet.gauge(GENERATION, Vec::new(), catalog.generation());
    sheet.gauge(WEBSOCKETS, Vec::new(), sources.clients.now());
    sheet.gauge(REQUESTS, Vec::new(), runtime.budget.messages());
    sheet.gauge(BYTES, Vec::new(), runtime.budget.used());
    let outboxes = &runtime.outboxes;
    for (kind, bytes) in [("live", outboxes.live_bytes()), ("gap", outboxes.filled_bytes())] {
        sheet.gauge(OUTBOX, labels([("kind", kind)]), bytes);
    }
    sheet.counter(LOG_DROPS, Vec::new(), telemetry::dropped_lines());
    let feed = runtime.observed.feed();
    sheet.gauge(FEED_QUEUED, Vec::new(), feed.queued());
    sheet.counter(FEED_DROPS, Vec::new(), feed.dropped());
}
