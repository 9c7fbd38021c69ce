//! Keccak-256, the hash of Ethereum (the Keccak submission's padding, not that of FIPS 202).
//!
//! Clients recompute some hashes and compare: ethers refuses the answer to `eth_sendRawTransaction` when it is
//! not the hash of the bytes it sent. Forty lines here are cheaper than a dependency that only tests would use.

/// Bytes absorbed per permutation: 1600 bits of state less twice the 256 bits of output.
const RATE: usize = 136;

const ROUND: [u64; 24] = [
    0x0000_0000_0000_0001,
    0x0000_0000_0000_8082,
    0x8000_0000_0000_808a,
    0x8000_0000_8000_8000,
    0x0000_0000_0000_808b,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8009,
    0x0000_0000_0000_008a,
    0x0000_0000_0000_0088,
    0x0000_0000_8000_8009,
    0x0000_0000_8000_000a,
    0x0000_0000_8000_808b,
    0x8000_0000_0000_008b,
    0x8000_0000_0000_8089,
    0x8000_0000_0000_8003,
    0x8000_0000_0000_8002,
    0x8000_0000_0000_0080,
    0x0000_0000_0000_800a,
    0x8000_0000_8000_000a,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8080,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8008,
];
const ROTATION: [u32; 24] =
    [1, 3, 6, 10, 15, 21, 28, 36, 45, 55, 2, 14, 27, 41, 56, 8, 25, 43, 62, 18, 39, 61, 20, 44];
const LANE: [usize; 24] =
    [10, 7, 11, 17, 18, 3, 5, 16, 8, 21, 24, 4, 15, 23, 19, 13, 12, 2, 20, 14, 22, 9, 6, 1];

/// Hashes the concatenation of `parts`.
pub(crate) fn keccak256(parts: &[&[u8]]) -> [u8; 32] {
    let mut state = [0u64; 25];
    let mut at = 0;
    for &byte in parts.iter().copied().flatten() {
        absorb(&mut state, at, byte);
        at += 1;
        if at == RATE {
            permute(&mut state);
            at = 0;
        }
    }
    absorb(&mut state, at, 0x01);
    absorb(&mut state, RATE - 1, 0x80);
    permute(&mut state);

    let mut hash = [0; 32];
    for (bytes, lane) in hash.chunks_exact_mut(8).zip(state) {
        bytes.copy_from_slice(&lane.to_le_bytes());
    }
    hash
}

fn absorb(state: &mut [u64; 25], at: usize, byte: u8) {
    state[at / 8] ^= u64::from(byte) << (8 * (at % 8));
}

fn permute(state: &mut [u64; 25]) {
    for constant in ROUND {
        let mut parity = [0u64; 5];
        for (x, sum) in parity.iter_mut().enumerate() {
            *sum = (0..5).fold(0, |sum, y| sum ^ state[x + 5 * y]);
        }
        for (i, lane) in state.iter_mut().enumerate() {
            *lane ^= parity[(i + 4) % 5] ^ parity[(i + 1) % 5].rotate_left(1);
        }

        let mut moved = state[1];
        for (lane, rotation) in LANE.into_iter().zip(ROTATION) {
            moved = std::mem::replace(&mut state[lane], moved.rotate_left(rotation));
        }

        for row in state.chunks_exact_mut(5) {
            let old = [row[0], row[1], row[2], row[3], row[4]];
            for (x, lane) in row.iter_mut().enumerate() {
                *lane = old[x] ^ (!old[(x + 1) % 5] & old[(x + 2) % 5]);
            }
        }
        state[0] ^= constant;
    }
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
    fn parts_are_one_message_also_across_a_block_boundary() {
        let long = [7u8; 300];
        assert_eq!(keccak256(&[&long]), keccak256(&[&long[..135], &long[135..137], &long[137..]]));
        assert_ne!(keccak256(&[&long[..136]]), keccak256(&[&long[..135]]));
    }
}
