//! How many clients are connected.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The number of clients that are connected, to be read at any time. A handle: clones share it.
#[derive(Clone, Debug, Default)]
pub struct OpenSockets(
    /// Only a number: nothing is published with it, so relaxed is enough.
    Arc<AtomicUsize>,
);

impl OpenSockets {
    /// How many there are.
    #[must_use]
    pub fn now(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// One more, until the guard is dropped.
    pub(super) fn enter(self) -> Open {
        self.0.fetch_add(1, Ordering::Relaxed);
        Open(self)
    }
}

/// One of the clients that are connected.
pub(super) struct Open(OpenSockets);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}
