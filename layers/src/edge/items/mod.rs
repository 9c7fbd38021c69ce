//! Running what one message of a client holds, whatever it came over: one call, or the items of a batch.

mod batch;
mod execute;

use tokio::time::Instant;

pub(super) use self::batch::Batch;
#[cfg(feature = "socket")]
pub(super) use self::batch::is_admitted;
pub(super) use self::execute::{envelope, execute, whole_request};
use crate::call::session::CallSession;
use crate::call::{Call, Origin, Route};
use crate::wire::{ErrorObject, Request, code};

/// What all calls of one message share.
pub(super) struct Message {
    pub(super) route: Route,
    pub(super) origin: Origin,
    pub(super) received: Instant,
    /// What the calls share with others of the same socket.
    pub(super) session: Option<CallSession>,
}

impl Message {
    /// A call of this message.
    pub(super) fn call(&self, request: Request) -> Call {
        let mut call = Call::new(self.route.clone(), request, self.received);
        call.origin = self.origin.clone();
        call.session.clone_from(&self.session);
        call
    }
}

/// A batch without items.
pub(super) fn empty_batch() -> ErrorObject {
    ErrorObject::new(code::INVALID_REQUEST, "Invalid Request: the batch is empty")
}

/// A batch of more items than allowed.
pub(super) fn batch_too_large(size: usize, limit: usize) -> ErrorObject {
    let message = format!("Invalid Request: the batch has {size} items; at most {limit} are allowed");
    ErrorObject::new(code::INVALID_REQUEST, message)
}
