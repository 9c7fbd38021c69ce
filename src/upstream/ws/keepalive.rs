//! Whether the other side is still there. Time and what was heard come in, pings go out.

use std::time::Duration;

use tokio::time::Instant;

/// A peer that sends this and that but answers so many pings in a row with nothing is given up all the same.
const MAX_UNANSWERED: u32 = 3;

/// The pings of one connection.
///
/// A pong may be stuck behind a reply that takes long to arrive, so that bytes of any kind show within the pong
/// timeout that the peer is there; but not for ever.
#[derive(Clone, Debug)]
pub(super) struct Keepalive {
    interval: Duration,
    timeout: Duration,
    next_ping: Instant,
    /// What is waited for since the last ping.
    waiting: Option<Waiting>,
    /// Pings since the last pong.
    unanswered: u32,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    until: Instant,
    /// What had been heard when the ping was sent.
    before: Heard,
}

/// What arrived on a connection so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Heard {
    /// Bytes of any kind.
    pub(super) bytes: u64,
    /// Pongs, also those that nobody asked for.
    pub(super) pongs: u64,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beat {
    /// Send a ping.
    Ping,
    /// Give the connection up.
    Dead,
}

impl Keepalive {
    /// Of a connection that came up at `now`.
    pub(super) fn new(interval: Duration, timeout: Duration, now: Instant) -> Self {
        Self { interval, timeout, next_ping: now + interval, waiting: None, unanswered: 0 }
    }

    /// When [`tick`](Self::tick) is wanted.
    pub(super) fn deadline(&self) -> Instant {
        self.waiting.map_or(self.next_ping, |waiting| waiting.until.min(self.next_ping))
    }

    /// Looks at the time, and at what was heard by now.
    pub(super) fn tick(&mut self, now: Instant, heard: Heard) -> Option<Beat> {
        if let Some(Waiting { until, before }) = self.waiting {
            if heard.pongs > before.pongs {
                // The answer, or one to an earlier ping that took its time.
                (self.waiting, self.unanswered) = (None, 0);
            } else if now >= until {
                if heard.bytes == before.bytes || self.unanswered >= MAX_UNANSWERED {
                    return Some(Beat::Dead);
                }
                self.waiting = None;
            }
        }
        if now < self.next_ping {
            return None;
        }
        self.next_ping = now + self.interval;
        self.unanswered += 1;
        // With a timeout longer than the interval the first unanswered ping decides.
        self.waiting.get_or_insert(Waiting { until: now + self.timeout, before: heard });
        Some(Beat::Ping)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PING: Duration = Duration::from_secs(15);
    const PONG: Duration = Duration::from_secs(10);

    /// Runs the machine for a while and tells what it does, in seconds since the start.
    fn play(seconds: u64, mut heard: impl FnMut(f64) -> Heard) -> Vec<(u64, Beat)> {
        let start = Instant::now();
        let mut machine = Keepalive::new(PING, PONG, start);
        let mut beats = Vec::new();
        loop {
            let now = machine.deadline();
            let at = now - start;
            if at > Duration::from_secs(seconds) {
                return beats;
            }
            if let Some(beat) = machine.tick(now, heard(at.as_secs_f64())) {
                beats.push((at.as_secs(), beat));
                if beat == Beat::Dead {
                    return beats;
                }
            }
            assert!(machine.deadline() > now, "every tick moves the deadline");
        }
    }

    /// Edge case 49 of the streaming specification: nothing comes back.
    #[test]
    fn streaming_11_case_49_a_silent_link_is_given_up_after_25_seconds() {
        assert_eq!(play(100, |_| Heard::default()), [(15, Beat::Ping), (25, Beat::Dead)]);
    }

    #[test]
    fn a_link_that_answers_lives() {
        let answers = |at: f64| {
            let pongs = (at / 15.0 - 0.01).max(0.0) as u64;
            Heard { bytes: pongs * 6, pongs }
        };
        let beats = play(95, answers);
        assert_eq!(beats.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [15, 30, 45, 60, 75, 90]);
        assert!(beats.iter().all(|(_, beat)| *beat == Beat::Ping));
    }

    #[test]
    fn a_link_that_falls_silent_dies_within_30_seconds_of_it() {
        // It answers the first ping, and something else arrives until just after the second.
        let heard = |at: f64| Heard {
            bytes: if at < 30.1 { (at * 10.0) as u64 } else { 301 },
            pongs: u64::from(at > 15.0),
        };
        assert_eq!(
            play(100, heard),
            [(15, Beat::Ping), (30, Beat::Ping), (45, Beat::Ping), (55, Beat::Dead)]
        );
    }

    #[test]
    fn a_long_reply_in_front_of_the_pong_kills_nobody() {
        // Bytes arrive all the time, the pong of the first ping only after 28 seconds.
        let heard = |at: f64| Heard { bytes: (at * 1000.0) as u64, pongs: u64::from(at > 28.0) };
        assert_eq!(play(44, heard), [(15, Beat::Ping), (30, Beat::Ping)]);
    }

    #[test]
    fn who_never_answers_a_ping_is_given_up_though_it_talks() {
        let heard = |at: f64| Heard { bytes: (at * 1000.0) as u64, pongs: 0 };
        assert_eq!(
            play(100, heard),
            [(15, Beat::Ping), (30, Beat::Ping), (45, Beat::Ping), (55, Beat::Dead)]
        );
    }

    #[test]
    fn a_timeout_longer_than_the_interval_counts_from_the_first_ping() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut machine = Keepalive::new(Duration::from_secs(2), Duration::from_secs(5), start);
        for seconds in [2, 4, 6] {
            assert_eq!(machine.deadline(), at(seconds));
            assert_eq!(machine.tick(at(seconds), Heard::default()), Some(Beat::Ping));
        }
        assert_eq!(machine.deadline(), at(7));
        assert_eq!(machine.tick(at(7), Heard::default()), Some(Beat::Dead));
    }
}
