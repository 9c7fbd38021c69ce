//! When the heads of one upstream are subscribed to, and when anew. Pure: every time is an argument.

use std::time::Duration;

use tokio::time::Instant;

/// The first pause after a subscription came to nothing; each further one doubles it.
const PAUSE: Duration = Duration::from_secs(5);
/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The subscription to the heads of one upstream.
#[derive(Debug)]
pub(super) struct Standing {
    /// Silence after which it counts as dead.
    timeout: Duration,
    /// How often in a row it came to nothing.
    failures: u32,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// There is no connection.
    Down,
    /// To be subscribed to then.
    Waiting(Instant),
    /// Subscribed; the last sign of life was then.
    Listening(Instant),
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Subscribe.
    Subscribe,
    /// Give the subscription up: it is silent.
    GiveUp,
}

impl Standing {
    /// Without a connection yet.
    pub(super) const fn new(timeout: Duration) -> Self {
        Self { timeout, failures: 0, state: State::Down }
    }

    /// Changes how long silence is borne.
    pub(super) const fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    /// There is a connection, or there is none. A new one is tried at once, whatever happened on the last.
    pub(super) fn link(&mut self, is_up: bool, now: Instant) {
        match (is_up, self.state) {
            (true, State::Down) => self.state = State::Waiting(now),
            (false, State::Waiting(_)) => self.state = State::Down,
            // Whether a subscription is lost is said by the subscription.
            (true, State::Waiting(_) | State::Listening(_)) | (false, State::Down | State::Listening(_)) => {}
        }
    }

    /// A head came.
    pub(super) const fn head(&mut self, now: Instant) {
        self.failures = 0;
        self.state = State::Listening(now);
    }

    /// There is no subscription, or no longer.
    pub(super) fn lost(&mut self, now: Instant) {
        let pause = PAUSE.saturating_mul(1 << self.failures.min(8)).min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        self.state = State::Waiting(now + pause);
    }

    /// What is due.
    pub(super) fn tick(&mut self, now: Instant) -> Option<Step> {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return None;
        }
        match self.state {
            State::Down => None,
            State::Waiting(_) => {
                self.state = State::Listening(now);
                Some(Step::Subscribe)
            }
            State::Listening(_) => {
                self.lost(now);
                Some(Step::GiveUp)
            }
        }
    }

    /// When [`tick`](Self::tick) is wanted.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Down => None,
            State::Waiting(until) => Some(until),
            State::Listening(since) => Some(since + self.timeout),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(42);

    /// Seconds from the deadline on, counted from `now`.
    fn due_in(standing: &Standing, now: Instant) -> u64 {
        (standing.deadline().unwrap() - now).as_secs()
    }

    #[test]
    fn it_is_subscribed_to_as_soon_as_there_is_a_connection() {
        let (mut standing, now) = (Standing::new(TIMEOUT), Instant::now());
        assert_eq!((standing.deadline(), standing.tick(now)), (None, None));
        standing.link(true, now);
        assert_eq!(standing.tick(now), Some(Step::Subscribe));
        assert_eq!(standing.tick(now), None);
        standing.link(true, now);
        assert_eq!(due_in(&standing, now), 42, "a connection that stays changes nothing");
    }

    #[test]
    fn silence_ends_it_and_pauses_double() {
        let (mut standing, mut now) = (Standing::new(TIMEOUT), Instant::now());
        standing.link(true, now);
        let mut pauses = Vec::new();
        for _ in 0..6 {
            assert_eq!(standing.tick(now), Some(Step::Subscribe));
            now += TIMEOUT;
            assert_eq!(standing.tick(now - Duration::from_millis(1)), None);
            assert_eq!(standing.tick(now), Some(Step::GiveUp));
            pauses.push(due_in(&standing, now));
            now = standing.deadline().unwrap();
        }
        assert_eq!(pauses, [5, 10, 20, 40, 60, 60]);
    }

    #[test]
    fn a_head_is_a_sign_of_life() {
        let (mut standing, now) = (Standing::new(TIMEOUT), Instant::now());
        standing.lost(now);
        standing.lost(now);
        standing.tick(now + Duration::from_secs(10));
        let later = now + Duration::from_secs(30);
        standing.head(later);
        assert_eq!(due_in(&standing, later), 42);
        standing.lost(later);
        assert_eq!(due_in(&standing, later), 5, "pauses begin anew");
    }

    #[test]
    fn what_waits_does_not_outlive_the_connection() {
        let (mut standing, now) = (Standing::new(TIMEOUT), Instant::now());
        standing.link(true, now);
        standing.tick(now);
        standing.lost(now);
        standing.link(false, now);
        assert_eq!(standing.deadline(), None);
        standing.link(true, now);
        assert_eq!(standing.tick(now), Some(Step::Subscribe), "a new connection is tried at once");
    }

    #[test]
    fn a_shorter_timeout_holds_at_once() {
        let (mut standing, now) = (Standing::new(TIMEOUT), Instant::now());
        standing.link(true, now);
        standing.tick(now);
        standing.set_timeout(Duration::from_secs(3));
        assert_eq!(due_in(&standing, now), 3);
    }
}
