//! All orders in which threads can get at one breaker, tried out by loom.
//!
//! What runs is the word that calls run through; only its atomic integer is loom's. Each scenario says how the
//! breaker starts, what each thread does to it, and what has to be true afterwards in every order. Two things are
//! checked in all of them: a half-open breaker never has more calls under way than it may, and every change was
//! made to the outcome of the one before, so that none is lost.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::super::machine::{Cause, Effect, Event, Machine, State, Step};
use super::super::reason::Reason;
use super::*;
use crate::catalog::Category;

type Integer = loom::sync::atomic::AtomicU64;

/// When a breaker that opened at 0 becomes half-open, with the jitter of `random: 0`.
const DEADLINE: u64 = 101;
const MAX_INFLIGHT: u32 = 2;

const POLICY: fn() -> BreakerPolicy = || BreakerPolicy {
    failure_threshold: 2,
    success_threshold: 2,
    half_open_max_inflight: MAX_INFLIGHT,
    recovery_timeout: Duration::from_millis(100),
    max_recovery_timeout: Duration::from_millis(100),
    ..BreakerPolicy::default()
};

/// A breaker, and what happened to it so far.
struct World<A> {
    word: Word<A>,
    policy: BreakerPolicy,
    start: Machine,
    /// Every event that changed something. Loom runs one thread at a time and stops it nowhere but at its own
    /// integers, so these two are kept as if by one thread.
    changes: Mutex<Vec<(Machine, Step)>>,
    /// Calls under way that hold a slot, by epoch.
    slots: Mutex<HashMap<u16, u32>>,
}

/// A call that was let through, as [`Permit`](super::super::Permit) has it.
#[derive(Clone, Copy)]
struct Call {
    epoch: u16,
    slot: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Good,
    /// As good, but streamed: the slot went back when the answer began.
    Streamed,
    Bad,
    Dropped,
}

impl<A: Atomic> World<A> {
    fn new(start: Machine, integer: A) -> Self {
        let taken = match start.state {
            State::HalfOpen { in_flight, .. } => u32::from(in_flight),
            State::Closed | State::Open { .. } => 0,
        };
        let (changes, slots) = (Mutex::default(), Mutex::new(HashMap::from([(start.epoch, taken)])));
        Self { word: Word { packed: integer }, policy: POLICY(), start, changes, slots }
    }

    fn apply(&self, event: Event) -> Step {
        let (before, step) = self.word.apply(event, &self.policy);
        if before != step.next {
            self.changes.lock().unwrap().push((before, step));
        }
        step
    }

    fn admit(&self, now: u64) -> Option<Call> {
        if let Some(epoch) = self.word.closed_epoch() {
            return Some(Call { epoch, slot: false });
        }
        let step = self.apply(Event::Admit { now });
        if matches!(step.effect, Effect::RefusedOpen { .. } | Effect::RefusedBusy) {
            return None;
        }
        let slot = matches!(step.next.state, State::HalfOpen { .. });
        if slot {
            let mut slots = self.slots.lock().unwrap();
            let taken = slots.entry(step.next.epoch).or_default();
            *taken += 1;
            assert!(*taken <= MAX_INFLIGHT, "{taken} calls at the same time");
        }
        Some(Call { epoch: step.next.epoch, slot })
    }

    fn finish(&self, call: Call, end: End) {
        let Call { epoch, slot } = call;
        if slot && end != End::Streamed {
            *self.slots.lock().unwrap().get_mut(&epoch).expect("the slot was taken") -= 1;
        }
        match end {
            End::Good if self.word.is_untroubled() => {}
            End::Good => _ = self.apply(Event::Success { epoch, slot }),
            End::Streamed => {
                self.finish(call, End::Dropped);
                self.finish(Call { epoch, slot: false }, End::Good);
            }
            End::Bad => _ = self.apply(Event::Failure { epoch, cause: cause(DEADLINE) }),
            End::Dropped if slot => _ = self.apply(Event::Release { epoch }),
            End::Dropped => {}
        }
    }

    /// A call that was let through before the start, by a half-open breaker.
    fn call_on_probation(&self) -> Call {
        Call { epoch: self.start.epoch, slot: true }
    }

    fn try_call(&self, now: u64, end: End) {
        if let Some(call) = self.admit(now) {
            // The call is under way: others get a turn between its two ends.
            self.word.machine();
            self.finish(call, end);
        }
    }

    /// The breaker after everything.
    fn end(&self) -> Machine {
        self.word.machine()
    }

    /// How often the state changed for this reason.
    fn told(&self, reason: Reason) -> usize {
        let changes = self.changes.lock().unwrap();
        changes.iter().filter(|(_, step)| step.effect == Effect::Changed(reason)).count()
    }

    /// How often the state changed.
    fn transitions(&self) -> usize {
        let changes = self.changes.lock().unwrap();
        changes.iter().filter(|(_, step)| matches!(step.effect, Effect::Changed(_))).count()
    }

    /// Fails unless all changes can be put into one row.
    fn assert_nothing_was_lost(&self) {
        let changes: Vec<_> =
            self.changes.lock().unwrap().iter().map(|(from, step)| (*from, step.next)).collect();
        assert!(is_a_row(self.start, &changes, self.end()), "a change was lost: {changes:?}");
    }
}

/// Whether the changes lead from `at` to `end` in some order.
fn is_a_row(at: Machine, changes: &[(Machine, Machine)], end: Machine) -> bool {
    if changes.is_empty() {
        return at == end;
    }
    (0..changes.len()).filter(|index| changes[*index].0 == at).any(|index| {
        let mut rest = changes.to_vec();
        let (_, next) = rest.swap_remove(index);
        is_a_row(next, &rest, end)
    })
}

fn cause(now: u64) -> Cause {
    Cause { category: Category::UnknownError, retry_after: None, now, random: 0 }
}

/// The breaker after these events.
fn after(events: &[Event]) -> Machine {
    events.iter().fold(Machine::unpack(0), |machine, event| machine.apply(*event, &POLICY()).next)
}

fn failed_once() -> Machine {
    after(&[Event::Failure { epoch: 0, cause: cause(0) }])
}

fn open() -> Machine {
    after(&[Event::Open { now: 0, random: 0 }])
}

fn half_open(calls: usize) -> Machine {
    let mut events = vec![Event::Open { now: 0, random: 0 }, Event::Tick { now: DEADLINE }];
    events.extend(vec![Event::Admit { now: DEADLINE }; calls]);
    after(&events)
}

type Thread = fn(&World<Integer>);

/// Runs the threads in every order and looks at each outcome.
fn explore(start: fn() -> Machine, threads: &'static [Thread], check: fn(&World<Integer>)) {
    let mut model = loom::model::Builder::new();
    // Two threads meet in every order. For three that would take minutes; a race that takes more than three
    // interruptions to show would be a rare one.
    model.preemption_bound = (threads.len() > 2).then_some(3);
    model.check(move || {
        let start = start();
        let world = Arc::new(World::new(start, Integer::new(start.pack())));
        run(&world, threads);
        world.assert_nothing_was_lost();
        check(&world);
    });
}

/// Runs the first of the threads here, as loom does not count a thread that only waits.
fn run<A: Atomic + Send + Sync + 'static>(world: &Arc<World<A>>, threads: &[fn(&World<A>)]) {
    let (first, others) = threads.split_first().expect("there is a thread");
    let others: Vec<_> = others
        .iter()
        .map(|thread| {
            let (world, thread) = (world.clone(), *thread);
            loom::thread::spawn(move || thread(&world))
        })
        .collect();
    first(world);
    others.into_iter().for_each(|thread| thread.join().expect("it does not panic"));
}

#[test]
fn slots_are_never_more_than_allowed_and_all_come_back() {
    const LEAVES: Thread = |world| world.try_call(DEADLINE, End::Dropped);
    // One call is under way all the time; the others want the last slot.
    explore(
        || half_open(1),
        &[LEAVES, LEAVES],
        |world| {
            assert_eq!(world.end().state, State::HalfOpen { successes: 0, in_flight: 1 });
        },
    );
}

#[test]
fn slots_come_back_whatever_calls_end_in() {
    explore(
        || half_open(0),
        &[
            |world| world.try_call(DEADLINE, End::Good),
            |world| {
                world.try_call(DEADLINE, End::Dropped);
                world.try_call(DEADLINE, End::Dropped);
            },
        ],
        |world| assert_eq!(world.end().state, State::HalfOpen { successes: 1, in_flight: 0 }),
    );
}

#[test]
fn a_stream_gives_back_one_slot_and_counts_without_it() {
    // One call is under way all the time, so a slot too many that comes back is seen.
    explore(
        || half_open(2),
        &[
            |world| world.finish(world.call_on_probation(), End::Streamed),
            |world| world.try_call(DEADLINE, End::Dropped),
        ],
        |world| assert_eq!(world.end().state, State::HalfOpen { successes: 1, in_flight: 1 }),
    );
}

#[test]
fn one_of_two_failures_at_the_threshold_opens() {
    const FAILS: Thread = |world| world.try_call(0, End::Bad);
    explore(failed_once, &[FAILS, FAILS], |world| {
        assert_eq!(world.told(Reason::FailureThresholdExceeded), 1);
        let end = world.end();
        assert_eq!(
            (end.state, end.failures, end.openings),
            (State::Open { deadline: DEADLINE + DEADLINE }, 2, 1)
        );
    });
}

#[test]
fn a_success_between_two_failures_ends_the_row_or_comes_too_late() {
    const FAILS: Thread = |world| world.try_call(0, End::Bad);
    explore(
        || Machine::unpack(0),
        &[FAILS, FAILS, |world| world.try_call(0, End::Good)],
        |world| {
            let end = world.end();
            match world.told(Reason::FailureThresholdExceeded) {
                0 => assert!(end.state == State::Closed && end.failures < 2),
                opened => assert_eq!((opened, end.openings, end.failures), (1, 1, 2)),
            }
        },
    );
}

#[test]
fn one_of_the_calls_at_the_deadline_makes_it_half_open() {
    const CALLS: Thread = |world| _ = world.admit(DEADLINE);
    explore(open, &[CALLS, CALLS, |world| _ = world.apply(Event::Tick { now: DEADLINE })], |world| {
        assert_eq!(world.told(Reason::AttemptRecovery) + world.told(Reason::ProactiveRecovery), 1);
        assert_eq!(world.end().state, State::HalfOpen { successes: 0, in_flight: 2 });
    });
}

#[test]
fn nobody_passes_before_the_deadline() {
    const EARLY: Thread = |world| assert!(world.admit(DEADLINE - 1).is_none());
    explore(open, &[EARLY, |world| _ = world.apply(Event::Tick { now: DEADLINE - 1 })], |world| {
        assert_eq!(world.end(), world.start);
    });
}

#[test]
fn one_of_two_last_successes_closes() {
    const SUCCEEDS: Thread = |world| world.finish(world.call_on_probation(), End::Good);
    explore(
        || half_open(2),
        &[SUCCEEDS, SUCCEEDS, |world| world.try_call(DEADLINE, End::Dropped)],
        |world| {
            assert_eq!(world.told(Reason::Recovered), 1);
            assert_eq!((world.end().state, world.end().openings), (State::Closed, 0));
        },
    );
}

#[test]
fn a_success_and_a_failure_on_probation_make_one_transition() {
    const ENDS: fn(&World<Integer>, End) = |world, end| world.finish(world.call_on_probation(), end);
    explore(
        || half_open(2),
        &[|world| ENDS(world, End::Good), |world| ENDS(world, End::Bad)],
        |world| {
            // One success is not enough, so the failure is heard whenever it comes.
            assert_eq!((world.transitions(), world.told(Reason::ReopenDueToFailure)), (1, 1));
            assert!(matches!(world.end().state, State::Open { .. }));
        },
    );
}

#[test]
fn outcomes_from_before_it_opened_change_nothing() {
    const LATE: fn(&World<Integer>, End) = |world, end| world.finish(Call { epoch: 0, slot: false }, end);
    explore(
        || half_open(1),
        &[
            |world| LATE(world, End::Bad),
            |world| {
                LATE(world, End::Good);
                world.apply(Event::Release { epoch: 0 });
            },
            |world| world.finish(world.call_on_probation(), End::Good),
        ],
        |world| {
            assert_eq!(world.end().state, State::HalfOpen { successes: 1, in_flight: 0 });
            assert_eq!(world.transitions(), 0);
        },
    );
}

#[test]
fn closing_by_hand_wins_over_a_failure_on_probation() {
    explore(
        || half_open(1),
        &[|world| _ = world.apply(Event::Close), |world| world.finish(world.call_on_probation(), End::Bad)],
        |world| {
            assert_eq!(world.told(Reason::ManualClose), 1);
            assert!(world.told(Reason::ReopenDueToFailure) <= 1);
            let end = world.end();
            assert_eq!((end.state, end.failures, end.openings), (State::Closed, 0, 0));
        },
    );
}

#[test]
fn opening_and_closing_by_hand_leave_one_of_the_two() {
    explore(
        || half_open(0),
        &[
            |world| _ = world.apply(Event::Close),
            |world| _ = world.apply(Event::Open { now: DEADLINE, random: 0 }),
            |world| world.try_call(DEADLINE, End::Good),
        ],
        |world| {
            let end = world.end();
            assert!(!matches!(end.state, State::HalfOpen { .. }), "{end:?}");
            assert_eq!((world.told(Reason::ManualClose), world.told(Reason::ManualOpen)), (1, 1));
        },
    );
}

#[test]
fn a_channel_that_is_forgotten_hears_no_call_that_was_under_way() {
    explore(
        || half_open(1),
        &[
            |world| _ = world.apply(Event::Forget),
            |world| world.finish(world.call_on_probation(), End::Bad),
            |world| _ = world.apply(Event::Tick { now: DEADLINE + DEADLINE }),
        ],
        |world| {
            let end = world.end();
            assert_eq!((end.state, end.failures, end.openings), (State::Closed, 0, 0));
        },
    );
}

#[test]
fn a_breaker_lives_a_whole_life_in_any_order() {
    // Opens, is found half-open, and closes or opens again, while calls come and go.
    explore(
        failed_once,
        &[
            |world| {
                world.try_call(0, End::Bad);
                world.try_call(2 * DEADLINE, End::Good);
            },
            |world| {
                world.try_call(0, End::Good);
                _ = world.apply(Event::ProbeSuccess { now: 0 });
            },
        ],
        |world| {
            if let State::HalfOpen { in_flight, .. } = world.end().state {
                assert_eq!(in_flight, 0);
            }
        },
    );
}

/// An integer whose comparison and exchange are two steps, as a word without them would have it.
struct Torn(Integer);

impl Atomic for Torn {
    fn load(&self, order: Ordering) -> u64 {
        self.0.load(order)
    }

    fn compare_exchange_weak(&self, current: u64, new: u64, _: Ordering, _: Ordering) -> Result<u64, u64> {
        match self.0.load(Ordering::Relaxed) {
            seen if seen == current => {
                self.0.store(new, Ordering::Relaxed);
                Ok(current)
            }
            seen => Err(seen),
        }
    }
}

impl Atomic for Integer {
    fn load(&self, order: Ordering) -> u64 {
        self.load(order)
    }

    fn compare_exchange_weak(
        &self,
        current: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        self.compare_exchange_weak(current, new, success, failure)
    }
}

/// The check of the check: a race that is there is found.
#[test]
#[should_panic(expected = "a change was lost")]
fn a_word_that_loses_changes_is_found_out() {
    const FAILS: fn(&World<Torn>) = |world| world.try_call(0, End::Bad);
    loom::model(|| {
        let start = Machine::unpack(0);
        let world = Arc::new(World::new(start, Torn(Integer::new(start.pack()))));
        run(&world, &[FAILS, FAILS]);
        world.assert_nothing_was_lost();
    });
}
