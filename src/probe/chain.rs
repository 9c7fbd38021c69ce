//! Chains, and the blocks of them that only archives have.

/// A chain whose old blocks can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chain {
    name: &'static str,
    /// EIP-155 id.
    id: u64,
    /// A block that a node has pruned unless it is an archive, and that the chain has had for long.
    old_block: u64,
}

const CHAINS: [Chain; 7] = [
    Chain::ETHEREUM,
    Chain::new("sepolia", 11_155_111, 100),
    Chain::new("arbitrum", 42_161, 5_000_000),
    Chain::new("base", 8_453, 5_000_000),
    Chain::new("optimism", 10, 5_000_000),
    Chain::new("polygon", 137, 1_000_000),
    Chain::new("bsc", 56, 1_000_000),
];

impl Chain {
    pub(super) const ETHEREUM: Self = Self::new("ethereum", 1, 100);

    const fn new(name: &'static str, id: u64, old_block: u64) -> Self {
        Self { name, id, old_block }
    }

    pub(super) fn read(name: &str) -> Option<Self> {
        CHAINS.into_iter().find(|chain| chain.name == name)
    }

    /// The chain of that EIP-155 id.
    pub(super) fn of_id(id: u64) -> Option<Self> {
        CHAINS.into_iter().find(|chain| chain.id == id)
    }

    /// All names, for people.
    pub(super) fn names() -> String {
        CHAINS.map(|chain| chain.name).join(", ")
    }

    pub(super) const fn name(self) -> &'static str {
        self.name
    }

    /// The block to ask for on a chain of this height, where that is known. A chain that is not as long, as those of test
    /// networks are, is asked for its middle.
    pub(super) const fn old_block(self, height: Option<u64>) -> u64 {
        match height {
            Some(height) if height < self.old_block => height / 2,
            _ => self.old_block,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_blocks_are_those_of_the_chain() {
        let old = |name: &str| Chain::read(name).unwrap().old_block(Some(100_000_000));
        for (names, block) in [
            (&["ethereum", "sepolia"][..], 100),
            (&["arbitrum", "base", "optimism"], 5_000_000),
            (&["polygon", "bsc"], 1_000_000),
        ] {
            for name in names {
                assert_eq!(old(name), block, "{name}");
            }
        }
        assert_eq!(Chain::read("Ethereum"), None);
        assert_eq!(Chain::of_id(8_453), Chain::read("base"));
    }

    #[test]
    fn a_short_chain_is_asked_for_its_middle() {
        assert_eq!(Chain::ETHEREUM.old_block(Some(100)), 100);
        assert_eq!(Chain::ETHEREUM.old_block(Some(99)), 49);
        assert_eq!(Chain::ETHEREUM.old_block(Some(0)), 0);
        assert_eq!(Chain::ETHEREUM.old_block(None), 100);
    }
}
