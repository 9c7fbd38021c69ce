//! A stream that clients subscribed to.

use serde::Serialize;
use smol_str::SmolStr;

use crate::live::delta::Keyed;

/// A stream of one profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StreamView {
    /// Different from that of every other stream of the profile, and the same for as long as the stream lives.
    pub key: SmolStr,
    /// The chain's key.
    pub chain: SmolStr,
    /// `newHeads`, `logs` or `newPendingTransactions`.
    pub topic: &'static str,
    /// The filter of a stream of logs, as JSON.
    pub filter: Option<String>,
    /// Subscriptions of clients that it serves.
    pub subscribers: usize,
    /// `starting`, `live`, `failing_over` or `degraded`.
    pub state: &'static str,
    /// The provider that serves it.
    pub provider: Option<SmolStr>,
    /// The last block it told of.
    pub last_block: Option<u64>,
    /// How often it left a provider.
    pub failovers: u64,
    /// Blocks that were filled in after that.
    pub filled_blocks: u64,
    /// When it began.
    pub started: u64,
}

impl Keyed for StreamView {
    fn key(&self) -> &SmolStr {
        &self.key
    }
}
