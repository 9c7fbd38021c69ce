//! Questions about blocks: which are asked, and what becomes of the answers.

use std::collections::HashSet;

use tokio::time::Instant;

use lasso_layers::catalog::Continuity;

use crate::streams::block::Header;

use super::super::headers::{Key, Walk};
use super::super::protocol::{Action, BlockId, End, FetchId, Peer, Source, Unavailable};
use super::super::questions::Subject;
use super::Coordinator;

const LATEST: Subject = Subject::Block(BlockId::Latest);

impl Coordinator {
    /// A block was asked for.
    pub(super) fn on_block(
        &mut self,
        fetch: FetchId,
        outcome: Result<Option<Header>, Unavailable>,
        now: Instant,
    ) {
        // Nobody waits for the answers of providers that were left.
        let Some(subject) = self.questions.take(fetch) else { return };
        let Subject::Block(id) = subject else { return };
        let answers = |header: &Header| match id {
            BlockId::Latest => true,
            BlockId::Number(number) => header.number == number,
            BlockId::Hash(hash) => header.hash == hash,
        };
        match outcome {
            Ok(Some(header)) if answers(&header) => {
                self.questions.settle(subject);
                if self.branch.tip().is_none() && !self.can_ask() {
                    // Only from now on it means something when nobody has a block.
                    self.questions.retain_failed(|subject| subject == LATEST);
                }
                match self.serving_mut().and_then(|serving| serving.latest.take_if(|_| subject == LATEST)) {
                    Some(order) => self.on_target(header, order, now),
                    None if self.headers.are_awaited() => self.headers.add_fetched(header),
                    // What it was to lead to was dropped or linked meanwhile.
                    None => {}
                }
            }
            // The provider does not have it yet, or could not say.
            Ok(_) => self.questions.fail(subject, true, now),
            Err(Unavailable) => self.questions.fail(subject, false, now),
        }
    }

    /// Asks for what is missing between the branch and the heads that wait.
    pub(super) fn ask_for_blocks(&mut self, now: Instant, out: &mut Vec<Action>) {
        let Some(serving) = self.serving() else { return };
        let peer = serving.peer;
        if serving.latest.is_some() && self.questions.may_ask(LATEST) {
            // Of nobody else: it is this provider's heads that will follow.
            let source = Source::Peer(peer);
            let fetch = self.questions.ask(LATEST, source);
            out.push(Action::FetchBlock { fetch, block: BlockId::Latest, source });
        }
        if !self.headers.are_awaited() {
            self.questions.retain_failed(|subject| subject == LATEST || matches!(subject, Subject::Logs(_)));
            return;
        }
        let Some((tip, _)) = self.branch.tip() else {
            // One of them is to be the first of the stream.
            let unseen = self.headers.awaited().filter(|entry| !entry.fetched);
            let unseen: Vec<_> = unseen.map(|entry| entry.header.hash).collect();
            return unseen.into_iter().for_each(|hash| self.ask_for_block(BlockId::Hash(hash), peer, out));
        };
        if self.is_behind() {
            return;
        }
        let window = self.policy.window;
        let survey = self.headers.survey(&self.branch, tip, self.tip_order);
        // Heads that were made up fall out again; what was asked because of them must not pile up.
        let filling = self.filling_to.into_iter().flat_map(|number| self.headers.fetched_at(number));
        let filling =
            filling.filter_map(|top| match self.headers.walk((top.number, top.hash), &self.branch) {
                Walk::Missing((_, hash)) => Some(hash),
                _ => None,
            });
        let wanted: HashSet<_> =
            survey.missing.iter().map(|(_, _, missing)| missing.1).chain(filling).collect();
        self.questions.retain_failed(|subject| match subject {
            Subject::Block(BlockId::Hash(hash)) => wanted.contains(&hash),
            Subject::Block(BlockId::Number(number)) => number > tip,
            Subject::Block(BlockId::Latest) | Subject::Logs(_) => true,
        });
        let (near, wide): (Vec<_>, Vec<_>) =
            survey.missing.into_iter().partition(|(_, _, missing)| missing.0.saturating_sub(tip) <= window);
        for (_, _, missing) in &near {
            // By its number it may be on its way already.
            if !self.questions.is_open(Subject::Block(BlockId::Number(missing.0))) {
                self.ask_for_block(BlockId::Hash(missing.1), peer, out);
            }
        }
        for (_, _, missing) in &near {
            self.ask_for_hole(tip, missing.0, peer, out);
        }
        if let Some((_, head, _)) = wide.first() {
            self.ask_about_wide_gap(tip, *head, peer, now, out);
        }
    }

    /// A head is so far away that the gap may not be filled. Anybody can claim to be far ahead, so that is only
    /// believed once a block is shown which is out of reach too.
    fn ask_about_wide_gap(&mut self, tip: u64, head: Key, peer: Peer, now: Instant, out: &mut Vec<Action>) {
        if let Some(number) = self.filling_to {
            let tops: Vec<_> = self.headers.fetched_at(number).map(|header| (number, header.hash)).collect();
            if tops.is_empty() {
                self.ask_for_block(BlockId::Number(number), peer, out);
            }
            for top in tops {
                if let Walk::Missing(missing) = self.headers.walk(top, &self.branch) {
                    self.ask_for_block(BlockId::Hash(missing.1), peer, out);
                }
            }
            return self.ask_for_hole(tip, number, peer, out);
        }
        let out_of_reach = tip.saturating_add(self.policy.window).saturating_add(1);
        if self.headers.fetched_at(out_of_reach).next().is_none() {
            return self.ask_for_block(BlockId::Number(out_of_reach), peer, out);
        }
        match self.policy.continuity {
            Continuity::Strict => self.end(End::GapTooWide, out),
            Continuity::BestEffort => match self.policy.max_backfill.min(self.policy.window) {
                0 => self.give_way(End::GapTooWide, head, now, out),
                blocks => {
                    self.filling_to = Some(tip.saturating_add(blocks));
                    self.ask_about_wide_gap(tip, head, peer, now, out);
                }
            },
        }
    }

    /// Asks for the blocks above the tip and below `top` of which nothing is at hand.
    fn ask_for_hole(&mut self, tip: u64, top: u64, peer: Peer, out: &mut Vec<Action>) {
        for number in tip.saturating_add(1)..top {
            if self.questions.count() >= self.policy.concurrency {
                return;
            }
            if !self.headers.has_number(number) {
                self.ask_for_block(BlockId::Number(number), peer, out);
            }
        }
    }

    fn ask_for_block(&mut self, block: BlockId, peer: Peer, out: &mut Vec<Action>) {
        let subject = Subject::Block(block);
        if self.questions.count() < self.policy.concurrency.max(1) && self.questions.may_ask(subject) {
            let source = self.questions.source(subject, peer);
            let fetch = self.questions.ask(subject, source);
            out.push(Action::FetchBlock { fetch, block, source });
        }
    }
}
