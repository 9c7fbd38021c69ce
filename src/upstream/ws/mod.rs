//! Connections to WebSocket upstreams.

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

pub use self::connect::Connector;
pub use self::feed::{Feed, FeedEnd};
pub use self::links::Links;
pub use self::policy::LinkPolicy;
pub use self::service::{WsFuture, WsUpstream};
pub use self::status::{ConnectionId, LinkCounters, LinkState, LinkStatus};
