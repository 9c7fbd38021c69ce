//! Which providers are the same upstream.

use sha2::{Digest, Sha256};

use super::ProviderSpec;

/// The identity of an instance: equal for providers that share their upstream.
pub(super) fn instance_id(profile: &str, chain_id: u64, provider: &ProviderSpec) -> String {
    let url = provider.url.as_deref().or(provider.ws_url.as_deref()).unwrap_or_default();
    let mut hash = Sha256::new();
    hash.update(chain_id.to_be_bytes());
    hash.update(url.as_bytes());
    if provider.isolated {
        hash.update(profile.as_bytes());
    }
    let digest = hash.finalize();
    let hex: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    format!("{chain_id}:unknown:{hex}")
}
