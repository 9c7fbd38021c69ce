//! Links to simulated nodes, over real sockets.

mod calls;
mod ends;
mod feeds;
mod peer;
mod reload;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lasso_layers::attempt::Attempt;
use lasso_layers::attempt::breaker::BreakerStatus;
use lasso_layers::call::{Body, Dispatch, Failure, Reply, TransportKind};
use lasso_layers::catalog::{ChainSpec, Channel, Live, ProfileSpec, ProviderSpec};
use lasso_layers::testing;
use rustls::pki_types::CertificateDer;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tower::ServiceExt;

use super::{Connector, LinkPolicy, LinkState, Links, WsUpstream};
use crate::config::Settings;
use crate::runtime::Runtime;
use crate::sim::{SimChain, SimChainOptions, SimNode, SimNodeOptions};

/// No test waits longer for anything.
const LIMIT: Duration = Duration::from_secs(20);

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

async fn node() -> SimNode {
    let chain = SimChain::new(1, SimChainOptions::default());
    SimNode::start(SimNodeOptions::new("node", chain)).await.expect("a loopback port is free")
}

/// Providers of the chain `ethereum` that speak WebSocket only.
fn profiles(urls: &[String]) -> Vec<ProfileSpec> {
    let mut chain = ChainSpec::new("ethereum", 1);
    chain.providers = (0..).zip(urls).map(|(at, url)| provider(&format!("p{at}"), url)).collect();
    vec![ProfileSpec::new("default").chain(chain)]
}

fn provider(id: &str, url: &str) -> ProviderSpec {
    ProviderSpec { url: None, ws_url: Some(url.to_owned()), ..ProviderSpec::http(id, "") }
}

/// Links that run, and the stores around them.
struct World {
    runtime: Runtime,
    links: Links,
    /// Dropping it ends the links.
    tasks: JoinSet<()>,
}

/// Links connect at once, and soon again.
fn eager() -> LinkPolicy {
    LinkPolicy { connect_jitter: Duration::ZERO, reconnect_interval: ms(1), ..LinkPolicy::default() }
}

impl World {
    /// With a link to this address, which is up already.
    async fn connected(url: String, policy: LinkPolicy) -> Self {
        let world = Self::start(profiles(&[url]), policy, Vec::new());
        world.wait_up(0).await;
        world
    }

    fn start(profiles: Vec<ProfileSpec>, policy: LinkPolicy, roots: Vec<CertificateDer<'static>>) -> Self {
        let runtime = Runtime::new(Live::new(profiles).unwrap(), &Settings::default());
        let Runtime { live, breakers, paces, strangers, entropy, observed, .. } = runtime.clone();
        let links = Links::new(policy, live, breakers, paces, strangers, entropy, observed);
        let mut tasks = JoinSet::new();
        tasks.spawn(links.run(Connector::new(&policy, roots).unwrap()));
        Self { runtime, links, tasks }
    }

    /// The channel of the provider at this position.
    fn channel(&self, provider: usize) -> Arc<Channel> {
        let catalog = self.runtime.live.snapshot();
        catalog.profiles()[0].chains()[0].providers[provider].ws.clone().expect("it speaks WebSocket")
    }

    async fn wait_up(&self, provider: usize) {
        let key = self.channel(provider).key;
        until("the link is up", || self.links.is_up(key)).await;
    }

    async fn wait_pending(&self, pending: usize) {
        let key = self.channel(0).key;
        until("as many requests wait", || self.links.status(key).pending == pending).await;
    }

    fn state(&self) -> Option<LinkState> {
        self.links.state(self.channel(0).key)
    }

    fn breaker(&self) -> BreakerStatus {
        self.runtime.breakers.status(self.channel(0).key, Instant::now())
    }

    /// A call with id 1 to the first provider.
    fn attempt(&self, method: &str, params: &str) -> Attempt {
        let call = testing::call(method, params);
        testing::attempt(testing::planned(&self.runtime.live, call, LIMIT), 0)
    }

    async fn send(&self, attempt: Attempt) -> Result<Reply, Failure> {
        let sending = WsUpstream::new(self.links).oneshot(attempt);
        timeout(LIMIT, sending).await.expect("an outcome in time")
    }

    async fn call(&self, method: &str, params: &str) -> Result<Reply, Failure> {
        self.send(self.attempt(method, params)).await
    }
}

/// Looks again and again until the condition holds.
async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let looking = async {
        while !condition() {
            tokio::time::sleep(ms(2)).await;
        }
    };
    assert!(timeout(LIMIT, looking).await.is_ok(), "waited in vain until {what}");
}

#[track_caller]
fn result(outcome: Result<Reply, Failure>) -> Bytes {
    match outcome {
        Ok(Reply::Result(Body::Full(body))) => body,
        other => panic!("not a whole result: {other:?}"),
    }
}

#[track_caller]
fn broken(outcome: Result<Reply, Failure>) -> (TransportKind, Dispatch) {
    match outcome {
        Err(Failure::Transport(failure)) => (failure.kind, failure.dispatch),
        other => panic!("not a broken exchange: {other:?}"),
    }
}
