use lasso_layers::catalog::{ChainSpec, Live, ProfileSpec, ProviderSpec};

use super::*;

const FLOOR: Duration = Duration::from_secs(1);

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Keys are given out by a catalogue alone.
fn instances(count: usize) -> Vec<InstanceKey> {
    let providers = (0..count).map(|at| ProviderSpec::http(format!("p{at}"), format!("http://{at}.example")));
    let mut chain = ChainSpec::new("ethereum", 1);
    chain.providers = providers.collect();
    let live = Live::new(vec![ProfileSpec::new("default").chain(chain)]).unwrap();
    let catalog = live.snapshot();
    let providers = &catalog.profiles()[0].chains()[0].providers;
    providers.iter().map(|provider| provider.http.as_ref().unwrap().instance).collect()
}

fn schedule(instances: &[InstanceKey], floor: Duration) -> Schedule {
    let mut schedule = Schedule::new(Entropy::seeded(7));
    adopt(&mut schedule, instances, floor);
    schedule
}

fn adopt(schedule: &mut Schedule, instances: &[InstanceKey], floor: Duration) {
    let instances: Vec<_> = instances.iter().map(|instance| (*instance, floor)).collect();
    schedule.adopt(&instances);
}

/// How long after `now` the only instance is due, to the millisecond.
fn wait(schedule: &Schedule, now: Instant) -> u64 {
    (0..200_000).find(|millis| schedule.entries[0].is_due(now + ms(*millis))).expect("it is due some time")
}

/// Takes the only instance and lets its probe end.
fn probe(schedule: &mut Schedule, outcome: Outcome, now: Instant) -> Option<Change> {
    let instance = schedule.due(now).expect("it is due");
    schedule.settle(instance, outcome, now)
}

#[test]
fn routing_17_case_64_waits_grow_with_consecutive_failures() {
    let mut seen = Vec::new();
    let mut now = Instant::now();
    let mut schedule = schedule(&instances(1), ms(0));
    for expected in [0, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000] {
        probe(&mut schedule, Outcome::Failed, now);
        let waited = wait(&schedule, now);
        assert!((expected * 8 / 10..=expected * 12 / 10).contains(&waited), "{waited} is not {expected}");
        seen.push(waited);
        now += ms(waited);
    }
    // The last two have the same base and different jitter.
    assert_ne!(seen[5], seen[6]);
    probe(&mut schedule, Outcome::Good, now);
    assert_eq!(wait(&schedule, now), 0, "a success ends the row");
}

#[test]
fn the_floor_holds_but_after_the_first_failure() {
    let now = Instant::now();
    let mut schedule = schedule(&instances(1), ms(3_000));
    assert_eq!(wait(&schedule, now), 0, "new instances are due at once");
    probe(&mut schedule, Outcome::Good, now);
    assert_eq!(wait(&schedule, now), 3_000);
    let now = now + ms(3_000);
    probe(&mut schedule, Outcome::Failed, now);
    assert_eq!(wait(&schedule, now), 0);
    probe(&mut schedule, Outcome::Failed, now);
    assert_eq!(wait(&schedule, now), 3_000, "two seconds at most 20 % more");
}

#[test]
fn limits_and_refusals_are_left_alone_for_longer() {
    let mut now = Instant::now();
    let mut schedule = schedule(&instances(1), FLOOR);
    let change = probe(&mut schedule, Outcome::Limited, now).unwrap();
    assert_eq!((change.to, change.failures), (Status::Degraded, 0), "a limit is no failure");
    let waited = wait(&schedule, now);
    assert_eq!(waited, 30_000);
    now += ms(waited);
    let change = probe(&mut schedule, Outcome::Refused, now).unwrap();
    assert_eq!((change.to, change.failures), (Status::Misconfigured, 1));
    let waited = wait(&schedule, now);
    assert!((96_000..=144_000).contains(&waited), "{waited}");
}

#[test]
fn routing_17_case_63_three_failures_make_an_instance_unhealthy() {
    let now = Instant::now();
    let mut schedule = schedule(&instances(1), ms(0));
    let at = |step: u64| now + Duration::from_secs(60 * step);
    let change = |from, to, failures| Some(Change { from, to, failures });
    let (healthy, degraded, unhealthy) = (Status::Healthy, Status::Degraded, Status::Unhealthy);
    assert_eq!(probe(&mut schedule, Outcome::Good, at(0)), change(healthy, healthy, 0));
    assert_eq!(probe(&mut schedule, Outcome::Failed, at(1)), change(healthy, degraded, 1));
    assert_eq!(probe(&mut schedule, Outcome::Failed, at(2)), change(degraded, degraded, 2));
    assert_eq!(probe(&mut schedule, Outcome::Failed, at(3)), change(degraded, unhealthy, 3));
    assert_eq!(probe(&mut schedule, Outcome::Failed, at(4)), change(unhealthy, unhealthy, 4));
    assert_eq!(probe(&mut schedule, Outcome::Good, at(5)), change(unhealthy, healthy, 0));
}

#[test]
fn instances_take_turns_and_are_in_flight_once() {
    let now = Instant::now();
    let keys = instances(3);
    let mut schedule = schedule(&keys, FLOOR);
    assert_eq!(schedule.due(now), Some(keys[0]));
    assert_eq!(schedule.due(now), Some(keys[1]));
    schedule.settle(keys[0], Outcome::Failed, now);
    // The first is due again at once, but the third has waited for longer.
    assert_eq!(schedule.due(now), Some(keys[2]));
    assert_eq!(schedule.due(now), Some(keys[0]));
    assert_eq!(schedule.due(now + Duration::from_secs(3600)), None, "all are in flight");
}

#[test]
fn a_new_set_keeps_the_times_of_those_that_stay() {
    let now = Instant::now();
    let keys = instances(3);
    let mut schedule = schedule(&keys[..2], FLOOR);
    for key in &keys[..2] {
        assert_eq!(schedule.due(now), Some(*key));
        schedule.settle(*key, Outcome::Good, now);
    }
    adopt(&mut schedule, &keys[1..], FLOOR);
    assert_eq!(schedule.due(now), Some(keys[2]), "the new one is due");
    assert_eq!(schedule.due(now), None, "the one that stayed is not");
    assert_eq!(schedule.due(now + FLOOR), Some(keys[1]));
    assert_eq!(schedule.settle(keys[0], Outcome::Failed, now), None, "the one that left is forgotten");
    adopt(&mut schedule, &[], FLOOR);
    assert!(schedule.is_empty() && schedule.due(now + FLOOR).is_none());
}
