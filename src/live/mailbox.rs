//! What waits for one viewer.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

/// Messages that wait for a viewer. All viewers of a profile share the bytes, so however many of them do not read, no
/// more than these messages are kept.
const ROOM: usize = 64;

/// The queue of one viewer. Whoever writes never waits: a viewer that has not made room for the next message loses all
/// of them, and gets a new snapshot when it reads again.
#[derive(Debug)]
pub(super) struct Mailbox(Mutex<State>);

#[derive(Debug)]
struct State {
    phase: Phase,
    queue: VecDeque<Bytes>,
    /// Whoever reads.
    reader: Option<Waker>,
    /// Its place among the viewers.
    place: Option<OwnedSemaphorePermit>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It wants a snapshot, and nothing before.
    Fresh,
    /// It has one, and is told what changes.
    Following,
    /// Its queue ran over, and it has not read since.
    Lapsed(Instant),
    /// It is gone, or was given up.
    Closed,
}

impl Mailbox {
    pub(super) const fn new(place: OwnedSemaphorePermit) -> Self {
        Self(Mutex::new(State {
            phase: Phase::Fresh,
            queue: VecDeque::new(),
            reader: None,
            place: Some(place),
        }))
    }

    /// Whether it waits for a snapshot.
    pub(super) fn is_fresh(&self) -> bool {
        self.state().phase == Phase::Fresh
    }

    /// Whether it is told what changes.
    pub(super) fn is_following(&self) -> bool {
        self.state().phase == Phase::Following
    }

    /// Whether nobody reads it any more.
    pub(super) fn is_closed(&self) -> bool {
        self.state().phase == Phase::Closed
    }

    /// Since when it has not read, if its queue ran over.
    pub(super) fn lapsed_since(&self) -> Option<Instant> {
        match self.state().phase {
            Phase::Lapsed(since) => Some(since),
            _ => None,
        }
    }

    /// Hands it the snapshot it waits for.
    pub(super) fn welcome(&self, snapshot: &Bytes, now: Instant) {
        let mut state = self.state();
        if state.phase == Phase::Fresh {
            state.phase = Phase::Following;
            state.push(snapshot, now);
        }
    }

    /// Tells it what changed, if it follows.
    pub(super) fn send(&self, message: &Bytes, now: Instant) {
        let mut state = self.state();
        if state.phase == Phase::Following {
            state.push(message, now);
        }
    }

    /// What it was told last is no longer what changes are about: it waits for a snapshot again.
    pub(super) fn renew(&self) {
        let mut state = self.state();
        if state.phase == Phase::Following {
            state.phase = Phase::Fresh;
        }
    }

    /// Ends it: what waits is dropped, and its place is free.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.phase = Phase::Closed;
        state.queue = VecDeque::new();
        state.place = None;
        if let Some(reader) = state.reader.take() {
            reader.wake();
        }
    }

    /// The next message; nothing at the end. Wakes whoever asked last.
    pub(super) fn poll(&self, cx: &Context<'_>) -> Poll<Option<Bytes>> {
        let mut state = self.state();
        if let Some(message) = state.queue.pop_front() {
            return Poll::Ready(Some(message));
        }
        match state.phase {
            Phase::Closed => return Poll::Ready(None),
            Phase::Lapsed(_) => state.phase = Phase::Fresh,
            Phase::Fresh | Phase::Following => {}
        }
        match &mut state.reader {
            Some(reader) => reader.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn push(&mut self, message: &Bytes, now: Instant) {
        if self.queue.len() == ROOM {
            self.queue = VecDeque::new();
            self.phase = Phase::Lapsed(now);
            return;
        }
        self.queue.push_back(message.clone());
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Semaphore;

    use super::*;

    fn mailbox() -> (Mailbox, Arc<Semaphore>) {
        let places = Arc::new(Semaphore::new(1));
        (Mailbox::new(places.clone().try_acquire_owned().unwrap()), places)
    }

    fn read(mailbox: &Mailbox) -> Poll<Option<Bytes>> {
        mailbox.poll(&Context::from_waker(Waker::noop()))
    }

    fn message(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    fn next(text: &'static str) -> Poll<Option<Bytes>> {
        Poll::Ready(Some(message(text)))
    }

    #[test]
    fn the_snapshot_comes_first() {
        let ((mailbox, _places), now) = (mailbox(), Instant::now());
        mailbox.send(&message("early"), now);
        assert!(mailbox.is_fresh() && read(&mailbox).is_pending());
        mailbox.welcome(&message("snapshot"), now);
        mailbox.send(&message("batch"), now);
        mailbox.welcome(&message("another"), now);
        assert_eq!([read(&mailbox), read(&mailbox)], [next("snapshot"), next("batch")]);
        assert!(read(&mailbox).is_pending());
    }

    #[test]
    fn who_does_not_read_loses_all_and_begins_anew() {
        let ((mailbox, _places), now) = (mailbox(), Instant::now());
        mailbox.welcome(&message("snapshot"), now);
        (1..ROOM).for_each(|_| mailbox.send(&message("batch"), now));
        assert!(mailbox.is_following());
        mailbox.send(&message("one too many"), now);
        assert_eq!(mailbox.lapsed_since(), Some(now));
        mailbox.send(&message("nothing for it"), now);
        assert!(!mailbox.is_fresh() && mailbox.state().queue.is_empty());
        assert!(read(&mailbox).is_pending() && mailbox.is_fresh(), "it reads again");
        mailbox.welcome(&message("snapshot"), now);
        assert_eq!(read(&mailbox), next("snapshot"));
    }

    #[test]
    fn a_closed_one_ends_and_gives_its_place_back() {
        let ((mailbox, places), now) = (mailbox(), Instant::now());
        mailbox.welcome(&message("snapshot"), now);
        assert_eq!(places.available_permits(), 0);
        mailbox.close();
        assert!(mailbox.is_closed() && read(&mailbox) == Poll::Ready(None));
        assert_eq!(places.available_permits(), 1);
        mailbox.welcome(&message("late"), now);
        assert_eq!(read(&mailbox), Poll::Ready(None));
    }

    #[test]
    fn a_new_catalogue_asks_for_a_snapshot_behind_what_waits() {
        let ((mailbox, _places), now) = (mailbox(), Instant::now());
        mailbox.welcome(&message("old"), now);
        mailbox.renew();
        mailbox.send(&message("of the new one"), now);
        mailbox.welcome(&message("new"), now);
        assert_eq!([read(&mailbox), read(&mailbox)], [next("old"), next("new")]);
    }
}
