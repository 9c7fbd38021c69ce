//! How far apart many measured values are.

use std::time::Duration;

/// Some values, in order.
#[derive(Clone, Debug)]
pub(crate) struct Spread(Vec<Duration>);

// === impl Spread ===

impl Spread {
    pub(crate) fn new(mut values: Vec<Duration>) -> Self {
        values.sort_unstable();
        Self(values)
    }

    /// The times from the first arrival to each.
    pub(crate) fn after_first(arrivals: &[Duration]) -> Self {
        let first = arrivals.iter().min().copied().unwrap_or_default();
        Self::new(arrivals.iter().map(|at| *at - first).collect())
    }

    /// The least value that so many percent are at most (nearest rank); zero when there is none.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.0.len() * percent).div_ceil(100);
        self.0.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }

    pub(crate) fn max(&self) -> Duration {
        self.percentile(100)
    }
}

/// Milliseconds, for tables.
pub(crate) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The straight line that lies closest to the points (least squares): how much `y` grows with each `x`.
pub(crate) fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let mean_x = points.iter().map(|point| point.0).sum::<f64>() / count;
    let mean_y = points.iter().map(|point| point.1).sum::<f64>() / count;
    let along: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let square: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    if square == 0.0 { 0.0 } else { along / square }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Spread, slope};

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let spread = Spread::new((1..=200).rev().map(Duration::from_millis).collect());
        let percentiles = [0, 1, 50, 95, 99, 100].map(|percent| spread.percentile(percent).as_millis());
        assert_eq!(percentiles, [1, 2, 100, 190, 198, 200]);
        assert_eq!(Spread::new(vec![Duration::from_secs(3)]).percentile(50), Duration::from_secs(3));
        assert_eq!(Spread::new(Vec::new()).max(), Duration::ZERO);
    }

    #[test]
    fn arrivals_count_from_the_first() {
        let arrivals = [12, 10, 17].map(Duration::from_millis);
        assert_eq!(Spread::after_first(&arrivals).max(), Duration::from_millis(7));
    }

    #[test]
    fn the_slope_of_a_line_is_its_own_and_of_noise_about_nothing() {
        let line: Vec<_> = (0..10).map(|x| (f64::from(x), 3.0 * f64::from(x) + 1.0)).collect();
        assert!((slope(&line) - 3.0).abs() < 1e-9);
        assert!(slope(&[(0.0, 5.0), (1.0, 6.0), (2.0, 6.0), (3.0, 5.0)]).abs() < 1e-9);
        assert_eq!(slope(&[(1.0, 1.0)]), 0.0);
    }
}
