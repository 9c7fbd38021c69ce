//! How far chains and their nodes are.

mod block_time;
mod view;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use foldhash::HashMap;
use tokio::time::Instant;

use self::view::{View, credit};
use super::Shared;
use crate::catalog::InstanceKey;

/// How long an observed height says something about where the chain is.
const FRESH: Duration = Duration::from_secs(30);
/// The block time of a chain that nobody measured or configured.
const DEFAULT_BLOCK_TIME: Duration = Duration::from_secs(12);

/// The last seen height of every node. A handle: clones share it.
///
/// Readers take no lock: everything about all chains hangs off one pointer, which is replaced as a whole by
/// each observation. There are a few observations a second and many readers.
#[derive(Clone, Copy)]
pub struct Heights {
    chains: Shared<ArcSwap<HashMap<u64, Arc<View>>>>,
}

/// A height that a node reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The number of the newest block.
    pub height: u64,
    /// When it was reported.
    pub at: Instant,
    /// How it was learned.
    pub source: Source,
    /// How long the answer took, where it was one.
    pub latency: Option<Duration>,
}

impl Observation {
    /// A height that nobody waited for.
    #[must_use]
    pub const fn new(height: u64, at: Instant, source: Source) -> Self {
        Self { height, at, source, latency: None }
    }

    /// Says how long the answer took.
    #[must_use]
    pub const fn with_latency(mut self, latency: Duration) -> Self {
        self.latency = Some(latency);
        self
    }

    fn is_fresh(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.at) <= FRESH
    }
}

/// How a height was learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// By asking.
    Http,
    /// From a subscription.
    Ws,
}

/// Where a node stands on its chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its last reported height.
    pub observation: Observation,
    /// That height and the blocks that the chain should have made since: an observation gets old between
    /// two polls without the node falling behind. At most thirty seconds' worth of blocks.
    pub optimistic_height: u64,
    /// The consensus height of the chain.
    pub consensus: Option<u64>,
    /// It tells of its blocks as they come: it has no others than those that it told of.
    pub streams: bool,
}

impl Standing {
    /// Blocks ahead of the consensus, negative when behind, by the optimistic height.
    #[must_use]
    pub fn optimistic_lag(&self) -> Option<i64> {
        Some(difference(self.optimistic_height, self.consensus?))
    }

    /// Blocks ahead of the consensus, negative when behind, by the reported height.
    #[must_use]
    pub fn raw_lag(&self) -> Option<i64> {
        Some(difference(self.observation.height, self.consensus?))
    }
}

/// `left - right`, as far as it fits.
fn difference(left: u64, right: u64) -> i64 {
    let difference = i128::from(left) - i128::from(right);
    i64::try_from(difference).unwrap_or(if difference < 0 { i64::MIN } else { i64::MAX })
}

impl Heights {
    /// Nothing seen yet.
    #[must_use]
    pub fn new() -> Self {
        Self { chains: Shared::default() }
    }

    /// Notes a height that a node of a chain reported. For background tasks: it copies what is known of the
    /// chain.
    pub fn record(&self, chain_id: u64, instance: InstanceKey, observation: Observation) {
        self.change(chain_id, |view| view.with(instance, observation));
    }

    /// Forgets a node that is no longer used, so that it has no say in the consensus.
    pub fn forget(&self, chain_id: u64, instance: InstanceKey) {
        self.change(chain_id, |view| view.without(instance));
    }

    /// Takes a node's say in the consensus away until it reports again: nobody can reach it. A node that died while it
    /// was ahead would otherwise make all others look behind for half a minute. Does nothing to a node whose last height
    /// was streamed: it is reached in another way.
    pub fn lose(&self, chain_id: u64, instance: InstanceKey) {
        // Most of the time there is nothing to take away, and then nothing is copied.
        if self.chains.load().get(&chain_id).is_some_and(|view| view.can_be_lost(instance)) {
            self.change(chain_id, |view| view.without_say(instance));
        }
    }

    /// The height that the nodes of a chain agree on, from what they reported in the last thirty seconds.
    #[must_use]
    pub fn consensus(&self, chain_id: u64, now: Instant) -> Option<u64> {
        self.chains.load().get(&chain_id)?.consensus(now)
    }

    /// The last height that a node reported, however old.
    #[must_use]
    pub fn latest(&self, chain_id: u64, instance: InstanceKey) -> Option<Observation> {
        self.chains.load().get(&chain_id)?.of(instance)
    }

    /// When a node last told its height by itself, over a subscription. What it answers when asked does not change
    /// this.
    #[must_use]
    pub fn last_streamed(&self, chain_id: u64, instance: InstanceKey) -> Option<Instant> {
        self.chains.load().get(&chain_id)?.last_streamed(instance)
    }

    /// The last height that each node of a chain reported, however old.
    #[must_use]
    pub fn all(&self, chain_id: u64) -> Vec<(InstanceKey, Observation)> {
        self.chains.load().get(&chain_id).map(|view| view.all().collect()).unwrap_or_default()
    }

    /// How long the chain takes for a block: measured, else as configured, else twelve seconds.
    #[must_use]
    pub fn block_time(&self, chain_id: u64, configured: Option<Duration>) -> Duration {
        block_time(self.chains.load().get(&chain_id).map(Arc::as_ref), configured)
    }

    /// Where a node stands, if it ever reported a height.
    #[must_use]
    pub fn standing(
        &self,
        chain_id: u64,
        instance: InstanceKey,
        configured_block_time: Option<Duration>,
        now: Instant,
    ) -> Option<Standing> {
        let chains: Guard<_> = self.chains.load();
        let view = chains.get(&chain_id)?;
        let observation = view.of(instance)?;
        let elapsed = now.saturating_duration_since(observation.at);
        let credit = credit(elapsed, block_time(Some(view), configured_block_time));
        let optimistic_height = observation.height.saturating_add(credit);
        let streams =
            view.last_streamed(instance).is_some_and(|at| now.saturating_duration_since(at) <= FRESH);
        Some(Standing { observation, optimistic_height, consensus: view.consensus(now), streams })
    }

    fn change(&self, chain_id: u64, change: impl Fn(&View) -> View) {
        self.chains.rcu(|chains| {
            let view = chains.get(&chain_id).map_or_else(|| change(&View::default()), |view| change(view));
            let mut chains = HashMap::clone(chains);
            chains.insert(chain_id, Arc::new(view));
            chains
        });
    }
}

fn block_time(view: Option<&View>, configured: Option<Duration>) -> Duration {
    let measured = view.and_then(|view| view.block_time.measured());
    measured.or(configured).unwrap_or(DEFAULT_BLOCK_TIME)
}

impl Default for Heights {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Heights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heights").field("chains", &self.chains.load().len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARBITRUM: u64 = 42_161;
    const QUARTER: Option<Duration> = Some(Duration::from_millis(250));

    fn seen(heights: Heights, instance: u32, height: u64, at: Instant) {
        heights.record(ARBITRUM, InstanceKey(instance), Observation::new(height, at, Source::Http));
    }

    #[test]
    fn an_old_height_gets_credit_for_the_blocks_since() {
        let heights = Heights::new();
        let now = Instant::now() + Duration::from_secs(60);
        seen(heights, 0, 421_535_511, now);
        seen(heights, 1, 421_535_503, now - Duration::from_secs(2));
        let standing = heights.standing(ARBITRUM, InstanceKey(1), QUARTER, now).unwrap();
        assert_eq!(standing.optimistic_height, 421_535_511);
        assert_eq!((standing.optimistic_lag(), standing.raw_lag()), (Some(0), Some(-8)));
        assert_eq!(heights.standing(ARBITRUM, InstanceKey(2), QUARTER, now), None);
        assert_eq!(heights.standing(1, InstanceKey(1), QUARTER, now), None);
    }

    #[test]
    fn without_a_consensus_there_is_no_lag() {
        let heights = Heights::new();
        let now = Instant::now() + Duration::from_secs(60);
        seen(heights, 0, 100, now - Duration::from_secs(31));
        let standing = heights.standing(ARBITRUM, InstanceKey(0), None, now).unwrap();
        assert_eq!((standing.consensus, standing.optimistic_lag()), (None, None));
        // Twelve seconds to a block where nothing else is known; the cap is thirty seconds.
        assert_eq!(standing.optimistic_height, 102);
    }

    #[test]
    fn a_measured_block_time_beats_the_configured_one() {
        let heights = Heights::new();
        let now = Instant::now();
        assert_eq!(heights.block_time(ARBITRUM, None), Duration::from_secs(12));
        assert_eq!(heights.block_time(ARBITRUM, QUARTER), Duration::from_millis(250));
        for block in 0..6 {
            seen(heights, block as u32 % 2, 100 + block, now + Duration::from_secs(block));
        }
        assert_eq!(heights.block_time(ARBITRUM, QUARTER), Duration::from_secs(1));
    }

    #[test]
    fn nodes_that_are_forgotten_have_no_say() {
        let heights = Heights::new();
        let now = Instant::now();
        seen(heights, 0, 100, now);
        seen(heights, 1, 200, now);
        assert_eq!(heights.consensus(ARBITRUM, now), Some(200));
        heights.forget(ARBITRUM, InstanceKey(1));
        assert_eq!(heights.consensus(ARBITRUM, now), Some(100));
        assert_eq!(heights.all(ARBITRUM).len(), 1);
        assert_eq!(heights.latest(ARBITRUM, InstanceKey(1)), None);
    }

    #[test]
    fn an_answer_does_not_hide_when_heads_last_came_by_themselves() {
        let (heights, instance) = (Heights::new(), InstanceKey(0));
        let start = Instant::now();
        let later = start + Duration::from_secs(5);
        assert_eq!(heights.last_streamed(ARBITRUM, instance), None);
        seen(heights, 0, 99, start);
        assert_eq!(heights.last_streamed(ARBITRUM, instance), None);
        heights.record(ARBITRUM, instance, Observation::new(100, start, Source::Ws));
        let answer = Observation::new(101, later, Source::Http).with_latency(Duration::from_millis(3));
        heights.record(ARBITRUM, instance, answer);
        assert_eq!(heights.latest(ARBITRUM, instance), Some(answer));
        assert_eq!(heights.last_streamed(ARBITRUM, instance), Some(start));
        heights.forget(ARBITRUM, instance);
        assert_eq!(heights.last_streamed(ARBITRUM, instance), None);
    }

    #[test]
    fn observations_of_many_threads_all_arrive() {
        let heights = Heights::new();
        let now = Instant::now();
        std::thread::scope(|scope| {
            for instance in 0..8 {
                scope.spawn(move || (0..200).for_each(|height| seen(heights, instance, height, now)));
            }
        });
        assert_eq!(heights.all(ARBITRUM).len(), 8);
        assert!(heights.all(ARBITRUM).iter().all(|(_, observation)| observation.height == 199));
    }

    #[test]
    fn differences_that_do_not_fit_are_clamped() {
        assert_eq!(difference(0, u64::MAX), i64::MIN);
        assert_eq!(difference(u64::MAX, 0), i64::MAX);
        assert_eq!(difference(5, 7), -2);
    }
}
