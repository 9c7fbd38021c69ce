//! What a client of logs has: those of a branch, in its order.

use super::{Span, Violation};
use crate::chain::{Block, Payload, Tree};
use crate::trace;

/// The logs that the client has and that were not taken back.
#[derive(Debug)]
pub(super) struct Logs {
    held: Vec<Held>,
    /// The number of the first block that logs came of.
    first: Option<u64>,
    /// The order of the logs of a block is not promised.
    late: bool,
    /// A gap was announced: what follows need not follow at once.
    has_gap: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    block: Block,
    index: u64,
}

impl Logs {
    pub(super) const fn new(late: bool) -> Self {
        Self { held: Vec::new(), first: None, late, has_gap: false }
    }

    pub(super) const fn gap_left(&mut self) {
        self.has_gap = true;
    }

    pub(super) fn take(
        &mut self,
        tree: &Tree,
        span: Span,
        block: Block,
        payload: &Payload,
    ) -> Result<(), Violation> {
        let name = format!("log {:?} of {}", payload.log, trace::block(tree, block));
        let index = payload.log.filter(|&index| tree.logs(block).iter().any(|log| log.index == index));
        let Some(index) = index else {
            return Err(Violation::new("emits what does not exist", name));
        };
        let log = Held { block, index };
        if payload.removed {
            return match self.held.iter().rposition(|&held| held == log) {
                None => Err(Violation::new("takes back what the client does not have", name)),
                Some(at) if at + 1 < self.held.len() => {
                    Err(Violation::new("does not take the newest back first", name))
                }
                Some(at) => {
                    self.held.truncate(at);
                    Ok(())
                }
            };
        }
        if self.held.contains(&log) {
            return Err(Violation::new("emits a log twice", name));
        }
        let number = tree.number(block);
        if number < span.earliest {
            return Err(Violation::new("begins too early", name));
        }
        let at = if self.late { self.place(tree, log) } else { self.held.len() };
        if let Some(below) = at.checked_sub(1).map(|below| self.held[below])
            && !tree.is_ancestor(below.block, block)
        {
            let seen = format!("{name} upon {}", trace::block(tree, below.block));
            return Err(Violation::new("mixes branches", seen));
        }
        let last = at.checked_sub(1).map(|below| self.held[below]);
        if !self.late && last.is_some_and(|last| last.block == block && last.index > index) {
            return Err(Violation::new("has logs out of order", name));
        }
        if !self.late && !self.has_gap {
            self.follows(tree, span, last, log).map_err(|missing| {
                Violation::new("leaves logs out", format!("{missing} is missing before {name}"))
            })?;
        }
        self.first.get_or_insert(number);
        self.held.insert(at, log);
        Ok(())
    }

    /// Where it belongs.
    fn place(&self, tree: &Tree, log: Held) -> usize {
        let key = |held: &Held| (tree.number(held.block), held.index);
        self.held.partition_point(|held| key(held) < key(&log))
    }

    /// Whether there is no other log between the two.
    fn follows(&self, tree: &Tree, span: Span, last: Option<Held>, log: Held) -> Result<(), String> {
        // What is certain to be the client's concern.
        let since = match (span.promised, self.first) {
            (Some(promised), Some(first)) => promised.min(first + 1),
            (Some(certain), None) => certain,
            (None, Some(first)) => first + 1,
            (None, None) => tree.number(log.block),
        };
        let after = |block: Block, index: u64| match last {
            Some(last) if last.block == block => index > last.index,
            Some(last) => tree.number(block) > tree.number(last.block),
            None => tree.number(block) >= since,
        };
        for block in tree.branch(log.block) {
            if last.is_some_and(|last| tree.number(block) < tree.number(last.block))
                || last.is_none() && tree.number(block) < since
            {
                break;
            }
            let before = |index: u64| block != log.block || index < log.index;
            let between = |index: u64| after(block, index) && before(index);
            if let Some(missing) = tree.logs(block).iter().find(|other| between(other.index)) {
                return Err(format!("log {} of {}", missing.index, trace::block(tree, block)));
            }
        }
        Ok(())
    }

    pub(super) fn finish(&self, tree: &Tree, span: Span, tip: Block, holes: u64) -> Result<(), Violation> {
        let since = match (span.promised, self.first) {
            (Some(promised), Some(first)) => promised.min(first + 1),
            (promised, first) => promised.or(first).unwrap_or(u64::MAX),
        };
        let mut branch: Vec<Block> =
            tree.branch(tip).take_while(|&block| tree.number(block) >= since).collect();
        branch.reverse();
        let mut expected = Vec::new();
        for &block in &branch {
            expected.extend(tree.logs(block).iter().map(|log| Held { block, index: log.index }));
        }
        let held: Vec<Held> =
            self.held.iter().copied().filter(|held| tree.number(held.block) >= since).collect();
        let astray = self.held.iter().find(|held| !tree.is_ancestor(held.block, tip));
        if let Some(astray) = astray {
            let seen = format!("log {} of {}", astray.index, trace::block(tree, astray.block));
            return Err(Violation::new("does not take logs back", seen));
        }
        let missing: Vec<Held> = expected.into_iter().filter(|log| !held.contains(log)).collect();
        let mut blocks: Vec<Block> = missing.iter().map(|log| log.block).collect();
        blocks.dedup();
        if blocks.len() as u64 > holes {
            let first = missing[0];
            let seen = format!(
                "{} logs, the first is {} of {}; {holes} blocks said to be missing",
                missing.len(),
                first.index,
                trace::block(tree, first.block)
            );
            return Err(Violation::new("has not all logs", seen));
        }
        Ok(())
    }
}
