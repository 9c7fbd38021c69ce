//! The events of upstream subscriptions, from the reader of a connection to whoever subscribed.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock, Weak};

use bytes::Bytes;
use tokio::sync::mpsc::{self, error::TrySendError};

use super::connection::Connection;
use super::mux::PrivateId;

/// How many events are kept that came before the reply that says whose they are.
const MAX_EARLY: usize = 64;

/// The events of one subscription on one connection, oldest first.
///
/// Dropping it ends the subscription: `eth_unsubscribe` is sent as far as that is still possible, and nobody waits for
/// the answer.
pub struct Feed {
    events: mpsc::Receiver<Bytes>,
    end: Arc<OnceLock<FeedEnd>>,
    ticket: Ticket,
}

/// Why a feed has no further events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FeedEnd {
    /// The connection is gone, and the subscription with it.
    Disconnected,
    /// Events came faster than they were taken, and some are lost.
    Overflow,
}

/// Ends the subscription when it is dropped.
struct Ticket {
    connection: Weak<Connection>,
    subscription: Bytes,
    serial: PrivateId,
}

/// Where the events of one subscription go.
#[derive(Debug)]
struct Outlet {
    events: mpsc::Sender<Bytes>,
    end: Arc<OnceLock<FeedEnd>>,
    /// Tells it from an earlier or later subscription to which the upstream gives the same id.
    serial: PrivateId,
}

/// All subscriptions of one connection.
#[derive(Debug)]
pub(super) struct Feeds {
    capacity: usize,
    outlets: HashMap<Bytes, Outlet>,
    /// Events of unknown subscriptions that came while a reply to `eth_subscribe` was missing, the oldest first.
    early: Vec<(Bytes, Bytes)>,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    /// It is in its feed, or kept until there is one.
    Done,
    /// Its feed was full and has ended: nobody wants the subscription any more.
    Overflow,
    /// It belongs to nobody, or takes the place of one that was kept for nobody.
    Unknown {
        /// How many are lost with it, itself included.
        dropped: usize,
    },
}

// === impl Feed ===

impl Feed {
    /// The next event: the JSON value of `result`, a slice of the message it came in.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    ///
    /// Why there will be no further one; what had arrived before the end is handed out first. It stays the same from
    /// then on.
    pub async fn next(&mut self) -> Result<Bytes, FeedEnd> {
        match self.events.recv().await {
            Some(event) => Ok(event),
            None => Err(self.end.get().copied().unwrap_or(FeedEnd::Disconnected)),
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.upgrade() {
            connection.unsubscribe(&self.subscription, self.serial);
        }
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").field("serial", &self.ticket.serial).finish_non_exhaustive()
    }
}

// === impl Feeds ===

impl Feeds {
    /// With room for `capacity` events each.
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), outlets: HashMap::new(), early: Vec::new() }
    }

    /// Opens a feed for a subscription that the upstream has just confirmed. It begins with what came too early.
    pub(super) fn open(
        &mut self,
        connection: &Arc<Connection>,
        subscription: Bytes,
        serial: PrivateId,
    ) -> Feed {
        let (sender, events) = mpsc::channel(self.capacity);
        let end = Arc::<OnceLock<FeedEnd>>::default();
        let outlet = Outlet { events: sender, end: end.clone(), serial };
        // An upstream that gives two subscriptions one id sends their events once: the first owner has to ask anew.
        if let Some(former) = self.outlets.insert(subscription.clone(), outlet) {
            former.close(FeedEnd::Disconnected);
        }
        for (_, event) in self.early.extract_if(.., |(id, _)| *id == subscription) {
            // No more are kept than there is room for, or the feed ends as any other one that overflows.
            if self.outlets.get(&subscription).is_some_and(|outlet| outlet.events.try_send(event).is_err()) {
                self.outlets.remove(&subscription).into_iter().for_each(|it| it.close(FeedEnd::Overflow));
            }
        }
        let ticket = Ticket { connection: Arc::downgrade(connection), subscription, serial };
        Feed { events, end, ticket }
    }

    /// Hands an event on, without waiting for anybody. `is_expected` is whether a reply to `eth_subscribe` is missing.
    pub(super) fn deliver(&mut self, subscription: Bytes, event: Bytes, is_expected: bool) -> Delivery {
        let Some(outlet) = self.outlets.get(&subscription) else {
            if !is_expected {
                // Those that were kept turned out to be nobody's.
                return Delivery::Unknown { dropped: self.early.drain(..).len() + 1 };
            }
            let is_full = self.early.len() == MAX_EARLY;
            if is_full {
                self.early.remove(0);
            }
            self.early.push((subscription, event));
            return if is_full { Delivery::Unknown { dropped: 1 } } else { Delivery::Done };
        };
        match outlet.events.try_send(event) {
            Ok(()) => Delivery::Done,
            Err(TrySendError::Full(_)) => {
                self.outlets.remove(&subscription).into_iter().for_each(|it| it.close(FeedEnd::Overflow));
                Delivery::Overflow
            }
            // Whoever drops a feed takes its outlet away a moment later.
            Err(TrySendError::Closed(_)) => Delivery::Done,
        }
    }

    /// Forgets a subscription whose feed is dropped; `false` if it is gone already.
    pub(super) fn remove(&mut self, subscription: &Bytes, serial: PrivateId) -> bool {
        let is_it = self.outlets.get(subscription).is_some_and(|outlet| outlet.serial == serial);
        is_it && self.outlets.remove(subscription).is_some()
    }

    /// Whether somebody has a feed of this subscription that has not ended.
    pub(super) fn has(&self, subscription: &Bytes) -> bool {
        self.outlets.contains_key(subscription)
    }

    /// Ends all of them.
    pub(super) fn end(&mut self) {
        self.early.clear();
        self.outlets.drain().for_each(|(_, outlet)| outlet.close(FeedEnd::Disconnected));
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.outlets.len()
    }
}

impl Outlet {
    /// Ends the feed. What is in it already is still read.
    fn close(self, end: FeedEnd) {
        // It has one outlet, which ends once.
        let _ = self.end.set(end);
    }
}
