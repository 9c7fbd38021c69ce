//! Forgets clients that have their whole rate limit back.

use std::time::Duration;

use lasso_layers::call::rate_limit::Limits;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// Sweeps the buckets of idle clients every `period`, for as long as it is polled.
pub async fn sweep_limits(limits: Limits, period: Duration) {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        limits.sweep(Instant::now());
    }
}
