//! The events of one upstream subscription.

use std::fmt;

use bytes::Bytes;

/// The events of one subscription on one connection, oldest first.
///
/// Dropping it ends the subscription: `eth_unsubscribe` is sent as far as that is still possible, and nobody waits for
/// the answer.
pub struct Feed {}

/// Why a feed has no further events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FeedEnd {
    /// The connection is gone, and the subscription with it.
    Disconnected,
    /// Events came faster than they were taken, and some are lost.
    Overflow,
}

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
        Err(FeedEnd::Disconnected)
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").finish_non_exhaustive()
    }
}
