use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::attempt::breaker::CategoryThresholds;

const RETRY_IN: u64 = 7_000;
/// The jitter of `random: 0`.
const JITTER: u64 = 1;

fn cause(category: Category, now: u64) -> Cause {
    Cause { category, retry_after: None, now, random: 0 }
}

/// A machine under test, with the default policy unless changed.
struct Breaker {
    machine: Machine,
    policy: BreakerPolicy,
}

impl Breaker {
    fn new() -> Self {
        Self { machine: Machine::unpack(0), policy: BreakerPolicy::default() }
    }

    fn apply(&mut self, event: Event) -> Effect {
        // Through the word each time: what is not packed does not survive.
        let step = Machine::unpack(self.machine.pack()).apply(event, &self.policy);
        self.machine = Machine::unpack(step.next.pack());
        step.effect
    }

    fn fail(&mut self, category: Category, now: u64) -> Effect {
        let epoch = self.machine.epoch;
        self.apply(Event::Failure { epoch, cause: cause(category, now) })
    }

    fn succeed(&mut self) -> Effect {
        self.apply(Event::Success { epoch: self.machine.epoch, slot: true })
    }

    /// Opens it with server errors at `now`; answers the deadline.
    fn opened(now: u64) -> (Self, u64) {
        let mut breaker = Self::new();
        for _ in 0..5 {
            breaker.fail(Category::ServerError, now);
        }
        let State::Open { deadline } = breaker.machine.state else { panic!("five server errors open it") };
        (breaker, deadline)
    }

    /// Opens it, and admits one call at the deadline.
    fn half_open() -> (Self, u64) {
        let (mut breaker, deadline) = Self::opened(0);
        breaker.apply(Event::Admit { now: deadline });
        (breaker, deadline)
    }
}

#[test]
fn routing_17_case_46_five_server_errors_open_and_a_success_ends_the_row() {
    let mut breaker = Breaker::new();
    for _ in 0..4 {
        assert_eq!(breaker.fail(Category::ServerError, 0), Effect::None);
    }
    assert_eq!(breaker.machine.failures, 4);
    breaker.succeed();
    assert_eq!(breaker.machine.failures, 0);
    for _ in 0..4 {
        assert_eq!(breaker.fail(Category::ServerError, 0), Effect::None);
    }
    let opened = breaker.fail(Category::ServerError, 0);
    assert_eq!(opened, Effect::Changed(Reason::FailureThresholdExceeded));
    let refused = breaker.apply(Event::Admit { now: 0 });
    assert_eq!(refused, Effect::RefusedOpen { remaining: 60_000 + JITTER });
}

#[test]
fn routing_17_case_47_thresholds_are_those_of_the_category() {
    for (category, threshold) in [
        (Category::NetworkError, 3),
        (Category::Timeout, 2),
        (Category::AuthError, 2),
        (Category::InternalError, 5),
    ] {
        let mut breaker = Breaker::new();
        for _ in 1..threshold {
            assert_eq!(breaker.fail(category, 0), Effect::None, "{category}");
        }
        assert_eq!(
            breaker.fail(category, 0),
            Effect::Changed(Reason::FailureThresholdExceeded),
            "{category}"
        );
    }
}

#[test]
fn routing_17_case_48_all_categories_share_one_counter() {
    let mut breaker = Breaker::new();
    breaker.fail(Category::ServerError, 0);
    assert_eq!(breaker.fail(Category::Timeout, 0), Effect::Changed(Reason::FailureThresholdExceeded));
}

#[test]
fn categories_without_a_threshold_use_the_general_one() {
    let mut breaker = Breaker::new();
    breaker.policy.failure_threshold = 1;
    breaker.policy.category_thresholds = CategoryThresholds::default().with(Category::Timeout, 0);
    assert_eq!(breaker.fail(Category::Timeout, 0), Effect::Changed(Reason::FailureThresholdExceeded));
}

#[test]
fn an_error_that_is_not_the_providers_neither_counts_nor_resets() {
    let mut breaker = Breaker::new();
    breaker.fail(Category::ServerError, 0);
    let before = breaker.machine;
    assert_eq!(breaker.apply(Event::Release { epoch: before.epoch }), Effect::None);
    assert_eq!(breaker.machine, before);
}

#[test]
fn it_is_open_before_the_deadline_and_half_open_at_it() {
    let (mut breaker, deadline) = Breaker::opened(1_000);
    assert_eq!(deadline, 61_000 + JITTER);
    assert_eq!(breaker.apply(Event::Admit { now: deadline - 1 }), Effect::RefusedOpen { remaining: 1 });
    assert_eq!(breaker.machine.state_at(deadline - 1), State::Open { deadline });
    assert_eq!(breaker.machine.state_at(deadline), State::HalfOpen { successes: 0, in_flight: 0 });
    assert_eq!(breaker.apply(Event::Admit { now: deadline }), Effect::Changed(Reason::AttemptRecovery));
    assert_eq!(breaker.machine.state, State::HalfOpen { successes: 0, in_flight: 1 });
}

#[test]
fn it_is_half_open_at_the_deadline_even_if_nobody_asks() {
    let (mut breaker, deadline) = Breaker::opened(0);
    let open = breaker.machine;
    assert_eq!(breaker.apply(Event::Tick { now: deadline - 1 }), Effect::None);
    assert_eq!(breaker.machine, open);
    assert_eq!(breaker.apply(Event::Tick { now: deadline }), Effect::Changed(Reason::ProactiveRecovery));
    assert_eq!(breaker.machine.state, State::HalfOpen { successes: 0, in_flight: 0 });
    assert_ne!(breaker.machine.epoch, open.epoch);
    // Once is enough, and the time of calls under way is not its business.
    breaker.apply(Event::Admit { now: deadline });
    let half_open = breaker.machine;
    assert_eq!(breaker.apply(Event::Tick { now: deadline + 1 }), Effect::None);
    assert_eq!(breaker.machine, half_open);
    // The first call did not have to ask for it, and counts like any other.
    assert_eq!(breaker.succeed(), Effect::None);
    breaker.apply(Event::Admit { now: deadline });
    assert_eq!(breaker.succeed(), Effect::Changed(Reason::Recovered));
}

#[test]
fn what_is_forgotten_is_as_new_and_hears_nothing_of_before() {
    let (mut breaker, deadline) = Breaker::half_open();
    let stale = breaker.machine.epoch;
    assert_eq!(breaker.apply(Event::Forget), Effect::None);
    let new = breaker.machine;
    assert_eq!(new, Machine { epoch: new.epoch, ..Machine::unpack(0) });
    breaker.apply(Event::Failure { epoch: stale, cause: cause(Category::Timeout, deadline) });
    assert_eq!(breaker.machine, new);

    // A closed one that heard of failures too.
    let mut breaker = Breaker::new();
    let stale = breaker.machine.epoch;
    breaker.fail(Category::ServerError, 0);
    breaker.apply(Event::Forget);
    breaker.apply(Event::Failure { epoch: stale, cause: cause(Category::ServerError, 0) });
    assert_eq!((breaker.machine.state, breaker.machine.failures), (State::Closed, 0));
}

#[test]
fn a_late_failure_does_not_move_the_deadline() {
    let mut breaker = Breaker::new();
    let early = breaker.machine.epoch;
    for _ in 0..5 {
        breaker.fail(Category::ServerError, 0);
    }
    let open = breaker.machine;
    breaker.apply(Event::Failure { epoch: early, cause: cause(Category::ServerError, 30_000) });
    assert_eq!(breaker.machine, open);
    breaker.apply(Event::ProbeFailure(cause(Category::ServerError, 30_000)));
    assert_eq!(breaker.machine, open);
}

#[test]
fn routing_17_case_51_two_successes_close_and_one_failure_reopens_for_twice_as_long() {
    let (mut breaker, deadline) = Breaker::half_open();
    assert_eq!(breaker.succeed(), Effect::None);
    assert_eq!(breaker.machine.state, State::HalfOpen { successes: 1, in_flight: 0 });
    breaker.apply(Event::Admit { now: deadline });
    assert_eq!(breaker.succeed(), Effect::Changed(Reason::Recovered));
    assert_eq!(breaker.machine, Machine { epoch: breaker.machine.epoch, ..Machine::unpack(0) });

    let (mut breaker, deadline) = Breaker::half_open();
    let reopened = breaker.fail(Category::ServerError, deadline);
    assert_eq!(reopened, Effect::Changed(Reason::ReopenDueToFailure));
    assert_eq!(breaker.machine.remaining_at(deadline), Some(120_000 + JITTER));
}

#[test]
fn routing_17_case_52_reopening_doubles_up_to_ten_minutes() {
    let (mut breaker, mut deadline) = Breaker::opened(0);
    let mut delays = vec![deadline - JITTER];
    for _ in 0..5 {
        let now = deadline;
        breaker.apply(Event::Admit { now });
        breaker.fail(Category::ServerError, now);
        let State::Open { deadline: next } = breaker.machine.state else { panic!("it opened again") };
        delays.push(next - now - JITTER);
        deadline = next;
    }
    assert_eq!(delays, [60_000, 120_000, 240_000, 480_000, 600_000, 600_000]);
    // A close ends the row of openings.
    breaker.apply(Event::Close);
    breaker.fail(Category::Timeout, 0);
    breaker.fail(Category::Timeout, 0);
    assert_eq!(breaker.machine.remaining_at(0), Some(60_000 + JITTER));
}

#[test]
fn a_maximum_below_the_growth_without_it_stops_at_four_doublings() {
    let policy = BreakerPolicy { max_recovery_timeout: Duration::MAX, ..BreakerPolicy::default() };
    assert_eq!(backoff(4, &policy), 960_000);
    assert_eq!(backoff(5, &policy), 960_000);
}

#[test]
fn routing_17_case_53_half_open_lets_three_through_at_a_time() {
    let (mut breaker, now) = Breaker::half_open();
    assert_eq!(breaker.apply(Event::Admit { now }), Effect::None);
    assert_eq!(breaker.apply(Event::Admit { now }), Effect::None);
    assert_eq!(breaker.apply(Event::Admit { now }), Effect::RefusedBusy);
    breaker.apply(Event::Release { epoch: breaker.machine.epoch });
    assert_eq!(breaker.machine.state, State::HalfOpen { successes: 0, in_flight: 2 });
    assert_eq!(breaker.apply(Event::Admit { now }), Effect::None);
}

#[test]
fn a_success_without_a_slot_counts_and_gives_none_back() {
    let (mut breaker, now) = Breaker::half_open();
    let epoch = breaker.machine.epoch;
    breaker.apply(Event::Admit { now });
    breaker.apply(Event::Release { epoch });
    assert_eq!(breaker.apply(Event::Success { epoch, slot: false }), Effect::None);
    assert_eq!(breaker.machine.state, State::HalfOpen { successes: 1, in_flight: 1 });
    let recovered = breaker.apply(Event::Success { epoch, slot: false });
    assert_eq!(recovered, Effect::Changed(Reason::Recovered));

    // The next epoch does not hear of it; a closed breaker of the same one does.
    breaker.fail(Category::ServerError, now);
    breaker.apply(Event::Success { epoch, slot: false });
    assert_eq!(breaker.machine.failures, 1);
    breaker.apply(Event::Success { epoch: breaker.machine.epoch, slot: false });
    assert_eq!(breaker.machine.failures, 0);
}

#[test]
fn routing_17_case_56_a_probe_makes_an_open_breaker_half_open_at_once() {
    let (mut breaker, _) = Breaker::opened(0);
    assert_eq!(breaker.apply(Event::ProbeSuccess { now: 1 }), Effect::Changed(Reason::RecoveryAttempt));
    assert_eq!(breaker.machine.state, State::HalfOpen { successes: 1, in_flight: 0 });
    assert_eq!(breaker.succeed(), Effect::Changed(Reason::Recovered));
}

#[test]
fn probes_close_by_themselves() {
    let (mut breaker, _) = Breaker::opened(0);
    breaker.apply(Event::ProbeSuccess { now: 1 });
    assert_eq!(breaker.apply(Event::ProbeSuccess { now: 2 }), Effect::Changed(Reason::Recovered));
}

#[test]
fn after_deadline_ignores_early_probes() {
    let (mut breaker, deadline) = Breaker::opened(0);
    breaker.policy.probe_recovery = ProbeRecovery::AfterDeadline;
    assert_eq!(breaker.apply(Event::ProbeSuccess { now: deadline - 1 }), Effect::None);
    assert_eq!(breaker.machine.state, State::Open { deadline });
    let at_deadline = breaker.apply(Event::ProbeSuccess { now: deadline });
    assert_eq!(at_deadline, Effect::Changed(Reason::RecoveryAttempt));
}

#[test]
fn probes_count_in_a_closed_breaker_as_calls_do() {
    let mut breaker = Breaker::new();
    breaker.apply(Event::ProbeFailure(cause(Category::NetworkError, 0)));
    breaker.apply(Event::ProbeFailure(cause(Category::NetworkError, 0)));
    breaker.apply(Event::ProbeSuccess { now: 0 });
    assert_eq!(breaker.machine.failures, 0);
    breaker.apply(Event::ProbeFailure(cause(Category::Timeout, 0)));
    let second = breaker.apply(Event::ProbeFailure(cause(Category::Timeout, 0)));
    assert_eq!(second, Effect::Changed(Reason::FailureThresholdExceeded));
}

#[test]
fn a_failed_probe_past_the_deadline_reopens() {
    let (mut breaker, deadline) = Breaker::opened(0);
    let reopened = breaker.apply(Event::ProbeFailure(cause(Category::NetworkError, deadline)));
    assert_eq!(reopened, Effect::Changed(Reason::ReopenDueToFailure));
    assert_eq!(breaker.machine.remaining_at(deadline), Some(120_000 + JITTER));
}

#[test]
fn routing_17_case_58_by_hand() {
    let mut breaker = Breaker::new();
    let by_hand = breaker.apply(Event::Open { now: 5, random: 0 });
    assert_eq!(by_hand, Effect::Changed(Reason::ManualOpen));
    assert_eq!(breaker.machine.remaining_at(5), Some(60_000 + JITTER));
    assert_eq!(breaker.apply(Event::Close), Effect::Changed(Reason::ManualClose));
    assert_eq!(breaker.apply(Event::Admit { now: 5 }), Effect::None);

    // However long the row of openings was, by hand it is the base delay.
    let (mut breaker, deadline) = Breaker::half_open();
    breaker.fail(Category::ServerError, deadline);
    breaker.apply(Event::Open { now: deadline, random: 0 });
    assert_eq!(breaker.machine.remaining_at(deadline), Some(60_000 + JITTER));

    let mut breaker = Breaker::new();
    breaker.fail(Category::ServerError, 0);
    assert_eq!(breaker.apply(Event::Close), Effect::None);
    assert_eq!(breaker.machine.failures, 0);
}

#[test]
fn a_rate_limit_that_counts_sets_the_delay_and_needs_one_success() {
    let mut breaker = Breaker::new();
    breaker.policy.category_thresholds = CategoryThresholds::default().with(Category::RateLimit, 1);
    let limited = |now| Cause { retry_after: Some(RETRY_IN), ..cause(Category::RateLimit, now) };
    breaker.apply(Event::Failure { epoch: 0, cause: limited(0) });
    assert_eq!(breaker.machine.remaining_at(0), Some(RETRY_IN + JITTER));
    assert!(breaker.machine.by_rate_limit);
    breaker.apply(Event::Admit { now: RETRY_IN + JITTER });
    assert_eq!(breaker.succeed(), Effect::Changed(Reason::Recovered));

    let epoch = breaker.machine.epoch;
    let forever = Cause { retry_after: Some(u64::MAX), ..limited(0) };
    breaker.apply(Event::Failure { epoch, cause: forever });
    assert_eq!(breaker.machine.remaining_at(0), Some(600_000 + JITTER));
    // One success is enough for a probe too.
    assert_eq!(breaker.apply(Event::ProbeSuccess { now: 1 }), Effect::Changed(Reason::Recovered));
}

#[test]
fn outcomes_of_an_earlier_epoch_change_nothing() {
    let (mut breaker, deadline) = Breaker::half_open();
    let stale = breaker.machine.epoch;
    breaker.fail(Category::ServerError, deadline);
    let State::Open { deadline } = breaker.machine.state else { panic!("it opened again") };
    breaker.apply(Event::Admit { now: deadline });
    let half_open = breaker.machine;
    breaker.apply(Event::Success { epoch: stale, slot: true });
    breaker.apply(Event::Failure { epoch: stale, cause: cause(Category::Timeout, deadline) });
    breaker.apply(Event::Release { epoch: stale });
    assert_eq!(breaker.machine, half_open);
}

proptest! {
    #[test]
    fn jitter_is_at_least_one_and_at_most_a_twentieth(delay in 0_u64..10_000_000, random: u64) {
        let added = with_jitter(delay, random) - delay;
        prop_assert!((1..=(delay / 20).max(1)).contains(&added));
    }

    #[test]
    fn the_word_keeps_everything(
        kind in 0..3, low: u8, high: u8, deadline in 0..=REST_MAX, epoch in 0..=EPOCH_MASK,
        failures: u8, openings in 0..=OPENINGS_MAX, by_rate_limit: bool,
    ) {
        let state = match kind {
            0 => State::Closed,
            1 => State::Open { deadline },
            _ => State::HalfOpen { successes: low, in_flight: high },
        };
        let machine = Machine { state, epoch, failures, openings, by_rate_limit };
        prop_assert_eq!(Machine::unpack(machine.pack()), machine);
        prop_assert_eq!(Machine::is_closed(machine.pack()), kind == 0);
        prop_assert_eq!(Machine::epoch_of(machine.pack()), epoch);
        prop_assert_eq!(Machine::is_untroubled(machine.pack()), kind == 0 && failures == 0);
    }

    #[test]
    fn the_machine_does_what_the_model_does(ops in proptest::collection::vec(op(), 1..200)) {
        let mut breaker = Breaker::new();
        breaker.policy.recovery_timeout = Duration::from_millis(100);
        breaker.policy.max_recovery_timeout = Duration::from_millis(900);
        let mut model = Model::default();
        let mut permits: Vec<(u16, u64, bool)> = Vec::new();
        let mut now = 0;
        for op in ops {
            let event = match op {
                Op::Wait(millis) => {
                    now += millis;
                    None
                }
                Op::Admit => {
                    let verdict = model.admit(now);
                    let effect = breaker.apply(Event::Admit { now });
                    match verdict {
                        Ok(generation) => {
                            prop_assert!(matches!(effect, Effect::None | Effect::Changed(_)));
                            let slot = matches!(breaker.machine.state, State::HalfOpen { .. });
                            permits.push((breaker.machine.epoch, generation, slot));
                        }
                        Err(refused) => prop_assert_eq!(effect, refused),
                    }
                    None
                }
                Op::Stream(_) | Op::Finish(_, _) if permits.is_empty() => None,
                Op::Stream(which) => {
                    let which = which % permits.len();
                    let (epoch, generation, slot) = &mut permits[which];
                    let held = std::mem::take(slot);
                    if held && *generation == model.generation {
                        model.give_slot_back();
                    }
                    held.then_some(Event::Release { epoch: *epoch })
                }
                Op::Finish(which, outcome) => {
                    let (epoch, generation, slot) = permits.swap_remove(which % permits.len());
                    if generation == model.generation {
                        if slot {
                            model.give_slot_back();
                        }
                        model.finish(outcome, now);
                    }
                    match outcome {
                        Outcome::Good => Some(Event::Success { epoch, slot }),
                        Outcome::Bad(category) => {
                            Some(Event::Failure { epoch, cause: cause(category, now) })
                        }
                        Outcome::Nothing => slot.then_some(Event::Release { epoch }),
                    }
                }
                Op::Probe(Some(category)) => {
                    model.probe_failed(category, now);
                    Some(Event::ProbeFailure(cause(category, now)))
                }
                Op::Probe(None) => {
                    model.probe_succeeded(now);
                    Some(Event::ProbeSuccess { now })
                }
                Op::Tick => {
                    model.tick(now);
                    Some(Event::Tick { now })
                }
                Op::Forget => {
                    model = Model { generation: model.generation + 1, ..Model::default() };
                    Some(Event::Forget)
                }
                Op::Open => {
                    model.openings = 0;
                    model.open(now);
                    Some(Event::Open { now, random: 0 })
                }
                Op::Close => {
                    model.close();
                    Some(Event::Close)
                }
            };
            if let Some(event) = event {
                breaker.apply(event);
            }
            prop_assert_eq!(breaker.machine.state_at(now), model.seen(now));
            prop_assert_eq!(u32::from(breaker.machine.failures), model.failures);
            prop_assert_eq!(u32::from(breaker.machine.openings), model.openings);
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Wait(u64),
    Admit,
    /// The result of a call begins; it ends later.
    Stream(usize),
    Finish(usize, Outcome),
    Probe(Option<Category>),
    Tick,
    Open,
    Close,
    Forget,
}

#[derive(Clone, Copy, Debug)]
enum Outcome {
    Good,
    Bad(Category),
    Nothing,
}

fn op() -> impl Strategy<Value = Op> {
    let category = || {
        prop_oneof![
            Just(Category::ServerError),
            Just(Category::NetworkError),
            Just(Category::Timeout),
            Just(Category::UnknownError),
        ]
    };
    let outcome = prop_oneof![
        3 => Just(Outcome::Good),
        3 => category().prop_map(Outcome::Bad),
        1 => Just(Outcome::Nothing),
    ];
    prop_oneof![
        4 => (0..200_u64).prop_map(Op::Wait),
        8 => Just(Op::Admit),
        8 => (any::<usize>(), outcome).prop_map(|(which, outcome)| Op::Finish(which, outcome)),
        2 => any::<usize>().prop_map(Op::Stream),
        1 => Just(Op::Probe(None)),
        2 => category().prop_map(|category| Op::Probe(Some(category))),
        1 => Just(Op::Open),
        1 => Just(Op::Close),
        2 => Just(Op::Tick),
        1 => Just(Op::Forget),
    ]
}

/// The breaker as one would write it down without caring for words: a timer that is looked at before each
/// event, a list of what is in flight, and a generation that never wraps.
#[derive(Debug, Default)]
struct Model {
    generation: u64,
    failures: u32,
    openings: u32,
    open_until: Option<u64>,
    trial: Option<Trial>,
}

#[derive(Debug, Default)]
struct Trial {
    successes: u8,
    in_flight: u8,
}

impl Model {
    fn tick(&mut self, now: u64) {
        if self.open_until.is_some_and(|until| now >= until) {
            self.open_until = None;
            self.trial = Some(Trial::default());
            self.generation += 1;
        }
    }

    fn seen(&self, now: u64) -> State {
        match (&self.open_until, &self.trial) {
            (Some(until), _) if now >= *until => State::HalfOpen { successes: 0, in_flight: 0 },
            (Some(until), _) => State::Open { deadline: *until },
            (None, Some(trial)) => State::HalfOpen { successes: trial.successes, in_flight: trial.in_flight },
            (None, None) => State::Closed,
        }
    }

    fn admit(&mut self, now: u64) -> Result<u64, Effect> {
        self.tick(now);
        if let Some(until) = self.open_until {
            return Err(Effect::RefusedOpen { remaining: until - now });
        }
        if let Some(trial) = &mut self.trial {
            if trial.in_flight == 3 {
                return Err(Effect::RefusedBusy);
            }
            trial.in_flight += 1;
        }
        Ok(self.generation)
    }

    fn give_slot_back(&mut self) {
        if let Some(trial) = &mut self.trial {
            trial.in_flight -= 1;
        }
    }

    fn finish(&mut self, outcome: Outcome, now: u64) {
        match outcome {
            Outcome::Good => self.good(),
            Outcome::Bad(category) => self.bad(category, now),
            Outcome::Nothing => {}
        }
    }

    fn good(&mut self) {
        let Some(trial) = &mut self.trial else {
            self.failures = 0;
            return;
        };
        trial.successes += 1;
        if trial.successes == 2 {
            self.close();
        }
    }

    fn bad(&mut self, category: Category, now: u64) {
        if self.trial.is_some() {
            return self.open(now);
        }
        self.failures += 1;
        let threshold = match category {
            Category::NetworkError => 3,
            Category::Timeout => 2,
            _ => 5,
        };
        if self.failures >= threshold {
            self.open(now);
        }
    }

    fn probe_succeeded(&mut self, now: u64) {
        self.tick(now);
        if self.open_until.take().is_some() {
            self.trial = Some(Trial::default());
            self.generation += 1;
        }
        self.good();
    }

    fn probe_failed(&mut self, category: Category, now: u64) {
        self.tick(now);
        if self.open_until.is_none() {
            self.bad(category, now);
        }
    }

    fn open(&mut self, now: u64) {
        let delay = [100, 200, 400, 800, 900][self.openings.min(4) as usize];
        self.open_until = Some(now + delay + JITTER);
        self.trial = None;
        self.openings = (self.openings + 1).min(63);
        self.generation += 1;
    }

    fn close(&mut self) {
        let was_closed = self.open_until.is_none() && self.trial.is_none();
        let generation = self.generation + u64::from(!was_closed);
        *self = Self { generation, ..Self::default() };
    }
}
