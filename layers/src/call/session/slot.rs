//! Room for a subscription.

use std::sync::Arc;
use std::{error, fmt};

use super::{Shared, Subscriber, SubscriptionId};

/// A subscription that is being established. It takes the room of one; dropping it gives that back, and whatever was
/// pushed to it is lost.
#[must_use]
pub struct Slot {
    session: Arc<Shared>,
    id: SubscriptionId,
    serial: u64,
    is_established: bool,
}

/// The client has as many subscriptions as it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotsTaken;

impl Slot {
    pub(super) const fn new(session: Arc<Shared>, id: SubscriptionId, serial: u64) -> Self {
        Self { session, id, serial, is_established: false }
    }

    /// Where pushes for it go.
    #[must_use]
    pub fn subscriber(&self) -> Subscriber {
        Subscriber::new(self.id, self.serial, &self.session)
    }

    /// The subscription exists from now on, until the client gives it up or its session ends. `guard` is dropped then,
    /// which must end it. Where the session has ended already, that is at once.
    pub fn establish(mut self, guard: impl Send + 'static) {
        let established = self.session.outbox().establish(self.serial, Box::new(guard));
        self.is_established = true;
        drop(established);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if !self.is_established {
            let remains = self.session.outbox().close(self.serial);
            self.session.give_up(remains);
        }
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("id", &self.id).finish_non_exhaustive()
    }
}

impl fmt::Display for SlotsTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the client has as many subscriptions as it may have")
    }
}

impl error::Error for SlotsTaken {}
