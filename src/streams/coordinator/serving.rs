//! The provider that serves the stream, and the interruption that it may have to make up for.

use tokio::time::Instant;

use super::headers::Key;
use super::protocol::{Lease, Peer};

/// Where the stream's subscription stands.
#[derive(Debug)]
pub(super) enum Phase {
    /// Not started, or at its end.
    Idle,
    /// It was asked who there is.
    Choosing,
    /// A provider was asked for a subscription.
    Subscribing { lease: Lease, peer: Peer, until: Instant },
    /// Nobody could be asked; it is tried again.
    Pausing { until: Instant },
    /// A provider has confirmed.
    Serving(Serving),
}

/// A confirmed subscription.
#[derive(Debug)]
pub(super) struct Serving {
    pub(super) lease: Lease,
    pub(super) peer: Peer,
    /// When it last had a head that nobody had before, or confirmed.
    pub(super) heard: Instant,
    /// When the stream last got further with it, or it confirmed.
    pub(super) progress: Instant,
    /// The head that it had when it confirmed.
    pub(super) target: Option<Key>,
    /// The highest number that it has announced. Below the tip's, it is behind.
    pub(super) highest: u64,
    /// It has been behind for so long that the chain must have become shorter.
    pub(super) is_believed: bool,
    /// The tip when the stream was linked to its head.
    pub(super) linked: Option<u64>,
    /// One of its heads came by itself. What came before the first one may have come before the subscription.
    pub(super) has_pushed: bool,
    /// Its newest head is to be asked for; the place among the heads that the answer will have.
    pub(super) latest: Option<u64>,
    /// It was asked for its newest head.
    pub(super) was_asked: bool,
}

/// An interruption, from the first trigger until the stream is caught up.
#[derive(Debug)]
pub(super) struct Episode {
    pub(super) since: Instant,
    /// How many blocks were filled in.
    pub(super) filled: u64,
    /// A provider was left because the chain that it told of was shorter.
    pub(super) doubted: bool,
    /// Its time is over; whoever comes is taken.
    pub(super) degraded: bool,
}
