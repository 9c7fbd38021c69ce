//! The channels a call may be sent to, in what order, and what became of each.

mod demotion;
mod entry;

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

pub use self::demotion::{Demotion, Tier};
use self::entry::Turn;
pub use self::entry::{Candidate, Progress};
use crate::catalog::{Category, ChannelKey, InstanceKey};

/// A closed list of candidates that failover, and a hedge's racers, draw from.
///
/// Shared by reference; every draw is one compare-and-swap, and no channel is drawn twice.
#[derive(Debug)]
pub struct Candidates {
    list: Box<[Candidate]>,
    /// How many channels were sent to; shared by all who draw.
    dispatched: AtomicU32,
    /// The position of the channel that failed last, [`NONE`] before any did.
    last_failed: AtomicUsize,
}

/// No position in a list.
const NONE: usize = usize::MAX;

impl Candidates {
    /// Closes a ranked shortlist.
    #[must_use]
    pub fn new(shortlist: Vec<Candidate>) -> Self {
        Self {
            list: shortlist.into_boxed_slice(),
            dispatched: AtomicU32::new(0),
            last_failed: AtomicUsize::new(NONE),
        }
    }

    /// Rules out what stands behind the first `most` usable channels of a ranked shortlist: no call is sent further. Those
    /// with a declared limit against them are counted apart, because they only matter where there is no other.
    pub fn bound(shortlist: &mut [Candidate], most: u32) {
        for is_limited in [false, true] {
            let usable = shortlist
                .iter_mut()
                .filter(|candidate| candidate.excluded.is_none() && candidate.limit.is_some() == is_limited);
            for candidate in usable.skip(most as usize) {
                candidate.excluded = Some("max_attempts");
            }
        }
    }

    /// Closes the shortlist of a call that was planned anew: what was sent to stays counted and is not sent to again,
    /// and what an earlier failure ruled out stays ruled out.
    #[must_use]
    pub fn resume(mut shortlist: Vec<Candidate>, before: &Self) -> Self {
        for candidate in shortlist.iter_mut().filter(|candidate| candidate.excluded.is_none()) {
            let is_dropped = |earlier: &Candidate| {
                earlier.channel == candidate.channel && earlier.progress() == Progress::Dropped
            };
            candidate.excluded = if before.is_spent(candidate.channel) {
                Some("tried")
            } else if before.list.iter().any(is_dropped) {
                Some("dropped")
            } else {
                None
            };
        }
        Self { dispatched: AtomicU32::new(before.dispatched()), ..Self::new(shortlist) }
    }

    /// Every candidate, the excluded ones too, in ranked order.
    #[must_use]
    pub fn all(&self) -> &[Candidate] {
        &self.list
    }

    /// The positions of the channels in the order in which a call would draw them that fails everywhere and is not
    /// disturbed, whatever was drawn so far. Channels over a declared limit are among them only where all are.
    #[must_use]
    pub fn planned(&self) -> Vec<usize> {
        let fresh = Self::new(self.list.iter().map(Candidate::fresh).collect());
        let ignores_limits = !fresh.has_more();
        let draw = || if ignores_limits { fresh.draw_ignoring_limits() } else { fresh.draw() };
        std::iter::from_fn(draw).collect()
    }

    /// Draws the next channel of the first pass: the first one that is neither excluded, nor over a declared
    /// limit, nor drawn before. Deferred channels come after the others of their tier.
    #[must_use]
    pub fn draw(&self) -> Option<usize> {
        self.draw_where(|candidate| candidate.limit.is_none())
    }

    /// Draws the next channel of the second pass, in which declared limits are ignored.
    #[must_use]
    pub fn draw_ignoring_limits(&self) -> Option<usize> {
        self.draw_where(|_| true)
    }

    fn draw_where(&self, eligible: impl Fn(&Candidate) -> bool) -> Option<usize> {
        let eligible = |candidate: &Candidate| {
            candidate.excluded.is_none() && eligible(candidate) && !self.is_spent(candidate.channel)
        };
        let mut start = 0;
        while start < self.list.len() {
            let tier = self.list[start].tier();
            let length = self.list[start..].iter().take_while(|candidate| candidate.tier() == tier).count();
            for turn in [Turn::Regular, Turn::Late] {
                let group = (start..start + length).filter(|at| eligible(&self.list[*at]));
                if let Some(at) = group.into_iter().find(|at| self.list[*at].take(turn)) {
                    return Some(at);
                }
            }
            start += length;
        }
        None
    }

    /// Whether a channel was used already: two providers of a chain may be one instance, and what the one did with the
    /// call the other would do too.
    fn is_spent(&self, channel: ChannelKey) -> bool {
        self.list.iter().any(|candidate| {
            candidate.channel == channel
                && matches!(candidate.progress(), Progress::Taken | Progress::Failed(_) | Progress::Answered)
        })
    }

    /// Whether the channel's turn may come.
    fn is_left(&self, candidate: &Candidate) -> bool {
        candidate.excluded.is_none()
            && candidate.progress() == Progress::Untried
            && !self.is_spent(candidate.channel)
    }

    /// Whether a further [`draw`](Self::draw) would find a channel.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.list.iter().any(|candidate| candidate.limit.is_none() && self.is_left(candidate))
    }

    /// Whether a further draw would find a channel that can be expected to take the call, so that time is to be kept
    /// for it. `ignoring_limits` as for the second pass.
    #[must_use]
    pub fn has_prospect(&self, ignoring_limits: bool) -> bool {
        self.list.iter().any(|candidate| {
            (ignoring_limits || candidate.limit.is_none())
                && !candidate.demotion.contains(Demotion::BUSY)
                && self.is_left(candidate)
        })
    }

    /// Whether a channel was left out for something that passes: its breaker, or how far its node was.
    #[must_use]
    pub fn may_recover(&self) -> bool {
        self.list.iter().any(|candidate| {
            matches!(candidate.progress(), Progress::Skipped(_))
                || candidate.excluded.is_some_and(|reason| {
                    reason == Category::CircuitOpen.as_str() || reason == Candidate::LAGGING
                })
        })
    }

    /// Whether any channel is left out for nothing but a declared limit.
    #[must_use]
    pub fn has_limited(&self) -> bool {
        self.list.iter().any(|candidate| candidate.limit.is_some() && self.is_left(candidate))
    }

    /// Whether there are usable channels and a declared limit speaks against every one of them.
    #[must_use]
    pub fn are_all_limited(&self) -> bool {
        let mut usable = self.list.iter().filter(|candidate| candidate.excluded.is_none()).peekable();
        usable.peek().is_some() && usable.all(|candidate| candidate.limit.is_some())
    }

    /// Whether the channel at `index` is on probation, and no other is left that is not.
    #[must_use]
    pub fn is_degraded_at(&self, index: usize) -> bool {
        let is_healthy = |candidate: &Candidate| {
            !candidate.tier().half_open && candidate.limit.is_none() && self.is_left(candidate)
        };
        self.list[index].tier().half_open && !self.list.iter().any(is_healthy)
    }

    /// Puts a drawn channel back behind the others of its tier.
    pub fn put_back(&self, index: usize) {
        self.list[index].put_back();
    }

    /// Takes out every untried channel of a provider.
    pub fn drop_provider(&self, provider: u16) {
        let its = self.list.iter().filter(|candidate| candidate.provider == provider);
        its.for_each(Candidate::drop_untried);
    }

    /// Moves the untried channels of an instance behind the others of their tier.
    pub fn defer_instance(&self, instance: InstanceKey) {
        self.list.iter().filter(|candidate| candidate.instance == instance).for_each(Candidate::defer);
    }

    /// Counts a dispatch and answers how many there were before it.
    pub fn count_dispatch(&self) -> u32 {
        self.dispatched.fetch_add(1, Ordering::Relaxed)
    }

    /// Takes a dispatch back that turned out not to have happened.
    pub fn return_dispatch(&self) {
        self.dispatched.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many channels were sent to.
    #[must_use]
    pub fn dispatched(&self) -> u32 {
        self.dispatched.load(Ordering::Relaxed)
    }

    /// How many channels failed in this way.
    #[must_use]
    pub fn failures_of(&self, category: Category) -> usize {
        self.list.iter().filter(|candidate| candidate.progress() == Progress::Failed(category)).count()
    }

    /// Writes down that a channel was sent to and failed.
    pub fn failed(&self, index: usize, category: Category) {
        self.list[index].failed(category);
        self.last_failed.store(index, Ordering::Relaxed);
    }

    /// The channel that gave the answer, or the last one that was sent to and failed.
    #[must_use]
    pub fn answering(&self) -> Option<&Candidate> {
        let answered = self.list.iter().find(|candidate| candidate.progress() == Progress::Answered);
        answered.or_else(|| self.list.get(self.last_failed.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Transport;

    fn list(tiers: &[Demotion]) -> Candidates {
        let shortlist = tiers.iter().enumerate().map(|(at, demotion)| {
            let at = u16::try_from(at).unwrap();
            let mut candidate = Candidate::new(
                at / 2,
                ChannelKey(at.into()),
                InstanceKey(u32::from(at / 2)),
                Transport::Http,
            );
            candidate.demotion = *demotion;
            candidate
        });
        Candidates::new(shortlist.collect())
    }

    fn drain(candidates: &Candidates) -> Vec<usize> {
        std::iter::from_fn(|| candidates.draw()).collect()
    }

    #[test]
    fn no_channel_is_drawn_twice() {
        let candidates = list(&[Demotion::NONE; 4]);
        assert_eq!(drain(&candidates), [0, 1, 2, 3]);
        assert_eq!(candidates.draw_ignoring_limits(), None);
    }

    #[test]
    fn a_deferred_channel_comes_last_in_its_tier_and_before_the_next_tier() {
        let candidates = list(&[Demotion::NONE, Demotion::NONE, Demotion::NONE, Demotion::HALF_OPEN]);
        assert_eq!(candidates.draw(), Some(0));
        candidates.defer_instance(InstanceKey(0));
        assert_eq!(drain(&candidates), [2, 1, 3]);
    }

    #[test]
    fn a_dropped_provider_is_not_drawn() {
        let candidates = list(&[Demotion::NONE; 4]);
        assert_eq!(candidates.draw(), Some(0));
        candidates.drop_provider(0);
        assert_eq!(drain(&candidates), [2, 3]);
        assert_eq!(candidates.all()[1].progress(), Progress::Dropped);
        assert_eq!(candidates.all()[0].progress(), Progress::Taken);
    }

    #[test]
    fn declared_limits_hold_in_the_first_pass_only() {
        let mut candidates = list(&[Demotion::NONE; 3]);
        candidates.list[0].limit = Some("param_limit");
        candidates.list[1].excluded = Some("circuit_open");
        assert_eq!(drain(&candidates), [2]);
        assert!(candidates.has_limited());
        assert_eq!(candidates.draw_ignoring_limits(), Some(0));
        assert_eq!(candidates.draw_ignoring_limits(), None);
    }

    #[test]
    fn of_two_providers_that_are_one_instance_one_is_drawn() {
        let mut candidates = list(&[Demotion::NONE; 3]);
        candidates.list[2].channel = candidates.list[0].channel;
        assert_eq!(candidates.draw(), Some(0));
        assert_eq!(candidates.draw(), Some(1));
        assert!(!candidates.has_more());
        assert_eq!(candidates.draw(), None);
        // What was not sent may be sent by the other name.
        candidates.all()[0].skipped(Category::CircuitOpen);
        assert_eq!(candidates.draw(), Some(2));
    }

    #[test]
    fn what_was_tried_under_one_name_is_not_tried_again_under_the_other() {
        let mut before = list(&[Demotion::NONE; 3]);
        before.list[0].limit = Some("param_limit");
        before.list[1].channel = before.list[0].channel;
        assert_eq!(before.draw(), Some(1));
        before.failed(1, Category::ServerError);
        let shortlist =
            before.all().iter().map(|it| Candidate::new(it.provider, it.channel, it.instance, it.transport));
        let resumed = Candidates::resume(shortlist.collect(), &before);
        let excluded: Vec<_> = resumed.all().iter().map(|candidate| candidate.excluded).collect();
        assert_eq!(excluded, [Some("tried"), Some("tried"), None]);
        assert_eq!(resumed.dispatched(), before.dispatched());
    }

    #[test]
    fn only_health_passes() {
        for (excluded, may_recover) in [
            (Some("circuit_open"), true),
            (Some("lagging"), true),
            (Some("not_archival"), false),
            (None, false),
        ] {
            let mut candidates = list(&[Demotion::NONE; 2]);
            candidates.list[1].excluded = excluded;
            assert_eq!(candidates.may_recover(), may_recover, "{excluded:?}");
        }
        let refused = list(&[Demotion::NONE; 2]);
        refused.all()[0].skipped(Category::HalfOpenBusy);
        assert!(refused.may_recover());
    }

    #[test]
    fn a_busy_channel_is_drawn_and_no_prospect() {
        let candidates = list(&[Demotion::NONE, Demotion::HALF_OPEN.and(Demotion::BUSY)]);
        assert_eq!(candidates.draw(), Some(0));
        assert!(candidates.has_more() && !candidates.has_prospect(false));
        assert_eq!(candidates.draw(), Some(1));
    }

    #[test]
    fn a_list_is_bounded_by_what_can_be_used() {
        let mut list: Vec<Candidate> = list(&[Demotion::NONE; 8]).list.into_vec();
        list[0].limit = Some("param_limit");
        list[1].excluded = Some("circuit_open");
        list[3].limit = Some("param_limit");
        list[4].limit = Some("param_limit");
        Candidates::bound(&mut list, 2);
        let ruled_out: Vec<_> = (0..8).filter(|at| list[*at].excluded == Some("max_attempts")).collect();
        assert_eq!(ruled_out, [4, 6, 7]);
    }

    #[test]
    fn a_call_is_degraded_where_no_healthy_channel_is_left() {
        let candidates = list(&[Demotion::NONE, Demotion::HALF_OPEN]);
        assert!(!candidates.is_degraded_at(1), "the first one is left");
        assert_eq!(candidates.draw(), Some(0));
        candidates.all()[0].skipped(Category::CircuitOpen);
        assert!(candidates.is_degraded_at(1) && !candidates.is_degraded_at(0));
    }

    #[test]
    fn the_planned_order_is_the_one_of_drawing_and_survives_it() {
        let mut candidates = list(&[Demotion::NONE, Demotion::LIMITED, Demotion::HALF_OPEN]);
        candidates.list[0].limit = Some("param_limit");
        assert_eq!(candidates.planned(), [1, 2]);
        assert_eq!(drain(&candidates), [1, 2]);
        assert_eq!(candidates.planned(), [1, 2]);
        for at in [1, 2] {
            candidates.list[at].excluded = Some("circuit_open");
        }
        assert_eq!(candidates.planned(), [0], "there is nothing else");
    }

    #[test]
    fn demotions_have_names() {
        let names = |demotion: Demotion| demotion.names().collect::<Vec<_>>();
        assert_eq!(names(Demotion::NONE), [""; 0]);
        assert_eq!(names(Demotion::BEHIND.and(Demotion::HALF_OPEN)), ["half_open", "behind"]);
        assert_eq!(names(Demotion::LIMITED), ["limited"]);
    }

    #[test]
    fn outcomes_are_kept_with_their_category() {
        let candidates = list(&[Demotion::NONE; 3]);
        candidates.failed(0, Category::Timeout);
        assert_eq!(candidates.answering().map(|candidate| candidate.channel), Some(ChannelKey(0)));
        candidates.all()[1].skipped(Category::CircuitOpen);
        candidates.all()[2].answered();
        assert_eq!(candidates.all()[0].progress(), Progress::Failed(Category::Timeout));
        assert_eq!(candidates.all()[1].progress(), Progress::Skipped(Category::CircuitOpen));
        assert_eq!(candidates.failures_of(Category::Timeout), 1);
        assert_eq!(candidates.answering().map(|candidate| candidate.provider), Some(1));
        assert!(!candidates.has_more());
    }
}
