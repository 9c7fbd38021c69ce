//! Simulated nodes in this process and Lasso in its own.

use std::time::Duration;

use lasso_rpc::sim::{SimChain, SimChainOptions, SimNode, SimNodeOptions};

use crate::Outcome;
use crate::process::{Directory, Server};

/// The path at which clients connect.
pub(crate) const PATH: &str = "/ws/rpc/ethereum";

/// What is on the scene. Plain data.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// Nodes of the one chain.
    pub(crate) nodes: usize,
    pub(crate) logs_per_block: u64,
    pub(crate) block_time: Duration,
    /// Silence of heads after which a provider is left.
    pub(crate) heads_timeout: Duration,
    /// Lines of the settings file.
    pub(crate) settings: &'static str,
}

/// A chain, its nodes, and Lasso in front of them.
pub(crate) struct Scene {
    pub(crate) chain: SimChain,
    pub(crate) nodes: Vec<SimNode>,
    pub(crate) lasso: Server,
    _directory: Directory,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            nodes: 1,
            logs_per_block: 2,
            block_time: Duration::from_secs(12),
            heads_timeout: Duration::from_secs(3600),
            settings: "",
        }
    }
}

// === impl Scene ===

impl Scene {
    pub(crate) async fn start(setting: &Setting) -> Outcome<Self> {
        let options = SimChainOptions {
            block_time: setting.block_time,
            logs_per_block: setting.logs_per_block,
            ..SimChainOptions::default()
        };
        let chain = SimChain::new(1, options);
        let mut nodes = Vec::new();
        for ordinal in 1..=setting.nodes {
            let options = SimNodeOptions::new(format!("node{ordinal}"), chain.clone());
            nodes.push(SimNode::start(SimNodeOptions { remember: 0, ..options }).await?);
        }
        let directory = Directory::new()?;
        let settings = format!(
            "probe: {{ enabled: false }}\nupstream_websocket: {{ connect_jitter_ms: 0, stable_after_ms: 0, reconnect_interval_ms: 50 }}\n{}",
            setting.settings
        );
        let lasso = Server::lasso(&directory, &profile(setting, &nodes), &settings, PATH).await?;
        Ok(Self { chain, nodes, lasso, _directory: directory })
    }

    /// Subscriptions that all nodes have seen so far.
    pub(crate) fn subscribed(&self) -> u64 {
        self.nodes.iter().map(|node| node.stats().subscribed).sum()
    }
}

fn profile(setting: &Setting, nodes: &[SimNode]) -> String {
    let providers: String = (1..)
        .zip(nodes)
        .map(|(priority, node)| {
            format!(
                "      - {{ id: {}, url: \"{}\", ws_url: \"{}\", priority: {priority} }}\n",
                node.name(),
                node.http_url(),
                node.ws_url()
            )
        })
        .collect();
    format!(
        "name: Load\nslug: default\nrps_limit: 10000000\nburst_limit: 10000000\nchains:\n  ethereum:\n    \
         chain_id: 1\n    block_time_ms: {}\n    monitoring: {{ probe_interval_ms: 3600000 }}\n    \
         websocket: {{ new_heads_timeout_ms: {} }}\n    providers:\n{providers}",
        setting.block_time.as_millis(),
        setting.heads_timeout.as_millis()
    )
}
