//! From one provider to the next.

use tokio::time::Instant;

use lasso_layers::catalog::Continuity;

use crate::streams::block::Header;

use super::super::protocol::{Action, End, Lease, LossReason, Note, Peer, Refusal};
use super::super::search::Choice;
use super::super::serving::{Episode, Phase, Serving};
use super::Coordinator;

/// How soon after a connection is up it is asked who there is.
const AFTER_CONNECT: std::time::Duration = std::time::Duration::from_millis(100);

impl Coordinator {
    pub(super) fn choose(&mut self, out: &mut Vec<Action>) {
        self.phase = Phase::Choosing;
        out.push(Action::Choose);
    }

    pub(super) fn on_candidates(&mut self, candidates: &[Peer], now: Instant, out: &mut Vec<Action>) {
        let Phase::Choosing = self.phase else { return };
        match self.search.choose(candidates, self.policy.attempts, now) {
            Choice::Ask(peer) => {
                // Choosing → Subscribing: for the first time, or to go on with the stream.
                let lease = Lease(self.leases);
                self.leases += 1;
                self.phase = Phase::Subscribing { lease, peer, until: now + self.policy.establish_attempt };
                if self.established {
                    out.push(Action::Note(Note::ResubscribeInitiated { to: peer }));
                }
                out.push(Action::Subscribe { lease, peer });
            }
            // Choosing → Idle: nobody does this at all.
            Choice::Rejected if !self.established => self.refuse(out),
            // Choosing → Pausing: who refused before the stream was there will not be asked; others may come.
            Choice::Rejected => self.phase = Phase::Pausing { until: now + self.policy.retry_after_degraded },
            // Choosing → Pausing: nobody is left, or too many were asked. Without a promise there is no hurry.
            Choice::Pause(until) => {
                let degraded = self.episode.as_ref().is_some_and(|episode| episode.degraded);
                let later = now + self.policy.retry_after_degraded;
                self.phase = Phase::Pausing { until: if degraded { later } else { until } };
            }
        }
    }

    /// Pausing ends early; other phases do not wait for a connection.
    pub(super) fn on_available(&mut self, now: Instant) {
        if let Phase::Pausing { until } = &mut self.phase {
            *until = (*until).min(now + AFTER_CONNECT);
        }
    }

    pub(super) fn on_confirmed(
        &mut self,
        confirmed: Lease,
        head: Option<Header>,
        now: Instant,
        out: &mut Vec<Action>,
    ) {
        // A subscription that was given up comes too late; it was released then.
        let Phase::Subscribing { lease, peer, .. } = self.phase else { return };
        if lease != confirmed {
            return;
        }
        // Subscribing → Serving.
        self.phase = Phase::Serving(Serving {
            lease,
            peer,
            heard: now,
            progress: now,
            target: None,
            highest: 0,
            is_believed: false,
            linked: None,
            has_pushed: false,
            latest: None,
            was_asked: false,
        });
        if !self.established {
            self.established = true;
            self.search.succeed();
            out.push(Action::Established);
        }
        match head {
            Some(head) => {
                let order = self.next_order();
                self.on_target(head, order, now);
            }
            None => self.want_latest(),
        }
    }

    pub(super) fn on_refused(&mut self, refused: Lease, lasting: bool, now: Instant, out: &mut Vec<Action>) {
        match self.phase {
            // Subscribing → Choosing: the next one.
            Phase::Subscribing { lease, peer, .. } if lease == refused => {
                self.search.exclude(peer);
                // A provider that has served the stream once is not taken at its word.
                if lasting && !self.established && self.search.reject(peer) {
                    return self.refuse(out);
                }
                self.choose(out);
            }
            Phase::Serving(Serving { lease, .. }) if lease == refused => {
                self.leave("subscription_refused", true, now, out);
            }
            _ => Self::drop_event("stale_provider", out),
        }
    }

    pub(super) fn on_lost(&mut self, lost: Lease, reason: LossReason, now: Instant, out: &mut Vec<Action>) {
        match self.phase {
            Phase::Subscribing { lease, .. } if lease == lost => {
                self.on_refused(lease, false, now, out);
            }
            Phase::Serving(Serving { lease, .. }) if lease == lost => {
                let (word, exclude) = match reason {
                    LossReason::Disconnected => ("provider_disconnected", true),
                    // It is there again already, and as good as any other.
                    LossReason::Replaced => ("connection_replaced", false),
                    LossReason::Unhealthy => ("provider_unhealthy", true),
                    LossReason::Overflow => ("feed_overflow", true),
                };
                self.leave(word, exclude, now, out);
            }
            // What was left before cannot be lost: one recovery at a time.
            _ => Self::drop_event("stale_provider", out),
        }
    }

    /// Serving → Choosing. Begins an interruption, or goes on with the one there is.
    fn leave(&mut self, reason: &'static str, exclude: bool, now: Instant, out: &mut Vec<Action>) {
        let Phase::Serving(Serving { lease, peer, .. }) = self.phase else { return };
        out.push(Action::Note(Note::FailoverInitiated { from: peer, reason }));
        out.push(Action::Release { lease });
        if exclude {
            self.search.exclude(peer);
        }
        self.episode.get_or_insert(Episode { since: now, filled: 0, doubted: false, degraded: false });
        self.filling_to = None;
        self.checkpoint = None;
        self.headers.forget_announcements();
        self.questions.forsake(peer);
        if let Some(settling) = &mut self.settling {
            settling.distrust(now);
        }
        self.choose(out);
    }

    /// The interruption is over once the stream is linked to the head that its provider had when it confirmed, or to a
    /// newer one, and has handed out all logs up to there.
    pub(super) fn catch_up(&mut self, now: Instant, out: &mut Vec<Action>) {
        let Some((tip, _)) = self.branch.tip() else { return };
        let Phase::Serving(serving) = &mut self.phase else { return };
        let reached = serving.target.is_some_and(|(number, hash)| {
            // Where the chain has become shorter than the root, there is nothing to come to.
            self.branch.contains(number, hash) || serving.is_believed && serving.highest < self.branch.first()
        });
        if reached {
            serving.linked.get_or_insert(tip);
        }
        let (Some(linked), Some(episode)) = (serving.linked, &self.episode) else { return };
        let unsettled = self.settling.as_ref().and_then(|settling| settling.oldest());
        if unsettled.is_some_and(|(number, _)| number <= linked) {
            return;
        }
        let (took, filled) = (now.duration_since(episode.since), episode.filled);
        out.push(Action::Note(Note::FailoverCompleted { to: serving.peer, took, filled }));
        self.episode = None;
        self.search.succeed();
    }

    /// Whatever is due.
    pub(super) fn check_time(&mut self, now: Instant, out: &mut Vec<Action>) {
        if self.over {
            return;
        }
        if self.recovery_ends().is_some_and(|at| at <= now) {
            match self.policy.continuity {
                Continuity::Strict => return self.end(End::OutOfTime, out),
                Continuity::BestEffort => self.degrade(now, out),
            }
        }
        match &self.phase {
            Phase::Idle | Phase::Choosing => {}
            // Pausing → Choosing.
            Phase::Pausing { until } if *until <= now => self.choose(out),
            // Subscribing → Choosing: no answer is a refusal, and what comes after all is not wanted.
            Phase::Subscribing { lease, peer, until } if *until <= now => {
                let (lease, peer) = (*lease, *peer);
                out.push(Action::Release { lease });
                self.search.exclude(peer);
                self.choose(out);
            }
            Phase::Pausing { .. } | Phase::Subscribing { .. } => {}
            Phase::Serving(serving) if serving.heard + self.policy.heads_timeout <= now => {
                out.push(Action::Note(Note::Stale { peer: serving.peer }));
                self.leave("subscription_stale", true, now, out);
            }
            Phase::Serving(serving) if self.patience_ends(serving).is_some_and(|at| at <= now) => {
                self.lose_patience(now, out);
            }
            Phase::Serving(_) => {}
        }
    }

    /// A head or a block's logs have been waited for too long.
    fn lose_patience(&mut self, now: Instant, out: &mut Vec<Action>) {
        let overdue = |since: Instant| since + self.policy.recovery_deadline <= now;
        match self.headers.oldest().filter(|(_, announced)| self.episode.is_none() && overdue(announced.at)) {
            // Newer ones were linked: it was never part of this chain.
            Some((key, announced)) if self.tip_order > announced.order => {
                self.headers.remove(key);
                Self::drop_event("unlinked", out);
            }
            Some(_) => self.leave("heads_unlinked", true, now, out),
            _ if self.is_behind() && self.believe(now) => {
                self.link(now, out);
                self.settle(now, out);
                self.catch_up(now, out);
            }
            None if self.episode.is_some() => self.leave("no_progress", true, now, out),
            None => self.leave("logs_unsettled", true, now, out),
        }
    }

    /// A provider that is behind on another branch is waited for, and then left. When the next one, or the same one
    /// again, tells of a chain that is shorter too, then it is: it is gone along with. Says whether that is new.
    fn believe(&mut self, now: Instant) -> bool {
        let doubted =
            self.episode.as_mut().is_none_or(|episode| std::mem::replace(&mut episode.doubted, true));
        // What is not remembered cannot be gone back to.
        let oldest = if self.branch.is_trimmed() { self.branch.first() } else { 0 };
        let serving = self.serving_mut().filter(|serving| {
            serving.target.is_some() && !serving.is_believed && serving.highest >= oldest && doubted
        });
        let Some(serving) = serving else { return false };
        serving.is_believed = true;
        serving.progress = now;
        true
    }

    /// Best effort only: the gap stays, and whoever comes is joined at its head.
    fn degrade(&mut self, now: Instant, out: &mut Vec<Action>) {
        let Some(episode) = &mut self.episode else { return };
        episode.degraded = true;
        out.push(Action::Note(Note::Degraded));
        if let Phase::Pausing { until } = &mut self.phase {
            *until = now + self.policy.retry_after_degraded;
        }
        if let (Some(settling), Some((tip, _))) = (&mut self.settling, self.branch.tip()) {
            let blocks = settling.give_up(tip, out);
            if blocks > 0 {
                out.push(Action::Note(Note::GapLeft { blocks }));
            }
        }
        self.link(now, out);
        self.catch_up(now, out);
    }

    fn refuse(&mut self, out: &mut Vec<Action>) {
        self.phase = Phase::Idle;
        self.over = true;
        out.push(Action::Refuse(Refusal::Rejected));
    }
}
