//! What a breaker tells the world.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::machine::{Machine, State};
use super::reason::Reason;
use crate::call::Failure;
use crate::catalog::{Category, Channel};

/// The state of a breaker as calls find it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BreakerState {
    /// Everything passes.
    Closed,
    /// A few calls pass, to see whether the provider is back.
    HalfOpen,
    /// Nothing passes.
    Open,
}

impl BreakerState {
    /// `closed`, `half_open` or `open`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half_open",
            Self::Open => "open",
        }
    }
}

impl fmt::Display for BreakerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<State> for BreakerState {
    fn from(state: State) -> Self {
        match state {
            State::Closed => Self::Closed,
            State::Open { .. } => Self::Open,
            State::HalfOpen { .. } => Self::HalfOpen,
        }
    }
}

/// The last failure that counted against a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LastError {
    /// What kind of failure it was.
    pub category: Category,
    /// The JSON-RPC error code.
    pub code: i64,
    /// The message as clients see it, at most 100 characters.
    pub message: String,
}

impl LastError {
    const MAX_CHARS: usize = 100;

    pub(super) fn of(failure: &Failure) -> Self {
        let error = failure.error();
        let message = shorten(&error.message).into_owned();
        Self { category: failure.category(), code: error.code, message }
    }

    /// Whether it is what would be kept of this failure.
    pub(super) fn is_of(&self, failure: &Failure) -> bool {
        let error = failure.error();
        (self.category, self.code) == (failure.category(), error.code)
            && self.message == shorten(&error.message)
    }
}

/// At most 100 characters, the last three of them dots where something is missing.
fn shorten(message: &str) -> Cow<'_, str> {
    const DOTS: &str = "...";
    // Fewer bytes are fewer characters, which is nearly always enough to know.
    if message.len() <= LastError::MAX_CHARS || message.chars().nth(LastError::MAX_CHARS).is_none() {
        return Cow::Borrowed(message);
    }
    Cow::Owned(message.chars().take(LastError::MAX_CHARS - DOTS.len()).chain(DOTS.chars()).collect())
}

/// A change of a breaker's state.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Transition {
    /// The state before.
    pub from: BreakerState,
    /// The state after.
    pub to: BreakerState,
    /// Why.
    pub reason: Reason,
    /// Consecutive failures, the last one included.
    pub failures: u32,
    /// How often the breaker opened since it was last closed.
    pub openings: u32,
    /// How long it will be open.
    pub recovery_timeout: Option<Duration>,
    /// The failure that opened it.
    pub error: Option<Arc<LastError>>,
}

impl Transition {
    /// `remaining` is the time to the deadline of an open breaker, in milliseconds.
    pub(super) fn new(
        from: BreakerState,
        next: Machine,
        reason: Reason,
        remaining: Option<u64>,
        error: Option<Arc<LastError>>,
    ) -> Self {
        Self {
            from,
            to: next.state.into(),
            reason,
            failures: next.failures.into(),
            openings: next.openings.into(),
            recovery_timeout: remaining.map(Duration::from_millis),
            error,
        }
    }

    /// Writes the change to the log.
    pub(super) fn log(&self, channel: &Channel) {
        macro_rules! event {
            ($level:ident, $name:literal, $message:literal $(, $field:ident = $value:expr)*) => {
                tracing::$level!(
                    event = $name,
                    provider_id = channel.known_as.as_str(),
                    instance_id = %channel.instance_id,
                    transport = channel.transport.as_str(),
                    from_state = self.from.as_str(),
                    to_state = self.to.as_str(),
                    reason = self.reason.as_str(),
                    $($field = $value,)*
                    $message,
                )
            };
        }
        macro_rules! opened {
            ($level:ident) => {
                event!(
                    $level,
                    "lasso.circuit_breaker.open",
                    "circuit breaker opened",
                    error_category = self.error.as_deref().map(|error| error.category.as_str()),
                    failure_count = self.failures,
                    recovery_timeout_ms = self.recovery_timeout.map(crate::state::millis),
                    consecutive_open_count = self.openings
                )
            };
        }
        match self.to {
            // A provider that stays down is news once or twice, not every ten minutes.
            BreakerState::Open if self.openings > 2 => opened!(debug),
            BreakerState::Open => opened!(warn),
            BreakerState::HalfOpen if self.reason == Reason::ProactiveRecovery => {
                event!(
                    info,
                    "lasso.circuit_breaker.proactive_recovery",
                    "circuit breaker waited long enough"
                );
            }
            BreakerState::HalfOpen => {
                event!(info, "lasso.circuit_breaker.half_open", "circuit breaker lets a few calls through");
            }
            BreakerState::Closed => event!(info, "lasso.circuit_breaker.close", "circuit breaker closed"),
        }
    }
}

/// Writes a failure that counted to the log.
pub(super) fn log_failure(channel: &Channel, state: BreakerState, category: Category) {
    tracing::debug!(
        event = "lasso.circuit_breaker.failure",
        provider_id = channel.known_as.as_str(),
        instance_id = %channel.instance_id,
        transport = channel.transport.as_str(),
        error_category = category.as_str(),
        circuit_state = state.as_str(),
        "failure counted against the channel",
    );
}
