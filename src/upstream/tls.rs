//! Whom we trust over TLS.

use std::io;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};
use rustls_platform_verifier::Verifier;

/// The authorities of the system and these.
///
/// A system without any is no reason not to start: plain HTTP still works, and TLS fails with a certificate error,
/// which is announced here.
///
/// # Errors
///
/// When one of `extra_roots` is not a certificate.
pub(crate) fn client_config(extra_roots: Vec<CertificateDer<'static>>) -> io::Result<ClientConfig> {
    // The provider is named: with two of them in one program there would be no default.
    let provider = Arc::new(ring::default_provider());
    let has_extra_roots = !extra_roots.is_empty();
    match Verifier::new_with_extra_roots(extra_roots, provider.clone()) {
        Ok(verifier) => {
            let config = builder(provider).dangerous().with_custom_certificate_verifier(Arc::new(verifier));
            Ok(config.with_no_client_auth())
        }
        Err(error) if has_extra_roots => Err(io::Error::new(io::ErrorKind::InvalidInput, error)),
        Err(error) => {
            tracing::warn!(%error, "no certificate authorities: upstreams cannot be reached over TLS");
            Ok(builder(provider).with_root_certificates(RootCertStore::empty()).with_no_client_auth())
        }
    }
}

fn builder(provider: Arc<CryptoProvider>) -> ConfigBuilder<ClientConfig, WantsVerifier> {
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has cipher suites for TLS 1.2 and 1.3")
}
