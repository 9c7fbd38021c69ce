//! Connections to WebSocket upstreams.

mod connect;
mod feed;
mod links;
mod policy;
mod service;
mod status;

pub use self::connect::Connector;
pub use self::feed::{Feed, FeedEnd};
pub use self::links::Links;
pub use self::policy::LinkPolicy;
pub use self::service::WsUpstream;
pub use self::status::{ConnectionId, LinkState, LinkStatus};
