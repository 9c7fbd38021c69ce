//! The machine itself: what is told is handed to the part that it concerns, and then everything that has become possible
//! or due is done.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

use crate::streams::block::{BlockHash, Bloom, Header};

use super::branch::Branch;
use super::headers::Headers;
use super::protocol::{Action, End, Input, Note, Peer, StreamPolicy};
use super::questions::Questions;
use super::search::Search;
use super::serving::{Episode, Phase, Serving};
use super::settling::Settling;

mod asking;
mod beginning;
mod failover;
mod linking;
mod logs;
#[cfg(test)]
mod tests;

/// The continuity of one stream.
///
/// Every block of the chain is handed out once, in the order of parents, or the logs of every block are: whichever
/// provider serves the stream, whatever it leaves out, repeats or tells in the wrong order. Where that cannot be kept,
/// the stream ends, or with best effort leaves a gap and says so.
pub struct Coordinator {
    policy: StreamPolicy,
    phase: Phase,
    search: Search,
    /// Set while the stream is interrupted.
    episode: Option<Episode>,
    leases: u64,
    /// Subscribers have got their ids.
    established: bool,
    /// Refused or ended.
    over: bool,

    branch: Branch,
    root: Root,
    /// The head that the provider had at the beginning, as long as there is no root.
    checkpoint: Option<Header>,
    headers: Headers,
    /// How many heads came.
    heads: u64,
    /// The place among them of the one that the tip came with.
    tip_order: u64,
    /// With best effort, the number up to which a gap that is too wide is filled before the rest is left out.
    filling_to: Option<u64>,

    questions: Questions,
    /// Of a stream of logs.
    settling: Option<Settling>,
}

/// What is known of the block that the branch begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Root {
    /// The head that the provider had at the beginning. It was not handed out, and nothing was.
    Silent,
    /// The same; it was asked for, so that it may have come after the beginning and be announced yet.
    Asked,
    /// Something was handed out.
    Firm,
}

impl Coordinator {
    /// A stream of heads.
    #[must_use]
    pub fn heads(policy: StreamPolicy, _now: Instant) -> Self {
        Self::new(policy, None)
    }

    /// A stream of the logs that a filter admits. `admits` says whether a block with such a bloom may have some.
    #[must_use]
    pub fn logs(
        policy: StreamPolicy,
        admits: impl Fn(&Bloom) -> bool + Send + 'static,
        _now: Instant,
    ) -> Self {
        let settling = Settling::new(&policy, Box::new(admits));
        Self::new(policy, Some(settling))
    }

    fn new(policy: StreamPolicy, settling: Option<Settling>) -> Self {
        Self {
            policy,
            phase: Phase::Idle,
            search: Search::default(),
            episode: None,
            leases: 0,
            established: false,
            over: false,
            branch: Branch::default(),
            root: Root::Silent,
            checkpoint: None,
            headers: Headers::default(),
            heads: 0,
            tip_order: 0,
            filling_to: None,
            questions: Questions::default(),
            settling,
        }
    }

    /// Begins: asks for the first provider.
    pub fn start(&mut self, _now: Instant, out: &mut Vec<Action>) {
        if matches!(self.phase, Phase::Idle) && !self.over {
            self.choose(out);
        }
    }

    /// Takes what happened and appends what is to be done, in this order.
    pub fn handle(&mut self, input: Input, now: Instant, out: &mut Vec<Action>) {
        if self.over {
            return;
        }
        match input {
            Input::Candidates(candidates) => self.on_candidates(&candidates, now, out),
            Input::Available => self.on_available(now),
            Input::Confirmed { lease, head } => self.on_confirmed(lease, head, now, out),
            Input::Refused { lease, lasting } => self.on_refused(lease, lasting, now, out),
            Input::Lost { lease, reason } => self.on_lost(lease, reason, now, out),
            Input::Head { lease, header } => self.on_head(lease, header, now, out),
            Input::Log { lease, log } => self.on_log(lease, log, now, out),
            Input::Block { fetch, outcome } => self.on_block(fetch, outcome, now),
            Input::Logs { fetch, outcome, complete } => self.on_logs(fetch, outcome, complete, now),
            Input::Tick => {}
        }
        self.proceed(now, out);
    }

    /// Does whatever has become possible or due.
    fn proceed(&mut self, now: Instant, out: &mut Vec<Action>) {
        self.questions.wake(now);
        self.link(now, out);
        self.settle(now, out);
        self.catch_up(now, out);
        // What is on time is taken before the time is looked at: an answer may come together with the deadline.
        self.check_time(now, out);
        self.ask_for_blocks(now, out);
        self.ask_for_logs(out);
    }

    /// When [`Input::Tick`] is wanted. It may come later, or earlier to no effect.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        if self.over {
            return None;
        }
        let of_phase = match &self.phase {
            Phase::Idle | Phase::Choosing => None,
            Phase::Subscribing { until, .. } | Phase::Pausing { until } => Some(*until),
            Phase::Serving(serving) => {
                let heads = serving.heard + self.policy.heads_timeout;
                let retry = self.questions.next_retry();
                let logs = self.settling.as_ref().and_then(Settling::next_wake);
                [Some(heads), retry, logs, self.patience_ends(serving)].into_iter().flatten().min()
            }
        };
        [of_phase, self.recovery_ends()].into_iter().flatten().min()
    }

    /// When an interruption has lasted too long.
    fn recovery_ends(&self) -> Option<Instant> {
        let episode = self.episode.as_ref().filter(|episode| !episode.degraded)?;
        Some(episode.since + self.policy.recovery_deadline)
    }

    /// When a provider that does not get the stream any further is left.
    fn patience_ends(&self, serving: &Serving) -> Option<Instant> {
        if self.episode.is_some() {
            // Others may do better while there is time.
            return Some(serving.progress + self.patience());
        }
        let head = self.headers.oldest().map(|(_, announced)| announced.at);
        let logs = self.settling.as_ref().and_then(Settling::oldest).map(|(_, since)| since);
        let oldest = [head, logs].into_iter().flatten().min()?;
        Some(oldest + self.policy.recovery_deadline)
    }

    /// How long a provider that is to go on with the stream may get it no further.
    fn patience(&self) -> Duration {
        self.policy.recovery_deadline / 4
    }

    /// The provider that the stream is served by, if one is.
    #[must_use]
    pub const fn peer(&self) -> Option<Peer> {
        match &self.phase {
            Phase::Serving(serving) => Some(serving.peer),
            _ => None,
        }
    }

    /// Number and hash of the newest block that the stream has come to.
    #[must_use]
    pub fn tip(&self) -> Option<(u64, BlockHash)> {
        self.branch.tip()
    }

    #[cfg(test)]
    const fn failures(&self) -> usize {
        self.questions.failures()
    }

    const fn serving(&self) -> Option<&Serving> {
        match &self.phase {
            Phase::Serving(serving) => Some(serving),
            _ => None,
        }
    }

    const fn serving_mut(&mut self) -> Option<&mut Serving> {
        match &mut self.phase {
            Phase::Serving(serving) => Some(serving),
            _ => None,
        }
    }

    /// Whether the provider has not come as far as the stream. What it says of another branch does not count then.
    fn is_behind(&self) -> bool {
        // Before anything was handed out there is nothing to go back from.
        let tip = self.branch.tip().filter(|_| self.root == Root::Firm);
        self.serving().is_some_and(|serving| {
            !serving.is_believed && tip.is_some_and(|(number, _)| serving.highest < number)
        })
    }

    /// The promise cannot be kept.
    fn end(&mut self, end: End, out: &mut Vec<Action>) {
        match &self.phase {
            Phase::Serving(Serving { lease, .. }) | Phase::Subscribing { lease, .. } => {
                out.push(Action::Release { lease: *lease });
            }
            Phase::Idle | Phase::Choosing | Phase::Pausing { .. } => {}
        }
        self.phase = Phase::Idle;
        self.over = true;
        out.push(Action::End(end));
    }

    fn drop_event(reason: &'static str, out: &mut Vec<Action>) {
        out.push(Action::Note(Note::Dropped(reason)));
    }
}

impl fmt::Debug for Coordinator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coordinator")
            .field("phase", &self.phase)
            .field("episode", &self.episode)
            .field("tip", &self.branch.tip())
            .field("headers", &self.headers)
            .field("settling", &self.settling)
            .finish_non_exhaustive()
    }
}
