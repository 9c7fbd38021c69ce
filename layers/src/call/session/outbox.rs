//! What waits for one client, and for which of its subscriptions.

use std::collections::VecDeque;
use std::mem;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::task::Waker;

use super::budget::{OutboxBudget, Overrun};
use super::{Delivery, Ending, Outgoing, SessionPolicy, SubscriptionId};

/// The part of a session that its lock protects.
///
/// Nothing here runs foreign code: wakers and guards are handed out, to be used once the lock is released.
#[derive(Default)]
pub(super) struct Outbox {
    /// What may be written now.
    queue: VecDeque<(SubscriptionId, Arc<Delivery>)>,
    /// Live deliveries that wait, held ones included.
    messages: usize,
    /// Their bytes.
    bytes: usize,
    /// By ascending serial.
    subscriptions: Vec<Subscription>,
    serials: u64,
    end: End,
    reader: Option<Waker>,
}

struct Subscription {
    serial: u64,
    id: SubscriptionId,
    /// Ends the subscription when it is dropped; there once the subscription is established.
    guard: Option<Box<dyn Send>>,
    /// The frame that asked for it, until the reply to that one is on its way.
    held_by: Option<NonZeroU64>,
    /// What came before that.
    held: Vec<Arc<Delivery>>,
}

/// For how many deliveries an empty queue keeps room.
const KEPT: usize = 32;

#[derive(Clone, Copy, Default)]
enum End {
    /// It goes on.
    #[default]
    Open,
    /// It is over, and the reader does not know.
    Untold(Ending),
    /// It is over.
    Over,
}

/// Why a delivery is not taken.
pub(super) enum Refusal {
    /// There is no such subscription any more.
    Gone,
    /// The client does not read.
    Overrun(Overrun),
}

/// What is left of subscriptions that ended, to be dropped once the lock is released.
#[must_use]
pub(super) struct Remains {
    subscriptions: Vec<Subscription>,
    queue: VecDeque<(SubscriptionId, Arc<Delivery>)>,
    reader: Option<Waker>,
    bytes: usize,
}

impl Outbox {
    pub(super) const fn is_open(&self) -> bool {
        matches!(self.end, End::Open)
    }

    pub(super) const fn subscriptions(&self) -> usize {
        self.subscriptions.len()
    }

    /// Makes room for a subscription of a frame.
    pub(super) fn open(&mut self, id: SubscriptionId, frame: NonZeroU64) -> u64 {
        // Most clients have one or two.
        if self.subscriptions.len() < 2 {
            self.subscriptions.reserve_exact(1);
        }
        self.serials += 1;
        self.subscriptions.push(Subscription {
            serial: self.serials,
            id,
            guard: None,
            held_by: Some(frame),
            held: Vec::new(),
        });
        self.serials
    }

    /// The subscription is established. Gives the guard back where there is no such subscription any more.
    pub(super) fn establish(&mut self, serial: u64, guard: Box<dyn Send>) -> Result<(), Box<dyn Send>> {
        match self.position(serial) {
            Some(at) => {
                self.subscriptions[at].guard = Some(guard);
                Ok(())
            }
            None => Err(guard),
        }
    }

    /// Takes a subscription out, whether it is established or not.
    pub(super) fn close(&mut self, serial: u64) -> Option<Remains> {
        self.position(serial).map(|at| self.remove(at))
    }

    /// Takes the established subscription with this id out.
    pub(super) fn close_id(&mut self, id: SubscriptionId) -> Option<Remains> {
        let is_it = |known: &Subscription| known.id == id && known.guard.is_some();
        self.subscriptions.iter().position(is_it).map(|at| self.remove(at))
    }

    /// Takes a delivery for a subscription. A reader that is to be woken is handed out.
    pub(super) fn push(
        &mut self,
        serial: u64,
        delivery: &Arc<Delivery>,
        policy: &SessionPolicy,
        budget: &OutboxBudget,
    ) -> Result<Option<Waker>, Refusal> {
        let at = self.position(serial).ok_or(Refusal::Gone)?;
        if !delivery.is_filled() {
            self.account(delivery.bytes(), policy, budget).map_err(Refusal::Overrun)?;
        }
        let subscription = &mut self.subscriptions[at];
        if subscription.held_by.is_some() {
            subscription.held.push(delivery.clone());
            return Ok(None);
        }
        self.queue.push_back((subscription.id, delivery.clone()));
        Ok(self.reader.take())
    }

    /// A reader that has nothing else waiting is not slow, whatever the size of what comes.
    fn account(
        &mut self,
        bytes: usize,
        policy: &SessionPolicy,
        budget: &OutboxBudget,
    ) -> Result<(), Overrun> {
        let is_idle = self.messages == 0;
        if self.messages >= policy.outbox_messages && !is_idle {
            return Err(Overrun::Messages);
        }
        if self.bytes.saturating_add(bytes) > policy.outbox_bytes && !is_idle {
            return Err(Overrun::Bytes);
        }
        if !budget.charge(bytes) && !is_idle {
            budget.refund(bytes);
            return Err(Overrun::Node);
        }
        self.messages += 1;
        self.bytes += bytes;
        Ok(())
    }

    /// The reply to a frame is on its way: what it asked for may follow.
    pub(super) fn release(&mut self, frame: NonZeroU64) -> Option<Waker> {
        let before = self.queue.len();
        // What a frame asked for lately is at the end.
        for subscription in self.subscriptions.iter_mut().rev().filter(|known| known.held_by == Some(frame)) {
            subscription.held_by = None;
            let id = subscription.id;
            self.queue.extend(mem::take(&mut subscription.held).into_iter().map(|delivery| (id, delivery)));
        }
        if self.queue.len() > before { self.reader.take() } else { None }
    }

    /// What is to be written next; without anything, `reader` is told when there is.
    pub(super) fn take(&mut self, reader: Option<&Waker>, budget: &OutboxBudget) -> Option<Outgoing> {
        if let End::Untold(ending) = self.end {
            self.end = End::Over;
            return Some(Outgoing::End(ending));
        }
        let Some((id, delivery)) = self.queue.pop_front() else {
            if let Some(reader) = reader
                && !self.reader.as_ref().is_some_and(|known| known.will_wake(reader))
            {
                self.reader = Some(reader.clone());
            }
            return None;
        };
        // After a gap was filled the queue may have room for thousands.
        if self.queue.is_empty() && self.queue.capacity() > KEPT {
            self.queue = VecDeque::new();
        }
        budget.refund(self.forget(&delivery));
        Some(Outgoing::Push { id, delivery })
    }

    /// Ends everything. `ending` is what the reader is told; nothing where there is none.
    pub(super) fn end(&mut self, ending: Option<Ending>) -> Option<Remains> {
        if !self.is_open() {
            return None;
        }
        self.end = ending.map_or(End::Over, End::Untold);
        self.messages = 0;
        Some(Remains {
            subscriptions: mem::take(&mut self.subscriptions),
            queue: mem::take(&mut self.queue),
            reader: self.reader.take(),
            bytes: mem::take(&mut self.bytes),
        })
    }

    fn position(&self, serial: u64) -> Option<usize> {
        self.subscriptions.binary_search_by_key(&serial, |known| known.serial).ok()
    }

    /// Takes a subscription out with everything that waits for it.
    fn remove(&mut self, at: usize) -> Remains {
        let subscription = self.subscriptions.remove(at);
        let (queue, others): (VecDeque<(SubscriptionId, Arc<Delivery>)>, _) =
            mem::take(&mut self.queue).into_iter().partition(|(id, _)| *id == subscription.id);
        self.queue = others;
        let waiting = queue.iter().map(|(_, delivery)| delivery).chain(&subscription.held);
        let bytes = waiting.map(|delivery| self.forget(delivery)).sum();
        Remains { subscriptions: vec![subscription], queue, reader: None, bytes }
    }

    /// A delivery does not wait any more. How many bytes that frees.
    fn forget(&mut self, delivery: &Delivery) -> usize {
        if delivery.is_filled() {
            return 0;
        }
        let bytes = delivery.bytes();
        self.messages -= 1;
        self.bytes -= bytes;
        bytes
    }
}

impl Remains {
    /// How many deliveries nobody will read.
    pub(super) fn deliveries(&self) -> usize {
        self.queue.len() + self.subscriptions.iter().map(|known| known.held.len()).sum::<usize>()
    }

    /// Gives everything up.
    pub(super) fn discard(self, budget: &OutboxBudget) {
        budget.refund(self.bytes);
        if let Some(reader) = self.reader {
            reader.wake();
        }
    }
}
