//! The Lasso router.

mod clock;
pub mod config;
pub mod demo;
pub mod server;
pub mod sim;
pub mod telemetry;
pub mod upstream;
