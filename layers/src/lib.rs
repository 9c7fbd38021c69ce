//! Tower layers for routing Ethereum JSON-RPC over many providers.

pub mod attempt;
pub mod call;
pub mod catalog;
pub mod state;
pub mod wire;
