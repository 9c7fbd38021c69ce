//! What the chain was and is: every block of every branch.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use lasso_rpc::sim::SimChain;
use serde_json::Value;

/// What a block has that its header has not.
const BODY: [&str; 4] = ["transactions", "uncles", "withdrawals", "size"];

/// A chain with its memory. All changes go through here, so that nobody sees a block that is not remembered.
pub(crate) struct Ledger {
    chain: SimChain,
    blocks: Mutex<HashMap<String, Block>>,
}

/// A block as subscribers see it.
pub(crate) struct Block {
    pub(crate) header: Value,
    pub(crate) logs: Vec<Value>,
}

impl Ledger {
    pub(crate) fn new(chain: SimChain) -> Self {
        Self { chain, blocks: Mutex::default() }
    }

    /// Changes the chain.
    pub(crate) fn change(&self, change: impl FnOnce(&SimChain)) {
        let mut blocks = self.blocks();
        change(&self.chain);
        for number in (0..=self.chain.height()).rev() {
            let mut header = self.chain.block(number).expect("it is mined");
            let hash = text(&header["hash"]);
            if blocks.contains_key(&hash) || number + 8 < self.chain.height() {
                return;
            }
            BODY.iter().for_each(|member| drop(header.as_object_mut().expect("a block").remove(*member)));
            let logs = self.chain.logs(number, number);
            blocks.insert(hash, Block { header, logs });
        }
    }

    pub(crate) fn height(&self) -> u64 {
        self.chain.height()
    }

    /// The blocks of the chain as it is now, from one number on.
    pub(crate) fn hashes_from(&self, number: u64) -> Vec<String> {
        let hashes = (number..=self.chain.height()).map(|number| self.chain.block_hash(number));
        hashes.map(|hash| hash.expect("it is mined")).collect()
    }

    /// A block of any branch, if there ever was one with this hash.
    pub(crate) fn with<T>(&self, hash: &str, look: impl FnOnce(Option<&Block>) -> T) -> T {
        look(self.blocks().get(hash))
    }

    fn blocks(&self) -> MutexGuard<'_, HashMap<String, Block>> {
        self.blocks.lock().expect("whoever holds the blocks does not panic")
    }
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A JSON-RPC quantity.
pub(crate) fn quantity(value: &Value) -> u64 {
    let digits = value.as_str().and_then(|text| text.strip_prefix("0x"));
    digits
        .and_then(|digits| u64::from_str_radix(digits, 16).ok())
        .unwrap_or_else(|| panic!("{value} is no quantity"))
}
