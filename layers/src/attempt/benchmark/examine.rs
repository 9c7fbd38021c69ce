//! Looking again at channels that did not win.
//!
//! Who always sends to the fastest channel that it knows learns nothing about the others. A channel that was slow
//! once would be slow for good; and with a single measured channel the [baseline](super::evidence::baseline) is
//! that channel's own latency, so that it would win every tie against those that were never tried.
//!
//! So now and then a call goes to another channel first. Four things bound what that costs:
//!
//! - It happens to a small share of the calls, and the less often the slower the channel is expected to be: a
//!   channel of ten times the best latency gets a tenth of the chance. So, as long as channels are what they are
//!   taken for, examining them adds at most `explore` times the best latency to the average call, however slow they
//!   are.
//! - Only channels about which nothing recent is known. Under load each is measured a few times and then left alone
//!   until that is old.
//! - Only channels in full health, so that breakers and limits are respected.
//! - Only calls that may move on to the next channel if this one fails: a client never pays with an error.
//!
//! It is decided for each call by chance alone. Nothing is kept between calls, so nothing can be left behind by a
//! call that is dropped.

use std::time::Duration;

use crate::call::{Call, Candidate, Demotion};
use crate::catalog::Safety;

/// A channel in the order of a strategy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prospect {
    /// The latency that it has, or is taken to have.
    pub(super) latency: Duration,
    /// Whether what is known about it is too little or too old.
    pub(super) is_due: bool,
    /// Whether nothing speaks against sending to it.
    pub(super) is_sound: bool,
}

/// Whether a call may be used to learn something.
pub(super) fn may_examine(call: &Call) -> bool {
    // A dry run asks what is best, for calls that are to be kept together.
    !call.dry_run && matches!(call.method.safety(), Safety::Replay | Safety::Broadcast)
}

/// Whether health, limits and height all speak for a channel.
pub(super) fn is_sound(candidate: &Candidate) -> bool {
    candidate.demotion == Demotion::NONE && candidate.limit.is_none()
}

/// The position of the channel that this call examines, if it is one of the few that do.
///
/// `prospects` are in ranked order; the first sound one would get the call otherwise.
pub(super) fn choose(
    explore: f64,
    rng: &mut fastrand::Rng,
    prospects: impl Iterator<Item = Prospect> + Clone,
) -> Option<usize> {
    if rng.f64() >= explore {
        return None;
    }
    let mut sound = prospects.enumerate().filter(|(_, prospect)| prospect.is_sound);
    let (_, best) = sound.next()?;
    let due = sound.filter(|(_, prospect)| prospect.is_due);
    let count = due.clone().count();
    let (chosen, prospect) = due.clone().nth(rng.usize(..count.max(1)))?;
    let pays_off = rng.f64() * prospect.latency.as_secs_f64() <= best.latency.as_secs_f64();
    pays_off.then_some(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{ChannelKey, InstanceKey, Transport};

    const CALLS: u32 = 1_000_000;

    fn prospect(millis: u64) -> Prospect {
        Prospect { latency: Duration::from_millis(millis), is_due: true, is_sound: true }
    }

    /// In percent, how often each of `prospects` is examined.
    fn shares<const N: usize>(explore: f64, prospects: [Prospect; N]) -> [f64; N] {
        let mut rng = fastrand::Rng::with_seed(11);
        let mut chosen = [0_u32; N];
        for _ in 0..CALLS {
            if let Some(at) = choose(explore, &mut rng, prospects.iter().copied()) {
                chosen[at] += 1;
            }
        }
        chosen.map(|count| f64::from(count) * 100.0 / f64::from(CALLS))
    }

    fn close<const N: usize>(shares: [f64; N], expected: [f64; N]) {
        for (share, expected) in shares.iter().zip(expected) {
            assert!((share - expected).abs() <= expected * 0.1, "{shares:?} are not {expected:?}");
        }
    }

    #[test]
    fn the_chance_of_a_channel_falls_with_its_latency() {
        close(shares(0.04, [prospect(10)]), [0.0]);
        close(shares(0.04, [prospect(10), prospect(20)]), [0.0, 2.0]);
        close(shares(0.04, [prospect(10), prospect(20), prospect(40)]), [0.0, 1.0, 0.5]);
        close(shares(0.04, [prospect(10), prospect(10)]), [0.0, 4.0]);
    }

    #[test]
    fn a_channel_that_is_expected_to_be_faster_has_the_whole_chance() {
        close(shares(0.04, [prospect(20), prospect(5)]), [0.0, 4.0]);
        close(shares(0.04, [prospect(0), prospect(0)]), [0.0, 4.0]);
    }

    #[test]
    fn what_is_known_or_not_sound_is_left_alone() {
        let known = Prospect { is_due: false, ..prospect(10) };
        let limited = Prospect { is_sound: false, ..prospect(10) };
        close(shares(0.04, [known, known, limited]), [0.0; 3]);
        close(shares(0.04, [known, limited, prospect(10), known]), [0.0, 0.0, 4.0, 0.0]);
        // The best is the first that is sound: it needs no second look.
        close(shares(0.04, [limited, prospect(10), prospect(20)]), [0.0, 0.0, 2.0]);
        close(shares(0.04, [limited, limited]), [0.0; 2]);
    }

    #[test]
    fn a_channel_is_sound_if_nothing_speaks_against_it() {
        let candidate = |demotion, limit| {
            let mut candidate = Candidate::new(0, ChannelKey(0), InstanceKey(0), Transport::Http);
            (candidate.demotion, candidate.limit) = (demotion, limit);
            candidate
        };
        assert!(is_sound(&candidate(Demotion::NONE, None)));
        for demotion in [Demotion::HALF_OPEN, Demotion::LIMITED, Demotion::BEHIND] {
            assert!(!is_sound(&candidate(demotion, None)));
        }
        assert!(!is_sound(&candidate(Demotion::NONE, Some("param_limit"))));
    }

    #[test]
    fn zero_turns_it_off_and_one_examines_with_every_call() {
        close(shares(0.0, [prospect(10), prospect(10)]), [0.0, 0.0]);
        close(shares(1.0, [prospect(10), prospect(10)]), [0.0, 100.0]);
    }

    #[test]
    fn the_average_call_pays_at_most_the_share_of_the_best_latency() {
        let shares = shares(0.05, [prospect(10), prospect(100), prospect(10_000), prospect(11)]);
        let paid: f64 =
            shares.iter().zip([0.0, 90.0, 9_990.0, 1.0]).map(|(share, extra)| share * extra / 100.0).sum();
        assert!(paid <= 0.05 * 10.0, "{paid} ms");
    }
}
