//! The limits of what clients may send over a socket.

/// What is accepted from one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketPolicy {
    /// Bytes of messages that are being answered on one socket.
    pub inflight_bytes: u64,
    /// The most items a batch may have.
    pub batch_max_items: usize,
    /// How many items of one batch run at the same time.
    pub batch_concurrency: usize,
}

impl Default for SocketPolicy {
    fn default() -> Self {
        Self { inflight_bytes: 32 << 20, batch_max_items: 50, batch_concurrency: 4 }
    }
}
