//! What the client has seen and believes to be the chain.

use std::collections::VecDeque;

use crate::streams::block::BlockHash;

/// A run of blocks, each the child of the one before. Numbers are consecutive, so hashes are all it holds.
#[derive(Debug, Default)]
pub(super) struct Branch {
    first: u64,
    hashes: VecDeque<BlockHash>,
    trimmed: bool,
}

impl Branch {
    /// Begins anew: what was before is no longer remembered, and nothing below this block is ever asked for.
    pub(super) fn start(&mut self, number: u64, hash: BlockHash) {
        self.first = number;
        self.hashes.clear();
        self.hashes.push_back(hash);
        self.trimmed = false;
    }

    /// The newest block.
    pub(super) fn tip(&self) -> Option<(u64, BlockHash)> {
        let hash = *self.hashes.back()?;
        Some((self.first + self.hashes.len() as u64 - 1, hash))
    }

    /// Number of the oldest remembered block; of the root, as long as nothing was forgotten.
    pub(super) const fn first(&self) -> u64 {
        self.first
    }

    /// Whether older blocks were seen than are remembered.
    pub(super) const fn is_trimmed(&self) -> bool {
        self.trimmed
    }

    pub(super) fn contains(&self, number: u64, hash: BlockHash) -> bool {
        let offset = number.checked_sub(self.first).and_then(|offset| usize::try_from(offset).ok());
        offset.and_then(|offset| self.hashes.get(offset)) == Some(&hash)
    }

    /// Appends a child of the tip and forgets the oldest block beyond `limit`.
    pub(super) fn push(&mut self, hash: BlockHash, limit: usize) {
        self.hashes.push_back(hash);
        if self.hashes.len() > limit.max(1) {
            self.hashes.pop_front();
            self.first += 1;
            self.trimmed = true;
        }
    }

    /// Takes away every block from `number` on and says which those were. May leave the branch empty.
    pub(super) fn cut_from(&mut self, number: u64) -> VecDeque<BlockHash> {
        let kept = usize::try_from(number.saturating_sub(self.first)).unwrap_or(usize::MAX);
        self.hashes.split_off(kept.min(self.hashes.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn hash(byte: u8) -> BlockHash {
        BlockHash([byte; 32])
    }

    #[test]
    fn blocks_are_found_by_number_and_hash() {
        let mut branch = Branch::default();
        assert_eq!(branch.tip(), None);
        branch.start(10, hash(10));
        branch.push(hash(11), 100);
        assert_eq!(branch.tip(), Some((11, hash(11))));
        assert!(branch.contains(10, hash(10)) && branch.contains(11, hash(11)));
        assert!(
            !branch.contains(11, hash(10)) && !branch.contains(9, hash(10)) && !branch.contains(12, hash(11))
        );
    }

    #[test]
    fn the_oldest_is_forgotten_beyond_the_limit() {
        let mut branch = Branch::default();
        branch.start(1, hash(1));
        for number in 2..=5 {
            branch.push(hash(number), 3);
        }
        assert_eq!((branch.first(), branch.is_trimmed()), (3, true));
        assert!(!branch.contains(2, hash(2)));
        assert_eq!(branch.tip(), Some((5, hash(5))));
    }

    #[test]
    fn cutting_tells_what_it_took() {
        let mut branch = Branch::default();
        branch.start(1, hash(1));
        branch.push(hash(2), 10);
        branch.push(hash(3), 10);
        assert!(branch.cut_from(8).is_empty());
        assert_eq!(branch.cut_from(2), [hash(2), hash(3)]);
        assert_eq!(branch.tip(), Some((1, hash(1))));
        assert_eq!(branch.cut_from(1), [hash(1)]);
        assert_eq!(branch.tip(), None);
    }
}
