//! The breaker as a pure state machine on one word.
//!
//! Time is in milliseconds since some origin and comes with the events that depend on it. It needs no timer:
//! the first event at or after the deadline of an open breaker finds it half-open. Whoever looks at the clock
//! now and then and says so has it half-open before anybody asks.

use crate::catalog::Category;
use crate::state::millis;

use super::policy::{BreakerPolicy, ProbeRecovery};
use super::reason::Reason;

/// A breaker, unpacked from its word.
///
/// | bits | field |
/// |---|---|
/// | 0..2 | state: 0 closed, 1 open, 2 half-open |
/// | 2 | opened by a rate limit |
/// | 3..9 | how often it opened since it was last closed, at most 63 |
/// | 9..17 | failures |
/// | 17..27 | epoch |
/// | 27..64 | open: deadline, for 4 years of uptime; half-open: 8 bits successes, 8 bits in flight |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Machine {
    pub(super) state: State,
    /// Changes with every transition. What was admitted in an earlier epoch has no say in a later one. Wraps
    /// after 1024 transitions, which take longer than any attempt.
    pub(super) epoch: u16,
    /// Consecutive failures; what opened the breaker stays to be seen until it closes.
    pub(super) failures: u8,
    /// How often the breaker opened since it was last closed.
    pub(super) openings: u8,
    pub(super) by_rate_limit: bool,
}

/// What calls meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// All are let through.
    Closed,
    /// None is let through before `deadline`.
    Open { deadline: u64 },
    /// A few are let through to see.
    HalfOpen { successes: u8, in_flight: u8 },
}

/// What happens to a breaker.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    /// A call asks to be let through.
    Admit { now: u64 },
    /// Somebody looked at the clock.
    Tick { now: u64 },
    /// A call that was admitted in `epoch` succeeded. `slot` is whether it held one of a half-open breaker to its end.
    Success { epoch: u16, slot: bool },
    /// A call that was admitted in `epoch` failed, and the provider is to blame.
    Failure { epoch: u16, cause: Cause },
    /// A call that was admitted in `epoch` gives its slot back: it ended in a way that says nothing about the provider,
    /// or its result began, and how it ends is heard without a slot.
    Release { epoch: u16 },
    /// A probe or a poll, which is not admitted like a call, succeeded.
    ProbeSuccess { now: u64 },
    /// A probe or a poll failed, and the provider is to blame.
    ProbeFailure(Cause),
    /// Somebody opens the breaker by hand.
    Open { now: u64, random: u64 },
    /// Somebody closes the breaker by hand.
    Close,
    /// The channel is no longer used.
    Forget,
}

impl Event {
    /// When it happens, where that matters.
    pub(super) const fn time(self) -> Option<u64> {
        match self {
            Self::Admit { now } | Self::Tick { now } => Some(now),
            Self::ProbeSuccess { now } | Self::Open { now, .. } => Some(now),
            Self::Failure { cause, .. } | Self::ProbeFailure(cause) => Some(cause.now),
            Self::Success { .. } | Self::Release { .. } | Self::Close | Self::Forget => None,
        }
    }
}

/// A failure that counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cause {
    pub(super) category: Category,
    /// For how long a provider that limits asks to be left alone, in milliseconds.
    pub(super) retry_after: Option<u64>,
    pub(super) now: u64,
    /// Any number, for jitter.
    pub(super) random: u64,
}

/// What an event did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) next: Machine,
    pub(super) effect: Effect,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing that anybody has to hear of.
    None,
    /// The state changed.
    Changed(Reason),
    /// The call is not let through: none is, for so many milliseconds.
    RefusedOpen { remaining: u64 },
    /// The call is not let through: others are being waited for.
    RefusedBusy,
}

impl Machine {
    /// Applies an event.
    pub(super) fn apply(self, event: Event, policy: &BreakerPolicy) -> Step {
        match (self.state, event) {
            // All pass. Nothing changes, so a closed breaker is admitted to by reading alone.
            (State::Closed, Event::Admit { .. }) => self.stays(),
            // One success ends a row of failures.
            (State::Closed, Event::Success { epoch, .. }) if epoch == self.epoch => {
                Self { failures: 0, ..self }.stays()
            }
            (State::Closed, Event::ProbeSuccess { .. }) => Self { failures: 0, ..self }.stays(),
            // One counter for all categories; the threshold is the one of the failure that came last.
            (State::Closed, Event::Failure { epoch, cause }) if epoch == self.epoch => {
                self.fail_closed(cause, policy)
            }
            (State::Closed, Event::ProbeFailure(cause)) => self.fail_closed(cause, policy),

            // Open until the deadline; at the deadline it is half-open, whoever asks first.
            (State::Open { deadline }, Event::Admit { now }) if now < deadline => {
                Step { next: self, effect: Effect::RefusedOpen { remaining: deadline - now } }
            }
            (State::Open { .. }, Event::Admit { .. }) => {
                self.half_open(0, 1).changed(Reason::AttemptRecovery)
            }
            // At the deadline it is half-open even if nobody asks.
            (State::Open { deadline }, Event::Tick { now }) if now >= deadline => {
                self.half_open(0, 0).changed(Reason::ProactiveRecovery)
            }
            // Only what is open waits for a deadline.
            (_, Event::Tick { .. }) => self.stays(),
            // The provider is back early. Believed or not, as the policy says.
            (State::Open { deadline }, Event::ProbeSuccess { now }) => {
                if now < deadline && policy.probe_recovery == ProbeRecovery::AfterDeadline {
                    return self.stays();
                }
                match self.half_open(0, 0).succeed(1, 0, policy) {
                    Step { next, effect: Effect::None } => next.changed(Reason::RecoveryAttempt),
                    closed => closed,
                }
            }
            // A provider that is known to be down is still down: the deadline is not moved. Past the deadline
            // the breaker is half-open, and opens again.
            (State::Open { deadline }, Event::ProbeFailure(cause)) if cause.now >= deadline => {
                self.reopen(cause, policy)
            }
            (State::Open { .. }, Event::ProbeFailure(_)) => self.stays(),

            // Up to the limit calls pass at the same time.
            (State::HalfOpen { successes, in_flight }, Event::Admit { .. }) => {
                if u32::from(in_flight) >= limit(policy.half_open_max_inflight) {
                    return Step { next: self, effect: Effect::RefusedBusy };
                }
                Self { state: State::HalfOpen { successes, in_flight: in_flight + 1 }, ..self }.stays()
            }
            // Enough successes close it; each gives back the slot that it still holds.
            (State::HalfOpen { successes, in_flight }, Event::Success { epoch, slot })
                if epoch == self.epoch =>
            {
                self.succeed(successes.saturating_add(1), in_flight.saturating_sub(slot.into()), policy)
            }
            // A probe is as good as a call, but holds no slot.
            (State::HalfOpen { successes, in_flight }, Event::ProbeSuccess { .. }) => {
                self.succeed(successes.saturating_add(1), in_flight, policy)
            }
            // One failure is enough to open it again, for longer.
            (State::HalfOpen { .. }, Event::Failure { epoch, cause }) if epoch == self.epoch => {
                self.reopen(cause, policy)
            }
            (State::HalfOpen { .. }, Event::ProbeFailure(cause)) => self.reopen(cause, policy),
            // Cancelled, not the provider's fault, or not known yet: the slot is free again, nothing else happened.
            (State::HalfOpen { successes, in_flight }, Event::Release { epoch }) if epoch == self.epoch => {
                let state = State::HalfOpen { successes, in_flight: in_flight.saturating_sub(1) };
                Self { state, ..self }.stays()
            }

            // By hand, from any state: open for the base delay, as if for the first time.
            (_, Event::Open { now, random }) => {
                let delay = with_jitter(base_delay(policy), random);
                let next = Self { openings: 0, by_rate_limit: false, ..self };
                next.open(now.saturating_add(delay)).changed(Reason::ManualOpen)
            }
            // By hand, from any state: as new.
            (State::Closed, Event::Close) => Self { failures: 0, ..self }.stays(),
            (_, Event::Close) => self.close().changed(Reason::ManualClose),
            // As new, and deaf to what is still under way. Nobody is told: nobody uses it.
            (_, Event::Forget) => self.close().stays(),

            // A slot is all that can be released, and only a half-open breaker has slots. Outcomes of an
            // earlier epoch come too late to say anything.
            (_, Event::Release { .. } | Event::Success { .. } | Event::Failure { .. }) => self.stays(),
        }
    }

    /// The state at `now` as calls would find it.
    pub(super) const fn state_at(self, now: u64) -> State {
        match self.state {
            State::Open { deadline } if now >= deadline => State::HalfOpen { successes: 0, in_flight: 0 },
            state => state,
        }
    }

    /// Whether it is half-open and waits for as many calls as it lets through.
    pub(super) fn is_busy_at(self, now: u64, policy: &BreakerPolicy) -> bool {
        let most = limit(policy.half_open_max_inflight);
        matches!(self.state_at(now), State::HalfOpen { in_flight, .. } if u32::from(in_flight) >= most)
    }

    /// How long it will be open, in milliseconds.
    pub(super) const fn remaining_at(self, now: u64) -> Option<u64> {
        match self.state {
            State::Open { deadline } if now < deadline => Some(deadline - now),
            _ => None,
        }
    }

    fn fail_closed(self, cause: Cause, policy: &BreakerPolicy) -> Step {
        let failed = Self { failures: self.failures.saturating_add(1), ..self };
        if u32::from(failed.failures) < limit(policy.threshold(cause.category)) {
            return failed.stays();
        }
        failed.open_after(cause, policy).changed(Reason::FailureThresholdExceeded)
    }

    fn reopen(self, cause: Cause, policy: &BreakerPolicy) -> Step {
        self.open_after(cause, policy).changed(Reason::ReopenDueToFailure)
    }

    fn succeed(self, successes: u8, in_flight: u8, policy: &BreakerPolicy) -> Step {
        // A limit passes by itself: one success proves that it did.
        let needed = if self.by_rate_limit { 1 } else { limit(policy.success_threshold) };
        if u32::from(successes) >= needed {
            return self.close().changed(Reason::Recovered);
        }
        Self { state: State::HalfOpen { successes, in_flight }, ..self }.stays()
    }

    fn open_after(self, cause: Cause, policy: &BreakerPolicy) -> Self {
        let by_rate_limit = cause.category == Category::RateLimit;
        let asked = cause.retry_after.filter(|_| by_rate_limit);
        let delay = match asked {
            Some(asked) => asked.min(millis(policy.max_recovery_timeout)),
            None => backoff(self.openings, policy),
        };
        Self { by_rate_limit, ..self }.open(cause.now.saturating_add(with_jitter(delay, cause.random)))
    }

    fn open(self, deadline: u64) -> Self {
        let openings = (self.openings + 1).min(OPENINGS_MAX);
        Self { state: State::Open { deadline }, openings, ..self.next_epoch() }
    }

    const fn half_open(self, successes: u8, in_flight: u8) -> Self {
        Self { state: State::HalfOpen { successes, in_flight }, ..self.next_epoch() }
    }

    const fn close(self) -> Self {
        let closed = Self { failures: 0, openings: 0, by_rate_limit: false, ..self };
        Self { state: State::Closed, ..closed.next_epoch() }
    }

    const fn next_epoch(self) -> Self {
        Self { epoch: (self.epoch + 1) & EPOCH_MASK, ..self }
    }

    const fn stays(self) -> Step {
        Step { next: self, effect: Effect::None }
    }

    const fn changed(self, reason: Reason) -> Step {
        Step { next: self, effect: Effect::Changed(reason) }
    }
}

/// Counts are kept in 8 bits; a limit of nothing would never let go.
fn limit(configured: u32) -> u32 {
    configured.clamp(1, u8::MAX.into())
}

/// The delay of the first opening, and of one by hand.
fn base_delay(policy: &BreakerPolicy) -> u64 {
    backoff(0, policy)
}

/// Doubles with each opening after the first, four times at most.
fn backoff(earlier_openings: u8, policy: &BreakerPolicy) -> u64 {
    let base = millis(policy.recovery_timeout);
    base.saturating_mul(1 << earlier_openings.min(4)).min(millis(policy.max_recovery_timeout))
}

/// Adds at least a millisecond and at most a twentieth, so that breakers that opened together part.
fn with_jitter(delay: u64, random: u64) -> u64 {
    let most = (delay / 20).max(1);
    delay.saturating_add(1 + random % most)
}

// === The word ===

const STATE_MASK: u64 = 0b11;
const CLOSED: u64 = 0;
const OPEN: u64 = 1;
const HALF_OPEN: u64 = 2;
const RATE_LIMIT_SHIFT: u32 = 2;
const OPENINGS_SHIFT: u32 = 3;
const OPENINGS_MAX: u8 = 63;
const FAILURES_SHIFT: u32 = 9;
const EPOCH_SHIFT: u32 = 17;
const EPOCH_MASK: u16 = 1023;
const REST_SHIFT: u32 = 27;
const REST_MAX: u64 = u64::MAX >> REST_SHIFT;
const IN_FLIGHT_SHIFT: u32 = 8;

impl Machine {
    /// Whether the word is one of a closed breaker, without unpacking it.
    pub(super) const fn is_closed(word: u64) -> bool {
        word & STATE_MASK == CLOSED
    }

    /// Whether the word is one of a closed breaker without failures, which a success does not change.
    pub(super) const fn is_untroubled(word: u64) -> bool {
        word & (STATE_MASK | (u8::MAX as u64) << FAILURES_SHIFT) == CLOSED
    }

    pub(super) const fn epoch_of(word: u64) -> u16 {
        (word >> EPOCH_SHIFT) as u16 & EPOCH_MASK
    }

    #[expect(clippy::cast_possible_truncation, reason = "each field is cut out of the word at its width")]
    pub(super) const fn unpack(word: u64) -> Self {
        let rest = word >> REST_SHIFT;
        let state = match word & STATE_MASK {
            CLOSED => State::Closed,
            OPEN => State::Open { deadline: rest },
            _ => State::HalfOpen { successes: rest as u8, in_flight: (rest >> IN_FLIGHT_SHIFT) as u8 },
        };
        Self {
            state,
            epoch: Self::epoch_of(word),
            failures: (word >> FAILURES_SHIFT) as u8,
            openings: (word >> OPENINGS_SHIFT) as u8 & OPENINGS_MAX,
            by_rate_limit: word >> RATE_LIMIT_SHIFT & 1 == 1,
        }
    }

    pub(super) fn pack(self) -> u64 {
        let (state, rest) = match self.state {
            State::Closed => (CLOSED, 0),
            State::Open { deadline } => (OPEN, deadline.min(REST_MAX)),
            State::HalfOpen { successes, in_flight } => {
                (HALF_OPEN, u64::from(successes) | u64::from(in_flight) << IN_FLIGHT_SHIFT)
            }
        };
        state
            | u64::from(self.by_rate_limit) << RATE_LIMIT_SHIFT
            | u64::from(self.openings) << OPENINGS_SHIFT
            | u64::from(self.failures) << FAILURES_SHIFT
            | u64::from(self.epoch) << EPOCH_SHIFT
            | rest << REST_SHIFT
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
