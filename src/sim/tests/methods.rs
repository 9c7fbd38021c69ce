//! What nodes answer.

use serde_json::{Value, json};

use super::{ask, chain, node};
use crate::sim::{
    REVERT_REASON, REVERTING_CONTRACT, SimLimits, SimNode, SimNodeOptions, TOKEN_A, TOKEN_B, TRANSFER_TOPIC,
};

#[tokio::test]
async fn nodes_of_one_chain_agree_and_tell_their_names() {
    let chain = chain();
    let one = SimNode::start(SimNodeOptions::new("one", chain.clone())).await.unwrap();
    let two = SimNode::start(SimNodeOptions::new("two", chain.clone())).await.unwrap();
    chain.mine(1);
    chain.reorg(1);
    for (method, params) in [
        ("eth_blockNumber", json!([])),
        ("eth_getBlockByNumber", json!(["latest", true])),
        ("eth_getLogs", json!([{"fromBlock": "0x3e0"}])),
        ("eth_getBalance", json!([TOKEN_A, "latest"])),
        ("eth_call", json!([{"to": TOKEN_A, "data": "0x18160ddd"}, "latest"])),
    ] {
        let answer = ask(&one, method, &params).await;
        assert!(answer["result"].is_string() || !answer["result"].is_null(), "{answer}");
        assert_eq!(answer, ask(&two, method, &params).await);
    }
    let version = ask(&two, "web3_clientVersion", &json!([])).await;
    assert_eq!(version["result"], format!("lasso-sim/{}/two", env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn identity_and_fees() {
    let node = node().await;
    for (method, result) in [
        ("eth_chainId", json!("0x1")),
        ("net_version", json!("1")),
        ("net_listening", json!(true)),
        ("eth_blockNumber", json!("0x3e8")),
        ("eth_syncing", json!(false)),
        ("eth_maxPriorityFeePerGas", json!("0x5f5e100")),
    ] {
        assert_eq!(ask(&node, method, &json!([])).await["result"], result, "{method}");
    }
    let history = &ask(&node, "eth_feeHistory", &json!(["0x2", "latest", [25, 75]])).await["result"];
    assert_eq!(history["oldestBlock"], "0x3e7");
    let lengths =
        ["baseFeePerGas", "gasUsedRatio", "reward"].map(|key| history[key].as_array().unwrap().len());
    assert_eq!(lengths, [3, 2, 2]);
    let block = &ask(&node, "eth_getBlockByNumber", &json!(["latest", false])).await["result"];
    assert_eq!(history["baseFeePerGas"][1], block["baseFeePerGas"]);
}

#[tokio::test]
async fn blocks_are_found_by_tag_number_and_hash() {
    let node = node().await;
    let by = async |params| ask(&node, "eth_getBlockByNumber", &params).await["result"].take();
    for (tag, number) in [
        ("latest", "0x3e8"),
        ("pending", "0x3e8"),
        ("safe", "0x3c8"),
        ("finalized", "0x3a8"),
        ("earliest", "0x0"),
    ] {
        assert_eq!(by(json!([tag, false])).await["number"], number, "{tag}");
    }
    assert_eq!(by(json!(["0x3e9", false])).await, Value::Null);

    let block = by(json!(["0x3e8", false])).await;
    let same = ask(&node, "eth_getBlockByHash", &json!([block["hash"], false])).await;
    assert_eq!(same["result"], block);
    let unknown = ask(&node, "eth_getBlockByHash", &json!([TRANSFER_TOPIC, false])).await;
    assert_eq!(unknown["result"], Value::Null);

    let full = by(json!(["0x3e8", true])).await;
    assert_eq!(full["transactions"][0]["hash"], block["transactions"][0]);
    assert_eq!(full["transactions"][0]["blockHash"], block["hash"]);
}

#[tokio::test]
async fn transactions_receipts_and_logs_belong_together() {
    let node = node().await;
    let block = ask(&node, "eth_getBlockByNumber", &json!(["0x3e8", false])).await["result"].take();
    let hash = &block["transactions"][0];
    let transaction = &ask(&node, "eth_getTransactionByHash", &json!([hash])).await["result"];
    assert_eq!(transaction["blockHash"], block["hash"]);
    let receipt = &ask(&node, "eth_getTransactionReceipt", &json!([hash])).await["result"];
    assert_eq!((&receipt["blockHash"], &receipt["status"]), (&block["hash"], &json!("0x1")));
    assert_eq!(receipt["logsBloom"], block["logsBloom"]);
    let logs = &ask(&node, "eth_getLogs", &json!([{"blockHash": block["hash"]}])).await["result"];
    assert_eq!(&receipt["logs"], logs);
    assert_eq!(ask(&node, "eth_getTransactionByHash", &json!([TRANSFER_TOPIC])).await["result"], Value::Null);
}

#[tokio::test]
async fn logs_are_filtered_by_range_address_and_topics() {
    let node = node().await;
    let count = async |mut filter: Value| {
        filter["fromBlock"] = json!("0x3df");
        let answer = ask(&node, "eth_getLogs", &json!([filter])).await;
        answer["result"].as_array().unwrap_or_else(|| panic!("{answer}")).len()
    };
    // Ten blocks of two logs each, one of either token.
    assert_eq!(count(json!({})).await, 20);
    assert_eq!(count(json!({"toBlock": "0x3df"})).await, 2);
    assert_eq!(count(json!({"toBlock": "0xffffffff"})).await, 20);
    assert_eq!(count(json!({"address": TOKEN_A})).await, 10);
    assert_eq!(count(json!({"address": [TOKEN_A, TOKEN_B]})).await, 20);
    assert_eq!(count(json!({"address": REVERTING_CONTRACT})).await, 0);
    assert_eq!(count(json!({"topics": [TRANSFER_TOPIC]})).await, 20);
    let sender = format!("0x{:064x}", 0x101);
    assert_eq!(count(json!({"topics": [null, sender]})).await, 5);
    assert_eq!(count(json!({"topics": [null, [sender, TRANSFER_TOPIC]]})).await, 5);
    assert_eq!(count(json!({"topics": [TRANSFER_TOPIC, null, null, TRANSFER_TOPIC]})).await, 0);
}

#[tokio::test]
async fn a_sent_transaction_has_its_keccak_hash_and_a_receipt_from_the_next_block_on() {
    let node = node().await;
    let hash = ask(&node, "eth_sendRawTransaction", &json!(["0x"])).await["result"].take();
    assert_eq!(hash, "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");
    assert_eq!(ask(&node, "eth_sendRawTransaction", &json!(["0x"])).await["result"], hash);
    assert_eq!(ask(&node, "eth_getTransactionReceipt", &json!([hash])).await["result"], Value::Null);
    // viem waits for no receipt of a transaction that is not at least pending.
    let pending = &ask(&node, "eth_getTransactionByHash", &json!([hash])).await["result"];
    assert_eq!((&pending["hash"], &pending["blockHash"]), (&hash, &Value::Null));
    node.chain().mine(1);
    let receipt = &ask(&node, "eth_getTransactionReceipt", &json!([hash])).await["result"];
    assert_eq!(receipt["blockNumber"], "0x3e9");
}

#[tokio::test]
async fn a_revert_has_code_3_and_its_reason_as_abi_data() {
    let node = node().await;
    let answer = ask(&node, "eth_call", &json!([{"to": REVERTING_CONTRACT}, "latest"])).await;
    assert_eq!(answer["error"]["code"], 3);
    assert_eq!(answer["error"]["message"], format!("execution reverted: {REVERT_REASON}"));
    let reason: String = REVERT_REASON.bytes().map(|byte| format!("{byte:02x}")).collect();
    let data = format!("0x08c379a0{:064x}{:064x}{reason:0<64}", 32, REVERT_REASON.len());
    assert_eq!(answer["error"]["data"], data);
}

#[tokio::test]
async fn wrong_calls_get_the_errors_of_a_real_node() {
    let node = node().await;
    let hash = node.chain().block_hash(1);
    for (method, params, code, message) in [
        ("eth_foo", json!([]), -32601, "the method eth_foo does not exist/is not available"),
        ("eth_newFilter", json!([{}]), -32601, "the method eth_newFilter does not exist/is not available"),
        ("eth_subscribe", json!(["newHeads"]), -32601, "notifications not supported"),
        ("eth_getBalance", json!([]), -32602, "missing value for required argument 0"),
        ("eth_getBalance", json!(["0x12"]), -32602, "invalid argument 0: want 20 bytes as hex"),
        ("eth_getBalance", json!({"address": TOKEN_A}), -32602, "non-array args"),
        ("eth_getBalance", json!([TOKEN_A, "0x3e9"]), -32000, "header not found"),
        ("eth_getBalance", json!([TOKEN_A, {"blockHash": TRANSFER_TOPIC}]), -32000, "header not found"),
        (
            "eth_getLogs",
            json!([{"fromBlock": "0x2", "toBlock": "0x1"}]),
            -32000,
            "invalid block range params",
        ),
        ("eth_getLogs", json!([{"blockHash": TRANSFER_TOPIC}]), -32000, "unknown block"),
        ("eth_getLogs", json!([{"address": "0x1"}]), -32602, "invalid argument 0: invalid address"),
        (
            "eth_getLogs",
            json!([{"blockHash": hash, "fromBlock": "0x1"}]),
            -32602,
            "invalid argument 0: cannot specify both BlockHash and FromBlock/ToBlock, choose one or the other",
        ),
    ] {
        let error = ask(&node, method, &params).await["error"].take();
        assert_eq!(error, json!({"code": code, "message": message}), "{method} {params}");
    }
}

#[tokio::test]
async fn limits_refuse_long_ranges_and_old_states() {
    let limits = SimLimits { log_range: 10, state_depth: Some(16) };
    let options = SimNodeOptions { limits, ..SimNodeOptions::new("small", chain()) };
    let node = SimNode::start(options).await.unwrap();
    let logs = async |from: &str| ask(&node, "eth_getLogs", &json!([{"fromBlock": from}])).await;
    assert!(logs("0x3df").await["result"].is_array());
    assert_eq!(logs("0x3de").await["error"]["message"], "block range too large: at most 10 blocks");
    let balance = async |block: &str| ask(&node, "eth_getBalance", &json!([TOKEN_A, block])).await;
    assert!(balance("0x3d8").await["result"].is_string());
    let error = balance("0x3d7").await["error"].take();
    assert!(error["message"].as_str().unwrap().starts_with("missing trie node "), "{error}");
}
