//! What is said about a call that is over.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Serialize, Serializer};
use smol_str::SmolStr;
use tokio::time::Instant;

use super::identifier;
use super::record::Record;
use crate::call::{Body, Candidate, Candidates, Demotion, Failure, Journal, Origin, Plan, Reply};
use crate::catalog::{Category, MethodId, Profile, Provider, Strategy, Transport};
use crate::wire::{ErrorObject, RawJson};

/// A call that is over, as logs, metadata and an [`Observer`](super::Observer) see it. Everything is read from the
/// call's journal when it is asked for: making one costs nothing.
pub struct Report<'a> {
    pub(super) record: &'a Record,
    /// `None` when nobody waited for it.
    result: Option<&'a Result<Reply, Failure>>,
    journal: &'a Journal,
    plan: Option<&'a Plan>,
    candidates: Option<&'a Candidates>,
    selected: Option<&'a Candidate>,
    end_to_end: Duration,
}

impl<'a> Report<'a> {
    pub(super) fn new(record: &'a Record, result: Option<&'a Result<Reply, Failure>>, now: Instant) -> Self {
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

    /// The name of the request in logs and metadata.
    #[must_use]
    pub const fn request_id(&self) -> Option<&'a SmolStr> {
        self.record.origin.request_id.as_ref()
    }

    /// Where the call comes from.
    #[must_use]
    pub const fn origin(&self) -> &'a Origin {
        &self.record.origin
    }

    /// Whether the process made the call on its own behalf.
    #[must_use]
    pub const fn is_own(&self) -> bool {
        self.record.is_own
    }

    /// Whether the client left before there was an answer.
    #[must_use]
    pub const fn is_cancelled(&self) -> bool {
        self.result.is_none()
    }

    /// What was written down while the call ran, from its beginning.
    #[must_use]
    pub const fn journal(&self) -> &'a Arc<Journal> {
        &self.record.journal
    }

    /// The route by which the call was answered; nothing for a call that was refused before it had one.
    #[must_use]
    pub const fn plan(&self) -> Option<&'a Plan> {
        self.plan
    }

    /// The profile.
    #[must_use]
    pub fn profile(&self) -> Option<&'a Profile> {
        self.plan.map(Plan::profile)
    }

    /// The channels that were considered last.
    #[must_use]
    pub const fn candidates(&self) -> Option<&'a Candidates> {
        self.candidates
    }

    /// The error the client gets, if it gets one.
    #[must_use]
    pub fn error(&self) -> Option<(Cow<'a, ErrorObject>, Category)> {
        match self.result? {
            Ok(Reply::Result(_)) => None,
            Ok(Reply::Error(answer)) => Some((Cow::Borrowed(&answer.error), answer.category)),
            Err(failure) => Some((failure.error(), failure.category())),
        }
    }

    /// The kind of that error, for less than the error itself.
    #[must_use]
    pub fn category(&self) -> Option<Category> {
        match self.result? {
            Ok(Reply::Result(_)) => None,
            Ok(Reply::Error(answer)) => Some(answer.category),
            Err(failure) => Some(failure.category()),
        }
    }

    /// How channels were ranked.
    #[must_use]
    pub fn strategy(&self) -> Option<Strategy> {
        self.plan.map(|plan| plan.strategy)
    }

    /// The chain's key; of a chain that is not known, what the client called it.
    #[must_use]
    pub fn chain(&self) -> Cow<'a, str> {
        match self.plan {
            Some(plan) => Cow::Borrowed(&plan.chain().key),
            None => identifier(self.record.chain.as_bytes()),
        }
    }

    /// The chain's number.
    #[must_use]
    pub fn chain_id(&self) -> Option<u64> {
        self.plan.map(|plan| plan.chain().chain_id)
    }

    /// The method; every one that is not registered is the same.
    #[must_use]
    pub const fn method(&self) -> MethodId {
        self.record.method
    }

    /// The method as the client named it, made safe to write down.
    #[must_use]
    pub fn method_name(&self) -> Cow<'a, str> {
        match self.record.request.method() {
            Cow::Borrowed(name) => identifier(name.as_bytes()),
            Cow::Owned(name) => Cow::Owned(identifier(name.as_bytes()).into_owned()),
        }
    }

    /// The upstream transport the client asked for, else its own.
    #[must_use]
    pub fn transport(&self) -> Option<Transport> {
        let requested = self.plan.and_then(|plan| plan.transport);
        requested.or(self.record.origin.transport)
    }

    /// The channel that answered, or the last one that was sent to and failed.
    #[must_use]
    pub fn selected(&self) -> Option<(&'a Provider, &'a Candidate)> {
        let (plan, candidate) = (self.plan?, self.selected?);
        Some((plan.provider(candidate.provider), candidate))
    }

    /// The channels that were [tried](Candidate::was_tried), in ranked order; those of a plan that was replaced
    /// meanwhile first.
    pub fn attempts(&self) -> impl Iterator<Item = (&'a Provider, &'a Candidate)> + use<'a> {
        self.record.journal.attempts()
    }

    pub(super) fn selected_name(&self) -> Option<Selected<'a>> {
        let (provider, candidate) = self.selected()?;
        Some(Selected { id: &provider.id, protocol: candidate.transport.as_str() })
    }

    pub(super) fn candidate_providers(&self) -> Option<CandidateProviders<'a>> {
        Some(CandidateProviders { plan: self.plan?, candidates: self.candidates? })
    }

    /// Why the provider was chosen.
    #[must_use]
    pub fn selection_reason(&self) -> Option<&'static str> {
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
    #[must_use]
    pub fn breaker_state(&self) -> &'static str {
        let is_open = |candidate: &Candidate| candidate.excluded == Some(Category::CircuitOpen.as_str());
        match (self.selected, self.candidates) {
            (Some(selected), _) if selected.demotion.contains(Demotion::HALF_OPEN) => "half_open",
            (Some(_), _) => "closed",
            (None, Some(candidates)) if candidates.all().iter().any(is_open) => "open",
            (None, _) => "unknown",
        }
    }

    /// Channels sent to after the first.
    #[must_use]
    pub fn retries(&self) -> u32 {
        self.candidates.map_or(0, |candidates| candidates.dispatched().saturating_sub(1))
    }

    /// How long after the arrival of the request the choosing of channels began, where any were considered.
    #[must_use]
    pub fn selection_began(&self) -> Option<Duration> {
        Some(self.journal.selection_start()?.saturating_duration_since(self.record.received))
    }

    /// Time spent on choosing channels, where any were considered.
    #[must_use]
    pub fn selection(&self) -> Option<Duration> {
        self.candidates.map(|_| self.journal.selection())
    }

    /// Time spent waiting for upstreams over all attempts, where any were considered.
    #[must_use]
    pub fn upstream(&self) -> Option<Duration> {
        self.candidates.map(|_| self.journal.upstream())
    }

    /// From the arrival of the request to its outcome.
    #[must_use]
    pub const fn end_to_end(&self) -> Duration {
        self.end_to_end
    }

    /// The part of it that no upstream took.
    #[must_use]
    pub fn overhead(&self) -> Duration {
        self.end_to_end.saturating_sub(self.upstream().unwrap_or_default())
    }

    /// How many items the batch of this call has, if it came in one.
    #[must_use]
    pub const fn batch_size(&self) -> Option<usize> {
        self.record.batch_size
    }

    /// The position of the call among the items of its batch.
    #[must_use]
    pub const fn batch_index(&self) -> Option<usize> {
        self.record.batch_index
    }

    /// The time the answering channel took, when the answer is a result.
    pub(super) fn answered_in(&self) -> Option<Duration> {
        match self.result? {
            Ok(Reply::Result(_)) => self.selected.map(Candidate::upstream),
            _ => None,
        }
    }

    /// What kind of value the result is; a result of an upstream is passed on unread.
    pub(super) fn result_type(&self) -> Option<&'static str> {
        let Ok(Reply::Result(body)) = self.result? else { return None };
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

    /// The size of a result, in bytes, where it is known in advance.
    #[must_use]
    pub fn result_size(&self) -> Option<u64> {
        match self.result? {
            Ok(Reply::Result(body)) => body.len_hint(),
            _ => None,
        }
    }
}

/// Names the request and where it went; parameters and results stay out.
impl fmt::Debug for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Report")
            .field("request_id", &self.request_id())
            .field("chain", &self.chain())
            .field("method", &self.method_name())
            .field("selected", &self.selected_name())
            .finish_non_exhaustive()
    }
}

/// The channel that answered.
#[derive(Clone, Copy, Debug, Serialize)]
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
