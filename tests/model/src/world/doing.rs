//! What the player does, and whether there was reason for it.

use std::time::Duration;

use lasso_rpc::streams::coordinator::{Action, End, Note, Refusal};

use crate::oracle::Violation;
use crate::player::Player;
use crate::scenario::{Fault, Kind, Provider};
use crate::trace;

use super::{Event, World};

impl<P: Player> World<'_, P> {
    pub(super) fn act(&mut self, out: &mut Vec<Action>) -> Result<(), Violation> {
        if out.iter().any(|action| matches!(action, Action::Note(Note::GapLeft { .. }))) {
            self.oracle.gap_comes();
        }
        for action in out.drain(..) {
            self.say(|| format!("   -> {}", trace::action(&self.tree, &action)));
            if self.ended {
                return Err(self.broken("goes on after its end", &trace::action(&self.tree, &action)));
            }
            self.perform(action)?;
        }
        Ok(())
    }

    fn perform(&mut self, action: Action) -> Result<(), Violation> {
        match action {
            Action::Choose => {
                let at = self.now + Duration::from_millis(self.rng.u64(0..=2));
                self.queue.put(at, Event::Candidates);
            }
            Action::Subscribe { lease, peer } => return self.subscribe(lease, peer),
            Action::Release { lease } => {
                self.held(lease).released = true;
                self.oracle.lost(lease);
            }
            Action::FetchBlock { fetch, block, source } => {
                self.tally.fetched_blocks += 1;
                let at = self.answered_at(source);
                self.queue.put(at, Event::Block { fetch, block, source });
            }
            Action::FetchLogs { fetch, header, prove, source } => {
                self.tally.fetched_logs += 1;
                self.tally.proofs += u64::from(prove);
                if self.scenario.kind == Kind::Heads {
                    return Err(self.broken("asks for logs", "in a stream of heads"));
                }
                let at = self.answered_at(source);
                self.queue.put(at, Event::Logs { fetch, header, prove, source });
            }
            Action::Emit { payloads, filled } => {
                self.tally.filled += if filled { payloads.len() as u64 } else { 0 };
                self.tally.emitted += payloads.len() as u64;
                return self.oracle.emitted(&self.tree, self.now, &payloads);
            }
            Action::Established => {
                self.tally.established += 1;
                return self.oracle.established(self.now);
            }
            Action::Refuse(refusal) => return self.refused(refusal),
            Action::End(end) => return self.over(end),
            Action::Note(note) => return self.noted(note),
            other => return Err(self.broken("unknown action", &trace::action(&self.tree, &other))),
        }
        Ok(())
    }

    fn refused(&mut self, refusal: Refusal) -> Result<(), Violation> {
        self.ended = true;
        self.tally.refused += 1;
        let lasting = self.scenario.providers.iter().filter(|provider| provider.refuses).count();
        let is_asked = |provider: &&Provider| !provider.has(Fault::Down, self.now);
        let all = self.scenario.providers.iter().filter(is_asked).all(|provider| provider.refuses);
        if self.tally.established > 0 || !all && lasting < 3 {
            return Err(self.broken("refuses without need", &format!("{refusal:?}")));
        }
        Ok(())
    }

    fn over(&mut self, end: End) -> Result<(), Violation> {
        self.ended = true;
        self.tally.ended(end);
        if !self.oracle.is_strict() {
            return Err(self.broken("ends a best-effort stream", &format!("{end:?}")));
        }
        let is_justified = match end {
            End::OutOfTime => self.is_unservable(),
            End::GapTooWide => self.is_wide(),
            End::TooDeep => self.oracle.may_be_too_deep(),
            _ => false,
        };
        if is_justified { Ok(()) } else { Err(self.broken("ends without need", &format!("{end:?}"))) }
    }

    fn noted(&mut self, note: Note) -> Result<(), Violation> {
        self.tally.noted(note);
        self.attempts.noted(note);
        match note {
            Note::FailoverCompleted { .. } => self.degraded = false,
            Note::Degraded if !self.is_unservable() => {
                return Err(self.broken("degrades without need", "somebody could have served it"));
            }
            Note::Degraded => self.degraded = true,
            Note::GapLeft { .. } if self.oracle.is_strict() => {
                return Err(self.broken("leaves a gap", "though the policy is strict"));
            }
            Note::GapLeft { blocks } => {
                if !self.degraded && !self.is_wide() && !self.oracle.may_be_too_deep() {
                    return Err(self.broken("leaves a gap without need", &format!("of {blocks} blocks")));
                }
                self.oracle.gap_left();
                self.gap_left = true;
            }
            _ => {}
        }
        Ok(())
    }

    /// Nobody could have served the stream for as long as recovering may take: those who could be relied on were none,
    /// or had less of a chain than the client.
    fn is_unservable(&self) -> bool {
        let patience = self.scenario.policy.recovery_deadline;
        let since = self.now.saturating_sub(patience);
        !self.scenario.providers.iter().any(|provider| {
            let then = self.now.saturating_sub(patience / 2 + provider.delay);
            let had = self.steps.iter().take_while(|step| step.at <= then).last();
            let number = had.map_or(0, |step| self.tree.number(step.tip));
            provider.is_sound(since, self.now) && self.oracle.is_reached_by(number)
        })
    }

    /// The network is further ahead of the stream than is filled.
    fn is_wide(&self) -> bool {
        let highest = self.nodes.iter().map(|node| self.tree.number(node.tip())).max().unwrap_or_default();
        self.oracle.is_wide(highest)
    }
}
