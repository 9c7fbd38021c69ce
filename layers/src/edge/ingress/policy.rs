//! The limits of what clients may send.

use std::time::Duration;

use super::Network;

/// What the ingress accepts, and whom it believes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngressPolicy {
    /// The most bytes a request body may have.
    pub max_body_bytes: u64,
    /// How long a request body may take to arrive, from the request's head on.
    pub body_timeout: Duration,
    /// The most items a batch may have.
    pub batch_max_items: usize,
    /// How many items of one batch run at the same time.
    pub batch_concurrency: usize,
    /// The most bytes of routing metadata, as written in the header. Longer metadata is not sent.
    pub max_meta_header_bytes: usize,
    /// The proxies whose `x-forwarded-for` is believed.
    pub trusted_proxies: Vec<Network>,
}

impl Default for IngressPolicy {
    fn default() -> Self {
        Self {
            max_body_bytes: 8_000_000,
            body_timeout: Duration::from_secs(60),
            batch_max_items: 50,
            batch_concurrency: 4,
            max_meta_header_bytes: 4096,
            trusted_proxies: Vec::new(),
        }
    }
}
