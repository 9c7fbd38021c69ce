//! What people see while it happens: the state of every provider, chain and stream, and what becomes of calls.
//!
//! | Part | Does |
//! |---|---|
//! | [`status`] | the one table that says how a provider is |
//! | [`view`] | what browsers are told, as plain data |
//! | `collect` | looks at the stores and makes views of them |
//! | `delta` | what changed between two looks |
//! | `batch` | which events are told in detail, how many at once and how often |
//! | `broadcast` | what all viewers of a profile are told, and when |
//! | `mailbox` | what waits for one viewer |
//! | `aggregator` | one profile that somebody watches |
//! | [`Broadcasts`] | all of them, and the one task that keeps them up to date |
//! | `tally` | what clients had lately, counted whether somebody watches or not |
//!
//! A call pays for the counts and for one entry in a queue. All else is done by the task, twenty times a second while
//! somebody watches, and not at all otherwise: a profile is looked at as long as it has viewers, and half a minute more.
//! Messages are written once, whatever the number of viewers, and nobody waits for a viewer that does not read.

mod aggregator;
mod batch;
mod broadcast;
mod broadcasts;
mod collect;
mod delta;
mod mailbox;
mod policy;
pub mod status;
mod tally;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
pub mod view;

pub use self::broadcasts::{Broadcasts, Refusal, Viewer};
pub(crate) use self::policy::{BreakerLimits, LivePolicy};
