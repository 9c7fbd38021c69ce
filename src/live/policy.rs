//! How pages are kept up to date.

use std::time::Duration;

use lasso_layers::catalog::Strategy;
use smol_str::SmolStr;

/// How pages are kept up to date. Plain data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LivePolicy {
    /// How often the aggregators work, and the least distance of two batches.
    pub(crate) batch_interval: Duration,
    /// Events of one batch.
    pub(crate) max_batch: usize,
    /// The distance of two signs of life.
    pub(crate) heartbeat: Duration,
    /// How long an aggregator goes on without viewers.
    pub(crate) idle_stop: Duration,
    /// Successes of one chain and origin that are told in detail each second.
    pub(crate) max_successes_per_second: u32,
    /// What the statistics of clients are about.
    pub(crate) stats_window: Duration,
    /// Viewers at once.
    pub(crate) max_viewers: usize,
    /// Whether the figures of the process are shown.
    pub(crate) system: bool,
    /// Blocks behind the others at which a provider counts as lagging; 0 is never.
    pub(crate) lag_threshold: u64,
    /// The strategy where neither URL nor profile names one.
    pub(crate) default_strategy: Strategy,
    /// What the breakers' counts are compared with.
    pub(crate) breaker: BreakerLimits,
    /// The name of this node.
    pub(crate) node: SmolStr,
}

/// What the counts of breakers are compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BreakerLimits {
    /// Failures that open one, for categories without a threshold of their own.
    pub(crate) failures: u32,
    /// Successes that close one.
    pub(crate) successes: u32,
}
