//! Connections to WebSocket upstreams: one for each channel, kept open, shared by all profiles.
//!
//! [`Links`] is the handle that everybody holds. [`Links::run`] follows the catalogue and runs a driver for each
//! channel; [`WsUpstream`] sends attempts over them, [`Links::subscribe`] opens [`Feed`]s.
//!
//! # By file
//!
//! | File | Knows |
//! |---|---|
//! | `mux.rs` | which request has which id, which still has to be written, and who waits for it |
//! | `schedule.rs` | when to connect again |
//! | `closing.rs` | what the end of a connection means, and whose fault it was |
//! | `keepalive.rs` | when to ping, and when nobody is there any more |
//! | `incoming.rs` | what a message is |
//! | `feed.rs` | where the events of a subscription go |
//! | `connection.rs` | all requests and subscriptions of one connection, behind one lock that nobody holds for long |
//! | `session.rs` | one socket, from its handshake to its end |
//! | `driver.rs` | one channel: connects, serves, records what happened, waits |
//! | `links.rs` | all channels, and what others see of them |
//!
//! The first six know neither sockets nor the clock.
//!
//! # What is promised
//!
//! - When a connection ends, everything that waits on it fails at once, and all of its feeds end. A request that was
//!   not handed to the socket is reported as one that was not sent.
//! - The reader waits for nobody: a feed whose owner does not read ends with [`FeedEnd::Overflow`].
//! - What happened to a connection is recorded with the breaker before it is decided when to connect again, so that an
//!   upstream that accepts and closes is left alone before long. Only a connection that lived for
//!   [`LinkPolicy::stable_after`] makes up for that.
//! - Calls are not bounded in time here; that is the work of
//!   [`TimeoutLayer`](lasso_layers::attempt::timeout::TimeoutLayer). Dropping the future of a call takes it back.

mod closing;
mod connect;
mod connection;
mod driver;
mod feed;
mod incoming;
mod keepalive;
mod line;
mod links;
mod log;
mod mux;
mod policy;
mod schedule;
mod service;
mod session;
mod status;
#[cfg(test)]
mod tests;

pub use self::connect::Connector;
pub(crate) use self::connect::{Refused, Socket};
pub use self::feed::{Feed, FeedEnd};
pub use self::links::Links;
pub use self::policy::LinkPolicy;
pub use self::service::{WsFuture, WsUpstream};
pub(crate) use self::status::Tally;
pub use self::status::{ConnectionId, LinkCounters, LinkState, LinkStatus};
