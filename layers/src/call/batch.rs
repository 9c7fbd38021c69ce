//! What the items of one batch share.

use std::sync::Arc;

use crate::catalog::Catalog;

/// A call's place in the batch it came in.
#[derive(Clone, Debug)]
pub struct BatchItem {
    /// What the items share.
    pub batch: Arc<Batch>,
    /// The position among the items that are calls, from 0.
    pub index: usize,
}

/// What was decided for a whole batch before its first item ran, by a dry run of `eth_blockNumber`: the route
/// exists, the client paid its one token, and one provider goes first for every item.
#[derive(Debug)]
pub struct Batch {
    /// How many items the client sent.
    pub size: usize,
    /// The catalogue all items are routed by.
    pub snapshot: Arc<Catalog>,
    /// The position of the provider that every item tries first; `None` where none could be chosen.
    pub pin: Option<u16>,
}
