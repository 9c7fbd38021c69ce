//! The search for a provider to be served by: whom to ask next, and when.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::protocol::Peer;

/// Before asking again who there is, when nobody was left; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Within which attempts are counted.
const WINDOW: Duration = Duration::from_secs(5);
/// So many providers may refuse for good before the stream is refused.
const REJECTIONS: usize = 3;
/// So often others are waited for when all that there are have refused for good.
const ROUNDS: u32 = 4;

/// Who was asked, from the first trigger until the stream is served again.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// Refused for good.
    rejected: Vec<Peer>,
    /// Failed since there was last nobody left.
    excluded: Vec<Peer>,
    /// How often there was nobody left.
    rounds: u32,
    /// When providers were asked within the last while, since the stream last moved on by itself.
    attempts: VecDeque<Instant>,
}

/// What to do with a list of candidates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// Subscribe to this one.
    Ask(Peer),
    /// See again who there is, then.
    Pause(Instant),
    /// All that there are refused for good.
    Rejected,
}

impl Search {
    /// The first of the candidates that has not failed, unless too many have been asked just now.
    pub(super) fn choose(&mut self, candidates: &[Peer], budget: u32, now: Instant) -> Choice {
        while self.attempts.front().is_some_and(|at| *at + WINDOW <= now) {
            self.attempts.pop_front();
        }
        let able = || candidates.iter().copied().filter(|peer| !self.rejected.contains(peer));
        match able().find(|peer| !self.excluded.contains(peer)) {
            Some(_) if self.attempts.len() >= budget.max(1) as usize => {
                Choice::Pause(self.attempts[0] + WINDOW)
            }
            Some(peer) => {
                self.attempts.push_back(now);
                Choice::Ask(peer)
            }
            // Others may be about to come, as when all connections are new.
            None if !candidates.is_empty() && able().next().is_none() && self.rounds >= ROUNDS => {
                Choice::Rejected
            }
            // Nobody is left: whoever failed gets another chance, after a while.
            None => {
                self.excluded.clear();
                let pause = FIRST_PAUSE.saturating_mul(1 << self.rounds.min(6)).min(LONGEST_PAUSE);
                self.rounds += 1;
                Choice::Pause(now + pause)
            }
        }
    }

    /// Not this one, as long as there is another.
    pub(super) fn exclude(&mut self, peer: Peer) {
        if !self.excluded.contains(&peer) {
            self.excluded.push(peer);
        }
    }

    /// Never this one. Says whether so many have refused for good that the stream is to be refused.
    pub(super) fn reject(&mut self, peer: Peer) -> bool {
        self.rejected.push(peer);
        self.rejected.len() >= REJECTIONS
    }

    /// The stream is served again: failures no longer count. Attempts do, or a provider that confirms and is lost, again
    /// and again, would be asked without limit.
    pub(super) fn succeed(&mut self) {
        self.excluded.clear();
        self.rounds = 0;
    }

    /// Whoever serves the stream has got it further: what it took to find them is no longer counted.
    pub(super) fn prove(&mut self) {
        self.attempts.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Peer = Peer(1);
    const B: Peer = Peer(2);

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn who_failed_is_passed_over_as_long_as_there_is_another() {
        let now = Instant::now();
        let mut search = Search::default();
        assert_eq!(search.choose(&[A, B], 5, now), Choice::Ask(A));
        search.exclude(A);
        assert_eq!(search.choose(&[A, B], 5, now), Choice::Ask(B));
        search.exclude(B);
        assert_eq!(search.choose(&[A, B], 5, now), Choice::Pause(now + millis(100)));
        assert_eq!(search.choose(&[A, B], 5, now), Choice::Ask(A));
    }

    #[test]
    fn pauses_double_up_to_five_seconds() {
        let now = Instant::now();
        let mut search = Search::default();
        for pause in [100, 200, 400, 800, 1600, 3200, 5000, 5000] {
            assert_eq!(search.choose(&[], 5, now), Choice::Pause(now + millis(pause)));
        }
        search.succeed();
        assert_eq!(search.choose(&[], 5, now), Choice::Pause(now + millis(100)));
    }

    #[test]
    fn no_more_than_the_budget_are_asked_within_five_seconds() {
        let start = Instant::now();
        let mut search = Search::default();
        for step in 0..3 {
            assert_eq!(search.choose(&[A], 3, start + millis(step * 100)), Choice::Ask(A));
        }
        assert_eq!(search.choose(&[A], 3, start + millis(300)), Choice::Pause(start + millis(5000)));
        assert_eq!(search.choose(&[A], 3, start + millis(5000)), Choice::Ask(A));
        assert_eq!(search.choose(&[A], 3, start + millis(5000)), Choice::Pause(start + millis(5100)));
    }

    #[test]
    fn attempts_count_until_the_stream_has_got_further() {
        let now = Instant::now();
        let mut search = Search::default();
        assert_eq!(search.choose(&[A], 1, now), Choice::Ask(A));
        search.succeed();
        assert_eq!(search.choose(&[A], 1, now), Choice::Pause(now + millis(5000)));
        search.prove();
        assert_eq!(search.choose(&[A], 1, now), Choice::Ask(A));
    }

    #[test]
    fn who_refused_for_good_is_never_asked_again() {
        let now = Instant::now();
        let mut search = Search::default();
        assert!(!search.reject(A));
        assert_eq!(search.choose(&[A, B], 5, now), Choice::Ask(B));
        for pause in [100, 200, 400, 800] {
            assert_eq!(search.choose(&[A], 5, now), Choice::Pause(now + millis(pause)), "B may come back");
        }
        assert_eq!(search.choose(&[A], 5, now), Choice::Rejected);
        assert!(!search.reject(B));
        assert!(search.reject(Peer(3)));
    }
}
