//! When a link is connected anew. No clock and no socket: circumstances come in, delays go out.

use std::time::Duration;

/// The most that the delay between two attempts grows to.
const LONGEST_STEP: Duration = Duration::from_secs(30);
/// What is added to it at random.
const STEP_JITTER: Duration = Duration::from_secs(1);
/// The delay after a loss that finds the breaker open, and what is added to it at random.
const PAUSED: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(5));
/// The delay after an upstream refused us for a reason that will hardly go away, and what is added to it.
const REFUSED: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(30));
/// The delay once all attempts are used up, and what is added to it at random.
const EXHAUSTED: (Duration, Duration) = (Duration::from_secs(300), Duration::from_secs(30));
/// A limit is waited for at least and at most so long.
const LIMITED: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(300));

/// The delays between the attempts of one link.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    interval: Duration,
    /// After how many attempts they become rare.
    max_attempts: Option<u32>,
    /// Attempts that were scheduled since a connection was last stable.
    attempts: u32,
}

/// What is known when the next attempt is scheduled.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Circumstances {
    /// A connection was lost. Otherwise none was made.
    pub(super) was_connected: bool,
    /// The breaker of the channel is open.
    pub(super) breaker_open: bool,
    /// For how much longer the upstream wants fewer requests.
    pub(super) limited: Option<Duration>,
    /// The upstream does not want this client, or what it sends.
    pub(super) refused: bool,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wait {
    /// When the next attempt is made.
    pub(super) delay: Duration,
    /// Which rule says so.
    pub(super) reason: Reason,
}

/// What decided a delay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// Nothing in particular.
    Step,
    /// The breaker is open.
    BreakerOpen,
    /// The upstream asked for fewer requests.
    RateLimited,
    /// The upstream refused.
    Refused,
    /// All attempts are used up.
    Exhausted,
}

impl Schedule {
    /// Whose delays grow by `interval`. With `max_attempts` of 0, attempts are never used up.
    pub(super) const fn new(interval: Duration, max_attempts: u32) -> Self {
        let max_attempts = if max_attempts == 0 { None } else { Some(max_attempts) };
        Self { interval, max_attempts, attempts: 0 }
    }

    /// Schedules the next attempt, and counts it.
    pub(super) fn next(&mut self, circumstances: Circumstances, rng: &mut fastrand::Rng) -> Wait {
        let earlier = self.attempts;
        self.attempts = self.attempts.saturating_add(1);
        let (delay, reason) = if self.max_attempts.is_some_and(|max| earlier >= max) {
            (with_jitter(EXHAUSTED, rng), Reason::Exhausted)
        } else if let Some(left) = circumstances.limited {
            (left.clamp(LIMITED.0, LIMITED.1), Reason::RateLimited)
        } else if circumstances.refused {
            (with_jitter(REFUSED, rng), Reason::Refused)
        } else if circumstances.was_connected && circumstances.breaker_open {
            // An upstream that does not even let us in is not asked more often for that: its delays grow anyway.
            (with_jitter(PAUSED, rng), Reason::BreakerOpen)
        } else {
            (self.step(earlier, rng), Reason::Step)
        };
        Wait { delay, reason }
    }

    /// A connection has lived long enough to count as good: everything begins anew.
    pub(super) const fn reset(&mut self) {
        self.attempts = 0;
    }

    /// Attempts that were scheduled since a connection was last stable.
    pub(super) const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The first attempt is made at once, later ones after growing delays.
    fn step(&self, earlier: u32, rng: &mut fastrand::Rng) -> Duration {
        if earlier == 0 {
            return Duration::ZERO;
        }
        with_jitter((self.interval.saturating_mul(earlier).min(LONGEST_STEP), STEP_JITTER), rng)
    }
}

/// A delay, and between a millisecond and all of the second on top.
fn with_jitter((delay, jitter): (Duration, Duration), rng: &mut fastrand::Rng) -> Duration {
    let millis = u64::try_from(jitter.as_millis()).unwrap_or(u64::MAX);
    delay + Duration::from_millis(rng.u64(1..=millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOST: Circumstances =
        Circumstances { was_connected: true, breaker_open: false, limited: None, refused: false };
    const NOT_MADE: Circumstances = Circumstances { was_connected: false, ..LOST };

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn schedule(max_attempts: u32) -> Schedule {
        Schedule::new(secs(5), max_attempts)
    }

    /// The delay lies in the range, its beginning left out, and both halves of the range occur.
    #[track_caller]
    fn spreads(mut delay: impl FnMut(&mut fastrand::Rng) -> Duration, from: u64, to: u64) {
        let mut rng = fastrand::Rng::with_seed(7);
        let (from, to) = (secs(from), secs(to));
        let all: Vec<_> = (0..200).map(|_| delay(&mut rng)).collect();
        assert!(all.iter().all(|delay| from < *delay && *delay <= to), "{all:?}");
        let middle = (from + to) / 2;
        assert!(all.iter().any(|delay| *delay < middle) && all.iter().any(|delay| *delay > middle));
    }

    /// Edge case 48 of the streaming specification.
    #[test]
    fn streaming_11_case_48_delays_grow_by_steps() {
        let (mut schedule, mut rng) = (schedule(0), fastrand::Rng::with_seed(1));
        let mut next = || schedule.next(NOT_MADE, &mut rng).delay;
        assert_eq!(next(), Duration::ZERO);
        for base in [5, 10, 15, 20, 25, 30, 30, 30] {
            let delay = next();
            assert!(secs(base) < delay && delay <= secs(base + 1), "{delay:?} for {base}");
        }
    }

    #[test]
    fn jitter_is_at_most_a_second() {
        spreads(
            |rng| {
                let mut schedule = schedule(0);
                schedule.next(NOT_MADE, rng);
                schedule.next(NOT_MADE, rng).delay
            },
            5,
            6,
        );
    }

    #[test]
    fn a_refusal_does_not_speed_up_when_it_opens_the_breaker() {
        let (mut schedule, mut rng) = (schedule(0), fastrand::Rng::with_seed(1));
        let open = Circumstances { breaker_open: true, ..NOT_MADE };
        let delays: Vec<_> =
            (0..5).map(|_| schedule.next(open, &mut rng).delay.as_secs_f64().floor() as u64).collect();
        assert_eq!(delays, [0, 5, 10, 15, 20]);
    }

    #[test]
    fn a_loss_that_finds_the_breaker_open_waits() {
        let open = Circumstances { breaker_open: true, ..LOST };
        spreads(|rng| schedule(0).next(open, rng).delay, 10, 15);
        let mut rng = fastrand::Rng::with_seed(1);
        assert_eq!(schedule(0).next(open, &mut rng).reason, Reason::BreakerOpen);
    }

    #[test]
    fn a_limit_is_waited_for_within_bounds() {
        let mut rng = fastrand::Rng::with_seed(1);
        for (left, expected) in [(1, 30), (30, 30), (77, 77), (600, 300)] {
            let limited = Circumstances { limited: Some(secs(left)), ..LOST };
            let wait = schedule(0).next(limited, &mut rng);
            assert_eq!(wait, Wait { delay: secs(expected), reason: Reason::RateLimited });
        }
    }

    #[test]
    fn who_refuses_us_is_asked_rarely() {
        let refused = Circumstances { refused: true, breaker_open: true, ..LOST };
        spreads(|rng| schedule(0).next(refused, rng).delay, 30, 60);
    }

    #[test]
    fn after_the_last_attempt_there_is_one_every_five_minutes() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut schedule = schedule(2);
        let reasons: Vec<_> = (0..4).map(|_| schedule.next(LOST, &mut rng).reason).collect();
        assert_eq!(reasons, [Reason::Step, Reason::Step, Reason::Exhausted, Reason::Exhausted]);
        spreads(|rng| schedule.next(LOST, rng).delay, 300, 330);
    }

    #[test]
    fn a_stable_connection_begins_anew() {
        let (mut schedule, mut rng) = (schedule(0), fastrand::Rng::with_seed(1));
        for _ in 0..3 {
            schedule.next(LOST, &mut rng);
        }
        assert_eq!(schedule.attempts(), 3);
        schedule.reset();
        assert_eq!(schedule.attempts(), 0);
        assert_eq!(schedule.next(LOST, &mut rng).delay, Duration::ZERO);
    }
}
