//! A consistent picture of a chain: everything one answer says comes from one of these.

use std::ops::RangeInclusive;
use std::sync::Arc;

use serde_json::Value;

use super::block;
use super::chain::Genesis;
use super::filter::LogFilter;
use super::keccak::keccak256;

/// From block `from` on, hashes are salted with `salt`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fork {
    pub(crate) from: u64,
    pub(crate) salt: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct View {
    genesis: Arc<Genesis>,
    /// In ascending order of `from`.
    forks: Arc<[Fork]>,
    height: u64,
}

// === impl View ===

impl View {
    pub(crate) fn new(genesis: Arc<Genesis>, forks: Arc<[Fork]>, height: u64) -> Self {
        Self { genesis, forks, height }
    }

    pub(crate) fn behind(mut self, lag: u64) -> Self {
        self.height = self.height.saturating_sub(lag);
        self
    }

    pub(crate) fn chain_id(&self) -> u64 {
        self.genesis.chain_id
    }

    pub(crate) fn height(&self) -> u64 {
        self.height
    }

    pub(crate) fn safe(&self) -> u64 {
        self.height.saturating_sub(self.genesis.options.safe_distance)
    }

    pub(crate) fn finalized(&self) -> u64 {
        self.height.saturating_sub(self.genesis.options.finalized_distance)
    }

    pub(crate) fn logs_per_block(&self) -> u64 {
        self.genesis.options.logs_per_block
    }

    /// Seconds since 1970; blocks before 1970 are at 0.
    pub(crate) fn timestamp(&self, number: u64) -> u64 {
        let options = &self.genesis.options;
        let block_time = options.block_time.as_millis();
        let start = u128::from(options.timestamp) * 1_000;
        let millis = if number >= options.height {
            start + u128::from(number - options.height) * block_time
        } else {
            start.saturating_sub(u128::from(options.height - number) * block_time)
        };
        u64::try_from(millis / 1_000).unwrap_or(u64::MAX)
    }

    pub(crate) fn hash(&self, number: u64) -> [u8; 32] {
        self.seal("block", number)
    }

    /// The hash of the one transaction of a block.
    pub(crate) fn transaction_hash(&self, number: u64) -> [u8; 32] {
        self.seal("transaction", number)
    }

    /// The first number at which this picture and another one of the same chain have not the same block.
    pub(crate) fn parting(&self, other: &Self) -> u64 {
        let ends = self.height.min(other.height) + 1;
        let starts = self.forks.iter().chain(&*other.forks).map(|fork| fork.from);
        starts.filter(|&from| self.salt(from) != other.salt(from)).fold(ends, u64::min)
    }

    /// What tells the block from others at its height.
    fn salt(&self, number: u64) -> u64 {
        self.forks.iter().rev().find(|fork| fork.from <= number).map_or(0, |fork| fork.salt)
    }

    /// A value that belongs to this block of this fork and to no other.
    pub(crate) fn digest(&self, domain: &str, number: u64) -> [u8; 32] {
        let words = [self.chain_id(), number, self.salt(number)].map(u64::to_be_bytes);
        keccak256(&[domain.as_bytes(), words.as_flattened()])
    }

    /// The number of the block with this hash, if it is part of this picture.
    pub(crate) fn number_of(&self, hash: &[u8; 32]) -> Option<u64> {
        let number = sealed_number(hash);
        (number <= self.height && self.hash(number) == *hash).then_some(number)
    }

    /// The number of the block whose transaction has this hash.
    pub(crate) fn number_of_transaction(&self, hash: &[u8; 32]) -> Option<u64> {
        let number = sealed_number(hash);
        (number <= self.height && self.transaction_hash(number) == *hash).then_some(number)
    }

    pub(crate) fn block(&self, number: u64, full: bool) -> Value {
        block::block(self, number, full)
    }

    /// The logs of a range of blocks that pass the filter's address and topics.
    pub(crate) fn logs(&self, range: RangeInclusive<u64>, filter: &LogFilter) -> Vec<Value> {
        let range = *range.start()..=(*range.end()).min(self.height);
        range.flat_map(|number| block::logs(self, number, filter)).collect()
    }

    /// A hash that ends in the number it belongs to.
    fn seal(&self, domain: &str, number: u64) -> [u8; 32] {
        let mut hash = self.digest(domain, number);
        hash[24..].copy_from_slice(&number.to_be_bytes());
        hash
    }
}

fn sealed_number(hash: &[u8; 32]) -> u64 {
    hash[24..].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}
