//! When one instance is asked for its height, and what its answers say about it.

use std::time::Duration;

use lasso_layers::state::health::Status;
use tokio::time::Instant;

use super::super::outcome::Outcome;

/// Consecutive failures that degrade an instance.
const DEGRADED: u32 = 2;
/// Consecutive failures after which operators hear of it.
const TOLD: u32 = 3;
/// Consecutive failures that make an instance unhealthy.
const UNHEALTHY: u32 = 5;
/// How many times longer an instance is left alone while its heads come by themselves.
const STREAMED: u32 = 3;

/// The polls of one instance. Pure: every time is an argument.
#[derive(Clone, Copy, Debug)]
pub(super) struct Poll {
    interval: Duration,
    /// When it is asked next, unless its heads come by themselves.
    next: Instant,
    in_flight: bool,
    /// Consecutive.
    pub(super) failures: u32,
    pub(super) status: Status,
}

/// What operators hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// Polls fail.
    Degraded,
    /// Polls keep failing.
    Unhealthy,
    /// It tells its height again, after so many failures that operators heard of.
    Recovered(u32),
}

impl Poll {
    /// Asked for the first time at `first`.
    pub(super) const fn new(interval: Duration, first: Instant) -> Self {
        Self { interval, next: first, in_flight: false, failures: 0, status: Status::Healthy }
    }

    /// Changes the interval; a shorter one holds at once.
    pub(super) fn set_interval(&mut self, interval: Duration, now: Instant) {
        self.interval = interval;
        self.next = self.next.min(now + interval);
    }

    /// Whether it is this instance's turn, which is over with that, used or not. What was missed is left out.
    /// `is_streamed` says whether its heads come by themselves; it is asked only if that matters, and each time anew,
    /// so that polls are back at their interval as soon as heads stay away.
    pub(super) fn take_turn(&mut self, now: Instant, is_streamed: impl FnOnce() -> bool) -> bool {
        if self.in_flight || now < self.next {
            return false;
        }
        let due = if is_streamed() { self.next + self.interval * (STREAMED - 1) } else { self.next };
        if now < due {
            return false;
        }
        self.next = now + self.interval;
        true
    }

    /// It is being asked.
    pub(super) const fn sent(&mut self) {
        self.in_flight = true;
    }

    /// The poll came to nothing by itself, which says nothing about the instance.
    pub(super) const fn lost(&mut self) {
        self.in_flight = false;
    }

    /// Notes how a poll ended.
    pub(super) fn settle(&mut self, outcome: Outcome) -> Option<News> {
        self.in_flight = false;
        let before = self.failures;
        self.failures = match outcome {
            Outcome::Good => 0,
            // It is there, and said so.
            Outcome::Limited => before,
            Outcome::Failed | Outcome::Refused => before.saturating_add(1),
        };
        let by_failures = match self.failures {
            UNHEALTHY.. => Status::Unhealthy,
            DEGRADED.. => Status::Degraded,
            _ => Status::Healthy,
        };
        self.status = match outcome {
            Outcome::Good | Outcome::Failed => by_failures,
            Outcome::Limited => by_failures.max(Status::Degraded),
            Outcome::Refused => Status::Misconfigured,
        };
        match self.failures {
            0 if before >= TOLD => Some(News::Recovered(before)),
            TOLD if before < TOLD => Some(News::Degraded),
            UNHEALTHY if before < UNHEALTHY => Some(News::Unhealthy),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
