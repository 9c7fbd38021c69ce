//! The silence of a channel, as a pure value in one word.

use super::StallPolicy;
use crate::state::millis;

/// How many attempts were sent since the channel was last heard of, and when the first of them was, in milliseconds since
/// some origin. In a word: 16 bits for the number, 48 for the time; nothing is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Silence {
    waiting: u16,
    since: u64,
}

const SINCE_BITS: u32 = 48;

impl Silence {
    /// After one more attempt. A silence that was forgotten begins anew with it.
    pub(super) fn sent(self, now: u64, policy: &StallPolicy) -> Self {
        if self.waiting == 0 || self.is_forgotten(now, policy) {
            return Self { waiting: 1, since: now };
        }
        Self { waiting: self.waiting.saturating_add(1), ..self }
    }

    /// Whether enough attempts wait, and the first of them has for long enough.
    pub(super) fn is_stalled(self, now: u64, policy: &StallPolicy) -> bool {
        policy.waiting > 0
            && u32::from(self.waiting) >= policy.waiting
            && now.saturating_sub(self.since) >= millis(policy.after)
            && !self.is_forgotten(now, policy)
    }

    /// How many attempts wait.
    pub(super) fn waiting(self) -> u32 {
        self.waiting.into()
    }

    fn is_forgotten(self, now: u64, policy: &StallPolicy) -> bool {
        now.saturating_sub(self.since) >= millis(policy.expires)
    }

    pub(super) const fn unpack(word: u64) -> Self {
        Self { waiting: (word >> SINCE_BITS) as u16, since: word & ((1 << SINCE_BITS) - 1) }
    }

    /// 48 bits of milliseconds last for nine thousand years.
    pub(super) fn pack(self) -> u64 {
        u64::from(self.waiting) << SINCE_BITS | self.since & ((1 << SINCE_BITS) - 1)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const POLICY: StallPolicy =
        StallPolicy { waiting: 3, after: Duration::from_millis(100), expires: Duration::from_secs(10) };

    fn sent(times: &[u64]) -> Silence {
        times.iter().fold(Silence::default(), |silence, now| silence.sent(*now, &POLICY))
    }

    #[test]
    fn a_few_have_to_wait_for_a_while() {
        assert!(!sent(&[]).is_stalled(5_000, &POLICY));
        assert!(!sent(&[1, 2]).is_stalled(5_000, &POLICY), "too few");
        assert!(!sent(&[1, 2, 3]).is_stalled(100, &POLICY), "too short");
        assert!(sent(&[1, 2, 3]).is_stalled(101, &POLICY));
        assert!(sent(&[1, 90, 101]).is_stalled(101, &POLICY), "the first one counts");
    }

    #[test]
    fn silence_is_forgotten_and_begins_anew() {
        let silence = sent(&[1, 2, 3]);
        assert!(silence.is_stalled(10_000, &POLICY));
        assert!(!silence.is_stalled(10_001, &POLICY));
        let anew = silence.sent(10_001, &POLICY);
        assert_eq!(anew, Silence { waiting: 1, since: 10_001 });
    }

    #[test]
    fn none_waiting_turns_it_off() {
        let off = StallPolicy { waiting: 0, ..POLICY };
        assert!(!sent(&[1, 2, 3]).is_stalled(5_000, &off));
    }

    #[test]
    fn the_number_does_not_wrap() {
        let many = Silence { waiting: u16::MAX, since: 1 };
        assert_eq!(many.sent(2, &POLICY), many);
    }

    proptest! {
        #[test]
        fn a_word_holds_it_all(waiting: u16, since in 0_u64..1 << SINCE_BITS) {
            let silence = Silence { waiting, since };
            prop_assert_eq!(Silence::unpack(silence.pack()), silence);
        }
    }
}
