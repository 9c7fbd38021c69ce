//! Making a WebSocket connection.

use std::fmt;
use std::io;

use rustls::pki_types::CertificateDer;

use crate::upstream::tls;

/// Makes connections to WebSocket upstreams.
#[derive(Clone)]
pub struct Connector {}

impl Connector {
    /// Which trusts the authorities of the system and these.
    ///
    /// # Errors
    ///
    /// When one of `extra_roots` is not a certificate.
    pub fn new(extra_roots: Vec<CertificateDer<'static>>) -> io::Result<Self> {
        tls::client_config(extra_roots)?;
        Ok(Self {})
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").finish_non_exhaustive()
    }
}
