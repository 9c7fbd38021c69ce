//! What happens, for who watches just now.

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::mpsc;

use super::Event;

/// How many events wait for who watches.
const CAPACITY: usize = 4096;

/// A queue between where things happen and who watches.
///
/// Nothing is kept while nobody watches. Whoever has something to say never waits and wakes nobody: a full queue drops
/// the event and counts it, and the queue is emptied at times that its reader chooses. A handle; clones share it.
#[derive(Clone)]
pub struct Feed(Arc<Queue>);

struct Queue {
    events: mpsc::Sender<Event>,
    /// Only readers lock it.
    end: Mutex<mpsc::Receiver<Event>>,
    /// How many watch. An event more or less as it changes is nothing to anybody: relaxed is enough, for the count below
    /// too.
    watching: AtomicUsize,
    dropped: AtomicU64,
}

impl Feed {
    /// An empty queue that nobody watches.
    #[must_use]
    pub fn new() -> Self {
        let (events, end) = mpsc::channel(CAPACITY);
        let (watching, dropped) = (AtomicUsize::new(0), AtomicU64::new(0));
        Self(Arc::new(Queue { events, end: Mutex::new(end), watching, dropped }))
    }

    /// Whether anybody watches: whether it is worth while to make an event.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.0.watching.load(Ordering::Relaxed) > 0
    }

    /// Keeps an event for who watches.
    pub fn push(&self, event: Event) {
        if self.is_watched() && self.0.events.try_send(event).is_err() {
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Keeps events from now on, until the guard and all others like it are dropped.
    #[must_use]
    pub fn watch(&self) -> Watch {
        if self.0.watching.fetch_add(1, Ordering::Relaxed) == 0 {
            // What the last who watched did not take is old.
            self.clear();
        }
        Watch { feed: self.clone() }
    }

    /// Takes what there is, oldest first, at most as much as there is room for: those who write are not waited for.
    pub fn take(&self, into: &mut Vec<Event>) {
        let mut end = self.end();
        into.extend(std::iter::from_fn(|| end.try_recv().ok()).take(CAPACITY));
    }

    /// How many events wait.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.end().len()
    }

    /// How many events found the queue full so far.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    fn clear(&self) {
        let mut end = self.end();
        while end.try_recv().is_ok() {}
    }

    fn end(&self) -> MutexGuard<'_, mpsc::Receiver<Event>> {
        self.0.end.lock().expect("nothing panics while it holds the lock")
    }
}

impl Default for Feed {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed")
            .field("watching", &self.0.watching)
            .field("dropped", &self.0.dropped)
            .finish_non_exhaustive()
    }
}

/// Keeps a [`Feed`] going.
#[derive(Debug)]
pub struct Watch {
    feed: Feed,
}

impl Drop for Watch {
    fn drop(&mut self) {
        if self.feed.0.watching.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.feed.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::decision::sample;
    use super::*;

    fn event(id: usize) -> Event {
        Event::Decision(Arc::new(sample(&id.to_string())))
    }

    fn taken(feed: &Feed) -> Vec<String> {
        let mut events = Vec::new();
        feed.take(&mut events);
        let id = |event: &Event| match event {
            Event::Decision(decision) => decision.request_id.to_string(),
            other => panic!("{other:?}"),
        };
        events.iter().map(id).collect()
    }

    #[test]
    fn events_are_kept_while_somebody_watches() {
        let feed = Feed::new();
        feed.push(event(0));
        let watch = feed.watch();
        feed.push(event(1));
        let other = feed.watch();
        drop(watch);
        feed.push(event(2));
        assert_eq!(feed.queued(), 2);
        assert_eq!(taken(&feed), ["1", "2"]);
        feed.push(event(3));
        drop(other);
        assert!(!feed.is_watched() && feed.queued() == 0, "what is left is of no use to anybody");
        feed.push(event(4));
        let _watch = feed.watch();
        assert_eq!(taken(&feed), [""; 0]);
        assert_eq!(feed.dropped(), 0, "what nobody wants is not lost");
    }

    #[test]
    fn a_full_queue_drops_what_is_new_and_counts_it() {
        let feed = Feed::new();
        let _watch = feed.watch();
        (0..CAPACITY + 3).for_each(|id| feed.push(event(id)));
        assert_eq!(feed.dropped(), 3);
        let ids = taken(&feed);
        assert_eq!((ids.len(), ids[CAPACITY - 1].as_str()), (CAPACITY, "4095"));
        feed.push(event(9999));
        assert_eq!(taken(&feed), ["9999"]);
    }
}
