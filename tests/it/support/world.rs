//! Nodes of one chain with a router in front of them.

use lasso_layers::catalog::{ChainSpec, ClientLimit, ProfileSpec, ProviderSpec};
use lasso_rpc::config::Settings;
use lasso_rpc::sim::{Fault, Rule, SimChain, SimChainOptions, SimNode, SimNodeOptions};
use serde_json::json;

use super::{LIMIT, Proxy, WHO};

/// Some nodes and the router that knows them as providers of `ethereum` in its default profile, with priorities in
/// their order.
pub(crate) struct World {
    pub(crate) nodes: Vec<SimNode>,
    pub(crate) proxy: Proxy,
}

/// A healthy node of chain 1.
pub(crate) async fn node(name: &str) -> SimNode {
    let chain = SimChain::new(1, SimChainOptions::default());
    SimNode::start(SimNodeOptions::new(name, chain)).await.expect("a loopback port is free")
}

fn provider(node: &SimNode) -> ProviderSpec {
    ProviderSpec::http(node.name(), node.http_url())
}

pub(crate) fn chain_of<'a>(nodes: impl IntoIterator<Item = &'a SimNode>) -> ChainSpec {
    let mut chain = ChainSpec::new("ethereum", 1);
    chain.providers = (1..).zip(nodes).map(|(priority, node)| provider(node).priority(priority)).collect();
    chain
}

/// A profile that limits nobody.
pub(crate) fn profile(slug: &str, chain: ChainSpec) -> ProfileSpec {
    let mut profile = ProfileSpec::new(slug).chain(chain);
    profile.limit = ClientLimit { rps: 1_000_000, burst: 1_000_000 };
    profile
}

impl World {
    pub(crate) async fn start(names: &[&str]) -> Self {
        Self::with(names, |_| {}, |_| {}).await
    }

    /// With settings and a chain that are not quite the usual ones.
    pub(crate) async fn with(
        names: &[&str],
        settings: impl FnOnce(&mut Settings),
        chain: impl FnOnce(&mut ChainSpec),
    ) -> Self {
        let mut nodes = Vec::new();
        for name in names {
            nodes.push(node(name).await);
        }
        let mut spec = chain_of(&nodes);
        chain(&mut spec);
        let proxy = Proxy::start(vec![profile("default", spec)], settings).await;
        Self { nodes, proxy }
    }

    pub(crate) fn node(&self, name: &str) -> &SimNode {
        self.nodes.iter().find(|node| node.name() == name).expect("the node exists")
    }

    /// From now on the node meets every `web3_clientVersion` with this fault.
    pub(crate) fn behave(&self, name: &str, fault: Fault) {
        self.node(name).behave([Rule::method(WHO, fault)]);
    }

    /// Asks who is there; the answer has to be a name.
    pub(crate) async fn who(&self) -> String {
        self.proxy.call(WHO, json!([])).await.who()
    }

    /// Asks one provider by name.
    pub(crate) async fn ask(&self, provider: &str) -> super::Reply {
        self.proxy.call_at(&format!("/rpc/ethereum/{provider}"), WHO, json!([])).await
    }

    /// How often each node was asked who it is, in the order of the nodes.
    pub(crate) fn asked(&self) -> Vec<u64> {
        self.nodes.iter().map(|node| node.calls(WHO)).collect()
    }

    /// Waits until a node is busy with so many requests.
    pub(crate) async fn wait_in_flight(&self, name: &str, in_flight: u64) {
        let is_so = self.node(name).wait_until(LIMIT, |stats| stats.in_flight == in_flight).await;
        assert!(is_so, "{name} has {} requests in flight", self.node(name).stats().in_flight);
    }
}
