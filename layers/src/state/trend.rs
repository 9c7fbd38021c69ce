//! Means that follow a provider as it changes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// After this long without a sample, a new one weighs about as much as all before it together.
const MEMORY: Duration = Duration::from_secs(15);
/// However fast samples come, a new one never weighs less than one in this many.
const LEAST_WEIGHT: f32 = 1.0 / 64.0;
/// Because of silence alone, an outcome never weighs more than this in the share of successes: of a failure less than of
/// a success.
const MOST_OF_A_FAILURE: f32 = 1.0 / 16.0;
const MOST_OF_A_SUCCESS: f32 = 1.0 / 3.0;

/// How a series does lately: the mean latency of its successes and the share of its calls that succeed, both
/// fading.
///
/// A mean over everything since the start adapts ever more slowly: after an hour at 20 ms, minutes at a second
/// hardly move it. Here each sample gets the weight of the largest of three:
///
/// - one in all samples so far, so that the first few dozen count alike, as in a plain mean;
/// - the share of memory lost since the last sample, with a time constant of a quarter of a minute, so that after a
///   long silence the present counts and not the past;
/// - one in sixty-four, so that under load the window is a number of calls and not a time.
///
/// The share of successes is the exception to the second: where calls are rare, a single outcome would speak for all
/// before it. A provider that is right 99 times in 100 would lose its place with each failure, and one that is right
/// every other time would get it back with each success. A success counts for more than a failure, so that a provider
/// that was repaired is taken back soon. Latencies after a silence count in full.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    /// In microseconds.
    latency: Option<f32>,
    success_rate: f32,
}

impl Trend {
    /// Before the first sample.
    pub const NONE: Self = Self { latency: None, success_rate: 0.0 };

    /// After a success. `successes` and `calls` count it already; `silence` is the time since the last sample.
    #[must_use]
    pub fn succeeded(self, latency: Duration, successes: u64, calls: u64, silence: Duration) -> Self {
        let micros = latency.as_secs_f32() * 1e6;
        let latency = self.latency.map_or(micros, |mean| mean + weight(successes, silence) * (micros - mean));
        Self { latency: Some(latency), success_rate: self.rated(1.0, calls, silence, MOST_OF_A_SUCCESS) }
    }

    /// After a failure, which says nothing about latency.
    #[must_use]
    pub fn failed(self, calls: u64, silence: Duration) -> Self {
        Self { success_rate: self.rated(0.0, calls, silence, MOST_OF_A_FAILURE), ..self }
    }

    /// The mean latency of the successes, if there were any.
    #[must_use]
    pub fn latency(self) -> Option<Duration> {
        self.latency.map(|micros| Duration::from_nanos((f64::from(micros) * 1e3) as u64))
    }

    /// The share of calls that succeed, from 0 to 1; 0 before the first.
    #[must_use]
    pub fn success_rate(self) -> f64 {
        f64::from(self.success_rate)
    }

    fn rated(self, outcome: f32, calls: u64, silence: Duration, most: f32) -> f32 {
        let weight = weight(calls, silence).min(most).max(even(calls));
        self.success_rate + weight * (outcome - self.success_rate)
    }

    /// Both numbers in one word; a latency that is not a number stands for none.
    fn to_bits(self) -> u64 {
        let latency = self.latency.unwrap_or(f32::NAN).to_bits();
        u64::from(latency) << 32 | u64::from(self.success_rate.to_bits())
    }

    fn from_bits(bits: u64) -> Self {
        let latency = f32::from_bits((bits >> 32) as u32);
        let success_rate = f32::from_bits(bits as u32);
        Self { latency: Some(latency).filter(|latency| !latency.is_nan()), success_rate }
    }
}

/// How much a sample counts that is the `samples`-th and comes after this silence; in (0, 1].
fn weight(samples: u64, silence: Duration) -> f32 {
    let age = silence.as_secs_f32() / MEMORY.as_secs_f32();
    // The memory lost is less than the age: under load the exponential need not be computed.
    let lost = if age < LEAST_WEIGHT { 0.0 } else { -(-age).exp_m1() };
    even(samples).max(lost).max(LEAST_WEIGHT)
}

/// The weight of the last of this many samples in a plain mean.
fn even(samples: u64) -> f32 {
    1.0 / samples.max(1) as f32
}

/// A [`Trend`] that threads share.
#[derive(Debug)]
pub struct AtomicTrend(AtomicU64);

impl AtomicTrend {
    /// Takes a sample in. None is lost: a thread that comes second starts from what the first one wrote.
    pub fn update(&self, step: impl Fn(Trend) -> Trend) {
        let next = |bits| Some(step(Trend::from_bits(bits)).to_bits());
        // Relaxed: the word says everything by itself.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
    }

    /// The trend now.
    #[must_use]
    pub fn load(&self) -> Trend {
        Trend::from_bits(self.0.load(Ordering::Relaxed))
    }
}

impl Default for AtomicTrend {
    fn default() -> Self {
        Self(AtomicU64::new(Trend::NONE.to_bits()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AT_ONCE: Duration = Duration::ZERO;

    /// One outcome: the latency of a success, or nothing for a failure, and the silence before it.
    type Sample = (Option<Duration>, Duration);

    fn run(samples: impl IntoIterator<Item = Sample>) -> Trend {
        let (mut successes, mut calls) = (0, 0);
        samples.into_iter().fold(Trend::NONE, |trend, (latency, silence)| {
            calls += 1;
            match latency {
                None => trend.failed(calls, silence),
                Some(latency) => {
                    successes += 1;
                    trend.succeeded(latency, successes, calls, silence)
                }
            }
        })
    }

    fn successes(millis: u64, count: usize, silence: Duration) -> impl Iterator<Item = Sample> {
        std::iter::repeat_n((Some(Duration::from_millis(millis)), silence), count)
    }

    fn millis(trend: Trend) -> f64 {
        trend.latency().unwrap().as_secs_f64() * 1e3
    }

    #[test]
    fn nothing_is_known_before_the_first_sample() {
        assert_eq!(Trend::NONE.latency(), None);
        assert!(Trend::NONE.success_rate().abs() < f64::EPSILON);
    }

    #[test]
    fn the_first_samples_count_alike() {
        let trend = run([10, 20, 60].map(|millis| (Some(Duration::from_millis(millis)), AT_ONCE)));
        assert!((millis(trend) - 30.0).abs() < 1e-3);
        let rate = run([(None, AT_ONCE), (Some(MEMORY), AT_ONCE), (None, AT_ONCE), (Some(MEMORY), AT_ONCE)]);
        assert!((rate.success_rate() - 0.5).abs() < 1e-6);
    }

    #[test]
    fn the_first_success_is_the_mean_however_many_failures_were_before() {
        let failures = std::iter::repeat_n((None, AT_ONCE), 500);
        let trend = run(failures.chain(successes(40, 1, AT_ONCE)));
        assert!((millis(trend) - 40.0).abs() < 1e-3);
        assert!((trend.success_rate() - 1.0 / 64.0).abs() < 1e-6);
    }

    #[test]
    fn failures_leave_the_latency_alone() {
        let trend = run(successes(40, 3, AT_ONCE).chain([(None, MEMORY * 100)]));
        assert!((millis(trend) - 40.0).abs() < 1e-3);
        assert!((trend.success_rate() - 0.75).abs() < 1e-6);
    }

    #[test]
    fn where_calls_are_rare_one_failure_is_an_accident_and_two_are_not() {
        let failing = |failures| {
            let calls = successes(40, 200, MEMORY).chain(std::iter::repeat_n((None, MEMORY), failures));
            run(calls).success_rate()
        };
        assert!(failing(1) > 0.9, "{}", failing(1));
        assert!(failing(2) < 0.9, "{}", failing(2));
    }

    #[test]
    fn after_a_long_silence_successes_make_up_for_failures() {
        let failed = || std::iter::repeat_n((None, AT_ONCE), 1_000);
        let rate = |count| run(failed().chain(successes(40, count, MEMORY))).success_rate();
        assert!(rate(1) < 0.4 && rate(6) > 0.9, "{} {}", rate(1), rate(6));
    }

    #[test]
    fn who_fails_every_other_time_is_never_taken_for_reliable_however_rare_the_calls() {
        let minute = Duration::from_secs(60);
        for calls in 10..200 {
            let outcomes = (0..calls).map(|call| ((call % 2 == 0).then_some(minute), minute));
            let rate = run(outcomes).success_rate();
            assert!(rate < 0.9, "{rate} after {calls} calls");
        }
    }

    #[test]
    fn under_load_it_takes_a_few_dozen_calls_to_change_the_mean() {
        let hour = || successes(20, 100_000, Duration::from_millis(1));
        let slow = |calls| millis(run(hour().chain(successes(1_000, calls, Duration::from_millis(1)))));
        // One in sixty-four each: 64 calls leave (63/64)^64 of the past.
        assert!((slow(64) - (1_000.0 - 980.0 * 0.365)).abs() < 1.0, "{}", slow(64));
        assert!(slow(10) > 160.0);
    }

    #[test]
    fn after_a_long_silence_the_present_counts() {
        let calls = || successes(20, 1_000, AT_ONCE);
        let after = |silence| millis(run(calls().chain(successes(100, 1, silence))));
        assert!((after(MEMORY) - (20.0 + 80.0 * 0.632)).abs() < 0.1, "{}", after(MEMORY));
        assert!((after(10 * MEMORY) - 100.0).abs() < 0.1);
        assert!((after(AT_ONCE) - (20.0 + 80.0 / 64.0)).abs() < 0.1);
    }

    #[test]
    fn threads_lose_no_sample() {
        // Each sample adds one to the latency: a lost one would be missing in the end.
        let trend = AtomicTrend::default();
        let add = |trend: Trend| Trend { latency: Some(trend.latency.map_or(1.0, |sum| sum + 1.0)), ..trend };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1_000).for_each(|_| trend.update(add)));
            }
        });
        assert_eq!(trend.load().latency, Some(4_000.0));
    }

    proptest! {
        #[test]
        fn a_trend_survives_its_word(latency in proptest::option::of(0.0_f32..1e9), success_rate in 0.0_f32..=1.0) {
            let trend = Trend { latency, success_rate };
            prop_assert_eq!(Trend::from_bits(trend.to_bits()), trend);
        }

        #[test]
        fn a_trend_stays_within_its_samples(
            samples in proptest::collection::vec(
                (proptest::option::of(1_u64..60_000), 0_u64..120_000), 1..200,
            ),
        ) {
            let trend = run(samples.iter().map(|(latency, silence)| {
                (latency.map(Duration::from_millis), Duration::from_millis(*silence))
            }));
            let latencies = || samples.iter().filter_map(|(latency, _)| *latency);
            prop_assert!((0.0..=1.0).contains(&trend.success_rate()));
            match (latencies().min(), latencies().max()) {
                (Some(least), Some(most)) => {
                    let mean = millis(trend);
                    prop_assert!(mean >= least as f64 * 0.9999 && mean <= most as f64 * 1.0001, "{}", mean);
                }
                _ => prop_assert_eq!(trend.latency(), None),
            }
        }

        #[test]
        fn weights_are_shares_that_shrink_with_samples_and_grow_with_silence(
            samples in 1_u64..1_000_000, silence in 0_u64..1_000_000,
        ) {
            let silence = Duration::from_millis(silence);
            let weight_now = weight(samples, silence);
            prop_assert!((LEAST_WEIGHT..=1.0).contains(&weight_now));
            prop_assert!(weight(samples + 1, silence) <= weight_now);
            prop_assert!(weight(samples, silence + Duration::from_secs(1)) >= weight_now);
        }
    }
}
