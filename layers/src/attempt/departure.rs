//! Whether the request of an attempt left this process.

use std::fmt;
use std::sync::Arc;

use super::Attempt;
use crate::call::{Dispatch, Journal};

/// The moment at which the request of an attempt leaves this process. It has not come yet.
///
/// Made by [`Attempt::hold`] for whoever writes requests to connections. It and the layer that gives an attempt up agree
/// on one word: either the request leaves, or the attempt ends as one that was never sent.
pub struct Departure {
    journal: Arc<Journal>,
    candidate: usize,
}

impl Departure {
    /// The request is about to leave. `false` if the attempt was given up: then it must not.
    #[must_use]
    pub fn may_leave(self) -> bool {
        !Journal::can_hold(self.candidate) || self.journal.release(self.candidate)
    }
}

impl fmt::Debug for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Departure").field("candidate", &self.candidate).finish_non_exhaustive()
    }
}

impl Attempt {
    /// Says that nothing leaves this process before the returned [`Departure`] is asked. Without it, nobody knows what
    /// became of the request while there is no answer.
    #[must_use]
    pub fn hold(&self) -> Departure {
        let (journal, candidate) = (self.call().journal().clone(), self.candidate_index());
        journal.hold(candidate);
        Departure { journal, candidate }
    }

    /// Ends the attempt without an answer, and tells what is known about its request: not sent, where it is
    /// [held](Self::hold) still, which it then stays for good.
    #[must_use]
    pub fn give_up(&self) -> Dispatch {
        if self.call().journal().release(self.candidate_index()) {
            Dispatch::NotSent
        } else {
            Dispatch::Unknown
        }
    }
}
