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
    /// Where the stream goes on after a gap: how many of the logs it has are from before, and the number of the block.
    /// What was before stays as it was left.
    landed: Option<(usize, u64)>,
    /// A gap is being left.
    lands: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    block: Block,
    index: u64,
}

impl Logs {
    pub(super) const fn new(late: bool) -> Self {
        Self { held: Vec::new(), first: None, late, landed: None, lands: false }
    }

    /// A gap is about to be left.
    pub(super) const fn gap_comes(&mut self) {
        self.lands = true;
    }

    /// A gap was left, and the player is at this block now.
    pub(super) const fn landed(&mut self, number: u64) {
        self.landed = Some((self.held.len(), number));
        self.lands = false;
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
                    self.landed = self.landed.map(|(before, number)| (before.min(at), number));
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
        let before = self.landed.map_or(0, |(before, _)| before);
        let at = if self.late { self.place(tree, log).max(before) } else { self.held.len() };
        let last = (at > before).then(|| self.held[at - 1]);
        if let Some(below) = last.filter(|below| !self.lands && !tree.is_ancestor(below.block, block)) {
            let seen = format!("{name} upon {}", trace::block(tree, below.block));
            return Err(Violation::new("mixes branches", seen));
        }
        if !self.late && last.is_some_and(|last| last.block == block && last.index > index) {
            return Err(Violation::new("has logs out of order", name));
        }
        if !self.late && !self.lands {
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
        let since = self.since(span).unwrap_or_else(|| tree.number(log.block));
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

    /// The number from which on all is certain to be the client's concern.
    fn since(&self, span: Span) -> Option<u64> {
        match (self.landed, span.promised, self.first) {
            (Some((_, landed)), _, _) => Some(landed + 1),
            (None, Some(promised), Some(first)) => Some(promised.min(first + 1)),
            (None, promised, first) => promised.or_else(|| first.map(|first| first + 1)),
        }
    }

    pub(super) fn finish(&self, tree: &Tree, span: Span, tip: Block) -> Result<(), Violation> {
        let since = self.since(span).unwrap_or(u64::MAX);
        let held = &self.held[self.landed.map_or(0, |(before, _)| before)..];
        let mut branch: Vec<Block> =
            tree.branch(tip).take_while(|&block| tree.number(block) >= since).collect();
        branch.reverse();
        let mut expected = Vec::new();
        for &block in &branch {
            expected.extend(tree.logs(block).iter().map(|log| Held { block, index: log.index }));
        }
        let astray = held.iter().find(|held| !tree.is_ancestor(held.block, tip));
        if let Some(astray) = astray {
            let seen = format!("log {} of {}", astray.index, trace::block(tree, astray.block));
            return Err(Violation::new("does not take logs back", seen));
        }
        let missing: Vec<Held> = expected.into_iter().filter(|log| !held.contains(log)).collect();
        if let Some(first) = missing.first() {
            let first = format!("{} of {}", first.index, trace::block(tree, first.block));
            let seen = format!("{} since {since}, the first is {first}", missing.len());
            return Err(Violation::new("has not all logs", seen));
        }
        Ok(())
    }
}
