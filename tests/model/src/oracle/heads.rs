//! What a client of new heads has: a branch, block by block.

use super::{Span, Violation};
use crate::chain::{Block, Tree};
use crate::trace;

/// The branch that the client knows, ascending. There are holes in it where gaps were left.
#[derive(Debug, Default)]
pub(super) struct Heads {
    branch: Vec<Block>,
    /// The number that the stream began with.
    first: Option<u64>,
    /// A gap was announced, and the next head may be anywhere.
    may_jump: bool,
    /// The heads that followed upon a gap.
    landings: Vec<Block>,
}

impl Heads {
    pub(super) const fn gap_left(&mut self) {
        self.may_jump = true;
    }

    pub(super) fn take(&mut self, tree: &Tree, span: Span, block: Block) -> Result<(), Violation> {
        let number = tree.number(block);
        let name = || trace::block(tree, block);
        let Some(&tip) = self.branch.last() else {
            if number < span.earliest {
                return Err(Violation::new("begins too early", name()));
            }
            if span.promised.is_some_and(|promised| number > promised)
                && self.first.is_none()
                && !self.may_jump
            {
                return Err(Violation::new("begins too late", format!("{}: {:?}", name(), span.promised)));
            }
            self.first.get_or_insert(number);
            self.branch.push(block);
            self.may_jump = false;
            return Ok(());
        };
        if self.branch.contains(&block) {
            return Err(Violation::new("emits a block twice", name()));
        }
        let parent = tree.parent(block);
        if parent == Some(tip) {
            self.branch.push(block);
            return Ok(());
        }
        if let Some(at) = self.branch.iter().rposition(|&known| Some(known) == parent) {
            self.branch.truncate(at + 1);
            self.branch.push(block);
            return Ok(());
        }
        // Everything that the client has since the beginning, or since a gap, was replaced.
        let (at, begun) = match self.landings.iter().rev().find_map(|landing| {
            // Or whatever has taken its place.
            let number = tree.number(*landing);
            self.branch.iter().position(|&known| tree.number(known) == number).map(|at| (at, number))
        }) {
            Some(landed) => landed,
            None => (0, self.first.expect("there is a branch")),
        };
        if number == begun || number + 1 == begun {
            if at > 0 {
                self.landings.push(block);
            } else {
                self.first = Some(number);
            }
            self.branch.truncate(at);
            self.branch.push(block);
            return Ok(());
        }
        if self.may_jump {
            self.may_jump = false;
            // What is at its height and above is replaced too.
            self.branch.retain(|&known| tree.number(known) < number);
            self.branch.push(block);
            self.landings.push(block);
            return Ok(());
        }
        let seen = format!("{} after {}, parent unknown to the client", name(), trace::block(tree, tip));
        Err(Violation::new(
            if number > tree.number(tip) { "leaves a gap silently" } else { "regresses" },
            seen,
        ))
    }

    pub(super) fn finish(&self, tree: &Tree, span: Span, tip: Block) -> Result<(), Violation> {
        let Some(&last) = self.branch.last() else {
            return Err(Violation::new("emits nothing at all", "though blocks came"));
        };
        if last != tip {
            let seen = format!("{}, and the chain at {}", trace::block(tree, last), trace::block(tree, tip));
            return Err(Violation::new("is not at the head in the end", seen));
        }
        // What was before a gap is as it was left.
        let landed = self.branch.iter().rposition(|block| self.landings.contains(block));
        let branch = &self.branch[landed.unwrap_or(0)..];
        if let Some(astray) = branch.iter().find(|&&block| !tree.is_ancestor(block, tip)) {
            return Err(Violation::new("is on another branch", trace::block(tree, *astray)));
        }
        let begun = tree.number(branch[0]);
        let has = branch.len() as u64;
        let expected = tree.number(tip) + 1 - begun;
        let is_late = landed.is_none() && span.promised.is_some_and(|promised| begun > promised);
        if has < expected || is_late {
            let promised = span.promised.unwrap_or(begun);
            let seen =
                format!("{has} of {expected} blocks since {begun}; promised are those since {promised}");
            return Err(Violation::new("has not all blocks", seen));
        }
        Ok(())
    }
}
