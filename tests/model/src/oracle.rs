//! The judge: it reads what a client reads and knows what the network did.
//!
//! What holds for every stream is here; what a payload must be is in [`heads`] and [`logs`].

mod heads;
mod logs;

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use lasso_layers::catalog::Continuity;
use lasso_rpc::streams::coordinator::Lease;

use self::heads::Heads;
use self::logs::Logs;
use crate::chain::{Block, Payload, Step, Tree};
use crate::scenario::{Kind, Scenario, Turn};
use crate::trace;

/// A promise was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which: histories that break the same one are likely to have one cause.
    pub rule: &'static str,
    /// When, and what was seen.
    pub text: String,
}

impl Violation {
    fn new(rule: &'static str, text: impl Into<String>) -> Self {
        Self { rule, text: text.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.text)
    }
}

/// What was promised so far, and what the client has.
#[derive(Debug)]
pub(crate) struct Oracle {
    strict: bool,
    window: u64,
    /// Blocks may leave in unusual numbers, so that paths are longer than numbers tell.
    slack: u64,
    small_history: bool,
    /// From when on a stream that is established at all is as good as any.
    recovered: Duration,
    established: Option<Duration>,
    first: Option<First>,
    span: Span,
    reached: Option<u64>,
    client: Client,
}

/// The first subscription: what comes over it is the first that the client is promised.
#[derive(Debug)]
struct First {
    lease: Lease,
    /// The number of the newest block when it began.
    newest: u64,
    /// The number of the block that the player took for the newest.
    checkpoint: Option<u64>,
    is_over: bool,
}

/// Where a stream begins, as far as that is certain.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Span {
    /// Nothing before this number is the client's concern.
    pub(crate) earliest: u64,
    /// Everything from this number on is, once it is known.
    pub(crate) promised: Option<u64>,
}

#[derive(Debug)]
enum Client {
    Heads(Heads),
    Logs(Logs),
}

impl Oracle {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let policy = &scenario.policy;
        let slack = scenario.deepest.max(6) * 2;
        let is_restless = scenario.moves.iter().any(|step| !matches!(step.turn, Turn::Extend(_)))
            || scenario.providers.iter().any(|provider| provider.habits.orphans > 0.0);
        Self {
            strict: policy.continuity == Continuity::Strict,
            window: policy.window,
            slack: if is_restless { slack } else { 0 },
            small_history: policy.history < 100 && is_restless,
            recovered: scenario.calm + policy.heads_timeout + policy.recovery_deadline,
            established: None,
            first: None,
            span: Span::default(),
            reached: None,
            client: match scenario.kind {
                Kind::Heads => Client::Heads(Heads::default()),
                Kind::Logs => Client::Logs(Logs::new(scenario.late_logs)),
            },
        }
    }

    pub(crate) const fn is_strict(&self) -> bool {
        self.strict
    }

    /// A subscription was confirmed that was not released meanwhile.
    pub(crate) fn confirmed(&mut self, lease: Lease, head: Option<u64>, newest: u64, lowest: u64) {
        if self.first.is_none() {
            self.span.earliest = lowest.saturating_sub(10);
            self.first = Some(First { lease, newest, checkpoint: head, is_over: false });
        }
    }

    /// A subscription is over, or no longer wanted.
    pub(crate) fn lost(&mut self, lease: Lease) {
        if let Some(first) = self.first.as_mut().filter(|first| first.lease == lease) {
            first.is_over = true;
        }
    }

    /// The newest block was asked for and answered.
    pub(crate) fn looked_up(&mut self, number: u64) {
        if let Some(first) = self.first.as_mut().filter(|first| !first.is_over) {
            first.checkpoint.get_or_insert(number);
        }
    }

    /// A head that is new to its node reached the player over a subscription.
    pub(crate) fn announced(&mut self, lease: Lease, number: u64) {
        let Some(first) = self.first.as_ref().filter(|first| !first.is_over && first.lease == lease) else {
            return;
        };
        let is_promised = match first.checkpoint {
            Some(checkpoint) => number > checkpoint,
            // Nothing tells what came before whatever comes first.
            None => self.span.promised.is_none(),
        };
        if number > first.newest && is_promised {
            let promised = self.span.promised.get_or_insert(number);
            *promised = number.min(*promised);
        }
    }

    pub(crate) fn established(&mut self, now: Duration) -> Result<(), Violation> {
        match self.established.replace(now) {
            None if self.first.is_some() => Ok(()),
            None => Err(Violation::new("establishes from nothing", trace::time(now))),
            Some(_) => Err(Violation::new("establishes twice", trace::time(now))),
        }
    }

    /// The player has come to this block.
    pub(crate) const fn reached(&mut self, number: u64) {
        self.reached = Some(number);
    }

    pub(crate) const fn may_be_too_deep(&self) -> bool {
        self.small_history
    }

    /// Whether a chain of this height has all that the player has come to.
    pub(crate) fn is_reached_by(&self, number: u64) -> bool {
        self.reached.is_none_or(|reached| number >= reached)
    }

    pub(crate) fn is_wide(&self, highest: u64) -> bool {
        let reached = self.reached.unwrap_or(highest);
        highest + self.slack > reached + self.window
    }

    /// The player says that blocks are missing, and the next head may be anywhere.
    pub(crate) const fn gap_left(&mut self) {
        if let Client::Heads(heads) = &mut self.client {
            heads.gap_left();
        }
    }

    /// Among what the player says next is a gap, and something may be missing before it is said.
    pub(crate) const fn gap_comes(&mut self) {
        if let Client::Logs(logs) = &mut self.client {
            logs.gap_comes();
        }
    }

    /// After a gap the player goes on from this block.
    pub(crate) const fn landed(&mut self, number: u64) {
        if let Client::Logs(logs) = &mut self.client {
            logs.landed(number);
        }
    }

    pub(crate) fn emitted(
        &mut self,
        tree: &Tree,
        now: Duration,
        payloads: &[Bytes],
    ) -> Result<(), Violation> {
        if self.established.is_none() {
            return Err(Violation::new("emits before it is established", trace::time(now)));
        }
        if payloads.is_empty() {
            return Err(Violation::new("emits nothing", trace::time(now)));
        }
        for json in payloads {
            let read: Payload = serde_json::from_slice(json)
                .map_err(|error| Violation::new("emits no payload", format!("{json:?}: {error}")))?;
            if read.block as usize >= tree.len() {
                return Err(Violation::new("emits what does not exist", format!("{json:?}")));
            }
            let block = Block(read.block);
            let taken = match &mut self.client {
                Client::Heads(heads) => heads.take(tree, self.span, block),
                Client::Logs(logs) => logs.take(tree, self.span, block, &read),
            };
            taken.map_err(|violation| Violation {
                text: format!("{} {}", trace::time(now), violation.text),
                ..violation
            })?;
        }
        Ok(())
    }

    /// All is calm: the client must have the network's chain.
    pub(crate) fn finish(&self, tree: &Tree, steps: &[Step], tip: Block) -> Result<(), Violation> {
        let Some(established) = self.established else {
            return Err(Violation::new("is never established", "and is never refused"));
        };
        let certain = established.max(self.recovered);
        let latest = steps.iter().take_while(|step| step.at <= certain).last();
        let by_then = latest.map_or(u64::MAX, |step| tree.number(step.tip) + 1);
        let span = Span { promised: Some(self.span.promised.unwrap_or(by_then)), ..self.span };
        match &self.client {
            Client::Heads(heads) => heads.finish(tree, span, tip),
            Client::Logs(logs) => logs.finish(tree, span, tip),
        }
    }
}
