//! The JSON-RPC methods of a simulated node that need no connection.

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::block;
use super::chain::SimChain;
use super::filter::LogFilter;
use super::hex::{array, bytes, hex, quantity};
use super::keccak::keccak256;
use super::params::{Params, RpcError, block_number};
use super::view::View;

/// A call to this address reverts, with the reason [`REVERT_REASON`] as `Error(string)` in the error's data.
pub const REVERTING_CONTRACT: &str = "0xdead00000000000000000000000000000000dead";

/// Why calls to [`REVERTING_CONTRACT`] revert.
pub const REVERT_REASON: &str = "sim: always reverts";

/// Selector of `Error(string)`, the form of a revert with a reason.
const ERROR_SELECTOR: [u8; 4] = [0x08, 0xc3, 0x79, 0xa0];

/// What a node refuses because its operator would. The default refuses only ranges of more than 10 000 blocks.
#[derive(Clone, Debug)]
#[must_use]
pub struct SimLimits {
    /// Most blocks in one `eth_getLogs`; more is refused with code -32000 and `block range too large`.
    pub log_range: u64,
    /// How many blocks back states are kept; `None` is an archive. Older states are refused with code -32000 and
    /// `missing trie node`.
    pub state_depth: Option<u64>,
}

impl Default for SimLimits {
    fn default() -> Self {
        Self { log_range: 10_000, state_depth: None }
    }
}

/// Everything an answer depends on.
pub(crate) struct Oracle<'a> {
    pub(crate) name: &'a str,
    pub(crate) chain: &'a SimChain,
    pub(crate) limits: &'a SimLimits,
    pub(crate) view: View,
    /// What the node says its chain is.
    pub(crate) chain_id: u64,
}

// === impl Oracle ===

impl Oracle<'_> {
    pub(crate) fn answer(&self, method: &str, params: Option<&RawValue>) -> Result<Value, RpcError> {
        let params = Params::parse(params)?;
        let view = &self.view;
        Ok(match method {
            "web3_clientVersion" => {
                json!(format!("lasso-sim/{}/{}", env!("CARGO_PKG_VERSION"), self.name))
            }
            "web3_sha3" => json!(hex(&keccak256(&[&params.bytes(0)?]))),
            "net_version" => json!(self.chain_id.to_string()),
            "net_listening" => json!(true),
            "net_peerCount" => json!("0x19"),
            "eth_chainId" => json!(quantity(self.chain_id)),
            "eth_syncing" => json!(false),
            "eth_blockNumber" => json!(quantity(view.height())),
            "eth_gasPrice" => json!(quantity(block::base_fee(view.height()) + PRIORITY_FEE)),
            "eth_maxPriorityFeePerGas" => json!(quantity(PRIORITY_FEE)),
            "eth_blobBaseFee" => json!("0x1"),
            "eth_feeHistory" => self.fee_history(&params)?,

            "eth_getBlockByNumber" => self.block(params.block(0, view)?, params.at(1)),
            "eth_getBlockByHash" => self.block(view.number_of(&params.array(0)?), params.at(1)),
            "eth_getBlockTransactionCountByNumber" => {
                params.block(0, view)?.map_or(Value::Null, |_| json!("0x1"))
            }
            "eth_getBlockTransactionCountByHash" => {
                view.number_of(&params.array(0)?).map_or(Value::Null, |_| json!("0x1"))
            }
            "eth_getBlockReceipts" => {
                let number = params.block(0, view)?;
                number.map_or(Value::Null, |number| json!([block::receipt(view, number)]))
            }
            "eth_getTransactionByHash" => self.transaction(&params.array(0)?),
            "eth_getTransactionReceipt" => self.receipt(&params.array(0)?),
            "eth_getLogs" => self.logs(params.required(0)?)?,

            "eth_getBalance" => {
                let address: [u8; 20] = params.array(0)?;
                self.require_state(&params, 1)?;
                // Up to 18 ether, the same at every block.
                let digest = keccak256(&[b"balance", &address]);
                json!(quantity(u64::from_be_bytes(*digest.first_chunk().expect("a digest has 32 bytes"))))
            }
            "eth_getTransactionCount" => {
                let _: [u8; 20] = params.array(0)?;
                self.require_state(&params, 1)?;
                json!("0x0")
            }
            "eth_getCode" => {
                let address: [u8; 20] = params.array(0)?;
                self.require_state(&params, 1)?;
                json!(if is_contract(&address) { "0x60006000fd" } else { "0x" })
            }
            "eth_getStorageAt" => {
                let address: [u8; 20] = params.array(0)?;
                let slot = params.required(1)?.to_string();
                self.require_state(&params, 2)?;
                json!(hex(&keccak256(&[b"storage", &address, slot.as_bytes()])))
            }
            "eth_call" => {
                let call = params.required(0)?;
                self.require_state(&params, 1)?;
                self.call(call)?
            }
            "eth_estimateGas" => {
                self.call(params.required(0)?)?;
                json!("0x5208")
            }
            "eth_sendRawTransaction" => json!(hex(&self.chain.send(&params.bytes(0)?))),

            // The words of geth, by which routers know that it is about HTTP and not about the method.
            "eth_subscribe" | "eth_unsubscribe" => {
                return Err(RpcError::new(-32601, "notifications not supported"));
            }
            _ => return Err(unknown_method(method)),
        })
    }

    fn block(&self, number: Option<u64>, full: &Value) -> Value {
        number.map_or(Value::Null, |number| self.view.block(number, full.as_bool().unwrap_or(false)))
    }

    fn transaction(&self, hash: &[u8; 32]) -> Value {
        if let Some(number) = self.view.number_of_transaction(hash) {
            return block::transaction(&self.view, number);
        }
        self.chain.sent(hash).map_or(Value::Null, |number| {
            let mined = (number <= self.view.height()).then_some(number);
            block::plain_transaction(&self.view, mined, hash)
        })
    }

    fn receipt(&self, hash: &[u8; 32]) -> Value {
        if let Some(number) = self.view.number_of_transaction(hash) {
            return block::receipt(&self.view, number);
        }
        match self.chain.sent(hash) {
            Some(number) if number <= self.view.height() => block::plain_receipt(&self.view, number, hash),
            _ => Value::Null,
        }
    }

    fn logs(&self, filter: &Value) -> Result<Value, RpcError> {
        if !filter.is_object() {
            return Err(RpcError::invalid_params("invalid argument 0: want a filter object"));
        }
        let wanted = LogFilter::parse(filter)?;
        if !filter["blockHash"].is_null() {
            if !filter["fromBlock"].is_null() || !filter["toBlock"].is_null() {
                return Err(RpcError::invalid_params(
                    "invalid argument 0: cannot specify both BlockHash and FromBlock/ToBlock, choose one or the other",
                ));
            }
            let hash = filter["blockHash"].as_str().and_then(array);
            let hash =
                hash.ok_or_else(|| RpcError::invalid_params("invalid argument 0: want a block hash"))?;
            let number = self.view.number_of(&hash).ok_or_else(|| RpcError::new(-32000, "unknown block"))?;
            return Ok(self.view.logs(number..=number, &wanted).into());
        }
        let bound = |key: &str| {
            block_number(&filter[key], &self.view)
                .map_err(|complaint| RpcError::invalid_params(format!("invalid argument 0: {complaint}")))
        };
        let (from, to) = (bound("fromBlock")?, bound("toBlock")?);
        if from > to {
            return Err(RpcError::new(-32000, "invalid block range params"));
        }
        // Blocks that are not there yet cost nothing.
        let to = to.min(self.view.height());
        if to.saturating_sub(from) >= self.limits.log_range {
            let most = self.limits.log_range;
            return Err(RpcError::new(-32000, format!("block range too large: at most {most} blocks")));
        }
        Ok(self.view.logs(from..=to, &wanted).into())
    }

    /// Returns 32 bytes that depend on the callee and the data, so that equal calls give equal answers.
    fn call(&self, call: &Value) -> Result<Value, RpcError> {
        let invalid = |what: &str| RpcError::invalid_params(format!("invalid argument 0: {what}"));
        if !call.is_object() {
            return Err(invalid("want a transaction object"));
        }
        let to: Option<[u8; 20]> = match &call["to"] {
            Value::Null => None,
            to => Some(to.as_str().and_then(array).ok_or_else(|| invalid("want an address in `to`"))?),
        };
        let input = match call.get("input").or_else(|| call.get("data")) {
            None | Some(Value::Null) => Vec::new(),
            Some(input) => input.as_str().and_then(bytes).ok_or_else(|| invalid("want bytes in `input`"))?,
        };
        if to == array(REVERTING_CONTRACT) {
            return Err(revert());
        }
        Ok(match to {
            Some(to) if !input.is_empty() => json!(hex(&keccak256(&[b"call", &to, &input]))),
            _ => json!("0x"),
        })
    }

    fn fee_history(&self, params: &Params) -> Result<Value, RpcError> {
        let count = match params.required(0)? {
            Value::String(text) => super::hex::number(text),
            number => number.as_u64(),
        };
        let count =
            count.ok_or_else(|| RpcError::invalid_params("invalid argument 0: want a block count"))?;
        let newest = params.block(1, &self.view)?;
        let newest = newest.ok_or_else(|| RpcError::new(-32000, "request beyond head block"))?;
        let count = count.min(1024).min(newest + 1);
        let oldest = newest + 1 - count;
        let percentiles = params.at(2).as_array().map_or(0, Vec::len);
        let mut history = json!({
            "oldestBlock": quantity(oldest),
            "baseFeePerGas": (oldest..=newest + 1).map(block::base_fee).map(quantity).collect::<Vec<_>>(),
            "gasUsedRatio": vec![block::gas_used_ratio(&self.view); usize::try_from(count).unwrap_or(0)],
        });
        if percentiles > 0 {
            let rewards = vec![quantity(PRIORITY_FEE); percentiles];
            history["reward"] = (oldest..=newest).map(|_| json!(rewards)).collect();
        }
        Ok(history)
    }

    /// Fails like geth when the state after that block is not there.
    fn require_state(&self, params: &Params, index: usize) -> Result<(), RpcError> {
        let number = params.state_block(index, &self.view)?.ok_or_else(RpcError::header_not_found)?;
        let age = self.view.height() - number;
        if self.limits.state_depth.is_some_and(|depth| age > depth) {
            let root = hex(&self.view.digest("state", number));
            let root = root.trim_start_matches("0x");
            return Err(RpcError::new(
                -32000,
                format!("missing trie node {root} (path ) state 0x{root} is not available"),
            ));
        }
        Ok(())
    }
}

/// 0.1 gwei.
const PRIORITY_FEE: u64 = 100_000_000;

pub(crate) fn unknown_method(method: &str) -> RpcError {
    RpcError::new(-32601, format!("the method {method} does not exist/is not available"))
}

fn is_contract(address: &[u8; 20]) -> bool {
    [block::TOKEN_A, block::TOKEN_B, REVERTING_CONTRACT]
        .iter()
        .any(|contract| array(contract) == Some(*address))
}

/// Code 3 with the ABI-encoded reason, as geth answers a reverted call.
fn revert() -> RpcError {
    let length = u64::try_from(REVERT_REASON.len()).expect("the constant is short");
    let mut data = ERROR_SELECTOR.to_vec();
    data.extend_from_slice(&[0; 31]);
    data.push(32);
    data.extend_from_slice(&[0; 24]);
    data.extend_from_slice(&length.to_be_bytes());
    data.extend_from_slice(REVERT_REASON.as_bytes());
    data.resize(4 + 64 + REVERT_REASON.len().next_multiple_of(32), 0);
    let mut error = RpcError::new(3, format!("execution reverted: {REVERT_REASON}"));
    error.data = Some(json!(hex(&data)));
    error
}
