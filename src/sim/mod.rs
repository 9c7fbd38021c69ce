//! A simulated Ethereum node, for demonstrations, examples and tests.
//!
//! A [`SimNode`] runs inside the process and serves HTTP/1.1, HTTP/2 with prior knowledge and WebSocket on one
//! loopback port. It answers the methods that wallets and client libraries use, from a [`SimChain`] that it may
//! share with other nodes: nodes of one chain agree on every hash. Unlike a real node it misbehaves on demand:
//! a [`Rule`] says which calls meet which [`Fault`], and counters tell what the node has seen.
//!
//! ```
//! use std::time::Duration;
//!
//! use lasso_rpc::sim::{Fault, Rule, SimChain, SimChainOptions, SimNode, SimNodeOptions};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let chain = SimChain::new(1, SimChainOptions::default());
//! let steady = SimNode::start(SimNodeOptions::new("steady", chain.clone())).await?;
//! let shaky = SimNode::start(SimNodeOptions::new("shaky", chain.clone())).await?;
//!
//! // The second node resets its first three connections and is slow afterwards.
//! shaky.behave([
//!     Rule::any(Fault::Reset).first(3),
//!     Rule::any(Fault::latency(Duration::from_millis(200))).after(3),
//! ]);
//!
//! println!("{} {}", steady.http_url(), shaky.ws_url());
//! chain.mine(1);
//! shaky.stop().await; // connecting is refused now
//! shaky.restart().await?; // on the same port
//! # Ok(())
//! # }
//! ```
//!
//! # What it answers
//!
//! - Blocks, receipts and logs have the fields of a post-merge chain. Each block holds one transaction, which emits
//!   the block's logs: transfers of [`TOKEN_A`] and [`TOKEN_B`] by turns, [`TRANSFER_TOPIC`] first.
//! - `web3_clientVersion` is `lasso-sim/<version>/<name>`, which tells a test which node answered.
//! - `eth_call` returns 32 bytes that depend on callee and data; a call to [`REVERTING_CONTRACT`] reverts with
//!   [`REVERT_REASON`].
//! - `eth_sendRawTransaction` takes any bytes, does not decode them and returns their Keccak-256. They are pending
//!   until the next block and have a receipt from then on. The same bytes again give the same hash.
//! - `eth_subscribe` over WebSocket knows `newHeads`, `logs` and `newPendingTransactions`.
//!   Its messages misbehave by rules for [`NOTIFICATION`]; [`SimNode::strike`] does something to all sockets at once and
//!   [`SimNode::push`] tells subscribers what is not so.
//! - Filters (`eth_newFilter` and the like), `debug_*`, `trace_*` and `txpool_*` do not exist: code -32601.
//! - Errors carry the codes and words of geth. A body that is not `application/json` is refused with 415, a `GET`
//!   without upgrade with 405. An id of any JSON type comes back byte for byte.

mod block;
mod chain;
mod connection;
mod exchange;
mod fault;
mod filter;
mod hex;
mod http;
mod keccak;
mod ledger;
mod line;
mod methods;
mod node;
mod params;
mod pieces;
mod rpc;
mod script;
mod shock;
mod subscriptions;
#[cfg(test)]
mod tests;
mod view;
mod ws;

pub use block::{TOKEN_A, TOKEN_B, TRANSFER_TOPIC};
pub use chain::{SimBranch, SimChain, SimChainOptions};
pub use fault::{Fault, HugeResult, NOTIFICATION, OPENED, Rule};
pub use ledger::{SeenCall, SimStats, TopicStats, Transport};
pub use line::Ending;
pub use methods::{REVERT_REASON, REVERTING_CONTRACT, SimLimits};
pub use node::{SimNode, SimNodeOptions};
