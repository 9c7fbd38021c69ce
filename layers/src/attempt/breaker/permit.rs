//! The leave to send, and what comes back of it.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Breakers;
use crate::call::{Dispatch, Failure, Rejection, Reply, StreamBody, TransportKind};
use crate::catalog::{Category, Channel, ChannelKey};
use crate::wire::{ErrorObject, code};

/// The leave to send one request over a channel. Say how it went with [`settle`](Self::settle) or one of its
/// parts; dropping the permit says that nothing was learned about the provider.
#[derive(Debug)]
#[must_use = "dropping a permit reports that nothing was learned about the provider"]
pub struct Permit {
    breakers: Breakers,
    key: ChannelKey,
    epoch: u16,
    /// A half-open breaker counts the attempts that wait for an answer: this one has to be given back.
    slot: bool,
}

impl Permit {
    pub(super) const fn new(breakers: Breakers, key: ChannelKey, epoch: u16, slot: bool) -> Self {
        Self { breakers, key, epoch, slot }
    }

    /// Reports an outcome, whatever it is; that of a streamed result is better reported
    /// [at its end](Self::settle_at_end). `clock` is asked only if the time matters.
    pub fn settle(
        self,
        channel: &Channel,
        outcome: &Result<Reply, Failure>,
        clock: impl FnOnce() -> Instant,
    ) {
        match outcome {
            Ok(Reply::Result(_)) => self.success(channel),
            Err(failure) if blames_provider(failure) => self.failure(channel, failure, clock()),
            // An error that is an answer, a refusal of our own, a limit: nothing about the provider's health.
            Ok(Reply::Error(_)) | Err(_) => drop(self),
        }
    }

    /// Reports the outcome of a streamed result with its end, which is when it is known: a whole one is a success, one
    /// that breaks off a failure. A stream that is dropped says nothing about the provider.
    ///
    /// The slot of a half-open breaker goes back at once. From here on the client sets the pace, and who reads slowly
    /// must not keep others from finding out how the provider does.
    #[must_use]
    pub fn settle_at_end(mut self, stream: StreamBody, channel: Arc<Channel>) -> StreamBody {
        self.give_slot_back();
        stream.on_end(move |end| match end {
            Ok(()) => self.success(&channel),
            Err(_) => {
                let kind = TransportKind::Broken;
                let failure = Failure::transport(kind, Dispatch::Unknown, channel.transport);
                self.failure(&channel, &failure, Instant::now());
            }
        })
    }

    /// Reports a success. `channel` names the breaker in logs.
    pub fn success(mut self, channel: &Channel) {
        let slot = mem::take(&mut self.slot);
        self.breakers.succeeded(channel, self.epoch, slot);
    }

    /// Reports a failure that counts, whatever its category. `channel` names the breaker in logs.
    pub fn failure(mut self, channel: &Channel, failure: &Failure, now: Instant) {
        self.slot = false;
        self.breakers.failed(channel, self.epoch, failure, now);
    }

    fn give_slot_back(&mut self) {
        if mem::take(&mut self.slot) {
            self.breakers.released(self.key, self.epoch);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.give_slot_back();
    }
}

/// Whether the failure is one of the provider, and one that counts.
pub(super) fn blames_provider(failure: &Failure) -> bool {
    match failure {
        Failure::Rejected(_) | Failure::Exhausted(_) => false,
        Failure::Transport(_) | Failure::Upstream(_) => failure.category().penalises(),
    }
}

/// Why there is no permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The breaker is open.
    Open {
        /// For how long.
        remaining: Duration,
    },
    /// The breaker is half-open and waits for the outcome of earlier attempts.
    Busy,
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Open { remaining } => {
                let error =
                    ErrorObject::new(code::SERVER_ERROR, "Provider is paused after repeated failures");
                Rejection::new(Category::CircuitOpen, error).retry_after(remaining).into()
            }
            Refusal::Busy => {
                let error = ErrorObject::new(code::SERVER_ERROR, "Provider is being tried after failures");
                Rejection::new(Category::HalfOpenBusy, error).into()
            }
        }
    }
}
