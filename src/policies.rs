//! From settings to the plain-data policies that layers and servers take.

use std::path::Path;
use std::time::Duration;

use lasso_layers::attempt::benchmark::{FastestPolicy, LatencyWeightedPolicy};
use lasso_layers::attempt::breaker::{BreakerPolicy, CategoryThresholds, ProbeRecovery};
use lasso_layers::attempt::pace::PacePolicy;
use lasso_layers::attempt::stall::StallPolicy;
use lasso_layers::call::failover::FailoverPolicy;
use lasso_layers::call::guard::GuardPolicy;
use lasso_layers::call::observe::{ObservePolicy, SlowPolicy};
use lasso_layers::call::session::SessionPolicy;
use lasso_layers::call::strategy::TierOrder;
use lasso_layers::edge::egress::EgressPolicy;
use lasso_layers::edge::ingress::IngressPolicy;
use lasso_layers::edge::profile::ProfilePolicy;
use lasso_layers::edge::socket::SocketPolicy;

use crate::config::{Settings, settings};
use crate::history::HistoryPolicy;
use crate::live::{BreakerLimits, LivePolicy};
use crate::server::{LivenessPolicy, ServerPolicy, WebSocketPolicy};
use crate::streams::{HubPolicy, PoolPolicy};
use crate::tasks::{HeadsPolicy, ProbePolicy, ReloadPolicy};
#[cfg(feature = "otlp")]
use crate::traces::TracePolicy;
use crate::upstream::UpstreamHttpPolicy;
use crate::upstream::ws::LinkPolicy;

pub(crate) fn profile(settings: &Settings) -> ProfilePolicy {
    ProfilePolicy {
        timeouts: settings.timeouts.table(),
        ws_timeout: settings.websocket.item_deadline,
        max_requested_timeout: settings.failover.max_requested_timeout,
        default_strategy: settings.routing.default_strategy,
    }
}

pub(crate) const fn guard(settings: &Settings) -> GuardPolicy {
    GuardPolicy { allow_stateful_filters: settings.methods.allow_stateful_filters }
}

pub(crate) fn observe(settings: &Settings) -> ObservePolicy {
    let log = &settings.log;
    let slow = SlowPolicy { info: log.slow_info, warn: log.slow_warn, error: log.very_slow };
    ObservePolicy {
        enabled: log.enabled,
        sampling_rate: log.sampling_rate,
        max_error_message_chars: settings.observability.max_error_message_chars,
        client_address: log.client_ip,
        slow: log.log_slow_requests.then_some(slow),
        ..ObservePolicy::default()
    }
}

/// The share of traces that are recorded, where there is anybody to tell of them.
pub(crate) fn trace_sampling(settings: &Settings) -> Option<f64> {
    let traces = &settings.traces;
    // A client's trace is handed on to providers even where nothing is recorded here.
    match (&traces.endpoint, traces.propagate) {
        (Some(_), _) => Some(traces.sampling_rate),
        (None, true) => Some(0.0),
        (None, false) => None,
    }
}

/// Where spans are sent.
#[cfg(feature = "otlp")]
pub(crate) fn traces(settings: &Settings) -> Option<TracePolicy> {
    let traces = &settings.traces;
    Some(TracePolicy {
        endpoint: traces.endpoint.clone()?,
        service_name: traces.service_name.clone(),
        interval: traces.interval,
        timeout: traces.timeout,
        max_queued: traces.max_queued,
        sampling_rate: traces.sampling_rate,
    })
}

pub(crate) const fn tier_order(all: &Settings) -> TierOrder {
    match all.routing.tier_order {
        settings::TierOrder::LimitedFirst => TierOrder::LimitedFirst,
        settings::TierOrder::HalfOpenFirst => TierOrder::HalfOpenFirst,
    }
}

pub(crate) const fn failover(settings: &Settings) -> FailoverPolicy {
    let failover = &settings.failover;
    FailoverPolicy {
        max_attempts: failover.max_attempts,
        first_attempt_share: failover.first_attempt_share,
        min_attempt: failover.min_attempt,
    }
}

pub(crate) fn breaker(settings: &Settings) -> BreakerPolicy {
    let breaker = &settings.circuit_breaker;
    let thresholds = breaker.category_thresholds.iter();
    BreakerPolicy {
        failure_threshold: breaker.failure_threshold,
        category_thresholds: thresholds
            .fold(CategoryThresholds::NONE, |all, (category, threshold)| all.with(category, threshold)),
        success_threshold: breaker.success_threshold,
        recovery_timeout: breaker.recovery_timeout,
        max_recovery_timeout: breaker.max_recovery_timeout,
        half_open_max_inflight: breaker.half_open_max_inflight,
        probe_recovery: match breaker.probe_recovery {
            settings::ProbeRecovery::Immediate => ProbeRecovery::Immediate,
            settings::ProbeRecovery::AfterDeadline => ProbeRecovery::AfterDeadline,
        },
    }
}

pub(crate) const fn pace(settings: &Settings) -> PacePolicy {
    PacePolicy { default: settings.upstream_rate_limit.default, max: settings.upstream_rate_limit.max }
}

pub(crate) const fn stall(settings: &Settings) -> StallPolicy {
    let stall = &settings.stall;
    StallPolicy { waiting: stall.waiting, after: stall.after, expires: stall.expires }
}

pub(crate) const fn fastest(settings: &Settings) -> FastestPolicy {
    let fastest = &settings.routing.fastest;
    FastestPolicy {
        min_calls: fastest.min_calls,
        min_success_rate: fastest.min_success_rate,
        explore: fastest.explore,
        recheck: fastest.recheck,
        staleness: settings.routing.metric_staleness,
    }
}

pub(crate) const fn latency_weighted(settings: &Settings) -> LatencyWeightedPolicy {
    let weighted = &settings.routing.latency_weighted;
    LatencyWeightedPolicy {
        beta: weighted.beta,
        floor: weighted.floor,
        explore_floor: weighted.explore_floor,
        min_calls: weighted.min_calls,
        min_success_rate: weighted.min_success_rate,
        staleness: settings.routing.metric_staleness,
    }
}

pub(crate) fn upstream_http(settings: &Settings) -> UpstreamHttpPolicy {
    let http = &settings.upstream_http;
    UpstreamHttpPolicy {
        connect_timeout: http.connect_timeout,
        idle_timeout: http.idle_timeout,
        max_idle_per_host: http.max_idle_per_host,
        egress: EgressPolicy {
            max_buffered: http.max_buffered_bytes as usize,
            propagate_traces: settings.traces.propagate,
            ..EgressPolicy::default()
        },
        ..UpstreamHttpPolicy::default()
    }
}

pub(crate) fn links(settings: &Settings) -> LinkPolicy {
    let ws = &settings.upstream_websocket;
    LinkPolicy {
        connect_jitter: ws.connect_jitter,
        handshake_timeout: ws.handshake_timeout,
        reconnect_interval: ws.reconnect_interval,
        max_attempts: ws.max_attempts,
        stable_after: ws.stable_after,
        ping_interval: ws.ping_interval,
        pong_timeout: ws.pong_timeout,
        max_pending: ws.max_pending,
        max_message_bytes: usize::try_from(ws.max_message_bytes).unwrap_or(usize::MAX),
        feed_events: settings.subscriptions.feed_events,
        ..LinkPolicy::default()
    }
}

pub(crate) fn hub(settings: &Settings) -> HubPolicy {
    let subscriptions = &settings.subscriptions;
    HubPolicy {
        pool: PoolPolicy {
            linger: subscriptions.linger,
            sweep: subscriptions.linger_sweep,
            confirm: subscriptions.establish_attempt,
            capacity: subscriptions.feed_events,
        },
        attempts: subscriptions.failover_attempts,
        recovery_deadline: subscriptions.recovery_deadline,
        retry_after_degraded: subscriptions.retry_after_degraded,
        release_after_failover: subscriptions.release_after_failover,
        settle: subscriptions.logs_settle,
        verify_all_logs: subscriptions.verify_logs == settings::VerifyLogs::Always,
        track_heights: settings.block_sync.enabled,
    }
}

pub(crate) fn server(settings: &Settings) -> ServerPolicy {
    ServerPolicy { drain: settings.server.drain, ..ServerPolicy::default() }
}

pub(crate) fn ingress(settings: &Settings) -> IngressPolicy {
    IngressPolicy {
        max_body_bytes: settings.server.max_body_bytes,
        batch_max_items: settings.batch.max_items,
        batch_concurrency: settings.batch.concurrency,
        max_meta_header_bytes: settings.observability.max_meta_header_bytes,
        trusted_proxies: settings.server.trusted_proxies.clone(),
        ..IngressPolicy::default()
    }
}

pub(crate) fn websocket(settings: &Settings) -> WebSocketPolicy {
    let websocket = &settings.websocket;
    WebSocketPolicy {
        liveness: LivenessPolicy {
            interval: websocket.heartbeat_interval,
            timeout: websocket.heartbeat_timeout,
            max_missed: websocket.max_missed,
            idle: websocket.idle_timeout,
        },
        max_message_bytes: websocket.max_frame_bytes as usize,
        messages: SocketPolicy {
            inflight_bytes: websocket.inflight_bytes,
            batch_max_items: settings.batch.max_items,
            batch_concurrency: settings.batch.concurrency,
        },
        session: SessionPolicy {
            max_inflight: websocket.max_inflight,
            max_subscriptions: websocket.max_subscriptions,
            outbox_messages: websocket.outbox_messages,
            outbox_bytes: websocket.outbox_bytes as usize,
        },
        trusted_proxies: settings.server.trusted_proxies.clone(),
        ..WebSocketPolicy::default()
    }
}

/// Nothing where probing is off.
pub(crate) fn probe(settings: &Settings) -> Option<ProbePolicy> {
    let probe = &settings.probe;
    probe.enabled.then_some(ProbePolicy { tick: probe.tick, timeout: probe.timeout })
}

/// Nothing where heights are not asked for.
pub(crate) fn heads(settings: &Settings) -> Option<HeadsPolicy> {
    let block_sync = &settings.block_sync;
    block_sync.enabled.then_some(HeadsPolicy { timeout: block_sync.poll_timeout })
}

pub(crate) fn reload(settings: &Settings) -> ReloadPolicy {
    ReloadPolicy {
        watch: settings.reload.watch,
        debounce: settings.reload.debounce,
        ..ReloadPolicy::default()
    }
}

/// Nothing where no history is kept.
/// The history of a demo: in this folder, and with entries soon enough for somebody who looks on.
pub(crate) fn demo_history(settings: &Settings, folder: &Path) -> Option<HistoryPolicy> {
    const SOON: Duration = Duration::from_secs(5);
    let policy = history(settings)?;
    Some(HistoryPolicy { folder: folder.to_owned(), interval: policy.interval.min(SOON), ..policy })
}

pub(crate) fn history(settings: &Settings) -> Option<HistoryPolicy> {
    let history = &settings.history;
    history.enabled.then(|| HistoryPolicy {
        folder: (&history.dir).into(),
        interval: history.interval,
        retention: history.retention,
        max_bytes: history.max_bytes,
    })
}

pub(crate) fn live(settings: &Settings) -> LivePolicy {
    let (dashboard, breaker) = (&settings.dashboard, &settings.circuit_breaker);
    LivePolicy {
        batch_interval: dashboard.batch_interval,
        max_batch: dashboard.max_batch,
        heartbeat: dashboard.heartbeat,
        idle_stop: dashboard.idle_stop,
        max_successes_per_second: dashboard.max_successes_per_second,
        stats_window: dashboard.stats_window,
        max_viewers: dashboard.max_viewers,
        system: dashboard.system,
        lag_threshold: dashboard.lag_threshold,
        default_strategy: settings.routing.default_strategy,
        breaker: BreakerLimits { failures: breaker.failure_threshold, successes: breaker.success_threshold },
        node: settings.cluster.node_id.as_deref().unwrap_or("local").into(),
    }
}
