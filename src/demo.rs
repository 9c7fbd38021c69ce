//! `lasso demo`: simulated nodes and the router in front of them, with no network needed.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::StatusCode;
use lasso_layers::catalog::{ChainSpec, ClientLimit, ProfileSpec, ProviderSpec, Topology, TopologySize};

use crate::sim::{Fault, Rule, SimChain, SimChainOptions, SimNode, SimNodeOptions};

/// Time between two blocks of the demo chain.
const BLOCK_TIME: Duration = Duration::from_secs(2);

/// The nodes of the demo, running. Dropping it stops them.
#[derive(Debug)]
pub struct Demo {
    nodes: Vec<SimNode>,
}

impl Demo {
    /// Starts three nodes of one chain: one is quick, one slow, and one fails every fourth call.
    ///
    /// # Errors
    ///
    /// If no loopback port can be had.
    pub async fn start() -> io::Result<Self> {
        let timestamp = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let chain = SimChain::new(
            1,
            SimChainOptions { timestamp, block_time: BLOCK_TIME, ..SimChainOptions::default() },
        );
        let mut nodes = Vec::new();
        for name in ["quick", "slow", "shaky"] {
            nodes.push(SimNode::start(SimNodeOptions::new(name, chain.clone())).await?);
        }
        nodes[1].behave([Rule::any(Fault::latency(Duration::from_millis(120)))]);
        nodes[2].behave([Rule::any(Fault::status(StatusCode::SERVICE_UNAVAILABLE)).every(4)]);
        tokio::spawn(async move { chain.run(BLOCK_TIME).await });
        Ok(Self { nodes })
    }

    /// A default profile with the nodes as providers of the chain `ethereum`.
    #[must_use]
    pub fn profile(&self) -> ProfileSpec {
        let mut chain = ChainSpec::new("ethereum", 1);
        chain.block_time = Some(BLOCK_TIME);
        chain.settings.topology = Topology { color: "#627EEA".to_owned(), size: TopologySize::Lg };
        chain.providers = (1..)
            .zip(&self.nodes)
            .map(|(priority, node)| {
                let provider = ProviderSpec::http(node.name(), node.http_url()).priority(priority);
                ProviderSpec { ws_url: Some(node.ws_url()), ..provider }
            })
            .collect();
        let mut profile = ProfileSpec::new("default").chain(chain);
        profile.name = "Demo".to_owned();
        profile.limit = ClientLimit { rps: 10_000, burst: 20_000 };
        profile
    }

    /// What a person can try, given where the router listens.
    #[must_use]
    pub fn welcome(&self, listen: SocketAddr) -> String {
        let nodes: String =
            self.nodes.iter().map(|node| format!("  {:<6} {}\n", node.name(), node.http_url())).collect();
        let call = |path: &str, body: &str| format!("  curl -s 'http://{listen}{path}' -d '{body}'\n");
        [
            "Three simulated nodes of one chain are running:\n",
            &nodes,
            "\nLasso stands in front of them:\n",
            &format!("  http://{listen}/rpc/ethereum\n"),
            "\nTry:\n",
            &call("/rpc/ethereum", r#"{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]}"#),
            &call("/rpc/ethereum", r#"{"jsonrpc":"2.0","id":2,"method":"eth_getLogs","params":[{"fromBlock":"latest","toBlock":"latest"}]}"#),
            &call("/rpc/ethereum", r#"[{"jsonrpc":"2.0","id":3,"method":"eth_chainId"},{"jsonrpc":"2.0","id":4,"method":"eth_gasPrice"}]"#),
            &call("/rpc/fastest/ethereum?include_meta=body", r#"{"jsonrpc":"2.0","id":5,"method":"web3_clientVersion"}"#),
            &format!("  curl -s http://{listen}/api/health\n"),
            "\nCtrl-C ends everything.\n",
        ]
        .concat()
    }
}
