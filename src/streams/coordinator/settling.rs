//! Blocks of the branch whose logs are on their way. A block is *settled* when all of its logs are there; only then are
//! they handed out, block after block in the order of the branch.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::streams::block::{BlockHash, Bloom, Header, Log};

use super::delivered::Delivered;
use super::headers::Key;
use super::protocol::{Action, StreamPolicy};

/// So many of the blocks that left the branch are remembered.
const LEFT_LIMIT: usize = 256;

/// The logs of a stream of logs.
pub(super) struct Settling {
    admits: Box<dyn Fn(&Bloom) -> bool + Send>,
    settle: Duration,
    verify_all: bool,
    remembered: usize,
    loose_limit: usize,
    /// Linked, but logs of this one or one before are not all there. Oldest first.
    pending: VecDeque<Pending>,
    /// Logs of blocks that are not linked.
    loose: BTreeMap<Key, Vec<Log>>,
    loose_count: usize,
    /// Loose logs of blocks up to this number were dropped: what came of them is not all.
    spilled: Option<u64>,
    delivered: Delivered,
    /// The newest block that was settled on what came by itself, as long as nobody was asked about it.
    unasked: Option<Header>,
    /// Blocks that left the branch lately. Logs that came again while they were in it were taken for repeated.
    left: VecDeque<BlockHash>,
}

/// A block that waits for its logs.
#[derive(Debug)]
struct Pending {
    header: Header,
    /// By index.
    logs: Vec<Log>,
    stage: Stage,
    since: Instant,
    filled: bool,
    /// A provider was asked for its logs and answered.
    asked: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Logs come by themselves until it has been quiet for a while.
    Listening { until: Instant },
    /// They are asked for.
    Asking { prove: bool },
    /// All there.
    Settled,
}

/// Where a log belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placed {
    /// Its block waits for logs.
    Kept,
    /// It is there already.
    Duplicate,
    /// Its block is not linked, and there is no room to keep it. The block's logs will be asked for.
    Spilled,
}

impl Settling {
    pub(super) fn new(policy: &StreamPolicy, admits: Box<dyn Fn(&Bloom) -> bool + Send>) -> Self {
        Self {
            admits,
            settle: policy.settle,
            verify_all: policy.verify_all_logs,
            remembered: policy.history,
            loose_limit: policy.live_buffer.max(1),
            pending: VecDeque::new(),
            loose: BTreeMap::new(),
            loose_count: 0,
            spilled: None,
            delivered: Delivered::default(),
            unasked: None,
            left: VecDeque::new(),
        }
    }

    /// The stream begins, or begins again, with this block.
    pub(super) fn start_at(&mut self, number: u64) {
        self.pending.clear();
        self.unasked = None;
        self.delivered.start_at(number);
        self.drop_loose_below(number);
    }

    /// A block is linked. `live` says that its logs come by themselves, all of them; `filled` is told on with its logs.
    pub(super) fn enqueue(&mut self, header: Header, live: bool, filled: bool, now: Instant) {
        let logs = self.loose.remove(&(header.number, header.hash)).unwrap_or_default();
        self.loose_count -= logs.len();
        let admitted = header.bloom.as_ref().is_none_or(|bloom| (self.admits)(bloom));
        let spilled = self.spilled.is_some_and(|highest| header.number <= highest)
            || !self.delivered.remembers(header.number)
            || self.left.contains(&header.hash);
        let stage = match () {
            // No log of the block can match, and none came that would belie the bloom.
            () if !admitted && logs.is_empty() => Stage::Settled,
            // What came is not to be trusted to be all.
            () if !live || spilled || self.verify_all => Stage::Asking { prove: false },
            // Its logs come just before the head or just after it.
            () => Stage::Listening { until: now + self.settle },
        };
        self.delivered.include(header.number);
        self.pending.push_back(Pending { header, logs, stage, since: now, filled, asked: false });
    }

    /// A log came by itself, of a block that is not settled or not linked.
    pub(super) fn place(&mut self, log: Log, now: Instant) -> Placed {
        let pending = self.pending.iter_mut().rev().find(|pending| pending.is(log.number, log.block));
        if let Some(pending) = pending {
            if !pending.add(log) {
                return Placed::Duplicate;
            }
            match &mut pending.stage {
                // Each log may be followed by another one.
                Stage::Listening { until } => *until = now + self.settle,
                // The answer will be joined with what came by itself.
                Stage::Asking { .. } => {}
                // It was settled without logs, but the ones before it are not yet: it has some after all.
                stage @ Stage::Settled => *stage = Stage::Listening { until: now + self.settle },
            }
            return Placed::Kept;
        }
        let logs = self.loose.entry((log.number, log.block)).or_default();
        let Err(at) = logs.binary_search_by_key(&log.index, |other| other.index) else {
            return Placed::Duplicate;
        };
        if self.loose_count == self.loose_limit {
            self.spilled = self.spilled.max(Some(log.number));
            self.loose.retain(|_, logs| !logs.is_empty());
            return Placed::Spilled;
        }
        self.loose_count += 1;
        logs.insert(at, log);
        Placed::Kept
    }

    /// Whether a block of the branch waits for its logs, or for those before it.
    pub(super) fn is_pending(&self, key: Key) -> bool {
        self.pending.iter().any(|pending| pending.is(key.0, key.1))
    }

    /// A log of a block that was settled without it. Says whether it is news; then it is to be handed out at once.
    pub(super) fn late(&mut self, log: &Log) -> bool {
        if !self.delivered.remembers(log.number) || self.delivered.contains(log.number, log.block, log.index)
        {
            return false;
        }
        self.delivered.insert(log.clone());
        true
    }

    /// Whether it is still known what was handed out from this block on.
    pub(super) const fn can_withdraw_from(&self, number: u64) -> bool {
        self.delivered.can_withdraw_from(number)
    }

    /// Blocks from `number` on left the branch. What was handed out of them is taken back, newest first.
    pub(super) fn withdraw_from(&mut self, number: u64, blocks: VecDeque<BlockHash>) -> Vec<Bytes> {
        self.left.extend(blocks);
        let excess = self.left.len().saturating_sub(LEFT_LIMIT);
        self.left.drain(..excess);
        while self.pending.pop_back_if(|pending| pending.header.number >= number).is_some() {}
        self.unasked.take_if(|header| header.number >= number);
        self.delivered.withdraw_from(number)
    }

    /// Moves on what waited for quiet.
    pub(super) fn wake(&mut self, now: Instant) {
        for pending in &mut self.pending {
            let Stage::Listening { until } = pending.stage else { continue };
            if until <= now {
                // Quiet, with logs: those are all. Without any, although the bloom admits some: has one been lost?
                let none = pending.logs.is_empty();
                pending.stage = if none { Stage::Asking { prove: false } } else { Stage::Settled };
            }
        }
    }

    /// The blocks whose logs are to be asked for, oldest first, and whether the answer has to prove itself.
    pub(super) fn questions(&self) -> impl Iterator<Item = (&Header, bool)> {
        self.pending.iter().filter_map(|pending| match pending.stage {
            Stage::Asking { prove } => Some((&pending.header, prove)),
            Stage::Listening { .. } | Stage::Settled => None,
        })
    }

    /// An answer came. Says whether it was of use; if not, it has to be asked again.
    pub(super) fn answered(&mut self, block: BlockHash, logs: Vec<Log>, complete: bool) -> bool {
        let Some(pending) = self.pending.iter_mut().find(|pending| pending.header.hash == block) else {
            return true;
        };
        let Stage::Asking { prove } = pending.stage else { return true };
        // The provider speaks of another block: it has not come to this one yet, or has left it.
        if logs.iter().any(|log| !pending.is(log.number, log.block) || log.removed) {
            return false;
        }
        let some = !logs.is_empty();
        for log in logs {
            pending.add(log);
        }
        pending.asked = true;
        pending.stage = match prove {
            _ if complete => Stage::Settled,
            // The bloom speaks of logs that were not shown: they are not there yet.
            true => return false,
            false if some => Stage::Settled,
            // None, where the bloom admits some: a provider may know a block before it knows its logs.
            false => Stage::Asking { prove: true },
        };
        true
    }

    /// Hands out the logs of every block that is settled, up to the first one that is not.
    pub(super) fn flush(&mut self, tip: u64, out: &mut Vec<Action>) {
        while let Some(pending) = self.pending.pop_front_if(|pending| pending.stage == Stage::Settled) {
            let Pending { header, logs, filled, asked, .. } = pending;
            let mut payloads = Vec::with_capacity(logs.len());
            for log in logs {
                if !self.delivered.contains(log.number, log.block, log.index) {
                    payloads.push(log.payload.clone());
                    self.delivered.insert(log);
                }
            }
            if !payloads.is_empty() {
                out.push(Action::Emit { payloads, filled });
                self.unasked = (!asked).then_some(header);
            }
            self.delivered.trim(tip, self.remembered);
        }
    }

    /// The provider is left: nothing more comes of what it was about to send. Every block that waits is asked about,
    /// and so is the last one that was settled on what it sent, because it may have been cut off in the middle.
    pub(super) fn distrust(&mut self, now: Instant) {
        for pending in &mut self.pending {
            if let Stage::Listening { .. } = pending.stage {
                pending.stage = Stage::Asking { prove: false };
            }
            pending.since = now;
        }
        if let Some(header) = self.unasked.take() {
            let stage = Stage::Asking { prove: false };
            let logs = Vec::new();
            self.pending.push_front(Pending { header, logs, stage, since: now, filled: true, asked: false });
        }
    }

    /// Waits no longer: what has come of the blocks that wait is handed out. Says how many are not complete.
    pub(super) fn give_up(&mut self, tip: u64, out: &mut Vec<Action>) -> u64 {
        let unsettled = self.pending.iter_mut().filter(|pending| pending.stage != Stage::Settled);
        let given_up = unsettled.map(|pending| pending.stage = Stage::Settled).count();
        self.flush(tip, out);
        given_up as u64
    }

    /// Number of the oldest block that is not settled, and since when it has been waiting.
    pub(super) fn oldest(&self) -> Option<(u64, Instant)> {
        self.pending.front().map(|pending| (pending.header.number, pending.since))
    }

    /// When [`wake`](Self::wake) has something to do.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        let listening = self.pending.iter().filter_map(|pending| match pending.stage {
            Stage::Listening { until } => Some(until),
            Stage::Asking { .. } | Stage::Settled => None,
        });
        listening.min()
    }

    /// Forgets loose logs of blocks below this number, which can no longer be linked.
    pub(super) fn drop_loose_below(&mut self, number: u64) {
        while let Some(oldest) = self.loose.first_entry()
            && oldest.key().0 < number
        {
            self.loose_count -= oldest.remove().len();
        }
        self.spilled.take_if(|highest| *highest < number);
    }
}

impl fmt::Debug for Settling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settling")
            .field("pending", &self.pending)
            .field("loose", &self.loose_count)
            .finish_non_exhaustive()
    }
}

// === impl Pending ===

impl Pending {
    fn is(&self, number: u64, hash: BlockHash) -> bool {
        self.header.number == number && self.header.hash == hash
    }

    /// Says whether it was not there yet.
    fn add(&mut self, log: Log) -> bool {
        let at = self.logs.binary_search_by_key(&log.index, |other| other.index);
        at.map_err(|at| self.logs.insert(at, log)).is_err()
    }
}
