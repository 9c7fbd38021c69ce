//! Whether a client is still there.

use std::time::Duration;

use tokio::time::Instant;

/// How a client that vanished without a word is found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LivenessPolicy {
    /// From a sign of life, or a ping in vain, to the next ping.
    pub interval: Duration,
    /// How long a pong may take.
    pub timeout: Duration,
    /// How many pings in a row are in vain.
    pub max_missed: u32,
    /// How long a client may send nothing at all, pongs included.
    pub idle: Duration,
}

impl Default for LivenessPolicy {
    /// A ping each 30 seconds, a pong within 5, two in vain; two hours of nothing.
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(5),
            max_missed: 2,
            idle: Duration::from_secs(2 * 60 * 60),
        }
    }
}

/// The heartbeat of one client. Knows no clock and no socket.
#[derive(Debug)]
pub(super) struct Liveness {
    /// When the next ping, or the pong to the last one, is due.
    due: Instant,
    is_waiting: bool,
    missed: u32,
    /// When the client sent its last frame.
    heard: Instant,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pulse {
    /// Look again at the [deadline](Liveness::deadline).
    Wait,
    /// Send a ping.
    Ping,
    /// Close: it does not answer.
    Dead,
    /// Close: it says nothing.
    Idle,
}

impl Liveness {
    /// Of a client that has just connected.
    pub(super) fn new(policy: &LivenessPolicy, now: Instant) -> Self {
        Self { due: now + policy.interval, is_waiting: false, missed: 0, heard: now }
    }

    /// When to [look](Self::check) next.
    pub(super) fn deadline(&self, policy: &LivenessPolicy) -> Instant {
        self.due.min(self.heard + policy.idle)
    }

    /// A frame came, whatever is in it.
    pub(super) const fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// A pong came; one that is late is as good.
    pub(super) fn pong(&mut self, policy: &LivenessPolicy, now: Instant) {
        self.is_waiting = false;
        self.missed = 0;
        self.due = now + policy.interval;
    }

    /// What time it is. `is_taking` says that the client took some of what waits for it since it was last asked for a
    /// sign of life: a ping may still be behind the rest, and a client that reads a large reply slowly is alive.
    pub(super) fn check(&mut self, policy: &LivenessPolicy, is_taking: bool, now: Instant) -> Pulse {
        if now >= self.heard + policy.idle {
            return Pulse::Idle;
        }
        if now < self.due {
            return Pulse::Wait;
        }
        if is_taking {
            self.pong(policy, now);
            return Pulse::Wait;
        }
        if !self.is_waiting {
            self.is_waiting = true;
            self.due = now + policy.timeout;
            return Pulse::Ping;
        }
        self.missed += 1;
        if self.missed >= policy.max_missed {
            return Pulse::Dead;
        }
        self.is_waiting = false;
        self.due = now + policy.interval;
        Pulse::Wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: LivenessPolicy = LivenessPolicy {
        interval: Duration::from_secs(30),
        timeout: Duration::from_secs(5),
        max_missed: 2,
        idle: Duration::from_secs(7_200),
    };

    struct Watch {
        start: Instant,
        liveness: Liveness,
    }

    impl Watch {
        fn new() -> Self {
            let start = Instant::now();
            Self { start, liveness: Liveness::new(&POLICY, start) }
        }

        fn at(&self, seconds: u64) -> Instant {
            self.start + Duration::from_secs(seconds)
        }

        fn check(&mut self, seconds: u64) -> Pulse {
            let now = self.at(seconds);
            self.liveness.check(&POLICY, false, now)
        }

        fn pong(&mut self, seconds: u64) {
            let now = self.at(seconds);
            self.liveness.heard(now);
            self.liveness.pong(&POLICY, now);
        }

        fn due(&self) -> u64 {
            (self.liveness.deadline(&POLICY) - self.start).as_secs()
        }
    }

    #[test]
    fn streaming_11_case_13_a_silent_peer_is_closed_at_its_second_miss_after_seventy_seconds() {
        let mut watch = Watch::new();
        assert_eq!(watch.check(29), Pulse::Wait);
        assert_eq!(watch.check(30), Pulse::Ping);
        assert_eq!(watch.check(34), Pulse::Wait);
        assert_eq!((watch.check(35), watch.due()), (Pulse::Wait, 65), "one miss closes nobody");
        assert_eq!((watch.check(65), watch.due()), (Pulse::Ping, 70));
        assert_eq!(watch.check(70), Pulse::Dead);
    }

    #[test]
    fn a_pong_in_time_or_late_forgives_earlier_misses() {
        let mut watch = Watch::new();
        assert_eq!(watch.check(30), Pulse::Ping);
        assert_eq!(watch.check(35), Pulse::Wait);
        watch.pong(36);
        assert_eq!(watch.due(), 66);
        assert_eq!(watch.check(66), Pulse::Ping);
        assert_eq!(watch.check(71), Pulse::Wait, "it is the first miss again");
        assert_eq!(watch.check(101), Pulse::Ping);
        watch.pong(103);
        assert_eq!(watch.due(), 133);
    }

    #[test]
    fn who_takes_what_waits_for_it_is_alive() {
        let mut watch = Watch::new();
        assert_eq!(watch.check(30), Pulse::Ping);
        let now = watch.at(35);
        assert_eq!(watch.liveness.check(&POLICY, true, now), Pulse::Wait);
        assert_eq!(watch.due(), 65);
        assert_eq!(watch.check(65), Pulse::Ping);
        assert_eq!(watch.check(70), Pulse::Wait, "nothing was missed before");
    }

    #[test]
    fn two_hours_without_any_frame_are_the_end() {
        let start = Instant::now();
        let policy = LivenessPolicy { interval: Duration::from_secs(86_400), ..POLICY };
        let mut liveness = Liveness::new(&policy, start);
        assert_eq!(liveness.deadline(&policy), start + policy.idle);
        liveness.heard(start + Duration::from_secs(100));
        assert_eq!(liveness.check(&policy, false, start + policy.idle), Pulse::Wait);
        assert_eq!(
            liveness.check(&policy, true, start + policy.idle + Duration::from_secs(100)),
            Pulse::Idle
        );
    }
}
