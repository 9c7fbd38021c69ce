//! What is counted of calls.
//!
//! Durations are in milliseconds.

use crate::metrics::book::{Metric, Timing};

/// From the arrival of a call to its outcome.
pub(super) const REQUEST_DURATION: Timing = Timing {
    metric: Metric::new(
        "lasso_rpc_request_duration",
        "Milliseconds from the arrival of a call to its outcome, by the provider that answered or failed last; provider_id is none where no provider was asked.",
    ),
    bounds: &[
        5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 2_000.0, 2_500.0, 5_000.0, 10_000.0, 30_000.0,
    ],
};
/// How long providers take.
const IO_BOUNDS: &[f64] = &[10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 2_000.0, 5_000.0];
pub(super) const HTTP_LATENCY: Timing = Timing {
    metric: Metric::new(
        "lasso_http_request_io_latency",
        "Milliseconds that a provider took over HTTP to answer, or until it was no longer waited for.",
    ),
    bounds: IO_BOUNDS,
};
pub(super) const WS_LATENCY: Timing = Timing {
    metric: Metric::new(
        "lasso_ws_request_io_latency",
        "Milliseconds that a provider took over WebSocket to answer, or until it was no longer waited for.",
    ),
    bounds: IO_BOUNDS,
};
pub(super) const WS_REQUEST_DURATION: Timing = Timing {
    metric: Metric::new(
        "lasso_websocket_request_duration",
        "Milliseconds of every request that was sent to a provider over WebSocket, whatever came of it.",
    ),
    bounds: IO_BOUNDS,
};

pub(super) const REQUEST_COUNT: Metric = Metric::new(
    "lasso_rpc_request_count",
    "Calls of clients, by the provider that answered or failed last; provider_id is none where no provider was asked.",
);
pub(super) const ROUTE_REQUESTS: Metric = Metric::new(
    "lasso_rpc_route_requests_total",
    "Calls of clients by route: strategy, and transport of the client.",
);
pub(super) const ERRORS: Metric =
    Metric::new("lasso_rpc_errors_total", "Errors that clients got, by category.");
pub(super) const CANCELLED: Metric =
    Metric::new("lasso_rpc_cancelled_total", "Calls whose clients left before there was an answer.");
pub(super) const FAST_FAIL: Metric = Metric::new(
    "lasso_failover_fast_fail_count",
    "Attempts that failed and were followed by another one, or left to be.",
);
pub(super) const CIRCUIT_OPEN: Metric = Metric::new(
    "lasso_failover_circuit_open_count",
    "Channels that were chosen and whose breakers had opened since.",
);
pub(super) const DEGRADED_SUCCESS: Metric = Metric::new(
    "lasso_failover_degraded_success_count",
    "Calls that were answered by a provider on probation, for want of another.",
);
pub(super) const DEGRADED_MODE: Metric = Metric::new(
    "lasso_failover_degraded_mode_count",
    "Calls that were sent to providers on probation alone, for want of others.",
);
pub(super) const EXHAUSTION: Metric =
    Metric::new("lasso_failover_exhaustion_count", "Calls for which there was no channel at all.");
pub(super) const ADMIT: Metric = Metric::new(
    "lasso_circuit_breaker_admit_count",
    "Answers of breakers to chosen channels: admitted, open or busy.",
);
pub(super) const BREAKER_FAILURE: Metric = Metric::new(
    "lasso_circuit_breaker_failure_count",
    "Failures that counted against a channel, of calls, probes, polls and connections.",
);
pub(super) const BREAKER_TIMEOUT: Metric =
    Metric::new("lasso_circuit_breaker_timeout_count", "Timeouts that counted against a channel.");
pub(super) const BREAKER_OPEN: Metric =
    Metric::new("lasso_circuit_breaker_open_count", "How often a breaker opened.");
pub(super) const BREAKER_HALF_OPEN: Metric =
    Metric::new("lasso_circuit_breaker_half_open_count", "How often a breaker began a probation.");
pub(super) const BREAKER_CLOSE: Metric =
    Metric::new("lasso_circuit_breaker_close_count", "How often a breaker closed.");
pub(super) const PROACTIVE_RECOVERY: Metric = Metric::new(
    "lasso_circuit_breaker_proactive_recovery_count",
    "How often a breaker began a probation because its time was over, without a call that asked for it.",
);
pub(super) const PROVIDER_STATUS: Metric = Metric::new(
    "lasso_provider_status_count",
    "How often a provider was found to have changed to a status; looked at once a second.",
);
pub(super) const DASHBOARD_CACHE: Metric = Metric::new(
    "lasso_web_dashboard_cache_count",
    "Pages of metrics, by what the cache had: hit, stale or miss.",
);

/// All that count.
pub(super) const COUNTERS: &[Metric] = &[
    REQUEST_COUNT,
    ROUTE_REQUESTS,
    ERRORS,
    CANCELLED,
    FAST_FAIL,
    CIRCUIT_OPEN,
    DEGRADED_SUCCESS,
    DEGRADED_MODE,
    EXHAUSTION,
    ADMIT,
    BREAKER_FAILURE,
    BREAKER_TIMEOUT,
    BREAKER_OPEN,
    BREAKER_HALF_OPEN,
    BREAKER_CLOSE,
    PROACTIVE_RECOVERY,
    PROVIDER_STATUS,
    DASHBOARD_CACHE,
];

/// All that measure.
pub(super) const TIMINGS: &[Timing] = &[REQUEST_DURATION, HTTP_LATENCY, WS_LATENCY, WS_REQUEST_DURATION];
