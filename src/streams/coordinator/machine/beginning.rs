//! Where a stream begins, and where the provider is that it goes on with.

use tokio::time::Instant;

use crate::streams::block::Header;

use super::super::headers::{Announced, Key};
use super::super::protocol::BlockId;
use super::super::questions::Subject;
use super::{Coordinator, Root};

/// So often a head is looked for before it is taken for made up.
const LOOKS: u32 = 4;

impl Coordinator {
    /// Has the provider asked for its newest head, which will count as one that came now.
    pub(super) fn want_latest(&mut self) {
        let order = self.next_order();
        if let Some(serving) = self.serving_mut() {
            serving.latest.get_or_insert(order);
            serving.was_asked = true;
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

    /// A provider that was behind has come to this block of the branch. It has left what was below the branch.
    pub(super) fn confirm_target(&mut self, key: Key) {
        self.headers.drop_below(self.branch.first());
        if let Some(target) = self.serving_mut().and_then(|serving| serving.target.as_mut())
            && target.0 <= key.0
        {
            *target = key;
        }
    }

    /// Begins the branch, silently: with the head that the provider had at the beginning, but below what it announced,
    /// which the answer may have overtaken. Without such a head, below the first one that it announced. What is announced
    /// counts once something leads to it or somebody has shown it.
    pub(super) fn take_root(&mut self) {
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
            let looks = self.questions.absences(Subject::Block(BlockId::Hash(head.hash)));
            if !self.can_ask() || looks < LOOKS {
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
            settling.start_at(root.0.saturating_add(1));
        }
        if let Some(serving) = self.serving_mut() {
            serving.latest = None;
        }
    }

    /// Before there is a root: whether questions are answered at all.
    pub(super) fn can_ask(&self) -> bool {
        self.checkpoint.is_some() || self.headers.has_fetched()
    }
}
