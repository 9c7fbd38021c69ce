//! Attempts over HTTP.

use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::Incoming;
use lasso_layers::attempt::Attempt;
use lasso_layers::call::{Failure, Reply};
use lasso_layers::edge::egress::{Egress, EgressPolicy, ResponseFuture};
use rustls::pki_types::CertificateDer;
use tower::Service;

use super::client::{ClientFuture, HttpClient};

/// How connections to upstreams are made and kept.
#[derive(Clone, Debug)]
pub struct UpstreamHttpPolicy {
    /// How long connecting may take, from the name to the end of the TLS handshake.
    pub connect_timeout: Duration,
    /// How long an idle connection is kept. A provider that closes earlier costs a race now and then; the pool
    /// repeats a request only when nothing of it was written.
    pub idle_timeout: Duration,
    /// How many idle connections are kept for one host.
    pub max_idle_per_host: usize,
    /// Certificate authorities that are trusted beside those of the system.
    pub extra_roots: Vec<CertificateDer<'static>>,
    /// How replies are held and handed on.
    pub egress: EgressPolicy,
}

impl Default for UpstreamHttpPolicy {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(60),
            max_idle_per_host: 256,
            extra_roots: Vec::new(),
            egress: EgressPolicy::default(),
        }
    }
}

/// Sends attempts to HTTP channels over pooled connections. Clones share the pool.
#[derive(Clone, Debug)]
pub struct HttpUpstream {
    egress: Egress<HttpClient>,
}

impl HttpUpstream {
    /// With a pool of its own.
    ///
    /// # Errors
    ///
    /// When one of the policy's extra roots is not a certificate.
    pub fn new(policy: UpstreamHttpPolicy) -> io::Result<Self> {
        let bounds = policy.egress;
        Ok(Self { egress: Egress::new(HttpClient::new(policy)?, bounds) })
    }
}

impl Service<Attempt> for HttpUpstream {
    type Response = Reply;
    type Error = Failure;
    type Future = ResponseFuture<ClientFuture, Incoming>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.egress.poll_ready(cx)
    }

    fn call(&mut self, attempt: Attempt) -> Self::Future {
        self.egress.call(attempt)
    }
}
