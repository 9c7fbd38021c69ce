//! A subscription without an upstream, for tests.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::entry::Entry;
use super::{Gone, Tap, Update};

/// Whatever a test wants to happen on a subscription.
#[derive(Debug, Default)]
pub(in crate::streams) struct Source(Arc<Entry>);

impl Source {
    pub(in crate::streams) fn tap(&self) -> Tap {
        self.0.join(16)
    }

    pub(in crate::streams) fn confirm(&self) {
        self.0.confirm(None);
    }

    pub(in crate::streams) fn publish(&self, update: Update) {
        self.0.publish(update);
    }

    pub(in crate::streams) fn end(&self, why: Gone) {
        self.0.end(why);
    }

    /// Whether anybody has a seat.
    pub(in crate::streams) fn is_kept(&self) -> bool {
        !self.0.is_due(Duration::ZERO, Instant::now())
    }
}
