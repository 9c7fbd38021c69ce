//! Moments for people: dates as text, and instants as dates.

use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// The moment in UTC, to the millisecond, as in [RFC 3339](https://www.rfc-editor.org/rfc/rfc3339#section-5.6):
/// `2026-01-31T23:59:59.000Z`. Moments before 1970 become 1970: only a broken clock shows them.
pub(crate) fn iso_8601(moment: SystemTime) -> String {
    humantime::format_rfc3339_millis(moment.max(UNIX_EPOCH)).to_string()
}

/// One moment on both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// On the one that people read.
    pub(crate) wall: SystemTime,
    /// On the one that measures.
    pub(crate) instant: Instant,
}

impl Moment {
    pub(crate) fn now() -> Self {
        Self { wall: SystemTime::now(), instant: Instant::now() }
    }

    /// In milliseconds since 1970.
    pub(crate) fn unix_ms(self) -> u64 {
        unix_ms(self.wall)
    }

    /// A moment by the wall clock, in milliseconds since 1970.
    pub(crate) fn unix_ms_of_wall(wall: SystemTime) -> u64 {
        unix_ms(wall)
    }

    /// An earlier instant in milliseconds since 1970, as long as the wall clock was not set in between.
    pub(crate) fn unix_ms_of(self, instant: Instant) -> u64 {
        let ago = self.instant.saturating_duration_since(instant);
        self.wall.checked_sub(ago).map_or(0, unix_ms)
    }
}

fn unix_ms(wall: SystemTime) -> u64 {
    let since = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn moments_are_written_to_the_millisecond() {
        let moment = UNIX_EPOCH + Duration::from_millis(951_782_400_001);
        assert_eq!(iso_8601(moment), "2000-02-29T00:00:00.001Z");
    }

    #[test]
    fn a_clock_before_1970_is_no_panic() {
        assert_eq!(iso_8601(UNIX_EPOCH - Duration::from_secs(1)), "1970-01-01T00:00:00.000Z");
    }
}
