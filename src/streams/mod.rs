//! Subscriptions of many clients over few upstream subscriptions, without a gap and without a duplicate.
//!
//! [`coordinator`] is the pure part: one state machine for each stream, which is told what happened and says what to do.

pub mod block;
pub mod coordinator;
