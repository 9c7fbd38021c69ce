//! Blocks, and the order in which the network takes them for its newest one.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use lasso_rpc::streams::block::{BlockHash, Bloom, Header, Log};
use serde::Deserialize;

use crate::scenario::{Move, Scenario, Turn};

/// The block's position in its [`Tree`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Block(pub u32);

/// How many blocks there are before anything happens: room for reorganisations that begin at once.
const ANCESTRY: u64 = 16;
/// The number of the first of them.
const FIRST: u64 = 1000;

/// Every block that any node ever had.
#[derive(Debug)]
pub struct Tree {
    blocks: Vec<Entry>,
    rng: Rng,
    log_rate: f64,
    false_positives: f64,
    blooms: bool,
}

#[derive(Debug)]
struct Entry {
    header: Header,
    parent: Option<Block>,
    /// Those that the stream's filter admits, ascending.
    logs: Vec<Log>,
}

/// A payload as a client reads it: which block, and for logs which of its logs.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub struct Payload {
    /// The position of the block in the tree.
    pub block: u32,
    /// The log's index.
    #[serde(default)]
    pub log: Option<u64>,
    /// The log is taken back.
    #[serde(default)]
    pub removed: bool,
}

/// The network changes its mind: from here on this block is the newest one.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Since the beginning.
    pub at: Duration,
    /// The newest block.
    pub tip: Block,
}

impl Tree {
    /// The tree and the steps that a scenario's moves make.
    #[must_use]
    pub fn grow(scenario: &Scenario) -> (Self, Vec<Step>) {
        let mut tree = Self {
            blocks: Vec::with_capacity(scenario.moves.len() + 32),
            rng: Rng::with_seed(scenario.seed ^ 0x0c4a_1900),
            log_rate: scenario.log_rate,
            false_positives: scenario.false_positives,
            blooms: scenario.blooms,
        };
        let mut tip = tree.push(None);
        for _ in 1..ANCESTRY {
            tip = tree.push(Some(tip));
        }
        let mut steps = vec![Step { at: Duration::ZERO, tip }];
        let mut left: Vec<Block> = Vec::new();
        let mut highest = 0;
        for &Move { at, turn } in &scenario.moves {
            let before = tip;
            highest = tree.number(tip).max(highest);
            tip = tree.turn(tip, turn, &left, highest.saturating_sub(scenario.deepest));
            if !tree.is_ancestor(before, tip) {
                left.retain(|&block| block != before);
                left.push(before);
            }
            steps.push(Step { at, tip });
        }
        (tree, steps)
    }

    /// No block up to `firm` leaves.
    fn turn(&mut self, tip: Block, turn: Turn, left: &[Block], firm: u64) -> Block {
        match turn {
            Turn::Extend(count) => self.extend(tip, count),
            Turn::Reorg { depth, length } => {
                let ancestor = self.below(tip, depth, firm);
                self.extend(ancestor, length)
            }
            Turn::Back { nth, extended } => {
                let reachable = |&&old: &&Block| {
                    let ancestor = self.common_ancestor(old, tip);
                    ancestor != old && ancestor != tip && self.number(ancestor) >= firm
                };
                match left.iter().rev().filter(reachable).nth(nth) {
                    Some(&old) => self.extend(old, extended),
                    None => self.extend(tip, 1),
                }
            }
            Turn::SetBack(depth) => self.below(tip, depth, firm),
        }
    }

    fn extend(&mut self, from: Block, count: u64) -> Block {
        (0..count).fold(from, |tip, _| self.push(Some(tip)))
    }

    /// The block so many below, or that of the number `firm`.
    fn below(&self, block: Block, depth: u64, firm: u64) -> Block {
        let down = |block: Block| self.parent(block).filter(|_| self.number(block) > firm);
        (0..depth).fold(block, |block, _| down(block).unwrap_or(block))
    }

    /// A new block on top of another one.
    pub fn push(&mut self, parent: Option<Block>) -> Block {
        let block = Block(u32::try_from(self.blocks.len()).expect("a history has few blocks"));
        let number = parent.map_or(FIRST, |parent| self.number(parent) + 1);
        let parent_hash = parent.map_or(BlockHash([0; 32]), |parent| self.header(parent).hash);
        let hash = hash_of(block);
        let logs: Vec<Log> = if self.rng.f64() < self.log_rate {
            let (mut index, count) = (0, self.rng.u64(1..=3));
            (0..count)
                .map(|_| {
                    // The filter leaves others of the block's logs out.
                    index += self.rng.u64(0..3);
                    let log = log_of(block, hash, number, index, self.rng.u8(..));
                    index += 1;
                    log
                })
                .collect()
        } else {
            Vec::new()
        };
        let admitted = !logs.is_empty() || self.rng.f64() < self.false_positives;
        let bloom = self.blooms.then(|| Arc::new(Bloom([u8::from(admitted); 256])));
        let payload = Bytes::from(format!(r#"{{"block":{},"number":"{number:#x}"}}"#, block.0));
        let header = Header { number, hash, parent: parent_hash, bloom, payload };
        self.blocks.push(Entry { header, parent, logs });
        block
    }

    /// The block of a hash, if it is one of ours.
    #[must_use]
    pub fn find(&self, hash: BlockHash) -> Option<Block> {
        let block = Block(u32::from_be_bytes(hash.0[28..].try_into().expect("four bytes")));
        self.blocks.get(block.0 as usize).filter(|entry| entry.header.hash == hash).map(|_| block)
    }

    /// The head of a block.
    #[must_use]
    pub fn header(&self, block: Block) -> &Header {
        &self.blocks[block.0 as usize].header
    }

    /// The block before it; the first block of all has none.
    #[must_use]
    pub fn parent(&self, block: Block) -> Option<Block> {
        self.blocks[block.0 as usize].parent
    }

    /// The block's number.
    #[must_use]
    pub fn number(&self, block: Block) -> u64 {
        self.header(block).number
    }

    /// The block's logs that the filter admits, ascending.
    #[must_use]
    pub fn logs(&self, block: Block) -> &[Log] {
        &self.blocks[block.0 as usize].logs
    }

    /// How many blocks there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Whether there are none, which never is so.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// The block of this number on the branch of `tip`.
    #[must_use]
    pub fn at(&self, tip: Block, number: u64) -> Option<Block> {
        self.branch(tip).find(|&block| self.number(block) <= number).filter(|&b| self.number(b) == number)
    }

    /// The block and all before it, descending.
    pub fn branch(&self, tip: Block) -> impl Iterator<Item = Block> {
        std::iter::successors(Some(tip), |&block| self.parent(block))
    }

    /// Whether `ancestor` is `block` or one of those before it.
    #[must_use]
    pub fn is_ancestor(&self, ancestor: Block, block: Block) -> bool {
        self.at(block, self.number(ancestor)) == Some(ancestor)
    }

    /// The newest block that both branches have.
    #[must_use]
    pub fn common_ancestor(&self, mut one: Block, mut other: Block) -> Block {
        while one != other {
            if self.number(one) >= self.number(other) {
                one = self.parent(one).expect("all branches have the first block");
            } else {
                other = self.parent(other).expect("all branches have the first block");
            }
        }
        one
    }

    /// What leaves the branch, descending, and what joins it, ascending.
    #[must_use]
    pub fn switch(&self, from: Block, to: Block) -> (Vec<Block>, Vec<Block>) {
        let ancestor = self.common_ancestor(from, to);
        let left = self.branch(from).take_while(|&block| block != ancestor).collect();
        let mut joined: Vec<Block> = self.branch(to).take_while(|&block| block != ancestor).collect();
        joined.reverse();
        (left, joined)
    }
}

/// A head that no chain has.
#[must_use]
pub fn made_up(number: u64, salt: u64) -> Header {
    let mut hash = [0xee; 32];
    hash[..8].copy_from_slice(&salt.to_be_bytes());
    let mut parent = hash;
    parent[31] = 0xdd;
    let payload = Bytes::from(format!(r#"{{"block":{},"number":"{number:#x}"}}"#, u32::MAX));
    Header { number, hash: BlockHash(hash), parent: BlockHash(parent), bloom: None, payload }
}

/// Whether a block with this bloom may have logs that the filter admits.
#[must_use]
pub fn admits(bloom: &Bloom) -> bool {
    bloom.0[0] != 0
}

/// Hashes have no order that means anything: the first bytes are scattered, the last four are the position.
fn hash_of(block: Block) -> BlockHash {
    let mut hash = [0; 32];
    let scattered = u64::from(block.0).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash[..8].copy_from_slice(&scattered.to_be_bytes());
    hash[28..].copy_from_slice(&block.0.to_be_bytes());
    BlockHash(hash)
}

/// Nodes write logs in different ways.
fn log_of(block: Block, hash: BlockHash, number: u64, index: u64, style: u8) -> Log {
    let id = block.0;
    let payload = match style % 3 {
        0 => format!(r#"{{"block":{id},"log":{index},"removed":false}}"#),
        1 => format!(r#"{{"removed": false, "block":{id}, "log":{index}}}"#),
        _ => format!(r#"{{"block":{id},"log":{index}}}"#),
    };
    Log { block: hash, number, index, removed: false, payload: Bytes::from(payload) }
}
