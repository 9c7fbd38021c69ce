//! From settings to the plain-data policies that layers and servers take.

use lasso_layers::attempt::benchmark::{FastestPolicy, LatencyWeightedPolicy};
use lasso_layers::attempt::breaker::BreakerPolicy;
use lasso_layers::attempt::pace::PacePolicy;
use lasso_layers::call::failover::FailoverPolicy;
use lasso_layers::call::guard::GuardPolicy;
use lasso_layers::call::observe::{ObservePolicy, SlowPolicy};
use lasso_layers::call::strategy::TierOrder;
use lasso_layers::edge::ingress::IngressPolicy;
use lasso_layers::edge::profile::ProfilePolicy;

use crate::config::{self, Settings};
use crate::tasks::ReloadPolicy;

pub(crate) fn profile(settings: &Settings) -> ProfilePolicy {
    ProfilePolicy {
        timeouts: settings.timeouts.table(),
        ws_timeout: settings.websocket.item_deadline,
        default_strategy: settings.routing.default_strategy,
    }
}

pub(crate) const fn guard(settings: &Settings) -> GuardPolicy {
    GuardPolicy { allow_stateful_filters: settings.methods.allow_stateful_filters }
}

pub(crate) fn observe(settings: &Settings) -> ObservePolicy {
    let log = &settings.log;
    ObservePolicy {
        sampling_rate: log.sampling_rate,
        max_error_message_chars: settings.observability.max_error_message_chars,
        slow: Some(SlowPolicy { info: log.slow_info, warn: log.slow_warn, error: log.very_slow }),
        ..ObservePolicy::default()
    }
}

pub(crate) const fn tier_order(settings: &Settings) -> TierOrder {
    match settings.routing.tier_order {
        config::TierOrder::LimitedFirst => TierOrder::LimitedFirst,
        config::TierOrder::HalfOpenFirst => TierOrder::HalfOpenFirst,
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

pub(crate) fn reload(settings: &Settings) -> ReloadPolicy {
    ReloadPolicy { watch: settings.reload.watch, debounce: settings.reload.debounce, ..ReloadPolicy::default() }
}
