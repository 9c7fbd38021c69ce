//! `GET /api/chains`.

use bytes::Bytes;
use lasso_layers::catalog::DEFAULT_PROFILE;
use serde_json::json;

use super::Api;

impl Api {
    /// The chains of the default profile.
    pub(in crate::server) fn chains(&self) -> Bytes {
        let catalog = self.runtime.live.load();
        let chains = catalog.profile(DEFAULT_PROFILE).map_or(&[][..], |(_, profile)| profile.chains());
        let chains = chains.iter().map(|chain| {
            json!({
                "chain_id": chain.chain_id.to_string(),
                "name": chain.name,
                "chain_name": chain.key.as_str(),
                "supported": true,
            })
        });
        Bytes::from(json!({ "chains": chains.collect::<Vec<_>>() }).to_string())
    }
}
