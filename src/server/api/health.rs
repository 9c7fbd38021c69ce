//! `GET /api/health`.

use bytes::Bytes;
use serde_json::json;

use super::Api;
use crate::clock;

impl Api {
    /// That the process runs. Asks no upstream.
    pub(in crate::server) fn health(&self) -> Bytes {
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
}
