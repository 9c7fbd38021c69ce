//! An existing axum server gets a route to Ethereum nodes beside its own.
//!
//! ```text
//! cargo run --example axum_drop_in
//! curl -s http://127.0.0.1:4000/hello
//! curl -s http://127.0.0.1:4000/rpc/ethereum -d '{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber"}'
//! ```
//!
//! An [`Ingress`] is a tower service that never fails, which is what axum routes to. Middleware of axum and
//! tower-http works around it as around any other route.

use std::error::Error;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::routing::get;
use lasso_layers::attempt::classify::ClassifyLayer;
use lasso_layers::attempt::timeout::TimeoutLayer;
use lasso_layers::call::candidate::CandidateLayer;
use lasso_layers::call::failover::{FailoverLayer, FailoverPolicy};
use lasso_layers::call::guard::{GuardLayer, GuardPolicy};
use lasso_layers::call::rate_limit::{Limits, RateLimitLayer};
use lasso_layers::call::strategy::StrategyLayer;
use lasso_layers::catalog::{ChainSpec, ClientLimit, Live, ProfileSpec, ProviderSpec};
use lasso_layers::edge::ingress::{Ingress, PeerAddr};
use lasso_layers::edge::profile::{ProfileLayer, ProfilePolicy};
use lasso_rpc::sim::{SimChain, SimChainOptions, SimNode, SimNodeOptions};
use lasso_rpc::upstream::{HttpUpstream, UpstreamHttpPolicy};
use tokio::net::TcpListener;
use tower::ServiceBuilder;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let chain = SimChain::new(1, SimChainOptions::default());
    let one = SimNode::start(SimNodeOptions::new("one", chain.clone())).await?;
    let two = SimNode::start(SimNodeOptions::new("two", chain)).await?;
    let ethereum = ChainSpec::new("ethereum", 1)
        .provider(ProviderSpec::http("one", one.http_url()))
        .provider(ProviderSpec::http("two", two.http_url()));
    let mut profile = ProfileSpec::new("default").chain(ethereum);
    profile.limit = ClientLimit { rps: 1, burst: 20 };
    let live =
        Live::new(vec![profile]).map_err(|problems| format!("the profile is refused: {problems:?}"))?;

    let stack = ServiceBuilder::new()
        .layer(ProfileLayer::new(live, ProfilePolicy::default()))
        .layer(GuardLayer::new(GuardPolicy::default()))
        .layer(RateLimitLayer::new(Limits::new()))
        .layer(CandidateLayer::new())
        .layer(StrategyLayer::new())
        .layer(FailoverLayer::new(FailoverPolicy::default()))
        .layer(TimeoutLayer::new())
        .layer(ClassifyLayer::new())
        .service(HttpUpstream::new(UpstreamHttpPolicy::default())?);
    // Client limits count by address, which axum knows under a name of its own.
    let ingress = ServiceBuilder::new().map_request(with_peer).service(Ingress::new(stack));

    let app = Router::new()
        .route("/hello", get(async || "hello\n"))
        // Everything below /rpc, in all the shapes that a path can have.
        .route_service("/rpc/{*path}", ingress);

    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:4000".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}/rpc/ethereum", listener.local_addr()?);
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}

/// Tells the ingress whose request it is.
fn with_peer(mut request: Request) -> Request {
    if let Some(&ConnectInfo(address)) = request.extensions().get::<ConnectInfo<SocketAddr>>() {
        request.extensions_mut().insert(PeerAddr(address));
    }
    request
}
