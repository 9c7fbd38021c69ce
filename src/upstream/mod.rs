//! Connections to upstreams.
//!
//! [`HttpUpstream`] is the bottom of the attempt stack for HTTP channels: the connection pool of this module under
//! [`Egress`](lasso_layers::edge::egress::Egress), which knows JSON-RPC and no sockets.

mod client;
mod dial;
mod http;
mod tls;

#[cfg(test)]
mod tests;

pub use self::client::{ClientFuture, HttpClient};
pub use self::http::{HttpUpstream, UpstreamHttpPolicy};
