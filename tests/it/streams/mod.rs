//! Subscriptions over real sockets: clients on one side of the router, nodes of one chain on the other.

mod continuity;
mod heights;
mod logs;
mod sharing;
mod subscribe;
mod viewer;

use std::sync::Arc;

use lasso_layers::catalog::{ChainSpec, Channel};
use lasso_rpc::config::Settings;
use lasso_rpc::sim::{Fault, SimChain, SimChainOptions, SimNode, SimNodeOptions};
use lasso_rpc::streams::StreamFigures;

pub(crate) use self::viewer::{Seen, Viewer};
use super::support::{LIMIT, Proxy, chain_of, ms, profile, until};

/// Nodes that serve one chain, with a router in front of them that has a connection to each.
pub(crate) struct Net {
    pub(crate) chain: SimChain,
    pub(crate) nodes: Vec<SimNode>,
    pub(crate) proxy: Proxy,
}

impl Net {
    pub(crate) async fn start(names: &[&str]) -> Self {
        Self::with(names, |_| {}, |_| {}).await
    }

    /// With settings and a chain that are not quite the usual ones. Providers have priorities in their order.
    pub(crate) async fn with(
        names: &[&str],
        settings: impl FnOnce(&mut Settings),
        chain: impl FnOnce(&mut ChainSpec),
    ) -> Self {
        let (sim, nodes) = nodes(names).await;
        let mut spec = streaming(&nodes);
        chain(&mut spec);
        let proxy = Proxy::start(vec![profile("default", spec)], |all| {
            quick(all);
            settings(all);
        })
        .await;
        let net = Self { chain: sim, nodes, proxy };
        for name in names {
            net.linked(name).await;
        }
        net
    }

    pub(crate) fn node(&self, name: &str) -> &SimNode {
        self.nodes.iter().find(|node| node.name() == name).expect("the node exists")
    }

    /// A client of the default profile.
    pub(crate) async fn viewer(&self) -> Viewer {
        Viewer::connect(&self.proxy, "/ws/rpc/ethereum").await
    }

    /// Waits until the router is connected to a node. Does nothing for one without WebSocket.
    pub(crate) async fn linked(&self, name: &str) {
        if let Some(channel) = self.channel(name) {
            let links = self.proxy.runtime.links;
            until("the router is connected", || links.is_up(channel.key)).await;
        }
    }

    pub(crate) fn channel(&self, name: &str) -> Option<Arc<Channel>> {
        let catalog = self.proxy.runtime.live.snapshot();
        let (_, chain) = catalog.profile("default").unwrap().1.chain("ethereum").unwrap();
        chain.provider(name).and_then(|(_, provider)| provider.ws.clone())
    }

    /// Ends a node's WebSockets and lets it make no new ones, and waits until the router knows; over HTTP it goes on.
    pub(crate) async fn cut(&self, name: &str) {
        let node = self.node(name);
        node.add_rule(lasso_rpc::sim::Rule::handshake(Fault::Reset));
        node.strike(Fault::Reset);
        let (channel, links) = (self.channel(name).expect("it has a WebSocket"), self.proxy.runtime.links);
        until("it is cut off", || !links.is_up(channel.key)).await;
    }

    pub(crate) fn figures(&self) -> StreamFigures {
        self.proxy.runtime.streams.figures()
    }

    /// Waits until the router's own figures are as wanted.
    pub(crate) async fn until_figures(&self, what: &str, wanted: impl Fn(&StreamFigures) -> bool) {
        until(what, || wanted(&self.figures())).await;
    }

    /// Waits until a node has so many subscriptions to a topic.
    pub(crate) async fn open(&self, name: &str, topic: &str, open: u64) {
        let node = self.node(name);
        let is_so = node.wait_for_topic(topic, LIMIT, |stats| stats.open == open).await;
        assert!(is_so, "{name} has {:?} of {topic}", node.topic(topic));
    }

    /// The blocks from one number to another, as clients should see them.
    pub(crate) fn blocks(&self, from: u64, to: u64) -> Vec<Seen> {
        (from..=to).map(|number| (number, self.chain.block_hash(number).expect("it is mined"))).collect()
    }
}

/// Nodes of one chain, whose height is 10.
pub(crate) async fn nodes(names: &[&str]) -> (SimChain, Vec<SimNode>) {
    let chain = SimChain::new(1, SimChainOptions { height: 10, ..SimChainOptions::default() });
    let mut nodes = Vec::new();
    for name in names {
        let options = SimNodeOptions::new(*name, chain.clone());
        nodes.push(SimNode::start(options).await.expect("a loopback port is free"));
    }
    (chain, nodes)
}

/// A chain of nodes that have WebSockets.
pub(crate) fn streaming(nodes: &[SimNode]) -> ChainSpec {
    let mut chain = chain_of(nodes);
    for (provider, node) in chain.providers.iter_mut().zip(nodes) {
        provider.ws_url = Some(node.ws_url());
    }
    chain
}

/// Connections are made at once, and nothing that is kept for a while is kept for long. No breaker opens.
pub(crate) fn quick(settings: &mut Settings) {
    settings.upstream_websocket.connect_jitter = ms(0);
    settings.upstream_websocket.reconnect_interval = ms(20);
    settings.circuit_breaker.failure_threshold = 255;
    settings.circuit_breaker.category_thresholds.clear();
    settings.subscriptions.establish_attempt = ms(2_000);
    settings.subscriptions.release_after_failover = ms(50);
}
