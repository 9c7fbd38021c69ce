//! How streams are kept.

use std::time::Duration;

use lasso_layers::call::Plan;

use super::coordinator::StreamPolicy;
use super::pool::PoolPolicy;

/// How streams are kept, as far as the settings say. The rest is said by the profile, chain by chain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HubPolicy {
    /// How upstream subscriptions are kept.
    pub(crate) pool: PoolPolicy,
    /// How many providers a stream may ask within a while; 0 goes by how many there are.
    pub(crate) attempts: u32,
    /// How long a stream may take to move to another provider, gap filling included.
    pub(crate) recovery_deadline: Duration,
    /// When a stream that could not be moved is tried again.
    pub(crate) retry_after_degraded: Duration,
    /// How long the old upstream subscription is kept after a stream moved.
    pub(crate) release_after_failover: Duration,
    /// How long the logs of a block are waited for after the last sign of it.
    pub(crate) settle: Duration,
    /// Whether all logs are asked for, whatever came by itself.
    pub(crate) verify_all_logs: bool,
    /// Whether the heads of upstreams are followed for their heights.
    pub(crate) track_heights: bool,
}

/// The most blocks that a window reaches by its time alone.
const MAX_WINDOW: u64 = 2_048;
/// Items that are remembered for reorganisations, at least.
const HISTORY: usize = 4_096;
/// Events that wait for their place, at least.
const LIVE_BUFFER: u64 = 100;
/// Attempts to find a provider, at most, and where a chain has none.
const MAX_ATTEMPTS: u32 = 11;
const NO_PROVIDERS: u32 = 3;

impl HubPolicy {
    /// The policy of a stream on a chain that takes this long for a block, with so many providers.
    pub(super) fn stream(&self, plan: &Plan, block_time: Duration, providers: usize) -> StreamPolicy {
        let settings = &plan.chain().settings;
        let max_backfill = settings.max_backfill_blocks;
        let window = max_backfill.max(blocks(settings.backfill_timeout, block_time).min(MAX_WINDOW));
        let size = |blocks: u64| usize::try_from(blocks).unwrap_or(usize::MAX);
        StreamPolicy {
            continuity: settings.continuity,
            window,
            max_backfill,
            recovery_deadline: self.recovery_deadline,
            establish_attempt: self.pool.confirm,
            heads_timeout: settings.new_heads_timeout,
            retry_after_degraded: self.retry_after_degraded,
            settle: self.settle,
            verify_all_logs: self.verify_all_logs,
            history: HISTORY.max(size(window)),
            live_buffer: size(LIVE_BUFFER.max(max_backfill.saturating_add(1))),
            attempts: if self.attempts == 0 { attempts(providers) } else { self.attempts },
            ..StreamPolicy::default()
        }
    }
}

/// How many blocks a chain makes in a time, rounded up.
fn blocks(time: Duration, block_time: Duration) -> u64 {
    let block_time = block_time.as_millis().max(1);
    u64::try_from(time.as_millis().div_ceil(block_time)).unwrap_or(u64::MAX)
}

fn attempts(providers: usize) -> u32 {
    match u32::try_from(providers).unwrap_or(u32::MAX) {
        0 => NO_PROVIDERS,
        providers => providers.saturating_mul(2).saturating_add(1).min(MAX_ATTEMPTS),
    }
}

#[cfg(test)]
mod tests {
    use lasso_layers::catalog::{ChainSpec, Continuity, Live, ProfileSpec};

    use super::*;

    fn policy() -> HubPolicy {
        let second = Duration::from_secs(1);
        HubPolicy {
            pool: PoolPolicy { linger: second, sweep: second, confirm: second, capacity: 1 },
            attempts: 0,
            recovery_deadline: second,
            retry_after_degraded: second,
            release_after_failover: second,
            settle: second,
            verify_all_logs: false,
            track_heights: true,
        }
    }

    fn stream(tweak: impl FnOnce(&mut ChainSpec), block_time: u64, providers: usize) -> StreamPolicy {
        let mut chain = ChainSpec::new("ethereum", 1);
        tweak(&mut chain);
        let live = Live::new(vec![ProfileSpec::new("default").chain(chain)]).unwrap();
        let plan = Plan::new(live.snapshot(), "default", "1").unwrap();
        policy().stream(&plan, Duration::from_millis(block_time), providers)
    }

    #[test]
    fn the_window_is_as_wide_as_the_backfill_or_its_time() {
        let wide = |backfill, block_time| {
            stream(|chain| chain.settings.max_backfill_blocks = backfill, block_time, 1).window
        };
        // Thirty seconds of backfill.
        assert_eq!(wide(100, 12_000), 100);
        assert_eq!(wide(2, 12_000), 3);
        assert_eq!(wide(100, 250), 120);
        assert_eq!(wide(100, 7), 2_048);
        assert_eq!(wide(5_000, 7), 5_000);
    }

    #[test]
    fn buffers_hold_what_is_filled_in() {
        let policy = |backfill| stream(|chain| chain.settings.max_backfill_blocks = backfill, 12_000, 1);
        assert_eq!((policy(32).live_buffer, policy(32).history), (100, 4_096));
        assert_eq!((policy(9_000).live_buffer, policy(9_000).history), (9_001, 9_000));
    }

    #[test]
    fn attempts_follow_the_number_of_providers() {
        assert_eq!([0, 1, 2, 5, 6, 70_000].map(attempts), [3, 3, 5, 11, 11, 11]);
        assert_eq!(stream(|_| {}, 12_000, 2).attempts, 5);
    }

    #[test]
    fn the_chain_says_what_happens_to_gaps() {
        let policy = stream(|chain| chain.settings.continuity = Continuity::BestEffort, 12_000, 1);
        assert_eq!(policy.continuity, Continuity::BestEffort);
    }
}
