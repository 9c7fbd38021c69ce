//! The chain that simulated nodes serve.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::broadcast;
use tokio::time::{Instant, MissedTickBehavior};

use super::filter::LogFilter;
use super::hex::hex;
use super::keccak::keccak256;
use super::view::{Fork, View};

/// Events a slow subscriber may be behind before it starts to miss some, as with a real node.
const EVENTS: usize = 1024;

/// Raw transactions whose receipts are remembered.
const SENT: usize = 4096;

/// What a [`SimChain`] looks like at the start. Plain data; `SimChainOptions::default()` is a chain at height
/// 1 000 with 12 seconds and two logs a block.
#[derive(Clone, Debug)]
#[must_use]
pub struct SimChainOptions {
    /// Height at the start. Every block from 0 up to it can be asked for.
    pub height: u64,
    /// Time between the timestamps of two blocks. It says nothing about when blocks are mined: see
    /// [`SimChain::run`].
    pub block_time: Duration,
    /// Timestamp of the block at `height`, in seconds since 1970. The default is a fixed moment, so that two runs
    /// give the same blocks; a demonstration that shows block ages wants the present time here.
    pub timestamp: u64,
    /// Logs in every block.
    pub logs_per_block: u64,
    /// How many blocks the tag `safe` is behind `latest`.
    pub safe_distance: u64,
    /// How many blocks the tag `finalized` is behind `latest`.
    pub finalized_distance: u64,
}

impl Default for SimChainOptions {
    fn default() -> Self {
        Self {
            height: 1_000,
            block_time: Duration::from_secs(12),
            timestamp: 1_750_000_000,
            logs_per_block: 2,
            safe_distance: 32,
            finalized_distance: 64,
        }
    }
}

/// A chain shared by any number of nodes.
///
/// A block is a function of the chain id, its number and how often the chain was reorganised at that height: two
/// chains made alike answer alike, in one process or in two, and nothing is stored per block. The last eight
/// bytes of a block hash or transaction hash are the block number, which makes a hash easy to look up, and
/// easy to read in the output of a failed test.
///
/// Cloning gives another handle on the same chain.
///
/// ```
/// use lasso_rpc::sim::{SimChain, SimChainOptions};
///
/// let chain = SimChain::new(1, SimChainOptions::default());
/// let abandoned = chain.block_hash(1_000);
/// assert_eq!(chain.mine(2), 1_002);
/// chain.reorg(3);
/// assert_eq!(chain.height(), 1_002);
/// assert_ne!(chain.block_hash(1_000), abandoned);
/// ```
#[derive(Clone, Debug)]
pub struct SimChain {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    genesis: Arc<Genesis>,
    state: Mutex<State>,
    events: broadcast::Sender<Event>,
}

/// What never changes about a chain.
#[derive(Debug)]
pub(crate) struct Genesis {
    pub(crate) chain_id: u64,
    pub(crate) options: SimChainOptions,
}

#[derive(Debug)]
struct State {
    height: u64,
    forks: Arc<[Fork]>,
    reorgs: u64,
    /// Number of events so far.
    sequence: u64,
    /// Hashes of raw transactions with the block each is in, oldest first.
    sent: VecDeque<([u8; 32], u64)>,
}

/// A branch of a [`SimChain`], to go back to with [`SimChain::switch`].
#[derive(Clone, Debug)]
pub struct SimBranch {
    forks: Arc<[Fork]>,
    height: u64,
}

/// Something subscribers hear about.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// The blocks from `from` up to the height of `after` are new. Those of `before` from `from` on are abandoned.
    Blocks { sequence: u64, from: u64, before: View, after: View },
    /// A transaction was sent.
    Pending { sequence: u64, hash: [u8; 32] },
}

// === impl SimChain ===

impl SimChain {
    /// A chain of its own.
    #[must_use]
    pub fn new(chain_id: u64, options: SimChainOptions) -> Self {
        let state = State {
            height: options.height,
            forks: Arc::new([]),
            reorgs: 0,
            sequence: 0,
            sent: VecDeque::new(),
        };
        Self {
            inner: Arc::new(Inner {
                genesis: Arc::new(Genesis { chain_id, options }),
                state: Mutex::new(state),
                events: broadcast::Sender::new(EVENTS),
            }),
        }
    }

    /// The chain id.
    #[must_use]
    pub fn chain_id(&self) -> u64 {
        self.inner.genesis.chain_id
    }

    /// Number of the newest block.
    #[must_use]
    pub fn height(&self) -> u64 {
        self.state().height
    }

    /// Adds `blocks` blocks, tells the subscribers of every node and returns the new height.
    pub fn mine(&self, blocks: u64) -> u64 {
        let mut state = self.state();
        if blocks > 0 {
            let before = self.view_of(&state);
            state.height += blocks;
            self.announce(&mut state, before.height() + 1, before);
        }
        state.height
    }

    /// Replaces the newest `depth` blocks by others at the same heights and tells the subscribers: first that the
    /// logs of the abandoned blocks are removed, then the new heads. The genesis block stays.
    pub fn reorg(&self, depth: u64) {
        self.reorg_to(depth, depth);
    }

    /// Replaces the newest `depth` blocks by `blocks` others, which may be more, fewer or none, and tells the
    /// subscribers as [`reorg`](Self::reorg) does. The genesis block stays.
    pub fn reorg_to(&self, depth: u64, blocks: u64) {
        let mut state = self.state();
        let replaced = depth.min(state.height);
        // Of a chain that is shorter than that, the new branch is shorter by as much.
        let blocks = blocks.saturating_sub(depth - replaced);
        let depth = replaced;
        if depth == 0 && blocks == 0 {
            return;
        }
        let before = self.view_of(&state);
        let from = state.height - depth + 1;
        state.height = state.height - depth + blocks;
        state.reorgs += 1;
        let salt = state.reorgs;
        // Forks that started at or above this one have no block left.
        let kept = state.forks.iter().copied().filter(|fork| fork.from < from);
        state.forks = kept.chain([Fork { from, salt }]).collect();
        self.announce(&mut state, from, before);
    }

    /// The branch that the chain is on.
    #[must_use]
    pub fn branch(&self) -> SimBranch {
        let state = self.state();
        SimBranch { forks: state.forks.clone(), height: state.height }
    }

    /// Goes back to a branch that this chain was on before, as it was then, and tells the subscribers as
    /// [`reorg`](Self::reorg) does.
    pub fn switch(&self, branch: &SimBranch) {
        let mut state = self.state();
        let before = self.view_of(&state);
        state.forks = branch.forks.clone();
        state.height = branch.height;
        let from = before.parting(&self.view_of(&state));
        self.announce(&mut state, from, before);
    }

    /// Mines one block every `period`, for ever: spawn it, or poll it beside the test.
    ///
    /// Cancel safety: dropping the future stops the miner between two blocks.
    ///
    /// # Panics
    ///
    /// If `period` is zero.
    pub async fn run(&self, period: Duration) -> Infallible {
        let mut ticks = tokio::time::interval_at(Instant::now() + period, period);
        // A process that was asleep must not flood its subscribers when it wakes up.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            self.mine(1);
        }
    }

    /// The hash of block `number`, or `None` when it is not mined yet.
    #[must_use]
    pub fn block_hash(&self, number: u64) -> Option<String> {
        let view = self.view(0);
        (number <= view.height()).then(|| hex(&view.hash(number)))
    }

    /// Block `number` with transaction hashes, as `eth_getBlockByNumber` answers it, or `None` when it is not
    /// mined yet.
    #[must_use]
    pub fn block(&self, number: u64) -> Option<Value> {
        let view = self.view(0);
        (number <= view.height()).then(|| view.block(number, false))
    }

    /// The logs of the blocks `from` to `to`, both included, as `eth_getLogs` answers them. Blocks that are not
    /// mined yet have none.
    #[must_use]
    pub fn logs(&self, from: u64, to: u64) -> Vec<Value> {
        self.view(0).logs(from..=to, &LogFilter::default())
    }

    /// A consistent picture of the chain, `lag` blocks behind its head.
    pub(crate) fn view(&self, lag: u64) -> View {
        self.view_of(&self.state()).behind(lag)
    }

    /// A picture of the chain and the number of the last event that it contains.
    pub(crate) fn moment(&self) -> (View, u64) {
        let state = self.state();
        (self.view_of(&state), state.sequence)
    }

    pub(crate) fn events(&self) -> broadcast::Receiver<Event> {
        self.inner.events.subscribe()
    }

    /// Takes a raw transaction: it will be in the next block. Sending the same bytes again changes nothing.
    pub(crate) fn send(&self, raw: &[u8]) -> [u8; 32] {
        let hash = keccak256(&[raw]);
        let mut state = self.state();
        if !state.sent.iter().any(|(known, _)| *known == hash) {
            if state.sent.len() == SENT {
                state.sent.pop_front();
            }
            let block = state.height + 1;
            state.sent.push_back((hash, block));
            state.sequence += 1;
            self.publish(Event::Pending { sequence: state.sequence, hash });
        }
        hash
    }

    /// The block a raw transaction is in or will be in.
    pub(crate) fn sent(&self, hash: &[u8; 32]) -> Option<u64> {
        self.state().sent.iter().find(|(known, _)| known == hash).map(|(_, block)| *block)
    }

    fn view_of(&self, state: &State) -> View {
        View::new(self.inner.genesis.clone(), state.forks.clone(), state.height)
    }

    /// Called with the lock held, so that events are in the order of the changes.
    fn announce(&self, state: &mut State, from: u64, before: View) {
        state.sequence += 1;
        let after = self.view_of(state);
        self.publish(Event::Blocks { sequence: state.sequence, from, before, after });
    }

    fn publish(&self, event: Event) {
        // An error means that nobody subscribes.
        let _ = self.inner.events.send(event);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().expect("no code panics while it holds the chain")
    }
}

#[cfg(test)]
mod tests {
    use super::{SimChain, SimChainOptions};

    fn chain() -> SimChain {
        SimChain::new(1, SimChainOptions::default())
    }

    #[test]
    fn chains_made_alike_have_equal_blocks_and_others_do_not() {
        let other = SimChain::new(2, SimChainOptions::default());
        assert_eq!(chain().block(7), chain().block(7));
        assert_eq!(chain().logs(5, 9), chain().logs(5, 9));
        assert_ne!(chain().block_hash(7), other.block_hash(7));
    }

    #[test]
    fn blocks_link_to_their_parents_also_across_a_reorg() {
        let chain = chain();
        chain.mine(5);
        chain.reorg(3);
        chain.mine(1);
        for number in 995..=1_006 {
            let parent = chain.block(number).unwrap()["parentHash"].clone();
            assert_eq!(Some(parent.as_str().unwrap().to_owned()), chain.block_hash(number - 1));
        }
        assert_eq!(chain.block(1_007), None);
    }

    #[test]
    fn a_reorg_changes_the_newest_blocks_only() {
        let chain = chain();
        let before: Vec<_> = (990..=1_000).map(|number| chain.block_hash(number)).collect();
        chain.reorg(4);
        chain.reorg(2);
        for (number, old) in (990..=1_000).zip(before) {
            assert_eq!(chain.block_hash(number) == old, number <= 996, "block {number}");
        }
        assert_eq!(chain.height(), 1_000);
    }

    #[test]
    fn a_reorg_deeper_than_the_chain_leaves_the_genesis_block() {
        let chain = SimChain::new(1, SimChainOptions { height: 2, ..SimChainOptions::default() });
        let genesis = chain.block_hash(0);
        chain.reorg(u64::MAX);
        assert_eq!(chain.block_hash(0), genesis);
        assert_eq!(chain.height(), 2);
    }

    #[test]
    fn a_branch_may_be_longer_or_shorter_than_the_one_it_replaces() {
        let chain = chain();
        let old: Vec<_> = (995..=1_000).map(|number| chain.block_hash(number)).collect();
        chain.reorg_to(2, 3);
        assert_eq!(chain.height(), 1_001);
        chain.reorg_to(4, 1);
        assert_eq!(chain.height(), 998);
        for (number, old) in (995..=998).zip(old) {
            assert_eq!(chain.block_hash(number) == old, number <= 997, "block {number}");
        }
        assert_eq!(chain.block_hash(999), None);
        chain.reorg_to(1, 0);
        assert_eq!(chain.height(), 997);
        let short = SimChain::new(1, SimChainOptions { height: 2, ..SimChainOptions::default() });
        short.reorg_to(5, 6);
        assert_eq!(short.height(), 3);
    }

    #[test]
    fn a_branch_that_is_gone_back_to_has_its_old_blocks() {
        let chain = chain();
        let (branch, old) = (chain.branch(), chain.block(1_000));
        chain.reorg_to(3, 5);
        assert_ne!(chain.block(1_000), old);
        chain.switch(&branch);
        assert_eq!((chain.height(), chain.block(1_000)), (1_000, old.clone()));
        // What is mined on it is not what another branch had at that height before.
        chain.reorg(1);
        assert_ne!(chain.block(1_000), old);
    }

    #[tokio::test(start_paused = true)]
    async fn the_miner_adds_a_block_per_period() {
        let chain = chain();
        let period = std::time::Duration::from_secs(2);
        assert!(tokio::time::timeout(period * 3 + period / 2, chain.run(period)).await.is_err());
        assert_eq!(chain.height(), 1_003);
    }
}
