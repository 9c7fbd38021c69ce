//! A simulated Ethereum node.
