//! Tower layers for routing Ethereum JSON-RPC over many providers.
pub mod wire;
