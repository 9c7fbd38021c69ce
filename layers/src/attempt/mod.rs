//! One try of a call on one channel, and the layers around it.

#[cfg(feature = "benchmark")]
pub mod benchmark;
#[cfg(feature = "circuit-breaker")]
pub mod breaker;
#[cfg(feature = "classify")]
pub mod classify;
#[cfg(feature = "pace")]
pub mod pace;
#[cfg(feature = "stall")]
pub mod stall;
#[cfg(feature = "timeout")]
pub mod timeout;

mod departure;

use std::fmt;
use std::sync::Arc;

use tokio::time::Instant;

pub use self::departure::Departure;
use crate::call::{Call, Candidate, Failure, Plan, TransportKind};
use crate::catalog::{Channel, ChannelKey, Provider, Transport};

/// One try of a call on one channel.
#[derive(Clone)]
pub struct Attempt {
    call: Arc<Call>,
    candidate: usize,
    /// When this try must be over; at or before the call's own deadline.
    pub deadline: Instant,
    /// How many channels were sent to before this one.
    pub ordinal: u32,
    /// The channel was put back once already: it is now used, limited or not.
    pub insist: bool,
}

impl Attempt {
    /// A try on the candidate at `candidate` in the call's list.
    ///
    /// # Panics
    ///
    /// If the call has no plan or no such candidate.
    #[must_use]
    pub fn new(call: Arc<Call>, candidate: usize, deadline: Instant, ordinal: u32) -> Self {
        let attempt = Self { call, candidate, deadline, ordinal, insist: false };
        // Looked up for its panics alone: here is where a wrong index is somebody's mistake.
        let _ = attempt.channel();
        attempt
    }

    /// The call.
    #[must_use]
    pub const fn call(&self) -> &Arc<Call> {
        &self.call
    }

    /// The call's resolved route.
    ///
    /// # Panics
    ///
    /// Never: [`new`](Self::new) checked it.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        self.call.plan().expect("an attempt belongs to a planned call")
    }

    /// The candidate that is tried.
    ///
    /// # Panics
    ///
    /// Never: [`new`](Self::new) checked it.
    #[must_use]
    pub fn candidate(&self) -> &Candidate {
        let candidates = self.call.journal().candidates().expect("an attempt is drawn from candidates");
        &candidates.all()[self.candidate]
    }

    /// Whether it failed only because there was no answer within the time of a client in a
    /// [hurry](Call::is_rushed). The provider might have answered in the time that others give it, so that no layer
    /// holds it against it: else any client could close a provider for all. An upstream that says itself that it
    /// timed out is taken at its word.
    #[must_use]
    pub fn was_cut_short(&self, failure: &Failure) -> bool {
        self.call.is_rushed
            && matches!(failure, Failure::Transport(failure) if matches!(failure.kind, TransportKind::Timeout))
    }

    /// The candidate's position in the call's list.
    #[must_use]
    pub const fn candidate_index(&self) -> usize {
        self.candidate
    }

    /// Where the channel's state is kept.
    #[must_use]
    pub fn key(&self) -> ChannelKey {
        self.candidate().channel
    }

    /// The protocol.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.candidate().transport
    }

    /// The provider that is tried.
    #[must_use]
    pub fn provider(&self) -> &Provider {
        self.plan().provider(self.candidate().provider)
    }

    /// The channel that is tried.
    ///
    /// # Panics
    ///
    /// Never: [`new`](Self::new) checked it.
    #[must_use]
    pub fn channel(&self) -> &Arc<Channel> {
        self.provider().channel(self.transport()).expect("a candidate is one of its provider's channels")
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt")
            .field("method", &self.call.method)
            .field("provider", &self.provider().id)
            .field("transport", &self.transport())
            .field("ordinal", &self.ordinal)
            .finish_non_exhaustive()
    }
}
