//! The failover loop as a future.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use pin_project::pin_project;
use tokio::time::Instant;
use tower::Service;

use super::decide::{self, Next};
use super::{FailoverPolicy, Failovers, ending, events};
use crate::attempt::Attempt;
use crate::call::{Body, Call, Candidates, Dispatch, Failure, Reply};
use crate::catalog::{Category, ProviderKey, Safety};

/// The future of [`FailoverService`](super::FailoverService).
#[pin_project]
pub struct ResponseFuture<S: Service<Attempt>> {
    service: S,
    #[pin]
    state: State<S::Future>,
    run: Run,
}

#[pin_project(project = StateProj)]
enum State<F> {
    /// Waiting until the service takes another attempt.
    Ready,
    /// Waiting for the attempt on this candidate.
    Attempting {
        candidate: usize,
        #[pin]
        future: F,
    },
}

/// What the loop remembers between attempts.
struct Run {
    call: Arc<Call>,
    policy: FailoverPolicy,
    failovers: Option<Failovers>,
    /// The provider whose failure the next attempt makes good.
    left: Option<ProviderKey>,
    /// Declared limits are ignored from now on.
    limits_off: bool,
    /// Candidates that were put back once, by position; the ones past 63 are never put back.
    put_back: u64,
    /// Whether the call began on a channel on probation because there was no other.
    is_degraded: bool,
    /// What the client gets if nothing better comes.
    last: Option<Failure>,
}

impl<S: Service<Attempt>> ResponseFuture<S> {
    pub(super) const fn new(
        call: Arc<Call>,
        service: S,
        policy: FailoverPolicy,
        failovers: Option<Failovers>,
    ) -> Self {
        let run = Run {
            call,
            policy,
            failovers,
            left: None,
            limits_off: false,
            put_back: 0,
            is_degraded: false,
            last: None,
        };
        Self { service, state: State::Ready, run }
    }
}

impl<S> Future for ResponseFuture<S>
where
    S: Service<Attempt, Response = Reply>,
    S::Error: Into<Failure>,
{
    type Output = Result<Reply, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProj::Ready => {
                    if this.run.call.dry_run {
                        return Poll::Ready(Ok(Reply::Result(Body::Full(Bytes::new()))));
                    }
                    ready!(this.service.poll_ready(cx)).map_err(Into::into)?;
                    let attempt = this.run.draw(Instant::now())?;
                    let candidate = attempt.candidate_index();
                    let future = this.service.call(attempt);
                    this.state.set(State::Attempting { candidate, future });
                }
                StateProj::Attempting { candidate, future } => {
                    let candidate = *candidate;
                    match ready!(future.poll(cx)) {
                        Ok(reply) => {
                            this.run.answered(candidate);
                            return Poll::Ready(Ok(reply));
                        }
                        Err(error) => this.run.failed(candidate, error.into())?,
                    }
                    this.state.set(State::Ready);
                }
            }
        }
    }
}

impl Run {
    fn candidates(&self) -> &Candidates {
        self.call.journal().candidates().expect("the service opened the candidates")
    }

    /// The next attempt, or the end.
    fn draw(&mut self, now: Instant) -> Result<Attempt, Failure> {
        let candidates = self.call.journal().candidates().expect("the service opened the candidates");
        let dispatched = candidates.dispatched();
        if dispatched == 0 {
            self.call.journal().selection_ended(now);
        }
        if dispatched >= self.policy.max_attempts {
            return Err(self.give_up());
        }
        // Every channel that could be asked declares a limit below what the call asks for, and nothing was sent: the
        // declarations may be wrong, so they are ignored from here on.
        self.limits_off |= dispatched == 0 && !candidates.has_more() && candidates.has_limited();
        let is_late = self.call.deadline.saturating_duration_since(now) < self.policy.min_attempt;
        if is_late && self.is_more_left(candidates) {
            return Err(ending::out_of_time(&self.call, candidates));
        }
        let Some(index) = self.next_candidate(candidates) else { return Err(self.give_up()) };
        if dispatched == 0 && !self.is_degraded && candidates.is_degraded_at(index) {
            self.is_degraded = true;
            events::degraded_mode(&self.call, &candidates.all()[index]);
        }
        if let (Some(failovers), Some(left)) = (self.failovers, self.left.take()) {
            failovers.record(left, now);
        }
        let ordinal = candidates.count_dispatch();
        let deadline = self.attempt_deadline(now, ordinal, candidates);
        let mut attempt = Attempt::new(self.call.clone(), index, deadline, ordinal);
        attempt.insist = self.put_back & bit(index) != 0 || bit(index) == 0;
        Ok(attempt)
    }

    /// The next channel in line. A call that fails over passes channels by that the configuration has dropped
    /// since; what it chose first was chosen in time.
    fn next_candidate(&self, candidates: &Candidates) -> Option<usize> {
        loop {
            let drawn = if self.limits_off { candidates.draw_ignoring_limits() } else { candidates.draw() };
            let index = drawn?;
            let candidate = &candidates.all()[index];
            let is_first = candidates.dispatched() == 0;
            if is_first || self.call.plan().is_none_or(|plan| plan.still_has(candidate.channel)) {
                return Some(index);
            }
            candidate.skipped(Category::ProviderError);
        }
    }

    /// Whether a further channel could be drawn.
    fn is_more_left(&self, candidates: &Candidates) -> bool {
        candidates.has_more() || (self.limits_off && candidates.has_limited())
    }

    /// A first attempt leaves time for a second one where there can be one.
    fn attempt_deadline(&self, now: Instant, ordinal: u32, candidates: &Candidates) -> Instant {
        let call = &self.call;
        if ordinal > 0 || call.method.safety() != Safety::Replay || !self.is_more_left(candidates) {
            return call.deadline;
        }
        let total = call.deadline - call.received;
        // A share that is no share, which only an embedder can give, leaves the attempt all the time there is.
        let share = total.as_secs_f64() * self.policy.first_attempt_share;
        let share = Duration::try_from_secs_f64(share).unwrap_or(total);
        call.deadline.min(now + share.max(self.policy.min_attempt))
    }

    /// An attempt gave the answer.
    fn answered(&self, index: usize) {
        let candidate = &self.candidates().all()[index];
        candidate.answered();
        if self.is_degraded && candidate.tier().half_open {
            events::degraded_success(&self.call, candidate);
        }
    }

    /// Notes what became of an attempt. `Err` is the end of the call.
    fn failed(&mut self, index: usize, failure: Failure) -> Result<(), Failure> {
        let candidates = self.candidates();
        let candidate = &candidates.all()[index];
        let category = failure.category();
        let sent = failure.dispatch() != Dispatch::NotSent;
        if !sent {
            candidates.return_dispatch();
        }
        if let Failure::Rejected(_) = failure {
            let may_wait = bit(index) & !self.put_back != 0;
            if category == Category::RateLimit && may_wait {
                // The provider asked for fewer requests since it was ranked: others go first, once.
                candidates.put_back(index);
                self.put_back |= bit(index);
            } else {
                candidate.skipped(category);
                if category == Category::CircuitOpen {
                    events::circuit_open(&self.call, candidate);
                }
                if category == Category::LocalCapacityRejection && self.last.is_none() {
                    self.last = Some(failure);
                }
            }
            return Ok(());
        }
        let earlier = candidates.failures_of(category);
        candidates.failed(index, category);
        if decide::drops_provider(category) {
            candidates.drop_provider(candidate.provider);
        }
        if decide::defers_instance(category) {
            candidates.defer_instance(candidate.instance);
        }
        match decide::next(&failure, self.call.method.safety(), earlier) {
            Next::Stop => Err(failure),
            Next::StopIndeterminate => Err(ending::indeterminate()),
            Next::Try => {
                events::fast_fail(&self.call, candidate, failure.category());
                let left = candidate.provider;
                self.left = self.call.plan().map(|plan| plan.provider(left).key);
                self.last = Some(failure);
                Ok(())
            }
        }
    }

    fn give_up(&mut self) -> Failure {
        let last = self.last.take();
        last.unwrap_or_else(|| ending::nothing_usable(&self.call, self.candidates()))
    }
}

/// The bit of a candidate, none past the width of the word.
const fn bit(index: usize) -> u64 {
    if index < 64 { 1 << index } else { 0 }
}

impl<S: Service<Attempt>> fmt::Debug for ResponseFuture<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("call", &self.run.call).finish_non_exhaustive()
    }
}
