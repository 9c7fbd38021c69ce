use super::*;

const INTERVAL: Duration = Duration::from_secs(12);

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The seconds after `start` in which the instance has its turn, if it is looked at each second and every answer comes
/// at once.
fn turns(
    poll: &mut Poll,
    start: Instant,
    seconds: std::ops::Range<u64>,
    is_streamed: impl Fn(u64) -> bool,
) -> Vec<u64> {
    seconds
        .filter(|second| {
            let has_turn = poll.take_turn(start + self::seconds(*second), || is_streamed(*second));
            if has_turn {
                poll.sent();
                poll.settle(Outcome::Good);
            }
            has_turn
        })
        .collect()
}

#[test]
fn an_instance_is_asked_at_its_interval() {
    let start = Instant::now();
    let mut poll = Poll::new(INTERVAL, start + seconds(1));
    assert_eq!(turns(&mut poll, start, 0..30, |_| false), [1, 13, 25]);
    // A pause of the process is not made up for.
    assert_eq!(turns(&mut poll, start, 100..130, |_| false), [100, 112, 124]);
}

#[test]
fn routing_17_case_67_polls_are_back_at_their_interval_when_heads_stay_away() {
    let start = Instant::now();
    let mut poll = Poll::new(INTERVAL, start);
    // Heads come until the fiftieth second, and count for as long again as it takes to miss them.
    let streamed = |second| (1..92).contains(&second);
    assert_eq!(turns(&mut poll, start, 0..130, streamed), [0, 36, 72, 92, 104, 116, 128]);
}

#[test]
fn a_poll_in_flight_keeps_the_next_one_back() {
    let now = Instant::now();
    let mut poll = Poll::new(INTERVAL, now);
    assert!(poll.take_turn(now, || false));
    poll.sent();
    assert!(!poll.take_turn(now + seconds(60), || false));
    poll.lost();
    assert!(poll.take_turn(now + seconds(60), || false));
    assert_eq!((poll.failures, poll.status), (0, Status::Healthy));
}

#[test]
fn a_shorter_interval_holds_at_once_and_a_longer_one_from_the_next_turn_on() {
    let start = Instant::now();
    let mut poll = Poll::new(seconds(1_000), start + seconds(900));
    poll.set_interval(INTERVAL, start);
    assert_eq!(turns(&mut poll, start, 0..30, |_| false), [12, 24]);
    poll.set_interval(seconds(50), start + seconds(30));
    assert_eq!(turns(&mut poll, start, 30..100, |_| false), [36, 86]);
}

#[test]
fn failures_degrade_at_two_are_told_at_three_and_unhealthy_at_five() {
    let mut poll = Poll::new(INTERVAL, Instant::now());
    let mut fail = || (poll.settle(Outcome::Failed), poll.status);
    assert_eq!(fail(), (None, Status::Healthy));
    assert_eq!(fail(), (None, Status::Degraded));
    assert_eq!(fail(), (Some(News::Degraded), Status::Degraded));
    assert_eq!(fail(), (None, Status::Degraded));
    assert_eq!(fail(), (Some(News::Unhealthy), Status::Unhealthy));
    assert_eq!(fail(), (None, Status::Unhealthy));
    assert_eq!(poll.settle(Outcome::Good), Some(News::Recovered(6)));
    assert_eq!((poll.settle(Outcome::Failed), poll.settle(Outcome::Good)), (None, None));
    assert_eq!((poll.failures, poll.status), (0, Status::Healthy));
}

#[test]
fn a_limit_is_no_failure_and_a_refusal_one_that_time_does_not_mend() {
    let mut poll = Poll::new(INTERVAL, Instant::now());
    poll.settle(Outcome::Limited);
    assert_eq!((poll.failures, poll.status), (0, Status::Degraded));
    for _ in 0..7 {
        poll.settle(Outcome::Refused);
    }
    assert_eq!((poll.failures, poll.status), (7, Status::Misconfigured));
    poll.settle(Outcome::Limited);
    assert_eq!((poll.failures, poll.status), (7, Status::Unhealthy));
}
