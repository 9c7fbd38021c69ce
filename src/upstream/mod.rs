//! Connections to upstreams.
//!
//! [`Upstreams`] is the bottom of the attempt stack. [`HttpUpstream`] serves its HTTP channels: the connection pool of
//! this module under [`Egress`](lasso_layers::edge::egress::Egress), which knows JSON-RPC and no sockets.
//! [`WsUpstream`] serves its WebSocket channels over the connections of [`ws::Links`].

mod client;
mod dial;
mod http;
mod tls;
mod upstreams;
pub mod ws;

#[cfg(test)]
mod tests;

pub use self::client::{ClientFuture, HttpClient};
pub use self::http::{HttpUpstream, UpstreamHttpPolicy};
#[cfg(feature = "otlp")]
pub(crate) use self::tls::client_config;
pub use self::upstreams::{UpstreamFuture, Upstreams};
pub use self::ws::WsUpstream;
