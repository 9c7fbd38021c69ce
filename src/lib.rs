//! The Lasso router.

mod clock;
pub mod server;
pub mod sim;
