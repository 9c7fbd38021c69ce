//! Three nodes of one chain, the router over them, and the miner.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use lasso_layers::catalog::{ChainSpec, ClientLimit, Live, ProfileSpec, ProviderSpec, Strategy};
use lasso_rpc::config::Settings;
use lasso_rpc::router::Router;
use lasso_rpc::sim::{SimChain, SimChainOptions, SimNode, SimNodeOptions};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, timeout};

use super::LIMIT;
use super::ledger::Ledger;

/// The time between two blocks.
const BLOCK_TIME: Duration = ms(15);

pub(crate) struct World {
    nodes: Vec<SimNode>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) address: SocketAddr,
    router: JoinHandle<()>,
}

/// Makes blocks until it is stopped.
pub(crate) struct Miner {
    stop: oneshot::Sender<()>,
    task: JoinHandle<(u64, u64)>,
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// What takes seconds and minutes otherwise takes milliseconds here.
fn hurried() -> Settings {
    let mut settings = Settings::default();
    settings.routing.default_strategy = Strategy::Priority;
    settings.probe.enabled = false;
    // Its subscriptions would hide which node serves the streams.
    settings.block_sync.enabled = false;
    settings.history.enabled = false;
    settings.circuit_breaker.failure_threshold = 1_000;
    settings.circuit_breaker.category_thresholds.clear();
    settings.circuit_breaker.recovery_timeout = ms(50);
    settings.circuit_breaker.max_recovery_timeout = ms(50);
    settings.upstream_websocket.connect_jitter = ms(0);
    settings.upstream_websocket.reconnect_interval = ms(5);
    settings.upstream_websocket.stable_after = ms(0);
    settings.upstream_websocket.ping_interval = ms(60);
    settings.upstream_websocket.pong_timeout = ms(100);
    settings.subscriptions.linger = ms(0);
    settings.subscriptions.linger_sweep = ms(5);
    settings.subscriptions.release_after_failover = ms(0);
    settings.subscriptions.establish_attempt = ms(200);
    settings.subscriptions.failover_attempts = 1_000;
    // A busy machine may hold a reader up; this is not about slow readers.
    settings.websocket.outbox_messages = 10_000;
    settings
}

impl World {
    pub(crate) async fn start() -> Self {
        let chain = SimChain::new(1, SimChainOptions { block_time: ms(1_000), ..SimChainOptions::default() });
        let mut spec = ChainSpec::new("ethereum", 1);
        spec.block_time = Some(BLOCK_TIME);
        spec.settings.new_heads_timeout = ms(200);
        let mut nodes = Vec::new();
        for name in ["one", "two", "three"] {
            let options = SimNodeOptions { remember: 0, ..SimNodeOptions::new(name, chain.clone()) };
            let node = SimNode::start(options).await.expect("a loopback port is free");
            let mut provider = ProviderSpec::http(name, node.http_url());
            provider.ws_url = Some(node.ws_url().parse().expect("it is a URL"));
            spec.providers.push(provider);
            nodes.push(node);
        }
        let mut profile = ProfileSpec::new("default").chain(spec);
        profile.limit = ClientLimit { rps: 1_000_000, burst: 1_000_000 };
        let live = Live::new(vec![profile]).expect("the profile is valid");
        let router = Router::new(live, &hurried()).expect("a router can be made");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a loopback port is free");
        let address = listener.local_addr().expect("it is bound");
        let router = tokio::spawn(router.serve(listener, std::future::pending()));
        let ledger = Arc::new(Ledger::new(chain));
        for node in &nodes {
            assert!(
                node.wait_until(LIMIT, |stats| stats.sockets > 0).await,
                "the router connects to {}",
                node.name()
            );
        }
        Self { nodes, ledger, address, router }
    }

    /// A node that serves a stream right now.
    pub(crate) async fn serving(&self, rng: &mut fastrand::Rng) -> &SimNode {
        let look = async {
            loop {
                let serving = self.nodes.iter().filter(|node| node.topic("newHeads").open > 0);
                if let Some(node) = rng.choice(serving.collect::<Vec<_>>()) {
                    return node;
                }
                tokio::time::sleep(ms(1)).await;
            }
        };
        timeout(LIMIT, look).await.expect("some node serves the streams")
    }

    /// Lets the chain grow, and every now and then change its newest blocks.
    pub(crate) fn mine(&self, mut rng: fastrand::Rng) -> Miner {
        let ledger = self.ledger.clone();
        let (stop, mut stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(BLOCK_TIME);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let (mut blocks, mut reorgs) = (0, 0);
            let mut left = None;
            loop {
                tokio::select! {
                    _ = &mut stopped => return (blocks, reorgs),
                    _ = ticks.tick() => {}
                }
                blocks += 1;
                // What was there before the subscriptions stays.
                let draw = if blocks > 20 { rng.u32(..50) } else { u32::MAX };
                ledger.change(|chain| match draw {
                    // A branch as long as the old one, a longer one, and a shorter one.
                    0 => {
                        reorgs += 1;
                        left = Some(chain.branch());
                        let depth = rng.u64(1..=4);
                        chain.reorg_to(depth, rng.u64(1..=depth + 1));
                    }
                    // Back to what was left not long ago.
                    1 if left.is_some() => {
                        reorgs += 1;
                        chain.switch(&left.take().expect("it was looked at"));
                        chain.mine(3);
                    }
                    turn => {
                        if turn > 30 {
                            left = None;
                        }
                        chain.mine(1);
                    }
                });
            }
        });
        Miner { stop, task }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.router.abort();
    }
}

impl Miner {
    /// How many blocks it made, and how often it changed those that were there.
    pub(crate) async fn stop(self) -> (u64, u64) {
        self.stop.send(()).expect("it mines");
        self.task.await.expect("it does not panic")
    }
}
