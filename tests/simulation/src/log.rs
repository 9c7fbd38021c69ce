//! What happened in a run.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lasso_layers::attempt::breaker::BreakerState;

use crate::script::Fate;

/// Everything that happened, in order.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// Requests of clients that reached a provider, and changes of breakers.
    pub entries: Vec<Entry>,
    /// What clients got, by the number of the call.
    pub ended: Vec<Ended>,
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Entry {
    /// A provider was sent a client's request.
    Sent(Sent),
    /// A provider's breaker changed.
    Moved {
        /// The position of the provider in the script.
        actor: usize,
        /// When.
        at: u64,
        /// The state it has now.
        to: BreakerState,
    },
}

/// A client's request at a provider.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// The number of the call.
    pub number: u64,
    /// The position of the provider in the script.
    pub actor: usize,
    /// When.
    pub at: u64,
    /// What became of it, as the script has it. A router that gives up earlier does not change it.
    pub fate: Fate,
}

/// What a client got.
#[derive(Clone, Debug, Default)]
pub struct Ended {
    /// How long it took, in milliseconds.
    pub took: u64,
    /// What went wrong, if the client did not get an answer.
    pub failure: Option<String>,
}

/// Where everybody writes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes(Arc<Mutex<Vec<Entry>>>);

impl Notes {
    pub(crate) fn add(&self, entry: Entry) {
        self.lock().push(entry);
    }

    /// What was written so far.
    pub(crate) fn take(&self) -> Vec<Entry> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        // An entry is pushed whole or not at all.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
