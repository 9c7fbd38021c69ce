//! An existing axum server gets WebSockets to Ethereum nodes beside its own routes, over the same stack as its calls
//! over HTTP.
//!
//! ```text
//! cargo run --example websocket
//! npx wscat -c ws://127.0.0.1:4000/ws/rpc/ethereum -x '{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber"}'
//! ```
//!
//! [`WebSockets`] is a tower service of handshakes, as [`Ingress`] is one of calls. It takes any stack of call layers.
//! With `SubscribeLayer` in it clients can subscribe too; here a clock is what they subscribe to.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use lasso_layers::attempt::timeout::TimeoutLayer;
use lasso_layers::call::candidate::CandidateLayer;
use lasso_layers::call::failover::{FailoverLayer, FailoverPolicy};
use lasso_layers::call::guard::{GuardLayer, GuardPolicy};
use lasso_layers::call::inflight::InflightLayer;
use lasso_layers::call::session::{Delivery, Subscriber};
use lasso_layers::call::subscribe::{SubscribeLayer, Subscriptions, Topic};
use lasso_layers::call::{Call, Failure};
use lasso_layers::catalog::{ChainSpec, Live, ProfileSpec, ProviderSpec};
use lasso_layers::edge::ingress::Ingress;
use lasso_layers::edge::profile::{ProfileLayer, ProfilePolicy};
use lasso_rpc::server::WebSockets;
use lasso_rpc::sim::{SimChain, SimChainOptions, SimNode, SimNodeOptions};
use lasso_rpc::upstream::{HttpUpstream, UpstreamHttpPolicy};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tower::ServiceBuilder;

/// Tells every subscriber the same, ten times a second.
#[derive(Clone)]
struct Clock;

impl Subscriptions for Clock {
    /// Dropping it aborts the task.
    type Guard = JoinSet<()>;

    async fn subscribe(&self, _: &Call, _: Topic, subscriber: Subscriber) -> Result<JoinSet<()>, Failure> {
        let mut ticking = JoinSet::new();
        ticking.spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_millis(100));
            for tick in 0_u64.. {
                ticks.tick().await;
                let event = Arc::new(Delivery::of(format!(r#"{{"number":"{tick:#x}"}}"#).as_bytes()));
                // The client is gone, or does not read.
                if subscriber.push(&event).is_err() {
                    return;
                }
            }
        });
        Ok(ticking)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let chain = SimChain::new(1, SimChainOptions::default());
    let node = SimNode::start(SimNodeOptions::new("node", chain)).await?;
    let ethereum = ChainSpec::new("ethereum", 1).provider(ProviderSpec::http("node", node.http_url()));
    let live = Live::new(vec![ProfileSpec::new("default").chain(ethereum)])
        .map_err(|problems| format!("the profile is refused: {problems:?}"))?;

    let stack = ServiceBuilder::new()
        .layer(ProfileLayer::new(live, ProfilePolicy::default()))
        .layer(GuardLayer::new(GuardPolicy::default()))
        // Inside the guard, which tells clients over HTTP that they need a socket for this.
        .layer(SubscribeLayer::new(Clock))
        // What one socket may have under way.
        .layer(InflightLayer::new())
        .layer(CandidateLayer::new())
        .layer(FailoverLayer::new(FailoverPolicy::default()))
        .layer(TimeoutLayer::new())
        .service(HttpUpstream::new(UpstreamHttpPolicy::default())?);
    let sockets = WebSockets::new(stack.clone());

    let app = Router::new()
        .route("/hello", get(async || "hello\n"))
        .route_service("/rpc/{*path}", Ingress::new(stack))
        .route_service("/ws/{*path}", sockets.clone());

    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:4000".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}/ws/rpc/ethereum", listener.local_addr()?);
    axum::serve(listener, app)
        // Clients hear that the server goes, and are let go first.
        .with_graceful_shutdown(async move {
            let _ = tokio::signal::ctrl_c().await;
            sockets.stop();
        })
        .await?;
    Ok(())
}
