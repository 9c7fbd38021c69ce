//! The logs that the client has got, as long as they may have to be taken back.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::streams::block::{BlockHash, Log};

/// However many logs they have, those of this many of the newest blocks are remembered.
const BLOCKS_KEPT: u64 = 64;

/// Delivered logs in the order of block and index.
#[derive(Debug, Default)]
pub(super) struct Delivered {
    logs: VecDeque<Log>,
    /// Nothing can be said about logs of blocks below this one.
    floor: u64,
    /// Because they are forgotten; not because they belong to a time before the stream.
    trimmed: bool,
}

impl Delivered {
    /// Logs of blocks below this one belong to a time before the stream.
    pub(super) fn start_at(&mut self, number: u64) {
        *self = Self { floor: number, ..Self::default() };
    }

    /// This block takes the root's place.
    pub(super) fn include(&mut self, number: u64) {
        self.floor = self.floor.min(number);
    }

    /// Whether everything that was delivered from this block on is still known.
    pub(super) const fn can_withdraw_from(&self, number: u64) -> bool {
        !self.trimmed || number >= self.floor
    }

    /// Whether it is known of a block's logs which were delivered.
    pub(super) const fn remembers(&self, number: u64) -> bool {
        number >= self.floor
    }

    pub(super) fn contains(&self, number: u64, block: BlockHash, index: u64) -> bool {
        self.logs
            .binary_search_by_key(&(number, index), |log| (log.number, log.index))
            .is_ok_and(|at| self.logs[at].block == block)
    }

    /// Remembers a log, of whichever block of the branch.
    pub(super) fn insert(&mut self, log: Log) {
        let at = self.logs.partition_point(|other| (other.number, other.index) < (log.number, log.index));
        self.logs.insert(at, log);
    }

    /// Forgets the oldest, by whole blocks, beyond `limit` logs.
    pub(super) fn trim(&mut self, tip: u64, limit: usize) {
        while self.logs.len() > limit
            && let Some(oldest) = self.logs.front().map(|log| log.number)
            && oldest + BLOCKS_KEPT <= tip
        {
            (self.floor, self.trimmed) = (oldest + 1, true);
            let gone = self.logs.partition_point(|log| log.number <= oldest);
            self.logs.drain(..gone);
        }
    }

    /// Takes back the logs of every block from `number` on: payloads that say so, newest first.
    pub(super) fn withdraw_from(&mut self, number: u64) -> Vec<Bytes> {
        let kept = self.logs.partition_point(|log| log.number < number);
        self.logs.drain(kept..).rev().map(|log| log.withdrawn().payload).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(number: u64, index: u64) -> Log {
        let block = BlockHash([u8::try_from(number % 256).unwrap(); 32]);
        let payload = Bytes::from(format!(r#"{{"n":{number},"i":{index},"removed":false}}"#));
        Log { block, number, index, removed: false, payload }
    }

    fn filled(ids: &[(u64, u64)]) -> Delivered {
        let mut delivered = Delivered::default();
        ids.iter().for_each(|(number, index)| delivered.insert(log(*number, *index)));
        delivered
    }

    #[test]
    fn logs_are_taken_back_newest_first_and_once() {
        let mut delivered = filled(&[(1, 0), (2, 0), (3, 0), (2, 5), (2, 1)]);
        let withdrawn = delivered.withdraw_from(2);
        let expected =
            [(3, 0), (2, 5), (2, 1), (2, 0)].map(|(n, i)| format!(r#"{{"n":{n},"i":{i},"removed":true}}"#));
        assert_eq!(withdrawn, expected);
        assert!(delivered.withdraw_from(2).is_empty());
        assert!(delivered.contains(1, log(1, 0).block, 0));
    }

    #[test]
    fn a_log_is_known_by_block_and_index() {
        let delivered = filled(&[(1, 0), (2, 3)]);
        assert!(delivered.contains(2, log(2, 3).block, 3));
        assert!(!delivered.contains(2, log(9, 3).block, 3), "of another branch");
        assert!(!delivered.contains(2, log(2, 3).block, 4));
    }

    #[test]
    fn many_logs_are_forgotten_by_whole_blocks_but_never_of_new_blocks() {
        let mut delivered = filled(&[(1, 0), (1, 1), (2, 0), (70, 0)]);
        delivered.trim(70, 3);
        assert!(!delivered.remembers(1) && delivered.remembers(2));
        assert!(!delivered.can_withdraw_from(1) && delivered.can_withdraw_from(2));
        assert!(delivered.contains(2, log(2, 0).block, 0));
        delivered.trim(70, 0);
        assert!(delivered.contains(70, log(70, 0).block, 0), "one of the newest blocks");
        assert!(!delivered.contains(2, log(2, 0).block, 0));
    }
}
