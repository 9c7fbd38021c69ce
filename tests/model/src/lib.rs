//! Random histories of chains and providers for the coordinator of streams, and a judge of what clients get.
//!
//! A history is made from one number. Its network extends its chain and reorganises it up to six blocks deep; its two
//! to five providers drop, stall, repeat, reorder, lag, lie and lose things, up to a moment from which on they behave.
//! The real coordinator runs against them, driven by a queue of events in virtual time. The judge knows every block
//! and holds each payload against what the client was promised: every block once, in the order of parents, every log
//! once, withdrawn newest first, and in the end exactly the network's chain, or an end that the world gave reason for.
//!
//! 1. [`draw`] makes a [`scenario`] out of a seed.
//! 2. [`chain`] grows its blocks; [`node`] is what one provider knows of them.
//! 3. [`world`] plays it with a [`player`], the coordinator, and executes its actions.
//! 4. `oracle` judges every payload, and the whole at the end.
//! 5. [`shrink`] looks for the least that still breaks a promise.

pub mod chain;
pub mod draw;
pub mod node;
mod oracle;
pub mod player;
pub mod queue;
pub mod scenario;
pub mod shrink;
pub mod tally;
pub mod trace;
pub mod world;

pub use self::oracle::Violation;
