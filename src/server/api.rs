//! The small JSON pages beside the RPC.

use bytes::Bytes;
use lasso_layers::catalog::{DEFAULT_PROFILE, Live};
use serde_json::json;
use tokio::time::Instant;

use crate::clock;

/// What the pages are made of.
#[derive(Clone, Debug)]
pub struct Api {
    /// The catalogue in force.
    pub live: Live,
    /// When the process began to serve.
    pub started: Instant,
}

impl Api {
    /// That the process runs. Asks no upstream.
    pub(super) fn health(&self) -> Bytes {
        let page = json!({
            "status": "healthy",
            "timestamp": clock::iso_8601(std::time::SystemTime::now()),
            "uptime_seconds": self.started.elapsed().as_secs(),
            "version": env!("CARGO_PKG_VERSION"),
            // This node alone.
            "cluster": {
                "enabled": false,
                "nodes_connected": 1,
                "nodes_responding": 1,
                "nodes_total": 1,
                "regions": [],
                "status": "standalone",
            },
        });
        Bytes::from(page.to_string())
    }

    /// The chains of the default profile.
    pub(super) fn chains(&self) -> Bytes {
        let catalog = self.live.load();
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
