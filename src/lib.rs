//! The Lasso router.

pub mod cli;
mod clock;
pub mod config;
pub mod demo;
mod policies;
pub mod router;
pub mod run;
pub mod runtime;
pub mod server;
pub mod sim;
pub mod stack;
pub mod tasks;
pub mod telemetry;
pub mod upstream;
