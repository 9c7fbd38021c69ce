//! The way from a stream to a client.

use std::sync::{Arc, Weak};
use std::{error, fmt};

use super::outbox::Refusal;
use super::{Delivery, Ending, Shared, SubscriptionId};

/// One subscription, as the stream behind it sees it. It keeps no session alive.
#[derive(Clone)]
pub struct Subscriber {
    id: SubscriptionId,
    serial: u64,
    session: Weak<Shared>,
}

/// There is nobody to push to any more: the client gave the subscription up or was ended, perhaps by this very push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

impl Subscriber {
    pub(super) fn new(id: SubscriptionId, serial: u64, session: &Arc<Shared>) -> Self {
        Self { id, serial, session: Arc::downgrade(session) }
    }

    /// What the client calls it.
    #[must_use]
    pub const fn id(&self) -> SubscriptionId {
        self.id
    }

    /// Leaves a delivery for the client, without waiting for it.
    ///
    /// A client for which too much waits already is ended by this. That drops the guards of all of its subscriptions
    /// here and now: whoever pushes must hold no lock that a guard takes.
    ///
    /// # Errors
    ///
    /// When there is nobody any more who would read it.
    pub fn push(&self, delivery: &Arc<Delivery>) -> Result<(), Gone> {
        let session = self.session.upgrade().ok_or(Gone)?;
        let mut outbox = session.outbox();
        match outbox.push(self.serial, delivery, &session.policy, &session.budget) {
            Ok(reader) => {
                drop(outbox);
                if let Some(reader) = reader {
                    reader.wake();
                }
                Ok(())
            }
            Err(Refusal::Gone) => Err(Gone),
            Err(Refusal::Overrun(limit)) => {
                let remains = outbox.end(Some(Ending::SlowConsumer));
                drop(outbox);
                session.budget.count_overrun(limit);
                // The one that was not taken.
                session.budget.count_dropped_at_end(1);
                session.ended(Ending::SlowConsumer, remains);
                Err(Gone)
            }
        }
    }

    /// Ends the whole session of the client, as [`Session::end`](super::Session::end) does.
    pub fn end(&self, ending: Ending) {
        if let Some(session) = self.session.upgrade() {
            session.end(ending);
        }
    }
}

impl fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber").field("id", &self.id).finish_non_exhaustive()
    }
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no such subscription any more")
    }
}

impl error::Error for Gone {}
