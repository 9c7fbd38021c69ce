//! Subscriptions of many clients over few upstream subscriptions, without a gap and without a duplicate.
//!
//! A client's subscription, by file:
//!
//! 1. [`Hub`] finds the stream for it (`hub.rs`, `key.rs`), or starts one: a task (`stream.rs`).
//! 2. The task runs a [`coordinator`], the pure part: a state machine that is told what happened and says what to do.
//! 3. It says whom to choose (`choose.rs`) and subscribes through the `pool`, which shares upstream subscriptions
//!    between streams; what a stream holds of it are its `leases`.
//! 4. Blocks and logs that are missing are asked for (`fetch.rs`) as calls of the router's own, what several streams
//!    miss once (`desk.rs`).
//! 5. What is to be told goes through the `fanout` into the session of every client.
//!
//! Pending transactions have no continuity and no coordinator (`pending.rs`). Heights of upstreams come from the same
//! pool (`heads`), and everything that streams share is kept in order by `upkeep.rs`.

pub mod block;
mod choose;
pub mod coordinator;
mod counters;
mod desk;
mod fanout;
mod fetch;
mod heads;
mod hub;
mod key;
mod leases;
mod log;
mod pending;
mod policy;
mod pool;
mod record;
mod stream;
mod upkeep;

pub use self::counters::{StreamCounters, StreamFigures};
pub(crate) use self::fetch::Others;
pub use self::hub::{Hub, Membership};
pub(crate) use self::policy::HubPolicy;
pub(crate) use self::pool::PoolPolicy;
pub use self::record::{StreamReport, StreamState};
