//! Figures as browsers read them.

use std::time::Duration;

use serde::{Serialize, Serializer};
use tokio::time::Instant;

/// Two spans are the same if their moments are closer than this: what is kept in whole milliseconds comes back with
/// another rounding each time.
const SAME: Duration = Duration::from_millis(1_000);

/// A value to so many decimals.
#[must_use]
pub fn round(value: f64, decimals: i32) -> f64 {
    let scale = 10_f64.powi(decimals);
    (value * scale).round() / scale
}

/// A duration in milliseconds, to two decimals.
#[must_use]
pub fn ms(duration: Duration) -> f64 {
    round(duration.as_secs_f64() * 1e3, 2)
}

/// What share a part is of the whole, in percent to one decimal; nothing of nothing.
#[must_use]
pub fn percent(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| round(part as f64 / whole as f64 * 100.0, 1))
}

/// The time between now and a moment, which is what a browser is told.
///
/// Two are equal when they have the same moment: that time passes is no news.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    moment: Instant,
    millis: u64,
}

impl Span {
    /// The time since a moment.
    #[must_use]
    pub fn since(moment: Instant, now: Instant) -> Self {
        Self { moment, millis: millis(now.saturating_duration_since(moment)) }
    }

    /// The time that is left.
    #[must_use]
    pub fn left(left: Duration, now: Instant) -> Self {
        Self { moment: now + left, millis: millis(left) }
    }

    /// In milliseconds.
    #[must_use]
    pub const fn millis(self) -> u64 {
        self.millis
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl PartialEq for Span {
    fn eq(&self, other: &Self) -> bool {
        let apart = self.moment.max(other.moment) - self.moment.min(other.moment);
        apart < SAME
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_few_decimals() {
        assert_eq!(ms(Duration::from_nanos(1_234_567)).to_string(), "1.23");
        assert_eq!(percent(2, 3), Some(66.7));
        assert_eq!((percent(5, 5), percent(0, 0)), (Some(100.0), None));
    }

    #[test]
    fn that_time_passes_makes_no_difference_and_another_moment_does() {
        let now = Instant::now();
        let later = now + Duration::from_secs(20);
        assert_eq!(Span::since(now, now), Span::since(now, later));
        let left = |seconds| Duration::from_secs(seconds);
        assert_eq!(Span::left(left(30), now), Span::left(left(10), later));
        assert_ne!(Span::left(left(30), now), Span::left(left(30), later));
        assert_eq!(serde_json::to_string(&Span::since(now, later)).unwrap(), "20000");
    }
}
