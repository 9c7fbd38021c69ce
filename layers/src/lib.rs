//! Tower layers for routing Ethereum JSON-RPC over many providers.

pub mod catalog;
pub mod wire;
