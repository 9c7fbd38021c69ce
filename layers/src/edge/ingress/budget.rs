//! How many bytes of requests may be under way at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A limit on the bytes of all requests that are being read or answered: a handle on one shared counter.
///
/// Room is taken before a body is read, by its declared length, so that many large uploads at once cannot use
/// up the memory.
#[derive(Clone, Debug)]
pub struct ByteBudget(Arc<Counter>);

#[derive(Debug)]
struct Counter {
    /// Only a sum: nothing else is published with it, so relaxed is enough.
    used: AtomicU64,
    /// Reservations there are; as above.
    messages: AtomicU64,
    limit: u64,
    /// The least that a message takes.
    min_charge: u64,
}

/// Room in a [`ByteBudget`]; given back when dropped.
#[derive(Debug)]
#[must_use]
pub struct Reservation {
    budget: ByteBudget,
    bytes: u64,
}

/// What a request takes that does not say how long it is.
const UNKNOWN_CHARGE: u64 = 9_000_000;

impl ByteBudget {
    /// The limit unless another one is set: 128 MiB.
    pub const DEFAULT_LIMIT: u64 = 128 << 20;

    /// The least that a message takes unless another charge is set: small ones cost memory for more than their
    /// bytes.
    pub const DEFAULT_MIN_CHARGE: u64 = 4096;

    /// Room for `limit` bytes.
    #[must_use]
    pub fn new(limit: u64) -> Self {
        Self::with_min_charge(limit, Self::DEFAULT_MIN_CHARGE)
    }

    /// Room for `limit` bytes, of which each message takes at least `min_charge`.
    #[must_use]
    pub fn with_min_charge(limit: u64, min_charge: u64) -> Self {
        Self(Arc::new(Counter { used: AtomicU64::new(0), messages: AtomicU64::new(0), limit, min_charge }))
    }

    /// Takes room for a message of this length; `None` when there is not enough.
    #[must_use]
    pub fn reserve(&self, length: Option<u64>) -> Option<Reservation> {
        let bytes = length.map_or(UNKNOWN_CHARGE, |length| length.max(self.0.min_charge));
        let grow = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= self.0.limit);
        self.0.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, grow).ok()?;
        self.0.messages.fetch_add(1, Ordering::Relaxed);
        Some(Reservation { budget: self.clone(), bytes })
    }

    /// How many bytes are taken.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.0.used.load(Ordering::Relaxed)
    }

    /// How many messages have taken room.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.0.messages.load(Ordering::Relaxed)
    }
}

impl Default for ByteBudget {
    fn default() -> Self {
        Self::new(Self::DEFAULT_LIMIT)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.0.used.fetch_sub(self.bytes, Ordering::Relaxed);
        self.budget.0.messages.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_given_back_when_a_reservation_is_dropped() {
        let budget = ByteBudget::new(10_000);
        let first = budget.reserve(Some(5000)).unwrap();
        let second = budget.reserve(Some(5000)).unwrap();
        assert_eq!(budget.used(), 10_000);
        assert!(budget.reserve(Some(1)).is_none());
        assert_eq!(budget.messages(), 2);
        drop(first);
        assert_eq!((budget.used(), budget.messages()), (5000, 1));
        drop(second);
        assert_eq!((budget.used(), budget.messages()), (0, 0));
    }

    #[test]
    fn small_messages_and_unknown_lengths_have_fixed_charges() {
        let budget = ByteBudget::default();
        let _small = budget.reserve(Some(2)).unwrap();
        assert_eq!(budget.used(), 4096);
        let _unknown = budget.reserve(None).unwrap();
        assert_eq!(budget.used(), 4096 + 9_000_000);
    }

    #[test]
    fn a_huge_length_does_not_wrap_around() {
        let budget = ByteBudget::new(u64::MAX);
        let _held = budget.reserve(Some(u64::MAX - 1)).unwrap();
        assert!(budget.reserve(Some(u64::MAX)).is_none());
    }
}
