//! Keccak-256, the hash of Ethereum (the Keccak submission's padding, not that of FIPS 202).
//!
//! Clients recompute some hashes and compare: ethers refuses the answer to `eth_sendRawTransaction` when it is
//! not the hash of the bytes it sent.

use sha3::{Digest, Keccak256};

/// Hashes the concatenation of `parts`.
pub(crate) fn keccak256(parts: &[&[u8]]) -> [u8; 32] {
    parts.iter().fold(Keccak256::new(), Digest::chain_update).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::keccak256;
    use crate::sim::hex::hex;

    #[test]
    fn agrees_with_published_values() {
        for (input, hash) in [
            ("", "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"),
            (
                "Transfer(address,address,uint256)",
                "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef",
            ),
        ] {
            assert_eq!(hex(&keccak256(&[input.as_bytes()])), hash);
        }
    }

    #[test]
    fn parts_are_one_message() {
        assert_eq!(keccak256(&[b"ab", b"", b"c"]), keccak256(&[b"abc"]));
    }
}
