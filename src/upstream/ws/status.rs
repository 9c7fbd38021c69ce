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
    /// It has lived long enough to count as good: what arrives on it is a sign of recovery.
    pub is_stable: bool,
    /// Requests that wait for a reply, those for subscriptions included.
    pub pending: usize,
    /// Subscriptions in force.
    pub subscriptions: usize,
}

/// One count. Relaxed: each number stands for itself.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn count(&self) {
        self.add(1);
    }

    pub(super) fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Makes the counts of a link and the numbers that are read of them.
macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What happened on a link since the process began, over all of its connections.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct LinkCounters {
            $($(#[$doc])* pub $name: u64,)*
        }

        /// The counts behind [`LinkCounters`].
        #[derive(Debug, Default)]
        pub(crate) struct Tally {
            $(pub(super) $name: Count,)*
        }

        impl Tally {
            pub(super) fn read(&self) -> LinkCounters {
                LinkCounters { $($name: self.$name.get(),)* }
            }
        }
    };
}

counters! {
    /// Connections that came up.
    connected,
    /// Attempts to connect that came to nothing.
    connect_failures,
    /// Connections that ended.
    disconnected,
    /// Those among them that counted against the upstream.
    unexpected_ends,
    /// Requests that were failed because the connection ended.
    pending_cleanups,
    /// Bytes that arrived, after TLS.
    received_bytes,
    /// Pings that were sent.
    pings,
    /// Pongs that arrived.
    pongs,
    /// Replies that somebody waited for.
    replies,
    /// Events of subscriptions.
    events,
    /// Replies with an id that nobody waits for: unknown, late or repeated. Also messages that are none of the protocol.
    unmatched,
    /// Messages that are not one JSON object.
    malformed,
    /// Errors outside of any reply.
    complaints,
    /// Events of subscriptions that nobody has.
    unknown_subscriptions,
    /// Feeds that ended because nobody took their events.
    overflows,
    /// Requests that were given up before the reply was there.
    abandoned,
    /// Requests that were refused because too many were in flight.
    refused,
}
