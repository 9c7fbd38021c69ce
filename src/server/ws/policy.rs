//! The limits of client sockets.

use std::time::Duration;

use lasso_layers::call::session::SessionPolicy;
use lasso_layers::edge::ingress::Network;
use lasso_layers::edge::socket::SocketPolicy;

use super::LivenessPolicy;

/// What one client may do, and how long it is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSocketPolicy {
    /// How a client that vanished is found out.
    pub liveness: LivenessPolicy,
    /// The most bytes of a message. A longer one ends the connection with 1009.
    pub max_message_bytes: usize,
    /// What its calls may take.
    pub messages: SocketPolicy,
    /// Its subscriptions, and what may wait for it.
    pub session: SessionPolicy,
    /// How long it has to hear that the connection is closed.
    pub closing: Duration,
    /// The proxies whose `x-forwarded-for` is believed.
    pub trusted_proxies: Vec<Network>,
}

impl Default for WebSocketPolicy {
    fn default() -> Self {
        Self {
            liveness: LivenessPolicy::default(),
            max_message_bytes: 32 << 20,
            messages: SocketPolicy::default(),
            session: SessionPolicy::default(),
            closing: Duration::from_secs(5),
            trusted_proxies: Vec::new(),
        }
    }
}
