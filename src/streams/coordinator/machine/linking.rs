//! Heads become blocks of the branch.

use tokio::time::Instant;

use lasso_layers::catalog::Continuity;

use crate::streams::block::Header;

use super::super::headers::{Announced, Entry, Key, Walk};
use super::super::protocol::{Action, BlockId, End, FetchId, Lease, Note, Peer, Source, Unavailable};
use super::super::questions::Subject;
use super::{Coordinator, Root};

/// So often a head is looked for before it is taken for made up.
const LOOKS: u32 = 4;
const LATEST: Subject = Subject::Block(BlockId::Latest);

impl Coordinator {
    /// The place of a head that comes now.
    pub(super) fn next_order(&mut self) -> u64 {
        self.heads += 1;
        self.heads
    }

    /// Has the provider asked for its newest head, which will count as one that came now.
    pub(super) fn want_latest(&mut self) {
        let order = self.next_order();
        if let Some(serving) = self.serving_mut() {
            serving.latest.get_or_insert(order);
            serving.was_asked = true;
        }
    }

    /// A head came by itself.
    pub(super) fn on_head(&mut self, lease: Lease, header: Header, now: Instant, out: &mut Vec<Action>) {
        let order = self.next_order();
        let Some(serving) = self.serving_mut().filter(|serving| serving.lease == lease) else {
            return Self::drop_event("stale_provider", out);
        };
        serving.highest = serving.highest.max(header.number);
        // What logs the first one has may have come before there was anybody to tell.
        let live = std::mem::replace(&mut serving.has_pushed, true);
        let key = (header.number, header.hash);
        let tip = self.branch.tip();
        if self.branch.contains(key.0, key.1) {
            if self.root == Root::Asked && tip == Some(key) {
                // Asked for the root, the provider named a head that it was about to announce: it is news. Some of its
                // logs may have come before.
                self.root = Root::Firm;
                return self.hand_out([header].into(), false, now, out);
            }
            self.confirm_target(key);
            return Self::drop_event("duplicate", out);
        }
        self.heard_if_new(key, now);
        if self.root == Root::Firm && tip.is_some() && header.number < self.branch.first() {
            if self.branch.is_trimmed() {
                // An old one, most likely; but the chain may have been reorganised deeper than is remembered. What is
                // below the root is no concern of the client.
                self.want_latest();
            }
            return Self::drop_event("too_old", out);
        }
        let parent = header.number.checked_sub(1).map(|number| (number, header.parent));
        if self.headers.is_empty() && tip.is_some() && tip == parent {
            // The common case: the next block.
            self.branch.push(header.hash, self.policy.history);
            self.reach(key.0, order, now);
            return self.hand_out([header].into(), live, now, out);
        }
        if !self.headers.announce(header, Announced { order, at: now }, live) {
            return Self::drop_event("duplicate", out);
        }
        let others = self.policy.window.saturating_add(self.policy.history as u64);
        let others = usize::try_from(others).unwrap_or(usize::MAX);
        for _ in 0..self.headers.bound(self.policy.live_buffer, others) {
            Self::drop_event("live_buffer", out);
        }
    }

    /// The head that the provider had when it confirmed, or has when asked.
    pub(super) fn on_target(&mut self, header: Header, order: u64, now: Instant) {
        let key = (header.number, header.hash);
        let Some(serving) = self.serving_mut() else { return };
        serving.highest = serving.highest.max(header.number);
        serving.target.get_or_insert(key);
        if self.branch.tip().is_none() {
            self.checkpoint = Some(header);
        } else if self.branch.contains(key.0, key.1) {
            self.confirm_target(key);
        } else if header.number >= self.branch.first() || self.root != Root::Firm || self.branch.is_trimmed()
        {
            self.headers.announce(header, Announced { order, at: now }, false);
        }
    }

    /// Begins the branch, silently: with the head that the provider had at the beginning, but below what it announced,
    /// which the answer may have overtaken. Without such a head, below the first one that it announced. What is announced
    /// counts once something leads to it or somebody has shown it.
    fn take_root(&mut self) {
        let can_ask = self.checkpoint.is_some() || self.headers.has_fetched();
        let mut root = None;
        for entry in self.headers.awaited() {
            let head = &entry.header;
            let key = (head.number, head.hash);
            if self.checkpoint.as_ref().is_some_and(|checkpoint| checkpoint.number < head.number) {
                break;
            }
            let leads_there = |checkpoint: &Header| self.headers.leads(checkpoint, key);
            let is_led_to = self.headers.is_parent(key) || self.checkpoint.as_ref().is_some_and(leads_there);
            if is_led_to || entry.fetched {
                root = Some((head.number.saturating_sub(1), head.parent));
                break;
            }
            // Questions are answered, and nobody has it: it was made up.
            let looks = self.questions.tries(Subject::Block(BlockId::Hash(head.hash)));
            if !can_ask || looks < LOOKS {
                return;
            }
        }
        let is_asked = root.is_none() && !self.headers.are_awaited();
        let checkpoint = self.checkpoint.as_ref().map(|head| (head.number, head.hash));
        let Some(root) = root.or(checkpoint) else { return };
        let is_asked = is_asked && self.serving().is_some_and(|serving| serving.was_asked);
        self.root = if is_asked { Root::Asked } else { Root::Silent };
        self.checkpoint = None;
        self.branch.start(root.0, root.1);
        if let Some(settling) = &mut self.settling {
            settling.start_at(root.0 + 1);
        }
        if let Some(serving) = self.serving_mut() {
            serving.latest = None;
        }
    }

    /// A provider that was behind has come to this block of the branch. It has left what was below the branch.
    fn confirm_target(&mut self, key: Key) {
        self.headers.drop_below(self.branch.first());
        if let Some(target) = self.serving_mut().and_then(|serving| serving.target.as_mut())
            && target.0 <= key.0
        {
            *target = key;
        }
    }

    fn heard_if_new(&mut self, key: Key, now: Instant) {
        let is_new = !self.headers.is_announced(key);
        if let Some(serving) = self.serving_mut().filter(|_| is_new) {
            serving.heard = now;
        }
    }

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
                match self.serving_mut().and_then(|serving| serving.latest.take_if(|_| subject == LATEST)) {
                    Some(order) => self.on_target(header, order, now),
                    None if self.headers.are_awaited() => self.headers.add_fetched(header),
                    // What it was to lead to was dropped or linked meanwhile.
                    None => {}
                }
            }
            // The provider does not have it yet, or could not say.
            Ok(_) | Err(Unavailable) => self.questions.fail(subject, now),
        }
    }

    /// Goes to every head that links.
    pub(super) fn link(&mut self, now: Instant, out: &mut Vec<Action>) {
        if self.branch.tip().is_none() && self.serving().is_some() {
            self.take_root();
        }
        while !self.over && self.headers.are_awaited() {
            let (Some((tip, _)), Some(_)) = (self.branch.tip(), self.serving()) else { return };
            if self.is_behind() {
                return;
            }
            let survey = self.headers.survey(&self.branch, tip, self.tip_order);
            for key in survey.hopeless {
                self.headers.remove(key);
                Self::drop_event("unlinkable", out);
            }
            let degraded = self.episode.as_ref().is_some_and(|episode| episode.degraded);
            if let Some(key) = survey.linked {
                self.go_to(key, now, out);
            } else if degraded && let Some(key) = self.headers.newest(tip) {
                self.jump(key, now, out);
            } else if let Some(key) = survey.too_deep {
                self.give_way(End::TooDeep, key, now, out);
            } else if !self.fill_up(now, out) {
                return;
            }
        }
    }

    /// Switches to a head that links: what is not on its branch is withdrawn, what is new is handed out.
    fn go_to(&mut self, key: Key, now: Instant, out: &mut Vec<Action>) {
        let path = self.headers.take_path(key, &self.branch);
        let (Some(lowest), Some(head)) = (path.first(), path.last()) else { return };
        let from = lowest.header.number;
        if self.settling.as_ref().is_some_and(|settling| !settling.can_withdraw_from(from)) {
            let head = path.into_iter().next_back().and_then(|entry| Some((entry.header, entry.announced?)));
            let Some((header, announced)) = head else { return };
            self.headers.announce(header, announced, false);
            return self.give_way(End::TooDeep, key, now, out);
        }
        let order = head.announced.map_or(self.tip_order, |announced| announced.order);
        let is_next = path.len() == 1;
        let live = is_next && head.live;
        self.cut_from(from, out);
        for Entry { header, .. } in &path {
            if self.branch.tip().is_none() {
                self.branch.start(header.number, header.hash);
            } else {
                self.branch.push(header.hash, self.policy.history);
            }
        }
        if let Some(episode) = &mut self.episode {
            episode.filled += path.iter().filter(|entry| !entry.live).count() as u64;
        }
        self.reach(key.0, order, now);
        if is_next || self.settling.is_none() {
            self.hand_out(path.into_iter().map(|entry| entry.header).collect(), live, now, out);
        } else {
            for Entry { header, live, .. } in path {
                self.hand_out([header].into(), live, now, out);
            }
        }
    }

    /// Takes the blocks from this number on out of the branch.
    fn cut_from(&mut self, number: u64, out: &mut Vec<Action>) {
        let blocks = self.branch.cut_from(number);
        if blocks.is_empty() {
            return;
        }
        out.push(Action::Note(Note::Reorg { depth: blocks.len() as u64 }));
        let settling = self.settling.as_mut();
        let payloads = settling.map_or_else(Vec::new, |settling| settling.withdraw_from(number, blocks));
        if !payloads.is_empty() {
            out.push(Action::Emit { payloads, filled: self.episode.is_some() });
        }
    }

    /// The branch has a new tip, which came with the head of this place.
    fn reach(&mut self, tip: u64, order: u64, now: Instant) {
        self.root = Root::Firm;
        self.tip_order = order;
        if let Some(serving) = self.serving_mut() {
            serving.progress = now;
            serving.linked.get_or_insert(tip);
        }
        self.headers.prune(tip, order);
        self.headers.drop_below(self.branch.first());
    }

    /// Leaves a gap, and goes on at this head.
    fn jump(&mut self, to: Key, now: Instant, out: &mut Vec<Action>) {
        let (Some((tip, _)), Some(entry)) = (self.branch.tip(), self.headers.remove(to)) else { return };
        let number = entry.header.number;
        let unsettled = self.settling.as_mut().map_or(0, |settling| settling.give_up(tip, out));
        // Its parent is not what the client has, so that something is missing whatever the numbers say.
        let blocks = number.saturating_sub(tip + 1).max(1) + unsettled;
        out.push(Action::Note(Note::GapLeft { blocks }));
        self.cut_from(number, out);
        self.branch.start(number, entry.header.hash);
        if let Some(settling) = &mut self.settling {
            settling.start_at(number);
        }
        self.filling_to = None;
        let order = entry.announced.map_or(self.tip_order, |announced| announced.order);
        self.reach(number, order, now);
        self.hand_out([entry.header].into(), false, now, out);
    }

    /// A head cannot be reached block by block.
    fn give_way(&mut self, end: End, key: Key, now: Instant, out: &mut Vec<Action>) {
        match self.policy.continuity {
            Continuity::Strict => self.end(end, out),
            Continuity::BestEffort => self.jump(key, now, out),
        }
    }

    /// With best effort and a gap that is too wide: once its oldest part is there, it is handed out and the rest is
    /// left out. Says whether that has happened.
    fn fill_up(&mut self, now: Instant, out: &mut Vec<Action>) -> bool {
        let Some(number) = self.filling_to else { return false };
        let mut keys = self.headers.fetched_at(number).map(|header| (number, header.hash));
        let Some(key) = keys.find(|key| self.headers.walk(*key, &self.branch) == Walk::Linked) else {
            return false;
        };
        drop(keys);
        self.filling_to = None;
        self.go_to(key, now, out);
        if let Some(head) = self.headers.newest(number + 1) {
            self.jump(head, now, out);
        }
        true
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
                    self.filling_to = Some(tip + blocks);
                    self.ask_about_wide_gap(tip, head, peer, now, out);
                }
            },
        }
    }

    /// Asks for the blocks above the tip and below `top` of which nothing is at hand.
    fn ask_for_hole(&mut self, tip: u64, top: u64, peer: Peer, out: &mut Vec<Action>) {
        for number in tip + 1..top {
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
