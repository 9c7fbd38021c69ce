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
use super::{FailoverPolicy, Failovers, Reselect, ending, events};
use crate::attempt::Attempt;
use crate::call::{Body, Call, Candidates, Dispatch, Failure, Plan, Reply};
use crate::catalog::{Category, Safety};

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
    reselect: Option<Reselect>,
    failovers: Option<Failovers>,
    /// The call as it was before it was planned anew, which happens once.
    before: Option<Arc<Call>>,
    /// Declared limits are ignored from now on.
    limits_off: bool,
    /// Candidates that were put back once, by position; the ones past 63 are never put back.
    put_back: u64,
    /// Whether the call began on a channel on probation because there was no other.
    is_degraded: bool,
    /// What the client gets if nothing better comes.
    last: Option<Failure>,
    /// Where `last` happened, until another attempt follows and that is told.
    failed: Option<(Arc<Call>, usize)>,
}

impl<S: Service<Attempt>> ResponseFuture<S> {
    pub(super) const fn new(
        call: Arc<Call>,
        service: S,
        policy: FailoverPolicy,
        reselect: Option<Reselect>,
        failovers: Option<Failovers>,
    ) -> Self {
        let run = Run {
            call,
            policy,
            reselect,
            failovers,
            before: None,
            limits_off: false,
            put_back: 0,
            is_degraded: false,
            last: None,
            failed: None,
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

/// The candidates of a call that is being run.
fn candidates_of(call: &Call) -> &Candidates {
    call.journal().candidates().expect("the service opened the candidates")
}

impl Run {
    /// The next attempt, or the end.
    fn draw(&mut self, now: Instant) -> Result<Attempt, Failure> {
        self.follow_catalogue(now);
        let candidates = candidates_of(&self.call);
        let dispatched = candidates.dispatched();
        if dispatched == 0 {
            self.call.journal().selection_ended(now);
        }
        if dispatched >= self.policy.max_attempts {
            return Err(self.give_up());
        }
        // Every channel that could be asked declares a limit below what the call asks for: the declarations may be
        // wrong, so they are ignored from here on.
        self.limits_off |= dispatched == 0 && candidates.are_all_limited();
        let is_late = self.call.deadline.saturating_duration_since(now) < self.policy.min_attempt;
        if is_late && (candidates.has_more() || (self.limits_off && candidates.has_limited())) {
            return Err(ending::out_of_time(&self.call, candidates));
        }
        let Some(index) = self.next_candidate(candidates) else {
            // What spoke against the others was true when they were looked at, which may be seconds ago by now.
            let may_help = dispatched > 0 && candidates.may_recover();
            return if may_help && self.replan(now) { self.draw(now) } else { Err(self.give_up()) };
        };
        if let (Some((call, failed)), Some(failure)) = (self.failed.take(), &self.last) {
            let left = &candidates_of(&call).all()[failed];
            events::fast_fail(&call, left, failure.category());
            if let (Some(failovers), Some(plan)) = (self.failovers, call.plan()) {
                failovers.record(plan.provider(left.provider).key, now);
            }
        }
        let ordinal = candidates.count_dispatch();
        let deadline = self.attempt_deadline(now, ordinal, candidates);
        let mut attempt = Attempt::new(self.call.clone(), index, deadline, ordinal);
        attempt.insist = self.put_back & bit(index) != 0 || bit(index) == 0;
        Ok(attempt)
    }

    /// Chooses anew if the catalogue that the call was planned by is no longer in force.
    fn follow_catalogue(&mut self, now: Instant) {
        if self.call.plan().is_some_and(Plan::is_superseded) {
            // Without the route, the candidates of the old plan are passed by one after the other.
            self.replan(now);
        }
    }

    /// Chooses anew, once: a configuration that changes faster than calls are answered must not keep them from being
    /// answered, and a call ends. Says whether it did.
    fn replan(&mut self, now: Instant) -> bool {
        let Some(reselect) = self.reselect.filter(|_| self.before.is_none()) else { return false };
        let most = self.policy.max_attempts;
        let Some(call) = reselect.replan(&self.call, candidates_of(&self.call), most, now) else {
            return false;
        };
        self.before = Some(std::mem::replace(&mut self.call, call));
        // Declared limits that were ignored stay so: nobody was within them.
        self.put_back = 0;
        true
    }

    /// The next channel in line. Channels that the configuration has dropped since the call was planned are passed by.
    fn next_candidate(&self, candidates: &Candidates) -> Option<usize> {
        loop {
            let drawn = if self.limits_off { candidates.draw_ignoring_limits() } else { candidates.draw() };
            let index = drawn?;
            let candidate = &candidates.all()[index];
            if self.call.plan().is_none_or(|plan| plan.still_has(candidate.channel)) {
                return Some(index);
            }
            candidate.skipped(Category::ProviderError);
        }
    }

    /// An attempt leaves time for another one where there can be one: the first a share of all the time there is, later
    /// ones the same share of what is left.
    fn attempt_deadline(&self, now: Instant, ordinal: u32, candidates: &Candidates) -> Instant {
        let call = &self.call;
        let may_follow = matches!(call.method.safety(), Safety::Replay | Safety::Broadcast);
        if !may_follow || !candidates.has_prospect(self.limits_off) {
            return call.deadline;
        }
        let since = if ordinal == 0 { call.received } else { now };
        let total = call.deadline.saturating_duration_since(since);
        // A share that is no share, which only an embedder can give, leaves the attempt all the time there is.
        let share = total.as_secs_f64() * self.policy.first_attempt_share;
        let share = Duration::try_from_secs_f64(share).unwrap_or(total);
        call.deadline.min(now + share.max(self.policy.min_attempt))
    }

    /// An attempt gave the answer.
    fn answered(&mut self, index: usize) {
        self.used(index);
        let candidate = &candidates_of(&self.call).all()[index];
        candidate.answered();
        if self.is_degraded && candidate.tier().half_open {
            events::degraded_success(&self.call, candidate);
        }
    }

    /// A channel was sent to. If it was the first of the call and on probation for want of another, that is told; not
    /// before, because a breaker may still refuse what was drawn.
    fn used(&mut self, index: usize) {
        let candidates = candidates_of(&self.call);
        if candidates.dispatched() == 1 && candidates.is_degraded_at(index) {
            self.is_degraded = true;
            events::degraded_mode(&self.call, &candidates.all()[index]);
        }
    }

    /// Notes what became of an attempt. `Err` is the end of the call.
    fn failed(&mut self, index: usize, failure: Failure) -> Result<(), Failure> {
        let category = failure.category();
        let sent = failure.dispatch() != Dispatch::NotSent;
        if sent {
            self.used(index);
        } else {
            candidates_of(&self.call).return_dispatch();
        }
        let candidates = candidates_of(&self.call);
        let candidate = &candidates.all()[index];
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
        let earlier = [Some(&self.call), self.before.as_ref()]
            .into_iter()
            .flatten()
            .filter_map(|call| call.journal().candidates())
            .map(|candidates| candidates.failures_of(category))
            .sum();
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
                (self.last, self.failed) = (Some(failure), Some((self.call.clone(), index)));
                Ok(())
            }
        }
    }

    fn give_up(&mut self) -> Failure {
        let last = self.last.take();
        last.unwrap_or_else(|| ending::nothing_usable(&self.call, candidates_of(&self.call)))
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
