//! What is said about a call that is over.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};
use tokio::time::Instant;

use super::identifier;
use super::record::Record;
use crate::call::{Body, Candidate, Candidates, Demotion, Failure, Journal, Plan, Reply};
use crate::catalog::{Category, Strategy, Transport};
use crate::wire::{ErrorObject, RawJson};

/// A finished call, as logs and metadata show it. Everything is read from the journal when it is asked for.
pub(super) struct Report<'a> {
    pub(super) record: &'a Record,
    pub(super) result: &'a Result<Reply, Failure>,
    journal: &'a Journal,
    pub(super) plan: Option<&'a Plan>,
    pub(super) candidates: Option<&'a Candidates>,
    selected: Option<&'a Candidate>,
    pub(super) end_to_end: Duration,
}

impl<'a> Report<'a> {
    pub(super) fn new(record: &'a Record, result: &'a Result<Reply, Failure>, now: Instant) -> Self {
        let journal = record.journal.latest();
        let candidates = journal.candidates();
        Self {
            record,
            result,
            journal,
            plan: journal.plan(),
            candidates,
            selected: candidates.and_then(Candidates::answering),
            end_to_end: now.saturating_duration_since(record.received),
        }
    }

    /// Whether channels were considered: not so for what was refused or answered before.
    pub(super) const fn was_routed(&self) -> bool {
        self.candidates.is_some()
    }

    /// The error the client gets, if it gets one.
    pub(super) fn error(&self) -> Option<(Cow<'a, ErrorObject>, Category)> {
        match self.result {
            Ok(Reply::Result(_)) => None,
            Ok(Reply::Error(answer)) => Some((Cow::Borrowed(&answer.error), answer.category)),
            Err(failure) => Some((failure.error(), failure.category())),
        }
    }

    pub(super) fn strategy(&self) -> Option<Strategy> {
        self.plan.map(|plan| plan.strategy)
    }

    pub(super) fn chain(&self) -> Cow<'a, str> {
        match self.plan {
            Some(plan) => Cow::Borrowed(&plan.chain().key),
            None => identifier(self.record.chain.as_bytes()),
        }
    }

    pub(super) fn chain_id(&self) -> Option<u64> {
        self.plan.map(|plan| plan.chain().chain_id)
    }

    /// The upstream transport the client asked for, else its own.
    pub(super) fn transport(&self) -> Option<&'static str> {
        let requested = self.plan.and_then(|plan| plan.transport);
        requested.or(self.record.origin.transport).map(Transport::as_str)
    }

    pub(super) fn selected(&self) -> Option<Selected<'a>> {
        let (plan, candidate) = (self.plan?, self.selected?);
        Some(Selected { id: &plan.provider(candidate.provider).id, protocol: candidate.transport.as_str() })
    }

    pub(super) fn candidate_providers(&self) -> Option<CandidateProviders<'a>> {
        Some(CandidateProviders { plan: self.plan?, candidates: self.candidates? })
    }

    /// Why the provider was chosen.
    pub(super) fn selection_reason(&self) -> Option<&'static str> {
        let plan = self.plan?;
        self.selected?;
        Some(match plan.strategy {
            // The client chose it.
            _ if plan.pin.is_some_and(|pin| !pin.failover) => "provider_override",
            Strategy::LoadBalanced => "load_balanced_rotation",
            Strategy::Priority => "static_priority",
            Strategy::Fastest => "fastest_method_latency",
            Strategy::LatencyWeighted => "latency_weighted_selection",
        })
    }

    /// The breaker of the chosen channel when it was chosen; `open` when that is why there is none.
    pub(super) fn breaker_state(&self) -> &'static str {
        let is_open = |candidate: &Candidate| candidate.excluded == Some(Category::CircuitOpen.as_str());
        match (self.selected, self.candidates) {
            (Some(selected), _) if selected.demotion.contains(Demotion::HALF_OPEN) => "half_open",
            (Some(_), _) => "closed",
            (None, Some(candidates)) if candidates.all().iter().any(is_open) => "open",
            (None, _) => "unknown",
        }
    }

    /// Channels sent to after the first.
    pub(super) fn retries(&self) -> u32 {
        self.candidates.map_or(0, |candidates| candidates.dispatched().saturating_sub(1))
    }

    pub(super) fn selection(&self) -> Option<Duration> {
        self.candidates.map(|_| self.journal.selection())
    }

    pub(super) fn upstream(&self) -> Option<Duration> {
        self.candidates.map(|_| self.journal.upstream())
    }

    pub(super) fn overhead(&self) -> Duration {
        self.end_to_end.saturating_sub(self.upstream().unwrap_or_default())
    }

    /// The time the answering channel took, when the answer is a result.
    pub(super) fn answered_in(&self) -> Option<Duration> {
        match self.result {
            Ok(Reply::Result(_)) => self.selected.map(Candidate::upstream),
            _ => None,
        }
    }

    /// What kind of value the result is; a result of an upstream is passed on unread.
    pub(super) fn result_type(&self) -> Option<&'static str> {
        let Ok(Reply::Result(body)) = self.result else { return None };
        let bytes = match body {
            Body::Full(bytes) if !self.was_routed() => bytes,
            _ => return Some("passthrough"),
        };
        let result = RawJson::parse(bytes).ok()?.member("result")?;
        Some(match result.bytes().first()? {
            b'n' => "null",
            b't' | b'f' => "boolean",
            b'"' => "string",
            b'[' => "array",
            b'{' => "object",
            _ => "number",
        })
    }

    pub(super) fn result_size(&self) -> Option<u64> {
        match self.result {
            Ok(Reply::Result(body)) => body.len_hint(),
            _ => None,
        }
    }
}

/// The channel that answered.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Selected<'a> {
    pub(super) id: &'a str,
    pub(super) protocol: &'static str,
}

/// The channels that could be used, in the order in which they were to be tried.
#[derive(Clone, Copy)]
pub(super) struct CandidateProviders<'a> {
    plan: &'a Plan,
    candidates: &'a Candidates,
}

impl CandidateProviders<'_> {
    fn names(&self) -> impl Iterator<Item = impl fmt::Display> {
        let usable = self.candidates.all().iter().filter(|candidate| candidate.excluded.is_none());
        usable.map(move |candidate| {
            fmt::from_fn(move |f| {
                write!(f, "{}:{}", self.plan.provider(candidate.provider).id, candidate.transport)
            })
        })
    }
}

/// The names with commas between them.
impl fmt::Display for CandidateProviders<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, name) in self.names().enumerate() {
            if at > 0 {
                f.write_str(",")?;
            }
            name.fmt(f)?;
        }
        Ok(())
    }
}

/// A list of the names.
impl Serialize for CandidateProviders<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Text<T>(T);
        impl<T: fmt::Display> Serialize for Text<T> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(&self.0)
            }
        }
        serializer.collect_seq(self.names().map(Text))
    }
}

/// Milliseconds with three decimals: microseconds are as much as anybody can measure here.
pub(super) fn millis(time: Duration) -> f64 {
    let micros = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
    f64::from(micros) / 1000.0
}
