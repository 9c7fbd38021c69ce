//! A token bucket as one number.
//!
//! The number is the moment at which the bucket will be full, in nanoseconds on a clock of the caller's: the generic
//! cell rate algorithm of [ITU-T I.371](https://www.itu.int/rec/T-REC-I.371), which is a token bucket that needs no
//! refill. A moment that has passed means full, so 0 is a full bucket at any time.

use std::num::NonZeroU64;
use std::time::Duration;

use crate::catalog::ClientLimit;

const SECOND: u64 = 1_000_000_000;

/// How fast a bucket fills and how much it holds, both as time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quota {
    /// Nanoseconds until one token has come back.
    token: NonZeroU64,
    /// Nanoseconds until an empty bucket is full.
    capacity: u64,
}

impl Quota {
    /// A limit of nothing is treated as a limit of one, so that a bucket always lets something through.
    pub(super) fn of(limit: ClientLimit) -> Self {
        let token = NonZeroU64::new(SECOND / u64::from(limit.rps.max(1))).unwrap_or(NonZeroU64::MIN);
        Self { token, capacity: token.get().saturating_mul(u64::from(limit.burst.max(1))) }
    }

    /// Takes one token at `now`: the bucket afterwards, or the time until there is a token.
    pub(super) fn take(self, full_at: u64, now: u64) -> Result<u64, Duration> {
        let after = full_at.max(now).saturating_add(self.token.get());
        match (after - now).checked_sub(self.capacity) {
            None | Some(0) => Ok(after),
            Some(wait) => Err(Duration::from_nanos(wait)),
        }
    }

    /// The same bucket under another quota: it holds as many tokens as before, or as many as it can. A full one
    /// stays full.
    pub(super) fn carry(self, full_at: u64, now: u64, to: Self) -> u64 {
        let missing = full_at.saturating_sub(now);
        if missing == 0 {
            return 0;
        }
        let held = u128::from(self.capacity.saturating_sub(missing)) * u128::from(to.token.get())
            / u128::from(self.token.get());
        let held = u64::try_from(held).unwrap_or(u64::MAX).min(to.capacity);
        now.saturating_add(to.capacity - held)
    }
}

/// Whether the bucket is full, and so the same as a new one.
pub(super) const fn is_full(full_at: u64, now: u64) -> bool {
    full_at <= now
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn quota(rps: u32, burst: u32) -> Quota {
        Quota::of(ClientLimit { rps, burst })
    }

    /// How many tokens can be taken at once.
    fn drain(quota: Quota, mut full_at: u64, now: u64) -> u32 {
        let mut taken = 0;
        while let Ok(after) = quota.take(full_at, now) {
            full_at = after;
            taken += 1;
        }
        taken
    }

    #[test]
    fn a_new_bucket_is_full_whatever_the_time() {
        assert_eq!(drain(quota(1, 2), 0, 0), 2);
        assert_eq!(drain(quota(1, 2), 0, u64::MAX / 2), 2);
    }

    #[test]
    fn an_empty_bucket_says_when_the_next_token_comes() {
        let quota = quota(4, 1);
        let full_at = quota.take(0, SECOND).unwrap();
        assert_eq!(quota.take(full_at, SECOND), Err(Duration::from_millis(250)));
        assert_eq!(quota.take(full_at, SECOND + 100_000_000), Err(Duration::from_millis(150)));
        assert!(quota.take(full_at, SECOND + 250_000_000).is_ok());
    }

    #[test]
    fn a_refusal_takes_nothing() {
        let quota = quota(1, 1);
        let full_at = quota.take(0, 0).unwrap();
        for _ in 0..3 {
            assert_eq!(quota.take(full_at, 0), Err(Duration::from_secs(1)));
        }
    }

    #[test]
    fn a_reload_keeps_the_tokens_and_never_exceeds_the_new_capacity() {
        let (small, large) = (quota(1, 10), quota(100, 1000));
        let mut full_at = 0;
        for _ in 0..6 {
            full_at = small.take(full_at, 0).unwrap();
        }
        let grown = small.carry(full_at, 0, large);
        assert_eq!(drain(large, grown, 0), 4);
        // Back again, and to a capacity below what is held.
        assert_eq!(drain(small, large.carry(grown, 0, small), 0), 4);
        assert_eq!(drain(quota(1, 2), small.carry(full_at, 0, quota(1, 2)), 0), 2);
        // A full bucket cannot be told from a new one, so it is one.
        assert_eq!(drain(large, small.carry(0, 7, large), 7), 1000);
    }

    #[test]
    fn no_limit_is_below_one() {
        assert_eq!(drain(quota(0, 0), 0, 0), 1);
    }

    #[test]
    fn extreme_limits_do_not_overflow() {
        let (most, slow) = (quota(u32::MAX, u32::MAX), quota(1, u32::MAX));
        let full_at = slow.take(u64::MAX - 1, u64::MAX / 2).unwrap_or(u64::MAX);
        let _ = most.take(slow.carry(full_at, 1, most), u64::MAX);
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_bucket_that_is_refilled(
            rps in 1_u32..2_000,
            burst in 1_u32..50,
            steps in proptest::collection::vec(0_u64..200_000_000, 1..200),
        ) {
            let quota = quota(rps, burst);
            let per_nano = 1.0 / quota.token.get() as f64;
            let (mut full_at, mut tokens, mut now) = (0, f64::from(burst), 5 * SECOND);
            for step in steps {
                now += step;
                tokens = (tokens + step as f64 * per_nano).min(f64::from(burst));
                let taken = quota.take(full_at, now);
                // Within rounding of one token the two may disagree.
                if (tokens - 1.0).abs() > 1e-6 {
                    prop_assert_eq!(taken.is_ok(), tokens > 1.0);
                }
                match taken {
                    Ok(after) => {
                        full_at = after;
                        tokens -= 1.0;
                    }
                    Err(wait) => {
                        let expected = (1.0 - tokens) / per_nano;
                        prop_assert!((wait.as_nanos() as f64 - expected).abs() < 1_000.0);
                    }
                }
            }
        }

        #[test]
        fn after_the_wait_there_is_a_token(rps in 1_u32..5_000, burst in 1_u32..9, start in any::<u32>()) {
            let quota = quota(rps, burst);
            let start = u64::from(start);
            let mut full_at = 0;
            let wait = loop {
                match quota.take(full_at, start) {
                    Ok(after) => full_at = after,
                    Err(wait) => break wait,
                }
            };
            let now = start + u64::try_from(wait.as_nanos()).unwrap();
            prop_assert!(quota.take(full_at, now - 1).is_err());
            prop_assert!(quota.take(full_at, now).is_ok());
        }
    }
}
