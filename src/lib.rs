//! The Lasso router.
pub mod config;
pub mod sim;
