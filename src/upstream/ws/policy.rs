//! How links are made and kept.

use std::time::Duration;

/// How connections to WebSocket upstreams are made, kept and given up. Plain data; the defaults are those of the
/// settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkPolicy {
    /// The first connection of a link starts at a random time within this, so that not all start at once.
    pub connect_jitter: Duration,
    /// How long connecting may take, from the name to the end of the WebSocket handshake.
    pub handshake_timeout: Duration,
    /// The step by which the delay between two attempts grows.
    pub reconnect_interval: Duration,
    /// After so many attempts in a row that came to nothing, attempts become rare; 0 is never.
    pub max_attempts: u32,
    /// A connection that lives as long as this counts as good.
    pub stable_after: Duration,
    /// The time between two pings.
    pub ping_interval: Duration,
    /// How long a pong may take while nothing else arrives either.
    pub pong_timeout: Duration,
    /// How long it may take until what is written has left this process.
    pub write_timeout: Duration,
    /// Requests in flight on one connection, those for subscriptions included.
    pub max_pending: usize,
    /// The longest message that is read; a longer one ends the connection.
    pub max_message_bytes: usize,
    /// Events of one subscription that wait for whoever reads them; one more ends the feed.
    pub feed_events: usize,
}

impl Default for LinkPolicy {
    fn default() -> Self {
        Self {
            connect_jitter: Duration::from_secs(3),
            handshake_timeout: Duration::from_secs(10),
            reconnect_interval: Duration::from_secs(5),
            max_attempts: 0,
            stable_after: Duration::from_secs(5),
            ping_interval: Duration::from_secs(15),
            pong_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(5),
            max_pending: 256,
            max_message_bytes: 128 * 1024 * 1024,
            feed_events: 1024,
        }
    }
}
