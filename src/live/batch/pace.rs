//! How often viewers are told.

use std::time::Duration;

use tokio::time::Instant;

/// Messages that all viewers together are sent each second, where the least distance does not ask for fewer. A write to
/// a socket costs the same however little is written: with many viewers it is what they cost.
const MOST_SENDS: u32 = 1_000;

/// When the next message may go to all viewers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// The least distance of two messages.
    least: Duration,
    last: Option<Instant>,
}

impl Pace {
    /// Messages have at least this distance.
    #[must_use]
    pub(crate) const fn new(least: Duration) -> Self {
        Self { least, last: None }
    }

    /// Whether something may be told. With many viewers the distance grows, up to the point where all of them together
    /// are sent a thousand messages a second; what is `urgent` waits for the least distance and no more.
    #[must_use]
    pub(crate) fn is_due(&self, viewers: usize, urgent: bool, now: Instant) -> bool {
        let Some(last) = self.last else { return true };
        let distance = if urgent { self.least } else { self.distance(viewers) };
        now.saturating_duration_since(last) >= distance
    }

    /// Something was told.
    pub(crate) const fn told(&mut self, now: Instant) {
        self.last = Some(now);
    }

    fn distance(&self, viewers: usize) -> Duration {
        let viewers = u32::try_from(viewers).unwrap_or(u32::MAX);
        self.least.max(Duration::from_secs(1) * viewers / MOST_SENDS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn messages_keep_their_distance() {
        let (mut pace, now) = (Pace::new(ms(50)), Instant::now());
        assert!(pace.is_due(1, false, now));
        pace.told(now);
        assert!(!pace.is_due(1, true, now + ms(49)) && pace.is_due(1, false, now + ms(50)));
    }

    #[test]
    fn the_distance_grows_with_the_viewers_but_not_for_what_is_urgent() {
        let (mut pace, now) = (Pace::new(ms(50)), Instant::now());
        pace.told(now);
        assert!(pace.is_due(50, false, now + ms(50)));
        assert!(!pace.is_due(200, false, now + ms(199)) && pace.is_due(200, false, now + ms(200)));
        assert!(pace.is_due(200, true, now + ms(50)));
    }
}
