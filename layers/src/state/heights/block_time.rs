//! How long a chain takes for a block.

use std::time::Duration;

use tokio::time::Instant;

use crate::state::millis;

/// The weight of a new interval.
const ALPHA: f64 = 0.15;
/// Intervals outside these, in milliseconds, are accidents: a node that catches up, a chain that stood still.
const PLAUSIBLE: std::ops::RangeInclusive<u64> = 50..=60_000;
/// How many intervals make a measurement.
const ENOUGH: u32 = 5;

/// A moving average of the time between blocks, measured by watching heights rise.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct BlockTime {
    highest: Option<(u64, Instant)>,
    mean_millis: f64,
    intervals: u32,
}

impl BlockTime {
    /// Takes a height into account. One that is not above all before changes nothing: another node says
    /// what is known, or a node fell back.
    #[must_use]
    pub(super) fn observe(self, height: u64, now: Instant) -> Self {
        let Some((before, since)) = self.highest else {
            return Self { highest: Some((height, now)), ..self };
        };
        if height <= before {
            return self;
        }
        let risen = Self { highest: Some((height, now)), ..self };
        let interval = millis(now.saturating_duration_since(since)) / (height - before);
        if PLAUSIBLE.contains(&interval) { risen.average(interval as f64) } else { risen }
    }

    fn average(self, interval: f64) -> Self {
        let mean_millis = match self.intervals {
            0 => interval,
            _ => self.mean_millis + ALPHA * (interval - self.mean_millis),
        };
        Self { mean_millis, intervals: self.intervals.saturating_add(1), ..self }
    }

    /// The mean, once there are enough intervals.
    pub(super) fn measured(&self) -> Option<Duration> {
        (self.intervals >= ENOUGH).then(|| Duration::from_millis(self.mean_millis.round() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(observations: &[(u64, u64)]) -> BlockTime {
        let start = Instant::now();
        observations.iter().fold(BlockTime::default(), |time, (height, millis)| {
            time.observe(*height, start + Duration::from_millis(*millis))
        })
    }

    #[test]
    fn five_intervals_make_a_measurement() {
        let steps: Vec<_> = (0..6).map(|at| (100 + at, at * 2_000)).collect();
        assert_eq!(after(&steps[..5]).measured(), None);
        assert_eq!(after(&steps).measured(), Some(Duration::from_secs(2)));
    }

    #[test]
    fn an_interval_is_per_block() {
        let steps: Vec<_> = (0..6).map(|at| (100 + 4 * at, at * 1_000)).collect();
        assert_eq!(after(&steps).measured(), Some(Duration::from_millis(250)));
    }

    #[test]
    fn a_new_interval_weighs_fifteen_percent() {
        let mut steps: Vec<_> = (0..6).map(|at| (100 + at, at * 1_000)).collect();
        steps.push((106, 5_000 + 3_000));
        assert_eq!(after(&steps).measured(), Some(Duration::from_millis(1_300)));
    }

    #[test]
    fn a_height_that_does_not_rise_leaves_the_clock_running() {
        let steady: Vec<_> = (0..6).map(|at| (100 + at, at * 2_000)).collect();
        let mut chatty = steady.clone();
        chatty.extend((0..6).map(|at| (100 + at, at * 2_000 + 1_500)));
        chatty.extend((0..6).map(|at| (90 + at, at * 2_000 + 1_700)));
        chatty.sort_by_key(|(_, millis)| *millis);
        assert_eq!(after(&chatty).measured(), after(&steady).measured());
    }

    #[test]
    fn implausible_intervals_are_left_out() {
        let mut steps: Vec<_> = (0..6).map(|at| (100 + at, at * 2_000)).collect();
        steps.push((1_000_000, 12_000));
        steps.push((1_000_001, 12_000 + 60_001));
        assert_eq!(after(&steps).measured(), Some(Duration::from_secs(2)));
        assert_eq!(after(&steps).intervals, 5);
    }
}
