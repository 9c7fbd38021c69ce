//! What there is to see of a link.

use std::sync::atomic::{AtomicU64, Ordering};

/// A connection, different from every other one of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(u64);

impl ConnectionId {
    /// One that was never given out before.
    pub(super) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        // Relaxed: only that no two are the same matters.
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// Whether a link can be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkState {
    /// The connection is up.
    Connected,
    /// There is no connection, and one is being made or soon will be. So a link begins.
    Reconnecting,
    /// There is no connection, and hardly anything is done about it: the upstream refuses us, or all attempts are used
    /// up. Also the state of a channel without a link.
    #[default]
    Disconnected,
}

impl LinkState {
    /// `connected`, `reconnecting` or `disconnected`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Reconnecting => "reconnecting",
            Self::Disconnected => "disconnected",
        }
    }
}

/// A link at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinkStatus {
    /// Whether it can be used.
    pub state: LinkState,
    /// Attempts to connect since a connection was last stable.
    pub reconnect_attempts: u32,
    /// The connection that is up.
    pub connection: Option<ConnectionId>,
    /// Requests that wait for a reply, those for subscriptions included.
    pub pending: usize,
    /// Subscriptions in force.
    pub subscriptions: usize,
}
