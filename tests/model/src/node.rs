//! A provider at work: which blocks it has by now, and what it answers.

use std::time::Duration;

use lasso_rpc::streams::coordinator::BlockId;

use crate::chain::{Block, Tree};

/// What a provider knows.
#[derive(Debug)]
pub struct Node {
    tip: Block,
    /// Since when it has each block.
    since: Vec<Option<Duration>>,
}

impl Node {
    /// A provider that has what there is before anything happens.
    #[must_use]
    pub fn new(tree: &Tree, tip: Block) -> Self {
        let mut node = Self { tip, since: vec![None; tree.len()] };
        tree.branch(tip).for_each(|block| node.since[block.0 as usize] = Some(Duration::ZERO));
        node
    }

    /// Its newest block.
    #[must_use]
    pub const fn tip(&self) -> Block {
        self.tip
    }

    /// Since when it has the block, if it has.
    #[must_use]
    pub fn since(&self, block: Block) -> Option<Duration> {
        self.since.get(block.0 as usize).copied().flatten()
    }

    /// Another block is its newest now. What left its chain, descending, and what joined it, ascending.
    pub fn adopt(&mut self, tree: &Tree, tip: Block, now: Duration) -> (Vec<Block>, Vec<Block>) {
        let (left, joined) = tree.switch(self.tip, tip);
        self.since.resize(tree.len(), None);
        for &block in &joined {
            self.since[block.0 as usize].get_or_insert(now);
        }
        self.tip = tip;
        (left, joined)
    }

    /// The block that is asked for. `forgets`: what left the chain is not known any more.
    #[must_use]
    pub fn block(&self, tree: &Tree, id: BlockId, forgets: bool) -> Option<Block> {
        match id {
            BlockId::Latest => Some(self.tip),
            BlockId::Number(number) => tree.at(self.tip, number),
            BlockId::Hash(hash) => tree
                .find(hash)
                .filter(|&block| self.since(block).is_some())
                .filter(|&block| !forgets || tree.is_ancestor(block, self.tip)),
        }
    }
}
