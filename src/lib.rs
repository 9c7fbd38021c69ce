//! The Lasso router.
pub mod config;
pub mod demo;
pub mod sim;
pub mod telemetry;
