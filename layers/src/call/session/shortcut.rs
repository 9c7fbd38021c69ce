//! The short way to a client.

use super::{Delivery, SubscriptionId};

/// Writes to a client from wherever a stream has something to say, without a detour through the client's own task. Where
/// one event goes to thousands of clients, waking each of their tasks costs more than all the rest but the system call.
///
/// The reader of the session stays in charge. It keeps the way [blocked](Passage::Blocked) while anything that it took
/// from the session, or that must not be interrupted, is not on its way to the client.
pub trait Shortcut: Send + Sync {
    /// Sends a live delivery at once, or leaves it alone. The session is locked meanwhile: this neither waits nor comes
    /// back to it.
    fn send(&self, id: SubscriptionId, delivery: &Delivery) -> Passage;
}

/// What became of a delivery on the [`Shortcut`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// It is out.
    Sent,
    /// Part of it is, and the reader of the session is to write the rest, which it will find there.
    Begun,
    /// Something else comes first: it has to wait for the reader.
    Blocked,
}
