//! What may rule a channel out of a call.

use std::time::Duration;

use tokio::time::Instant;

use super::{Call, Demotion, Facts, Plan};
use crate::catalog::{Channel, Provider};

/// A say in which channels a call may be sent to.
///
/// Implemented by the stores of breakers, limits and heights, and by users. A filter reads: it takes no
/// lock, waits for nothing and changes nothing.
pub trait Filter: Send + Sync {
    /// Judges one channel for one call.
    fn check(&self, subject: &Subject<'_>) -> Verdict;

    /// Judges as [`check`](Self::check) does, and says what by. Asked instead of it where somebody wants to know.
    fn explain(&self, subject: &Subject<'_>) -> (Verdict, Facts) {
        (self.check(subject), Facts::none())
    }
}

impl<F: Fn(&Subject<'_>) -> Verdict + Send + Sync> Filter for F {
    fn check(&self, subject: &Subject<'_>) -> Verdict {
        self(subject)
    }
}

/// What a filter judges.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The call.
    pub call: &'a Call,
    /// Its resolved route.
    pub plan: &'a Plan,
    /// What its parameters ask for.
    pub hints: &'a Hints,
    /// The provider in question.
    pub provider: &'a Provider,
    /// The provider's channel in question.
    pub channel: &'a Channel,
    /// The time of the selection.
    pub now: Instant,
}

/// What a filter says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// Nothing against the channel.
    Keep,
    /// The channel comes after those that are not demoted.
    Demote(Demotion),
    /// The channel is not to be used.
    Exclude {
        /// Why, as a short name such as `circuit_open`.
        reason: &'static str,
        /// For how long, where that is known.
        retry_after: Option<Duration>,
    },
    /// The call exceeds a limit that the provider declared: the channel is used only if every other one has
    /// the same problem.
    Limit(&'static str),
}

impl Verdict {
    /// Rules a channel out for a time that is not known.
    #[must_use]
    pub const fn exclude(reason: &'static str) -> Self {
        Self::Exclude { reason, retry_after: None }
    }
}

/// The place of a filter among the others. A channel is judged by stage, and the first exclusion counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Stage {
    /// The client did not ask for the other transport.
    Transport,
    /// The client did not name another provider.
    Pin,
    /// The upstream socket is up.
    Liveness,
    /// The breaker lets calls through.
    Circuit,
    /// The provider did not ask for fewer requests.
    RateLimit,
    /// The node is not too far behind.
    Lag,
    /// The node has old state.
    Archival,
    /// Nobody excluded the provider.
    Exclusion,
    /// Filters of users.
    Custom,
    /// The provider serves the method.
    Method,
    /// The parameters are within the provider's limits.
    Limits,
}

impl Stage {
    /// A short name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Transport => "transport",
            Self::Pin => "pin",
            Self::Liveness => "liveness",
            Self::Circuit => "circuit",
            Self::RateLimit => "rate_limit",
            Self::Lag => "lag",
            Self::Archival => "archival",
            Self::Exclusion => "exclusion",
            Self::Custom => "custom",
            Self::Method => "method",
            Self::Limits => "limits",
        }
    }
}

/// What a call's parameters ask of a provider. Read from the bytes only for the methods that have hints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// Only a node with old state can answer.
    pub archival: bool,
    /// The block that must be known to the node.
    pub requested_block: Option<u64>,
    /// The span of an `eth_getLogs` call, in blocks.
    pub block_range: Option<u64>,
    /// How many addresses an `eth_getLogs` call filters by.
    pub address_count: Option<usize>,
    /// How far the call's block is behind the head.
    pub block_age: Option<u64>,
}
