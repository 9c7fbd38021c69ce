//! Heads become blocks of the branch.

use tokio::time::Instant;

use lasso_layers::catalog::Continuity;

use crate::streams::block::Header;

use super::super::headers::{Announced, Entry, Key, Walk};
use super::super::protocol::{Action, End, Lease, Note};
use super::{Coordinator, Root};

impl Coordinator {
    /// The place of a head that comes now.
    pub(super) fn next_order(&mut self) -> u64 {
        self.heads += 1;
        self.heads
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

    fn heard_if_new(&mut self, key: Key, now: Instant) {
        let is_new = !self.headers.is_announced(key);
        if let Some(serving) = self.serving_mut().filter(|_| is_new) {
            serving.heard = now;
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
        if self.episode.is_none() {
            // It was caught up and goes on. What only makes up for an interruption proves nothing yet.
            self.search.prove();
        }
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
        let blocks = number.saturating_sub(tip.saturating_add(1)).max(1) + unsettled;
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
    pub(super) fn give_way(&mut self, end: End, key: Key, now: Instant, out: &mut Vec<Action>) {
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
        if let Some(head) = self.headers.newest(number.saturating_add(1)) {
            self.jump(head, now, out);
        }
        true
    }
}
