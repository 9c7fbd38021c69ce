//! The `lasso` binary.
fn main() {}
