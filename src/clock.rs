//! Dates as text.

use std::time::{SystemTime, UNIX_EPOCH};

/// The moment in UTC, to the millisecond, as in [RFC 3339](https://www.rfc-editor.org/rfc/rfc3339#section-5.6):
/// `2026-01-31T23:59:59.000Z`. Moments before 1970 become 1970: only a broken clock shows them.
pub(crate) fn iso_8601(moment: SystemTime) -> String {
    humantime::format_rfc3339_millis(moment.max(UNIX_EPOCH)).to_string()
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
