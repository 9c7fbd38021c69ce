//! The Lasso router.
pub mod sim;
