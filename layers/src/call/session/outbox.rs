//! What waits for one client, and for which of its subscriptions.

use std::collections::VecDeque;
use std::mem;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::task::Waker;

use super::budget::{OutboxBudget, Overrun};
use super::{Delivery, Ending, Outgoing, Passage, SessionPolicy, Shortcut, SubscriptionId};

/// The part of a session that its lock protects.
///
/// Nobody is woken here and no guard is dropped: both are handed out, for when the lock is released.
#[derive(Default)]
pub(super) struct Outbox {
    /// What may be written now, by the serial of its subscription, which is there.
    queue: VecDeque<(u64, Arc<Delivery>)>,
    /// Bytes of live deliveries that wait, held ones included.
    bytes: usize,
    /// By ascending serial.
    subscriptions: Vec<Subscription>,
    serials: u64,
    end: End,
    reader: Option<Waker>,
    shortcut: Option<Arc<dyn Shortcut>>,
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
    /// Live deliveries that wait, held ones included.
    waiting: usize,
    /// Those that fill a gap and wait, held ones included.
    filling: usize,
    /// How many of the live ones came while a gap was being filled: a reader that is busy with that is not slow.
    behind_gap: usize,
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
    queue: VecDeque<(u64, Arc<Delivery>)>,
    reader: Option<Waker>,
    shortcut: Option<Arc<dyn Shortcut>>,
}

impl Outbox {
    pub(super) const fn is_open(&self) -> bool {
        matches!(self.end, End::Open)
    }

    pub(super) const fn subscriptions(&self) -> usize {
        self.subscriptions.len()
    }

    /// Gives the shortcut back where everything is over already.
    pub(super) fn shorten(&mut self, shortcut: Arc<dyn Shortcut>) -> Option<Arc<dyn Shortcut>> {
        if self.is_open() { self.shortcut.replace(shortcut) } else { Some(shortcut) }
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
            waiting: 0,
            filling: 0,
            behind_gap: 0,
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
        match self.send(at, delivery) {
            Passage::Sent => return Ok(None),
            Passage::Begun => return Ok(self.reader.take()),
            Passage::Blocked => {}
        }
        if delivery.is_filled() {
            delivery.charge_to(budget);
            self.subscriptions[at].filling += 1;
        } else {
            self.account(at, delivery, policy, budget).map_err(Refusal::Overrun)?;
        }
        let subscription = &mut self.subscriptions[at];
        if subscription.held_by.is_some() {
            subscription.held.push(delivery.clone());
            return Ok(None);
        }
        self.queue.push_back((serial, delivery.clone()));
        Ok(self.reader.take())
    }

    /// Takes the short way, if there is one and nothing else comes first.
    fn send(&self, at: usize, delivery: &Delivery) -> Passage {
        let subscription = &self.subscriptions[at];
        let is_next = self.queue.is_empty() && subscription.held_by.is_none() && !delivery.is_filled();
        match &self.shortcut {
            Some(shortcut) if is_next => shortcut.send(subscription.id, delivery),
            _ => Passage::Blocked,
        }
    }

    /// A reader for which nothing waits is not slow, whatever the size of what comes.
    fn account(
        &mut self,
        at: usize,
        delivery: &Delivery,
        policy: &SessionPolicy,
        budget: &OutboxBudget,
    ) -> Result<(), Overrun> {
        let bytes = delivery.bytes();
        let subscription = &mut self.subscriptions[at];
        let is_behind_gap = subscription.filling > 0;
        let room = policy.outbox_messages.max(1).saturating_add(subscription.behind_gap);
        if !is_behind_gap && subscription.waiting >= room {
            return Err(Overrun::Messages);
        }
        let is_behind = self.bytes > 0;
        if is_behind && self.bytes.saturating_add(bytes) > policy.outbox_bytes {
            return Err(Overrun::Bytes);
        }
        delivery.charge_to(budget);
        if is_behind && budget.is_overrun() {
            return Err(Overrun::Node);
        }
        subscription.waiting += 1;
        if is_behind_gap {
            subscription.behind_gap = subscription.waiting;
        }
        self.bytes += bytes;
        Ok(())
    }

    /// The reply to a frame is on its way: what it asked for may follow.
    pub(super) fn release(&mut self, frame: NonZeroU64) -> Option<Waker> {
        let before = self.queue.len();
        // What a frame asked for lately is at the end.
        for subscription in self.subscriptions.iter_mut().rev().filter(|known| known.held_by == Some(frame)) {
            subscription.held_by = None;
            let serial = subscription.serial;
            self.queue
                .extend(mem::take(&mut subscription.held).into_iter().map(|delivery| (serial, delivery)));
        }
        if self.queue.len() > before { self.reader.take() } else { None }
    }

    /// Whether it is over and nobody was told; without that, `reader` is told when something happens.
    pub(super) fn take_end(&mut self, reader: &Waker) -> Option<Ending> {
        if let End::Untold(ending) = self.end {
            self.end = End::Over;
            return Some(ending);
        }
        self.register(reader);
        None
    }

    /// What is to be written next; without anything, `reader` is told when there is.
    pub(super) fn take(&mut self, reader: Option<&Waker>) -> Option<Outgoing> {
        if let End::Untold(ending) = self.end {
            self.end = End::Over;
            return Some(Outgoing::End(ending));
        }
        let Some((serial, delivery)) = self.queue.pop_front() else {
            if let Some(reader) = reader {
                self.register(reader);
            }
            return None;
        };
        // After a gap was filled the queue may have room for thousands.
        if self.queue.is_empty() && self.queue.capacity() > KEPT {
            self.queue = VecDeque::new();
        }
        let at = self.position(serial).expect("what waits is taken out with its subscription");
        let subscription = &mut self.subscriptions[at];
        if delivery.is_filled() {
            subscription.filling -= 1;
        } else {
            subscription.waiting -= 1;
            subscription.behind_gap = subscription.behind_gap.min(subscription.waiting);
            self.bytes -= delivery.bytes();
        }
        Some(Outgoing::Push { id: subscription.id, delivery })
    }

    /// Ends everything. `ending` is what the reader is told; nothing where there is none.
    pub(super) fn end(&mut self, ending: Option<Ending>) -> Option<Remains> {
        if !self.is_open() {
            return None;
        }
        self.end = ending.map_or(End::Over, End::Untold);
        self.bytes = 0;
        Some(Remains {
            subscriptions: mem::take(&mut self.subscriptions),
            queue: mem::take(&mut self.queue),
            reader: self.reader.take(),
            shortcut: self.shortcut.take(),
        })
    }

    fn register(&mut self, reader: &Waker) {
        if !self.reader.as_ref().is_some_and(|known| known.will_wake(reader)) {
            self.reader = Some(reader.clone());
        }
    }

    fn position(&self, serial: u64) -> Option<usize> {
        self.subscriptions.binary_search_by_key(&serial, |known| known.serial).ok()
    }

    /// Takes a subscription out with everything that waits for it.
    fn remove(&mut self, at: usize) -> Remains {
        let subscription = self.subscriptions.remove(at);
        let (queue, others): (VecDeque<_>, _) =
            mem::take(&mut self.queue).into_iter().partition(|(serial, _)| *serial == subscription.serial);
        self.queue = others;
        let waiting = queue.iter().map(|(_, delivery)| delivery).chain(&subscription.held);
        let live = waiting.filter(|delivery| !delivery.is_filled());
        self.bytes -= live.map(|delivery| delivery.bytes()).sum::<usize>();
        Remains { subscriptions: vec![subscription], queue, reader: None, shortcut: None }
    }
}

impl Remains {
    /// How many deliveries nobody will read.
    pub(super) fn deliveries(&self) -> usize {
        self.queue.len() + self.subscriptions.iter().map(|known| known.held.len()).sum::<usize>()
    }

    /// Gives everything up.
    pub(super) fn discard(self) {
        drop(self.shortcut);
        if let Some(reader) = self.reader {
            reader.wake();
        }
    }
}
