//! What is known about one chain, at one moment.

use std::time::Duration;

use smallvec::SmallVec;
use tokio::time::Instant;

use super::block_time::BlockTime;
use super::{FRESH, Observation, Source};
use crate::catalog::InstanceKey;

/// What is known about one chain. Never changes; an observation makes a new one.
#[derive(Clone, Debug, Default)]
pub(super) struct View {
    nodes: Vec<Node>,
    pub(super) block_time: BlockTime,
    /// The consensus as it was when this view was made, which is right until one of the heights behind it
    /// is no longer fresh. Selection asks for each channel, so it is worth keeping.
    consensus: Option<Consensus>,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    instance: InstanceKey,
    latest: Observation,
    /// When the last height came over a subscription.
    streamed: Option<Instant>,
    /// Whether the height is known to be that of a node nobody can reach.
    is_lost: bool,
}

#[derive(Clone, Copy, Debug)]
struct Consensus {
    height: u64,
    until: Instant,
}

impl View {
    /// The view after one more observation. The last one of an instance counts, even if it is lower.
    #[must_use]
    pub(super) fn with(&self, instance: InstanceKey, observation: Observation) -> Self {
        let mut nodes = self.nodes.clone();
        let streamed = (observation.source == Source::Ws).then_some(observation.at);
        match nodes.iter_mut().find(|node| node.instance == instance) {
            Some(node) => {
                *node = Node {
                    latest: observation,
                    streamed: streamed.or(node.streamed),
                    is_lost: false,
                    ..*node
                };
            }
            None => nodes.push(Node { instance, latest: observation, streamed, is_lost: false }),
        }
        let block_time = self.block_time.observe(observation.height, observation.at);
        let mut view = Self { nodes, block_time, consensus: None };
        view.consensus = view.compute(observation.at);
        view
    }

    pub(super) fn without(&self, instance: InstanceKey) -> Self {
        let mut view = self.clone();
        view.nodes.retain(|node| node.instance != instance);
        view.consensus = None;
        view
    }

    /// Where the node is whose say can be taken away because it cannot be asked. One that streams its heights is reached
    /// in another way.
    fn to_lose(&self, instance: InstanceKey) -> Option<usize> {
        let can_be = |node: &Node| !node.is_lost && node.latest.source == Source::Http;
        self.nodes.iter().position(|node| node.instance == instance && can_be(node))
    }

    /// Whether [`without_say`](Self::without_say) would change anything.
    pub(super) fn can_be_lost(&self, instance: InstanceKey) -> bool {
        self.to_lose(instance).is_some()
    }

    /// The view without the say of a node, until it reports again.
    pub(super) fn without_say(&self, instance: InstanceKey) -> Self {
        let mut view = self.clone();
        if let Some(at) = self.to_lose(instance) {
            view.nodes[at].is_lost = true;
            view.consensus = None;
        }
        view
    }

    pub(super) fn of(&self, instance: InstanceKey) -> Option<Observation> {
        self.node(instance).map(|node| node.latest)
    }

    pub(super) fn last_streamed(&self, instance: InstanceKey) -> Option<Instant> {
        self.node(instance)?.streamed
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (InstanceKey, Observation)> {
        self.nodes.iter().map(|node| (node.instance, node.latest))
    }

    fn node(&self, instance: InstanceKey) -> Option<&Node> {
        self.nodes.iter().find(|node| node.instance == instance)
    }

    pub(super) fn consensus(&self, now: Instant) -> Option<u64> {
        let kept = self.consensus.filter(|kept| now <= kept.until);
        kept.or_else(|| self.compute(now)).map(|consensus| consensus.height)
    }

    /// The height that a quarter of the fresh nodes have passed: with up to three nodes the highest, with
    /// more one that a single node cannot make up.
    fn compute(&self, now: Instant) -> Option<Consensus> {
        let heard = self.nodes.iter().filter(|node| !node.is_lost);
        let fresh = heard.map(|node| node.latest).filter(|it| it.is_fresh(now));
        let (mut heights, mut oldest) = (SmallVec::<[u64; 32]>::new(), now);
        for observation in fresh {
            heights.push(observation.height);
            oldest = oldest.min(observation.at);
        }
        let rank = heights.len() / 4;
        heights.sort_unstable_by(|left, right| right.cmp(left));
        heights.get(rank).map(|height| Consensus { height: *height, until: oldest + FRESH })
    }
}

/// How many blocks a chain may have made since a height was seen.
pub(super) fn credit(elapsed: Duration, block_time: Duration) -> u64 {
    let blocks = elapsed.min(FRESH).as_millis().checked_div(block_time.as_millis()).unwrap_or(0);
    u64::try_from(blocks).expect("thirty seconds have fewer blocks than a u64 can count")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A view of nodes with these heights, seen so many milliseconds before `now`.
    fn view(now: Instant, heights: &[(u64, u64)]) -> View {
        (0..).zip(heights).fold(View::default(), |view, (instance, (height, ago))| {
            let at = now - Duration::from_millis(*ago);
            view.with(InstanceKey(instance), Observation::new(*height, at, Source::Http))
        })
    }

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(3600)
    }

    #[test]
    fn routing_17_case_65_a_quarter_has_passed_the_consensus() {
        let now = later();
        let consensus = |heights: &[u64]| {
            let fresh: Vec<_> = heights.iter().map(|height| (*height, 0)).collect();
            view(now, &fresh).consensus(now)
        };
        assert_eq!(consensus(&[]), None);
        assert_eq!(consensus(&[100]), Some(100));
        assert_eq!(consensus(&[100, 108, 105]), Some(108));
        assert_eq!(consensus(&[100, 108, 105, 103]), Some(105));
        assert_eq!(consensus(&[100, 101, 102, 103, 104, 105, 106, 107, 108, 109]), Some(107));
        assert_eq!(consensus(&[u64::MAX, 10, 11, 12]), Some(12));
    }

    #[test]
    fn routing_17_case_65_a_height_counts_for_thirty_seconds() {
        let now = later();
        assert_eq!(view(now, &[(100, 0), (108, 30_000)]).consensus(now), Some(108));
        assert_eq!(view(now, &[(100, 0), (108, 30_001)]).consensus(now), Some(100));
        assert_eq!(view(now, &[(100, 31_000)]).consensus(now), None);
        // Of the three that are left the highest counts.
        let with_one_old = view(now, &[(100, 0), (108, 0), (105, 31_000), (103, 0)]);
        assert_eq!(with_one_old.consensus(now), Some(108));
    }

    #[test]
    fn what_was_kept_is_dropped_when_it_is_no_longer_fresh() {
        let now = later();
        let view = view(now, &[(108, 20_000), (100, 0)]);
        assert_eq!(view.consensus(now + Duration::from_secs(10)), Some(108));
        assert_eq!(view.consensus(now + Duration::from_millis(10_001)), Some(100));
        assert_eq!(view.consensus(now + Duration::from_millis(30_001)), None);
    }

    #[test]
    fn a_node_that_is_lost_has_no_say_until_it_reports_again() {
        let now = later();
        let ahead = view(now, &[(108, 0), (100, 0), (101, 0)]);
        assert!(ahead.can_be_lost(InstanceKey(0)));
        let lost = ahead.without_say(InstanceKey(0));
        assert_eq!((ahead.consensus(now), lost.consensus(now)), (Some(108), Some(101)));
        assert_eq!(lost.of(InstanceKey(0)).map(|observation| observation.height), Some(108));
        assert!(!lost.can_be_lost(InstanceKey(0)) && !lost.can_be_lost(InstanceKey(7)));
        let back = lost.with(InstanceKey(0), Observation::new(107, now, Source::Http));
        assert_eq!(back.consensus(now), Some(107));
        let streaming = back.with(InstanceKey(0), Observation::new(109, now, Source::Ws));
        assert!(!streaming.can_be_lost(InstanceKey(0)), "not by this way");
        assert_eq!(streaming.without_say(InstanceKey(0)).consensus(now), Some(109));
    }

    #[test]
    fn the_last_observation_counts_even_if_lower() {
        let now = later();
        let at = |height| Observation::new(height, now, Source::Ws);
        let view = View::default().with(InstanceKey(0), at(100)).with(InstanceKey(0), at(90));
        assert_eq!(view.consensus(now), Some(90));
        assert_eq!(view.without(InstanceKey(0)).consensus(now), None);
    }

    #[test]
    fn routing_17_case_66_credit_is_capped() {
        let (quarter, minute) = (Duration::from_millis(250), Duration::from_secs(60));
        assert_eq!(credit(Duration::from_secs(2), quarter), 8);
        assert_eq!(credit(minute, quarter), 120);
        assert_eq!(credit(minute, Duration::ZERO), 0);
        assert_eq!(credit(Duration::from_millis(11_999), Duration::from_secs(12)), 0);
    }
}
