//! Drops what nobody needs any more.

use std::time::Duration;

use lasso_layers::attempt::benchmark::Benchmarks;
use lasso_layers::call::rate_limit::Limits;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// Sweeps the buckets of clients that have their whole rate limit back every `period`, for as long as it is polled.
pub async fn sweep_limits(limits: Limits, period: Duration) {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        limits.sweep(Instant::now());
    }
}

/// Drops measurements that are older than `retention` every `period`, for as long as it is polled.
pub async fn expire_benchmarks(benchmarks: Benchmarks, retention: Duration, period: Duration) {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let now = ticks.tick().await;
        let series = benchmarks.expire(now, retention);
        if series > 0 {
            tracing::debug!(
                event = "lasso.benchmarks.expired",
                series,
                "dropped measurements of unused methods"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use lasso_layers::attempt::benchmark::Series;
    use lasso_layers::catalog::{ChainSpec, Live, MethodId, ProfileSpec, ProviderSpec, Transport};
    use tokio::time::timeout;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    #[tokio::test(start_paused = true)]
    async fn measurements_go_at_the_first_pass_after_their_time() {
        let chain = ChainSpec::new("ethereum", 1).provider(ProviderSpec::http("a", "http://a.example"));
        let live = Live::new(vec![ProfileSpec::new("default").chain(chain)]).unwrap();
        let provider = live.load().profile("default").unwrap().1.chains()[0].providers[0].key;
        let series = Series { provider, transport: Transport::Http, method: MethodId::of("eth_call") };
        let benchmarks = Benchmarks::new();
        benchmarks.failure(series, Instant::now());
        let mut task = Box::pin(expire_benchmarks(benchmarks, HOUR * 3 / 2, HOUR));
        assert!(timeout(HOUR * 7 / 4, &mut task).await.is_err());
        assert!(benchmarks.read(series).is_some(), "the pass after an hour leaves it");
        assert!(timeout(HOUR / 2, &mut task).await.is_err());
        assert_eq!(benchmarks.read(series), None);
    }
}
