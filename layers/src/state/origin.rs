//! Instants that fit into an atomic word.

use std::time::Duration;

use tokio::time::Instant;

/// A fixed point in time, so that instants can be kept in atomics as the milliseconds since it.
#[derive(Clone, Copy, Debug)]
pub struct Origin(Instant);

impl Origin {
    /// An origin at this moment.
    #[must_use]
    pub fn now() -> Self {
        Self(Instant::now())
    }

    /// Whole milliseconds from the origin to `instant`; 0 if it lies before the origin.
    #[must_use]
    pub fn millis(self, instant: Instant) -> u64 {
        millis(instant.saturating_duration_since(self.0))
    }

    /// The instant that many milliseconds after the origin.
    #[must_use]
    pub fn instant(self, millis: u64) -> Instant {
        self.0 + Duration::from_millis(millis)
    }
}

/// Whole milliseconds of a duration.
#[must_use]
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
