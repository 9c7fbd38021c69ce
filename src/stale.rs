//! Answers that take a while to make, kept to be given again.
//!
//! A fresh answer is given as it is. An older one is given at once too, as what it is, while a new one is made: once,
//! however many ask meanwhile. So nobody waits for anything but the first answer of all, and whoever comes next has a
//! fresh one. Where the new one cannot be made, the old one stays, and the next who asks has it tried again.

use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use foldhash::{HashMap, HashMapExt};
use tokio::time::Instant;

/// Answers that nobody asked for this long are forgotten.
const UNUSED: Duration = Duration::from_secs(300);

/// Answers by what was asked. Time is an argument: nothing here looks at the clock.
#[derive(Debug)]
pub(crate) struct Stale<K, V> {
    /// How long an answer is fresh. Zero keeps none at all.
    ttl: Duration,
    entries: Mutex<HashMap<K, Entry<V>>>,
}

#[derive(Debug)]
struct Entry<V> {
    answer: V,
    /// When it was begun to be made.
    begun: Instant,
    used: Instant,
    /// A new one is being made.
    is_renewed: bool,
}

/// What there is to give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found<V> {
    /// An answer that is recent enough.
    Fresh(V),
    /// One that is too old.
    Old {
        /// The answer.
        answer: V,
        /// Whoever gets this has to have a new one made, and [store](Stale::store) it or [give it up](Stale::give_up).
        renew: bool,
    },
    /// None yet.
    Missing,
}

impl<K: Eq + Hash, V: Clone> Stale<K, V> {
    /// Keeps nothing yet.
    pub(crate) fn new(ttl: Duration) -> Self {
        Self { ttl, entries: Mutex::new(HashMap::new()) }
    }

    /// Looks for an answer.
    pub(crate) fn look(&self, key: &K, now: Instant) -> Found<V> {
        let mut entries = self.entries();
        let Some(entry) = entries.get_mut(key) else { return Found::Missing };
        entry.used = now;
        let answer = entry.answer.clone();
        if now.saturating_duration_since(entry.begun) <= self.ttl {
            return Found::Fresh(answer);
        }
        Found::Old { answer, renew: !std::mem::replace(&mut entry.is_renewed, true) }
    }

    /// Keeps an answer that was begun to be made at `begun`, unless there is a more recent one: what took long is late.
    pub(crate) fn store(&self, key: K, answer: V, begun: Instant) {
        if self.ttl.is_zero() {
            return;
        }
        let mut entries = self.entries();
        entries.retain(|_, entry| begun.saturating_duration_since(entry.used) <= UNUSED);
        match entries.get_mut(&key) {
            Some(entry) if entry.begun > begun => {}
            Some(entry) => *entry = Entry { answer, begun, used: entry.used, is_renewed: false },
            None => drop(entries.insert(key, Entry { answer, begun, used: begun, is_renewed: false })),
        }
    }

    /// A new answer could not be made.
    pub(crate) fn give_up(&self, key: &K) {
        if let Some(entry) = self.entries().get_mut(key) {
            entry.is_renewed = false;
        }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<K, Entry<V>>> {
        // Whatever is in it is whole: nothing panics while it is held.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(15);
    const MOMENT: Duration = Duration::from_millis(1);

    fn old(answer: u32, renew: bool) -> Found<u32> {
        Found::Old { answer, renew }
    }

    #[test]
    fn streaming_11_case_55_an_old_answer_is_given_at_once_and_renewed_once() {
        let (stale, start) = (Stale::new(TTL), Instant::now());
        assert_eq!(stale.look(&"a", start), Found::Missing);
        stale.store("a", 1, start);
        assert_eq!(stale.look(&"a", start + TTL), Found::Fresh(1));
        let late = start + TTL + MOMENT;
        assert_eq!(stale.look(&"a", late), old(1, true));
        assert_eq!(stale.look(&"a", late), old(1, false), "one is enough");
        stale.store("a", 2, late);
        assert_eq!(stale.look(&"a", late + TTL), Found::Fresh(2));
        assert_eq!(stale.look(&"a", late + TTL * 2), old(2, true));
        assert_eq!(stale.look(&"b", late), Found::Missing);
    }

    #[test]
    fn an_answer_that_cannot_be_renewed_stays() {
        let (stale, start) = (Stale::new(TTL), Instant::now());
        stale.store("a", 1, start);
        assert_eq!(stale.look(&"a", start + TTL * 2), old(1, true));
        stale.give_up(&"a");
        assert_eq!(stale.look(&"a", start + TTL * 3), old(1, true), "and is tried again");
    }

    #[test]
    fn a_late_answer_does_not_take_the_place_of_a_newer_one() {
        let (stale, start) = (Stale::new(TTL), Instant::now());
        stale.store("a", 2, start + MOMENT);
        stale.store("a", 1, start);
        assert_eq!(stale.look(&"a", start + MOMENT), Found::Fresh(2));
    }

    #[test]
    fn what_nobody_asks_for_is_forgotten() {
        let (stale, start) = (Stale::new(TTL), Instant::now());
        stale.store("a", 1, start);
        stale.store("b", 1, start + UNUSED);
        assert_eq!(stale.look(&"a", start + UNUSED), old(1, true), "not yet");
        stale.store("b", 1, start + UNUSED * 2 + MOMENT);
        assert_eq!(stale.look(&"a", start + UNUSED * 2 + MOMENT), Found::Missing);
    }

    #[test]
    fn without_a_time_nothing_is_kept() {
        let (stale, start) = (Stale::new(Duration::ZERO), Instant::now());
        stale.store("a", 1, start);
        assert_eq!(stale.look(&"a", start), Found::Missing);
    }
}
