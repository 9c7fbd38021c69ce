//! What a stream hands to all of its subscribers.

use std::sync::OnceLock;

use bytes::{BufMut as _, Bytes, BytesMut};
use smallvec::SmallVec;

use super::{OutboxBudget, SubscriptionId};

const BEFORE: &[u8] = br#"","result":"#;
const AFTER: &[u8] = b"}}";

/// The events of one step of a stream, encoded once for all who subscribed to it: a head, or the logs of a block.
///
/// An event is the rest of a push, from the quote after the subscription's id to the end. What comes before it is
/// [`SubscriptionId::push_head`].
#[derive(Debug)]
pub struct Delivery {
    events: SmallVec<[Bytes; 1]>,
    is_filled: bool,
    /// The bytes of the events.
    len: usize,
    /// What they are charged to, once they wait for somebody.
    budget: OnceLock<OutboxBudget>,
}

impl Delivery {
    /// One live event. `payload` is its JSON.
    #[must_use]
    pub fn of(payload: &[u8]) -> Self {
        Self::all([payload], false)
    }

    /// Events in this order, which share one allocation. `is_filled`: they fill a gap that a provider left, and a
    /// client may read them as slowly as it likes.
    #[must_use]
    pub fn all<'a>(payloads: impl IntoIterator<Item = &'a [u8], IntoIter: Clone>, is_filled: bool) -> Self {
        let payloads = payloads.into_iter();
        let len = payloads.clone().map(|payload| BEFORE.len() + payload.len() + AFTER.len()).sum();
        let mut text = BytesMut::with_capacity(len);
        let events = payloads.map(|payload| {
            text.put_slice(BEFORE);
            text.put_slice(payload);
            text.put_slice(AFTER);
            text.split().freeze()
        });
        let events: SmallVec<[Bytes; 1]> = events.collect();
        Self { events, is_filled, len, budget: OnceLock::new() }
    }

    /// The events, each to be written after a push head of its own.
    #[must_use]
    pub fn events(&self) -> &[Bytes] {
        &self.events
    }

    /// Whether it fills a gap.
    #[must_use]
    pub const fn is_filled(&self) -> bool {
        self.is_filled
    }

    /// How many bytes of pushes it makes for one client.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.len + self.events.len() * SubscriptionId::PUSH_HEAD_LEN
    }

    /// It waits for a client from now on: its memory counts, once, until it is dropped.
    pub(super) fn charge_to(&self, budget: &OutboxBudget) {
        self.budget.get_or_init(|| {
            budget.charge(self.len, self.is_filled);
            budget.clone()
        });
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if let Some(budget) = self.budget.get() {
            budget.refund(self.len, self.is_filled);
        }
    }
}
