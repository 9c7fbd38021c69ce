//! Blocks, transactions, receipts and logs, with the fields that clients of real nodes insist on.
//!
//! Every block holds one legacy transaction, which emits all logs of the block: ERC-20 transfers, by turns of the
//! two tokens.

use serde_json::{Value, json};

use super::filter::LogFilter;
use super::hex::{array, hex, quantity};
use super::keccak::keccak256;
use super::view::View;

/// Address of the first of the two contracts whose transfers fill the logs of a simulated chain.
pub const TOKEN_A: &str = "0xa0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0";

/// Address of the second of the two contracts whose transfers fill the logs of a simulated chain.
pub const TOKEN_B: &str = "0xb0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0";

/// `keccak256("Transfer(address,address,uint256)")`, the first topic of every log of a simulated chain.
pub const TRANSFER_TOPIC: &str = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef";

const EMPTY_ROOT: &str = "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421";
const EMPTY_UNCLES: &str = "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347";
const MINER: &str = "0x6c6173736f2d73696d0000000000000000000000";
const GAS_LIMIT: u64 = 30_000_000;
const GAS_PER_LOG: u64 = 25_000;
const GAS_PER_TRANSACTION: u64 = 21_000;

/// Accounts that send tokens to each other; few, so that filtering by one of them finds something.
const ACCOUNTS: u64 = 4;

pub(crate) struct Log {
    pub(crate) address: [u8; 20],
    pub(crate) topics: [[u8; 32]; 3],
    pub(crate) amount: [u8; 32],
}

/// The header as `newHeads` subscribers get it.
pub(crate) fn header(view: &View, number: u64) -> Value {
    let parent = if number == 0 { [0; 32] } else { view.hash(number - 1) };
    json!({
        "number": quantity(number),
        "hash": hex(&view.hash(number)),
        "parentHash": hex(&parent),
        "nonce": "0x0000000000000000",
        "mixHash": hex(&view.digest("randao", number)),
        "sha3Uncles": EMPTY_UNCLES,
        "logsBloom": hex(&bloom(view, number)),
        "transactionsRoot": hex(&view.digest("transactions", number)),
        "stateRoot": hex(&view.digest("state", number)),
        "receiptsRoot": hex(&view.digest("receipts", number)),
        "miner": MINER,
        "difficulty": "0x0",
        "extraData": "0x6c6173736f2d73696d",
        "gasLimit": quantity(GAS_LIMIT),
        "gasUsed": quantity(gas_used(view)),
        "timestamp": quantity(view.timestamp(number)),
        "baseFeePerGas": quantity(base_fee(number)),
        "withdrawalsRoot": EMPTY_ROOT,
        "blobGasUsed": "0x0",
        "excessBlobGas": "0x0",
        "parentBeaconBlockRoot": hex(&view.digest("beacon", number)),
    })
}

/// The block as `eth_getBlockByNumber` answers it, with whole transactions or with their hashes.
pub(crate) fn block(view: &View, number: u64, full: bool) -> Value {
    let mut block = header(view, number);
    block["size"] = json!(quantity(600 + 200 * view.logs_per_block()));
    block["uncles"] = json!([]);
    block["withdrawals"] = json!([]);
    block["transactions"] =
        if full { json!([transaction(view, number)]) } else { json!([hex(&view.transaction_hash(number))]) };
    block
}

/// The transaction of a block.
pub(crate) fn transaction(view: &View, number: u64) -> Value {
    let mut transaction = plain_transaction(view, Some(number), &view.transaction_hash(number));
    transaction["from"] = json!(MINER);
    transaction["to"] = json!(TOKEN_A);
    transaction["nonce"] = json!(quantity(number));
    transaction["gas"] = json!(quantity(gas_used(view)));
    transaction
}

/// A raw transaction, which is not decoded and so says nothing but its hash and its block, if it is in one.
pub(crate) fn plain_transaction(view: &View, block: Option<u64>, hash: &[u8; 32]) -> Value {
    let priced_at = block.unwrap_or_else(|| view.height());
    json!({
        "hash": hex(hash),
        "blockHash": block.map(|number| hex(&view.hash(number))),
        "blockNumber": block.map(quantity),
        "transactionIndex": block.map(|_| "0x0"),
        "type": "0x0",
        "chainId": quantity(view.chain_id()),
        "nonce": "0x0",
        "from": hex(&[0; 20]),
        "to": hex(&[0; 20]),
        "value": "0x0",
        "gas": quantity(GAS_PER_TRANSACTION),
        "gasPrice": quantity(base_fee(priced_at)),
        "input": "0x",
        "v": quantity(view.chain_id().saturating_mul(2).saturating_add(35)),
        "r": hex(&keccak256(&[b"r", hash])),
        "s": hex(&keccak256(&[b"s", hash])),
    })
}

/// The receipt of the transaction of a block.
pub(crate) fn receipt(view: &View, number: u64) -> Value {
    let mut receipt = plain_receipt(view, number, &view.transaction_hash(number));
    receipt["from"] = json!(MINER);
    receipt["to"] = json!(TOKEN_A);
    receipt["gasUsed"] = json!(quantity(gas_used(view)));
    receipt["cumulativeGasUsed"] = json!(quantity(gas_used(view)));
    receipt["logsBloom"] = json!(hex(&bloom(view, number)));
    receipt["logs"] = logs(view, number, &LogFilter::default()).into();
    receipt
}

/// The receipt of a raw transaction, which is not decoded and so did nothing.
pub(crate) fn plain_receipt(view: &View, number: u64, transaction: &[u8; 32]) -> Value {
    json!({
        "transactionHash": hex(transaction),
        "transactionIndex": "0x0",
        "blockHash": hex(&view.hash(number)),
        "blockNumber": quantity(number),
        "from": hex(&[0; 20]),
        "to": hex(&[0; 20]),
        "contractAddress": null,
        "status": "0x1",
        "type": "0x0",
        "effectiveGasPrice": quantity(base_fee(number)),
        "gasUsed": quantity(GAS_PER_TRANSACTION),
        "cumulativeGasUsed": quantity(GAS_PER_TRANSACTION),
        "logsBloom": hex(&[0; 256]),
        "logs": [],
    })
}

/// The logs of a block that pass the filter's address and topics.
pub(crate) fn logs(view: &View, number: u64, filter: &LogFilter) -> Vec<Value> {
    let all = (0..view.logs_per_block()).map(|index| (index, log(number, index)));
    let passing: Vec<_> = all.filter(|(_, log)| filter.passes(log)).collect();
    if passing.is_empty() {
        return Vec::new();
    }
    // Hashing is most of the work, and the same for all logs of a block.
    let (block, transaction) = (hex(&view.hash(number)), hex(&view.transaction_hash(number)));
    let (number, timestamp) = (quantity(number), quantity(view.timestamp(number)));
    let shown = passing.into_iter().map(|(index, log)| {
        json!({
            "address": hex(&log.address),
            "topics": log.topics.map(|topic| hex(&topic)),
            "data": hex(&log.amount),
            "blockNumber": number,
            "blockHash": block,
            "blockTimestamp": timestamp,
            "transactionHash": transaction,
            "transactionIndex": "0x0",
            "logIndex": quantity(index),
            "removed": false,
        })
    });
    shown.collect()
}

/// Swings between 1 and 2 gwei.
pub(crate) fn base_fee(number: u64) -> u64 {
    1_000_000_000 + number % 16 * 62_500_000
}

pub(crate) fn gas_used_ratio(view: &View) -> f64 {
    // Both are far below 2^52.
    gas_used(view) as f64 / GAS_LIMIT as f64
}

fn gas_used(view: &View) -> u64 {
    GAS_PER_TRANSACTION.saturating_add(view.logs_per_block().saturating_mul(GAS_PER_LOG)).min(GAS_LIMIT)
}

fn log(number: u64, index: u64) -> Log {
    let turn = number.wrapping_add(index);
    let token = if turn.is_multiple_of(2) { TOKEN_A } else { TOKEN_B };
    let mut amount = [0; 32];
    amount[24..].copy_from_slice(&(1_000 + turn % 1_000).to_be_bytes());
    Log {
        address: array(token).expect("the constant is an address"),
        topics: [
            array(TRANSFER_TOPIC).expect("the constant is a hash"),
            account(turn % ACCOUNTS),
            account((turn + 1) % ACCOUNTS),
        ],
        amount,
    }
}

/// The address `0x00…0n01`, left-padded to a topic.
fn account(n: u64) -> [u8; 32] {
    let mut topic = [0; 32];
    topic[24..].copy_from_slice(&(n << 8 | 1).to_be_bytes());
    topic
}

/// The 2048-bit filter of the addresses and topics in a block (yellow paper, section 4.3.1).
fn bloom(view: &View, number: u64) -> [u8; 256] {
    let mut bloom = [0; 256];
    let mut add = |item: &[u8]| {
        let hash = keccak256(&[item]);
        for pair in hash[..6].chunks_exact(2) {
            let bit = usize::from(u16::from_be_bytes([pair[0], pair[1]]) % 2048);
            bloom[255 - bit / 8] |= 1 << (bit % 8);
        }
    };
    // Logs repeat with this period, so more of them set no further bit.
    for index in 0..view.logs_per_block().min(ACCOUNTS) {
        let log = log(number, index);
        add(&log.address);
        log.topics.iter().for_each(|topic| add(topic));
    }
    bloom
}
