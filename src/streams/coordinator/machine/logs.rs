//! Blocks of the branch are handed out: as heads, or as their logs once these are all there.

use smallvec::SmallVec;
use tokio::time::Instant;

use crate::streams::block::{BlockHash, Header, Log};

use super::super::protocol::{Action, FetchId, Lease, Note, Unavailable};
use super::super::questions::Subject;
use super::super::settling::Placed;
use super::{Coordinator, Root};

/// Loose logs are kept for blocks as far below the tip as reorganisations commonly reach.
const LOOSE_DEPTH: u64 = 64;

impl Coordinator {
    /// Blocks were appended to the branch, in this order. `live` says that their logs come by themselves.
    pub(super) fn hand_out(
        &mut self,
        headers: SmallVec<[Header; 1]>,
        live: bool,
        now: Instant,
        out: &mut Vec<Action>,
    ) {
        let filled = self.episode.is_some() || headers.len() > 1;
        let Some(settling) = &mut self.settling else {
            let payloads = headers.into_iter().map(|header| header.payload).collect();
            return out.push(Action::Emit { payloads, filled });
        };
        for header in headers {
            settling.drop_loose_below(header.number.saturating_sub(LOOSE_DEPTH));
            settling.enqueue(header, live, filled, now);
        }
    }

    /// A log came by itself.
    pub(super) fn on_log(&mut self, lease: Lease, log: Log, now: Instant, out: &mut Vec<Action>) {
        if self.serving().is_none_or(|serving| serving.lease != lease) {
            return Self::drop_event("stale_provider", out);
        }
        let Some(settling) = &mut self.settling else { return };
        let in_branch = self.branch.contains(log.number, log.block);
        if log.removed {
            // A hint that the chain has changed. Logs are taken back when the branch switches, all of them and once,
            // so the head that it switches to is all that may be missing.
            if in_branch {
                self.want_latest();
            }
            return;
        }
        if in_branch && !settling.is_pending((log.number, log.block)) {
            return if settling.late(&log) {
                out.push(Action::Note(Note::LateLog));
                out.push(Action::Emit { payloads: vec![log.payload], filled: false });
            } else {
                Self::drop_event("duplicate", out);
            };
        }
        if self.root == Root::Firm && log.number < self.branch.first() {
            return Self::drop_event("too_old", out);
        }
        match settling.place(log, now) {
            Placed::Kept => {}
            Placed::Duplicate => Self::drop_event("duplicate", out),
            Placed::Spilled => Self::drop_event("live_buffer", out),
        }
    }

    /// Hands out what is settled.
    pub(super) fn settle(&mut self, now: Instant, out: &mut Vec<Action>) {
        let (Some(settling), Some((tip, _))) = (&mut self.settling, self.branch.tip()) else { return };
        settling.wake(now);
        settling.flush(tip, out);
    }

    /// The logs of a block were asked for.
    pub(super) fn on_logs(
        &mut self,
        fetch: FetchId,
        outcome: Result<Vec<Log>, Unavailable>,
        complete: bool,
        now: Instant,
    ) {
        let Some(subject) = self.questions.take(fetch) else { return };
        let (Subject::Logs(block), Some(settling)) = (subject, &mut self.settling) else { return };
        if outcome.is_ok_and(|logs| settling.answered(block, logs, complete)) {
            self.questions.settle(subject);
            if let Some(serving) = self.serving_mut() {
                serving.progress = now;
            }
        } else {
            self.questions.fail(subject, now);
        }
    }

    /// Asks for the logs of blocks that wait for them, oldest first and several at once.
    pub(super) fn ask_for_logs(&mut self, out: &mut Vec<Action>) {
        let (Some(peer), Some(settling)) = (self.peer(), &self.settling) else { return };
        let mut wanted: SmallVec<[BlockHash; 8]> = SmallVec::new();
        for (header, prove) in settling.questions() {
            wanted.push(header.hash);
            let subject = Subject::Logs(header.hash);
            if self.questions.count() < self.policy.concurrency.max(1) && self.questions.may_ask(subject) {
                let source = self.questions.source(subject, peer);
                let fetch = self.questions.ask(subject, source);
                out.push(Action::FetchLogs { fetch, header: header.clone(), prove, source });
            }
        }
        self.questions.retain_failed(|subject| match subject {
            Subject::Logs(block) => wanted.contains(&block),
            Subject::Block(_) => true,
        });
    }
}
