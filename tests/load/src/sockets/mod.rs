//! The WebSocket side, measured over loopback.
//!
//! ```text
//! cargo build --release && cargo run --release -p lasso-load -- subscribers --clients 10000 --blocks 20
//! ```
//!
//! | Subcommand | Measures |
//! |---|---|
//! | `subscribers` | clients of one `newHeads` stream: spread of a delivery, its processor time, memory |
//! | `filters` | the cost of a log beside streams that it does not match |
//! | `failover` | the time from a provider's loss to the first event of its replacement |
//! | `churn` | memory while clients come and go |
//! | `slow-reader` | one client that does not read among many that do |
//!
//! Each prints a table and, with `--check`, fails when a limit was missed. The simulated nodes live in the
//! measuring process, Lasso (`LASSO_BIN`, or the release build) and the floor have one each.
//!
//! Arrivals are the kernel's: `SO_TIMESTAMPNS` says when the last segment of a message reached the socket's queue.
//! Over loopback this is within the sender's system call, so the measuring process need not run to measure.

pub(crate) mod churn;
mod client;
mod cores;
mod crowd;
pub(crate) mod failover;
mod files;
pub(crate) mod filters;
pub(crate) mod floor;
mod frame;
pub(crate) mod scene;
pub(crate) mod slow_reader;
mod spread;
pub(crate) mod subscribers;
pub(crate) mod verdict;
