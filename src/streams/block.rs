//! What streams know about blocks and logs.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

/// The largest head or log that is passed on, in bytes. Whoever has larger ones is not to fill the memory with them.
pub(super) const MAX_EVENT: usize = 4 << 20;

mod header;
mod hex;
mod log;

/// The hash of a block.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlockHash(pub [u8; 32]);

impl fmt::Display for BlockHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for BlockHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The bloom filter over addresses and topics of a block's logs.
#[derive(Clone, PartialEq, Eq)]
pub struct Bloom(pub [u8; 256]);

impl fmt::Debug for Bloom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Bloom").finish_non_exhaustive()
    }
}

/// The head of a block.
#[derive(Clone, Debug)]
pub struct Header {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: BlockHash,
    /// The hash of the block before it.
    pub parent: BlockHash,
    /// Which logs it may have. Some nodes leave it out.
    pub bloom: Option<Arc<Bloom>>,
    /// The header as clients get it: a JSON object.
    pub payload: Bytes,
}

/// A log.
#[derive(Clone, Debug)]
pub struct Log {
    /// The hash of its block.
    pub block: BlockHash,
    /// The number of its block.
    pub number: u64,
    /// Its position in the block.
    pub index: u64,
    /// Its block left the chain.
    pub removed: bool,
    /// The log as clients get it: a JSON object.
    pub payload: Bytes,
}

/// Bytes that were to be a header or a log lack a member it must have, or are no JSON object at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a usable header or log")
    }
}

impl std::error::Error for Malformed {}
