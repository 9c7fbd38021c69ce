//! Questions that are out, and when those that failed may be asked again.

use std::time::Duration;

use tokio::time::Instant;

use crate::streams::block::BlockHash;

use super::protocol::{BlockId, FetchId, Peer, Source};

/// Before the second try; it doubles with each further one.
const FIRST_DELAY: Duration = Duration::from_millis(50);
const LONGEST_DELAY: Duration = Duration::from_secs(1);

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// A header.
    Block(BlockId),
    /// The logs of a block.
    Logs(BlockHash),
}

/// Who was asked what, and what has to be asked again.
#[derive(Debug, Default)]
pub(super) struct Questions {
    asked: u64,
    open: Vec<Open>,
    failed: Vec<Failed>,
}

#[derive(Debug)]
struct Open {
    fetch: FetchId,
    subject: Subject,
    source: Source,
}

#[derive(Debug)]
struct Failed {
    subject: Subject,
    tries: u32,
    absences: u32,
    /// Not to be asked before; `None` once that has passed.
    not_before: Option<Instant>,
}

impl Questions {
    /// How many have failed and are remembered.
    #[cfg(test)]
    pub(super) const fn failures(&self) -> usize {
        self.failed.len()
    }

    /// How many are out.
    pub(super) const fn count(&self) -> usize {
        self.open.len()
    }

    pub(super) fn is_open(&self, subject: Subject) -> bool {
        self.open.iter().any(|open| open.subject == subject)
    }

    /// Whether it may be asked now: it is neither out nor has it failed just before.
    pub(super) fn may_ask(&self, subject: Subject) -> bool {
        !self.is_open(subject)
            && self.failed.iter().all(|failed| failed.subject != subject || failed.not_before.is_none())
    }

    /// How often somebody answered that there is no such thing, since somebody last had it.
    pub(super) fn absences(&self, subject: Subject) -> u32 {
        self.failed.iter().find(|failed| failed.subject == subject).map_or(0, |failed| failed.absences)
    }

    /// The one to ask: the provider that serves the stream, and after it has failed the others and it in turn.
    pub(super) fn source(&self, subject: Subject, peer: Peer) -> Source {
        let tries =
            self.failed.iter().find(|failed| failed.subject == subject).map_or(0, |failed| failed.tries);
        if tries % 2 == 0 { Source::Peer(peer) } else { Source::AnyBut(peer) }
    }

    /// A question goes out.
    pub(super) fn ask(&mut self, subject: Subject, source: Source) -> FetchId {
        let fetch = FetchId(self.asked);
        self.asked += 1;
        self.open.push(Open { fetch, subject, source });
        fetch
    }

    /// What an answer belongs to; `None` where nobody waits for it any more.
    pub(super) fn take(&mut self, fetch: FetchId) -> Option<Subject> {
        let at = self.open.iter().position(|open| open.fetch == fetch)?;
        Some(self.open.swap_remove(at).subject)
    }

    /// The answer was of use, or the question is no longer of interest.
    pub(super) fn settle(&mut self, subject: Subject) {
        self.failed.retain(|failed| failed.subject != subject);
    }

    /// The answer was of no use: again, later and of somebody else. `absent` where it said that there is no such thing.
    pub(super) fn fail(&mut self, subject: Subject, absent: bool, now: Instant) {
        let at = self.failed.iter().position(|failed| failed.subject == subject).unwrap_or_else(|| {
            self.failed.push(Failed { subject, tries: 0, absences: 0, not_before: None });
            self.failed.len() - 1
        });
        let failed = &mut self.failed[at];
        let delay = FIRST_DELAY.saturating_mul(1 << failed.tries.min(10)).min(LONGEST_DELAY);
        failed.tries += 1;
        failed.absences += u32::from(absent);
        failed.not_before = Some(now + delay);
    }

    /// Gives up what was asked of one provider, and lets everything be asked again at once.
    pub(super) fn forsake(&mut self, peer: Peer) {
        self.open.retain(|open| open.source != Source::Peer(peer));
        self.failed.clear();
    }

    /// Forgets the failures of what is no longer of interest. Answers that are still out come as before.
    pub(super) fn retain_failed(&mut self, mut of_interest: impl FnMut(Subject) -> bool) {
        self.failed.retain(|failed| of_interest(failed.subject));
    }

    /// Lets pass what has waited long enough.
    pub(super) fn wake(&mut self, now: Instant) {
        for failed in &mut self.failed {
            failed.not_before = failed.not_before.filter(|at| *at > now);
        }
    }

    /// When the next failed question may be asked again.
    pub(super) fn next_retry(&self) -> Option<Instant> {
        self.failed.iter().filter_map(|failed| failed.not_before).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATEST: Subject = Subject::Block(BlockId::Latest);
    const PEER: Peer = Peer(3);

    #[test]
    fn a_failed_question_waits_longer_each_time_and_takes_turns() {
        let mut now = Instant::now();
        let mut questions = Questions::default();
        for (tries, millis) in [50, 100, 200, 400, 800, 1000, 1000].into_iter().enumerate() {
            let source = if tries % 2 == 0 { Source::Peer(PEER) } else { Source::AnyBut(PEER) };
            assert_eq!(questions.source(LATEST, PEER), source);
            let fetch = questions.ask(LATEST, source);
            assert!(!questions.may_ask(LATEST), "it is out");
            assert_eq!(questions.take(fetch), Some(LATEST));
            assert_eq!(questions.take(fetch), None, "answered once");
            questions.fail(LATEST, true, now);
            assert_eq!(questions.next_retry(), Some(now + Duration::from_millis(millis)));
            questions.wake(now + Duration::from_millis(millis - 1));
            assert!(!questions.may_ask(LATEST));
            now += Duration::from_millis(millis);
            questions.wake(now);
            assert!(questions.may_ask(LATEST));
            assert_eq!(questions.next_retry(), None, "what waits for nothing wakes nobody");
        }
    }

    #[test]
    fn an_answer_ends_the_waiting() {
        let mut questions = Questions::default();
        questions.fail(LATEST, false, Instant::now());
        questions.fail(LATEST, true, Instant::now());
        assert_eq!(questions.absences(LATEST), 1);
        questions.settle(LATEST);
        assert!(questions.may_ask(LATEST) && questions.absences(LATEST) == 0);
        assert_eq!(questions.source(LATEST, PEER), Source::Peer(PEER));
    }

    #[test]
    fn who_is_left_is_no_longer_waited_for() {
        let mut questions = Questions::default();
        let numbered = Subject::Block(BlockId::Number(1));
        let dead = questions.ask(LATEST, Source::Peer(PEER));
        let alive = questions.ask(numbered, Source::AnyBut(PEER));
        questions.forsake(PEER);
        assert_eq!((questions.take(dead), questions.take(alive)), (None, Some(numbered)));
    }
}
