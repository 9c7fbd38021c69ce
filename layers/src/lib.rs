//! Tower layers for routing Ethereum JSON-RPC over many providers.

#![cfg_attr(not(test), warn(clippy::disallowed_methods, clippy::disallowed_types))]

pub mod attempt;
pub mod call;
pub mod catalog;
pub mod edge;
pub mod state;
#[cfg(feature = "test-util")]
pub mod testing;
pub mod wire;
