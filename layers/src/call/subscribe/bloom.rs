//! The bloom filter over the logs of a block.
//!
//! Yellow Paper, section 4.4.3: an address or a topic sets three bits out of 2,048, each chosen by eleven bits of its
//! Keccak-256 hash. The first byte of a bloom holds the highest bits.

use std::fmt;

use sha3::{Digest as _, Keccak256};

use super::LogKey;

/// The three bits of one address or topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bits([u16; 3]);

impl Bits {
    pub(super) fn of(value: &[u8]) -> Self {
        let hash = Keccak256::digest(value);
        Self([0, 2, 4].map(|at| u16::from_be_bytes([hash[at], hash[at + 1]]) % 2048))
    }

    pub(super) fn are_in(self, bloom: &[u8; 256]) -> bool {
        self.places().all(|(byte, bit)| bloom[byte] & bit != 0)
    }

    fn places(self) -> impl Iterator<Item = (usize, u8)> {
        self.0.into_iter().map(|bit| (255 - usize::from(bit / 8), 1 << (bit % 8)))
    }
}

/// Makes the bloom of a block out of its logs, to be held against the one in its header: they are the same when no log
/// is missing, and different when one is, unless others happen to set all of its bits.
#[derive(Clone, PartialEq, Eq)]
pub struct BloomBuilder([u8; 256]);

impl BloomBuilder {
    /// Without logs.
    #[must_use]
    pub const fn new() -> Self {
        Self([0; 256])
    }

    /// And this log.
    pub fn add(&mut self, log: &LogKey) {
        self.set(Bits::of(&log.address));
        log.topics.iter().for_each(|topic| self.set(Bits::of(topic)));
    }

    /// The bloom of the logs so far.
    #[must_use]
    pub const fn finish(self) -> [u8; 256] {
        self.0
    }

    fn set(&mut self, bits: Bits) {
        bits.places().for_each(|(byte, bit)| self.0[byte] |= bit);
    }
}

impl Default for BloomBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for BloomBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BloomBuilder").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example that Ethereum clients share: the hash of a bloom over a hundred values.
    #[test]
    fn the_bits_are_those_that_others_set() {
        let mut bloom = BloomBuilder::new();
        for n in 0..100 {
            bloom.set(Bits::of(format!("xxxxxxxxxx data {n} yyyyyyyyyyyyyy").as_bytes()));
        }
        let hash: String =
            Keccak256::digest(bloom.finish()).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hash, "c8d3ca65cdb4874300a9e39475508f23ed6da09fdbc487f89a2dcf50b09eb263");
    }
}
