//! The breakers of all channels.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::time::Instant;

use super::event::log_failure;
use super::machine::{Cause, Effect, Event, Machine, State, Step};
use super::permit::blames_provider;
use super::word::Word;
use super::{BreakerPolicy, BreakerState, LastError, Permit, Refusal, Transition};
use crate::call::{Demotion, Facts, Failure, Filter, Subject, Verdict};
use crate::catalog::{Category, Channel, ChannelKey};
use crate::state::{Entropy, Origin, Shared, Table};

type Observer = Arc<dyn Fn(&Channel, &Transition) + Send + Sync>;
type FailureObserver = Arc<dyn Fn(&Channel, BreakerState, Category) + Send + Sync>;

/// The breakers of all channels. A handle: clones share them.
#[derive(Clone, Copy)]
pub struct Breakers {
    store: Shared<Store>,
}

struct Store {
    cells: Table<Cell>,
    policy: BreakerPolicy,
    origin: Origin,
    entropy: Entropy,
    /// Replaced whole; a change of state is rare enough.
    observers: ArcSwap<Vec<Observer>>,
    failure_observers: ArcSwap<Vec<FailureObserver>>,
}

/// One breaker. A cache line of its own: a failing channel must not slow the others down.
#[derive(Default)]
#[repr(align(64))]
struct Cell {
    /// The whole state.
    word: Word,
    /// For people to read; nothing is decided by it.
    last_error: ArcSwapOption<LastError>,
}

impl Breakers {
    /// All closed, with this policy.
    #[must_use]
    pub fn new(policy: BreakerPolicy) -> Self {
        Self::with_entropy(policy, Entropy::default())
    }

    /// As [`new`](Self::new), with jitter from this source.
    #[must_use]
    pub fn with_entropy(policy: BreakerPolicy, entropy: Entropy) -> Self {
        let (cells, origin) = (Table::new(), Origin::now());
        let (observers, failure_observers) = (ArcSwap::default(), ArcSwap::default());
        Self { store: Shared::new(Store { cells, policy, origin, entropy, observers, failure_observers }) }
    }

    /// Has every change of state from now on told to `observer` too, on the thread that caused it: it has to be
    /// quick. It stays for good.
    pub fn observe(&self, observer: impl Fn(&Channel, &Transition) + Send + Sync + 'static) {
        let observer: Observer = Arc::new(observer);
        self.store.observers.rcu(|known| [known.as_slice(), std::slice::from_ref(&observer)].concat());
    }

    /// Has every failure that counts from now on told to `observer` too, with the state in which it found the breaker, on
    /// the thread that reports it: it has to be quick. It stays for good.
    pub fn observe_failures(
        &self,
        observer: impl Fn(&Channel, BreakerState, Category) + Send + Sync + 'static,
    ) {
        let observer: FailureObserver = Arc::new(observer);
        self.store
            .failure_observers
            .rcu(|known| [known.as_slice(), std::slice::from_ref(&observer)].concat());
    }

    /// Asks for leave to send. Does not wait; a closed breaker is one load.
    ///
    /// # Errors
    ///
    /// Why nothing may be sent.
    pub fn admit(&self, channel: &Channel, now: Instant) -> Result<Permit, Refusal> {
        if let Some(permit) = self.admit_closed(channel.key) {
            return Ok(permit);
        }
        let now = self.store.origin.millis(now);
        let next = match self.apply(channel, Event::Admit { now }, None) {
            Step { effect: Effect::RefusedOpen { remaining }, .. } => {
                return Err(Refusal::Open { remaining: Duration::from_millis(remaining) });
            }
            Step { effect: Effect::RefusedBusy, .. } => return Err(Refusal::Busy),
            Step { next, .. } => next,
        };
        let slot = matches!(next.state, State::HalfOpen { .. });
        Ok(Permit::new(*self, channel.key, next.epoch, slot))
    }

    /// Leave to send if the breaker is closed.
    pub(super) fn admit_closed(&self, key: ChannelKey) -> Option<Permit> {
        let epoch = self.cell(key).word.closed_epoch()?;
        Some(Permit::new(*self, key, epoch, false))
    }

    /// Reports that a probe or a poll, which holds no permit, succeeded.
    pub fn probe_succeeded(&self, channel: &Channel, now: Instant) {
        let now = self.store.origin.millis(now);
        self.apply(channel, Event::ProbeSuccess { now }, None);
    }

    /// Reports that a probe or a poll, which holds no permit, failed. What is not the provider's fault, and a
    /// rate limit, changes nothing.
    pub fn probe_failed(&self, channel: &Channel, failure: &Failure, now: Instant) {
        if blames_provider(failure) {
            let cause = self.cause(failure, now);
            self.apply(channel, Event::ProbeFailure(cause), Some(failure));
        }
    }

    /// Reports that a connection which stands apart from any request, and so holds no permit, could not be made or was
    /// lost in a way that counts. Unlike with a probe that is so whatever the category says of requests: who does not
    /// let us in is no use to anybody.
    pub fn connection_failed(&self, channel: &Channel, failure: &Failure, now: Instant) {
        let cause = self.cause(failure, now);
        self.apply(channel, Event::ProbeFailure(cause), Some(failure));
    }

    /// Opens a breaker by hand, for the base recovery timeout.
    pub fn open(&self, channel: &Channel, now: Instant) {
        let (now, random) = (self.store.origin.millis(now), self.random());
        self.apply(channel, Event::Open { now, random }, None);
    }

    /// Closes a breaker by hand; the next call is let through.
    pub fn close(&self, channel: &Channel) {
        self.apply(channel, Event::Close, None);
    }

    /// Makes an open breaker half-open if its time is over, so that this is seen and told without a call. For
    /// a task that looks at the clock now and then; without one, the next call does it.
    pub fn tick(&self, channel: &Channel, now: Instant) {
        let now = self.store.origin.millis(now);
        self.apply(channel, Event::Tick { now }, None);
    }

    /// Makes the breaker of a channel that is no longer used as good as new. Outcomes of attempts that are
    /// still under way change nothing any more; nobody is told.
    pub fn forget(&self, key: ChannelKey) {
        self.update(key, Event::Forget);
        self.cell(key).last_error.store(None);
    }

    /// Whether a breaker lets nothing through.
    #[must_use]
    pub fn is_open(&self, key: ChannelKey, now: Instant) -> bool {
        let machine = self.cell(key).word.machine();
        machine.state != State::Closed && machine.remaining_at(self.store.origin.millis(now)).is_some()
    }

    /// What there is to see of a breaker.
    #[must_use]
    pub fn status(&self, key: ChannelKey, now: Instant) -> BreakerStatus {
        let cell = self.cell(key);
        let machine = cell.word.machine();
        let now = self.store.origin.millis(now);
        let state = machine.state_at(now);
        let (successes, in_flight) = match state {
            State::HalfOpen { successes, in_flight } => (successes, in_flight),
            State::Closed | State::Open { .. } => (0, 0),
        };
        BreakerStatus {
            state: state.into(),
            remaining: machine.remaining_at(now).map(Duration::from_millis),
            failures: machine.failures.into(),
            successes: successes.into(),
            in_flight: in_flight.into(),
            openings: machine.openings.into(),
            last_error: cell.last_error.load_full(),
        }
    }

    pub(super) fn succeeded(&self, channel: &Channel, epoch: u16, slot: bool) {
        // Nearly every call ends here.
        if !self.cell(channel.key).word.is_untroubled() {
            self.apply(channel, Event::Success { epoch, slot }, None);
        }
    }

    pub(super) fn failed(&self, channel: &Channel, epoch: u16, failure: &Failure, now: Instant) {
        let cause = self.cause(failure, now);
        self.apply(channel, Event::Failure { epoch, cause }, Some(failure));
    }

    pub(super) fn released(&self, key: ChannelKey, epoch: u16) {
        self.update(key, Event::Release { epoch });
    }

    /// Applies an event and tells everybody what it changed. `failure` is what the event reports.
    fn apply(&self, channel: &Channel, event: Event, failure: Option<&Failure>) -> Step {
        let (before, step) = self.update(channel.key, event);
        if before == step.next {
            return step;
        }
        let mut from = before.state;
        if let Some(failure) = failure {
            // Past its deadline the word may still say that it is open.
            from = event.time().map_or(from, |now| before.state_at(now));
            self.cell(channel.key).note(failure);
            log_failure(channel, from.into(), failure.category());
            for observer in self.store.failure_observers.load().iter() {
                observer(channel, from.into(), failure.category());
            }
        }
        if let Effect::Changed(reason) = step.effect {
            let error = failure.map(|failure| Arc::new(LastError::of(failure)));
            let remaining = event.time().and_then(|now| step.next.remaining_at(now));
            let transition = Transition::new(from.into(), step.next, reason, remaining, error);
            transition.log(channel);
            for observer in self.store.observers.load().iter() {
                observer(channel, &transition);
            }
        }
        step
    }

    fn update(&self, key: ChannelKey, event: Event) -> (Machine, Step) {
        self.cell(key).word.apply(event, &self.store.policy)
    }

    fn cause(&self, failure: &Failure, now: Instant) -> Cause {
        Cause {
            category: failure.category(),
            retry_after: failure.retry_after().map(crate::state::millis),
            now: self.store.origin.millis(now),
            random: self.random(),
        }
    }

    fn random(&self) -> u64 {
        self.store.entropy.rng().u64(..)
    }

    fn cell(&self, key: ChannelKey) -> &Cell {
        self.store.cells.cell(key.index())
    }
}

impl Breakers {
    /// What a breaker that is not closed says to selection at `now`.
    fn verdict(&self, machine: Machine, now: u64) -> Verdict {
        match machine.remaining_at(now) {
            None if machine.is_busy_at(now, &self.store.policy) => {
                Verdict::Demote(Demotion::HALF_OPEN.and(Demotion::BUSY))
            }
            None => Verdict::Demote(Demotion::HALF_OPEN),
            Some(remaining) => Verdict::Exclude {
                reason: Category::CircuitOpen.as_str(),
                retry_after: Some(Duration::from_millis(remaining)),
            },
        }
    }
}

impl Cell {
    /// Keeps what a failure says. A provider that is down says the same every time, which is not worth two
    /// allocations every time.
    fn note(&self, failure: &Failure) {
        if !self.last_error.load().as_deref().is_some_and(|known| known.is_of(failure)) {
            self.last_error.store(Some(Arc::new(LastError::of(failure))));
        }
    }
}

/// [`Stage::Circuit`](crate::call::Stage): an open breaker rules its channel out, a half-open one demotes it.
impl Filter for Breakers {
    fn check(&self, subject: &Subject<'_>) -> Verdict {
        let machine = self.cell(subject.channel.key).word.machine();
        if machine.state == State::Closed {
            return Verdict::Keep;
        }
        self.verdict(machine, self.store.origin.millis(subject.now))
    }

    fn explain(&self, subject: &Subject<'_>) -> (Verdict, Facts) {
        let status = self.status(subject.channel.key, subject.now);
        let facts = Facts::none().with("state", status.state.as_str()).with("failures", status.failures);
        if status.state == BreakerState::Closed {
            return (Verdict::Keep, facts);
        }
        let last = status.last_error.map(|error| error.category.as_str());
        let facts = facts.with("openings", status.openings).with_known("last_error", last);
        (self.check(subject), facts)
    }
}

impl fmt::Debug for Breakers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breakers").field("policy", &self.store.policy).finish_non_exhaustive()
    }
}

/// A breaker at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BreakerStatus {
    /// The state; an open breaker whose deadline has passed is half-open.
    pub state: BreakerState,
    /// How long it will be open.
    pub remaining: Option<Duration>,
    /// Consecutive failures so far; while it is not closed, those that opened it.
    pub failures: u32,
    /// Successes since it became half-open.
    pub successes: u32,
    /// Attempts in flight while it is half-open.
    pub in_flight: u32,
    /// How often it opened since it was last closed.
    pub openings: u32,
    /// The last failure that counted.
    pub last_error: Option<Arc<LastError>>,
}
