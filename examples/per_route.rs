//! Two routes of one server with different strategies and limits.
//!
//! ```text
//! cargo run --example per_route
//! curl -s http://127.0.0.1:4000/wallet  -d '{"jsonrpc":"2.0","id":1,"method":"web3_clientVersion"}'
//! curl -s http://127.0.0.1:4000/indexer -d '{"jsonrpc":"2.0","id":1,"method":"web3_clientVersion"}'
//! ```
//!
//! What differs between routes is data, not layers: each route names a profile, and the one stack reads limits and
//! strategy from it. State is shared where it is about upstreams (breakers) and apart where it is about clients
//! (limits are counted by profile and client).

use std::error::Error;

use http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use lasso_layers::attempt::breaker::{BreakerPolicy, Breakers, CircuitBreakerLayer};
use lasso_layers::attempt::classify::ClassifyLayer;
use lasso_layers::attempt::timeout::TimeoutLayer;
use lasso_layers::call::candidate::CandidateLayer;
use lasso_layers::call::failover::{FailoverLayer, FailoverPolicy};
use lasso_layers::call::guard::{GuardLayer, GuardPolicy};
use lasso_layers::call::rate_limit::{Limits, RateLimitLayer};
use lasso_layers::call::strategy::StrategyLayer;
use lasso_layers::call::{Route, Stage};
use lasso_layers::catalog::{ChainSpec, ClientLimit, Live, ProfileSpec, ProviderSpec, Strategy};
use lasso_layers::edge::ingress::{Ingress, RequestId, plain_error};
use lasso_layers::edge::profile::{ProfileLayer, ProfilePolicy};
use lasso_rpc::sim::{SimChain, SimChainOptions, SimNode, SimNodeOptions};
use lasso_rpc::upstream::{HttpUpstream, UpstreamHttpPolicy};
use tokio::net::TcpListener;
use tower::ServiceBuilder;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let chain = SimChain::new(1, SimChainOptions::default());
    let own = SimNode::start(SimNodeOptions::new("own", chain.clone())).await?;
    let rented = SimNode::start(SimNodeOptions::new("rented", chain)).await?;
    let ethereum = ChainSpec::new("ethereum", 1)
        .provider(ProviderSpec::http("own", own.http_url()).priority(1))
        .provider(ProviderSpec::http("rented", rented.http_url()).priority(2));

    // People click: few requests, always to our own node while it works.
    let mut wallet = ProfileSpec::new("wallet").chain(ethereum.clone());
    wallet.limit = ClientLimit { rps: 1, burst: 3 };
    wallet.routing.default_strategy = Some(Strategy::Priority);
    // Machines read: many requests, spread over all nodes.
    let mut indexer = ProfileSpec::new("indexer").chain(ethereum);
    indexer.limit = ClientLimit { rps: 1_000, burst: 5_000 };
    indexer.routing.default_strategy = Some(Strategy::LoadBalanced);
    let live = Live::new(vec![wallet, indexer])
        .map_err(|problems| format!("the profiles are refused: {problems:?}"))?;

    let breakers = Breakers::new(BreakerPolicy::default());
    let stack = ServiceBuilder::new()
        .layer(ProfileLayer::new(live, ProfilePolicy::default()))
        .layer(GuardLayer::new(GuardPolicy::default()))
        .layer(RateLimitLayer::new(Limits::new()))
        .layer(CandidateLayer::new().filter(Stage::Circuit, breakers))
        .layer(StrategyLayer::new())
        .layer(FailoverLayer::new(FailoverPolicy::default()))
        .layer(CircuitBreakerLayer::new(breakers))
        .layer(TimeoutLayer::new())
        .layer(ClassifyLayer::new())
        .service(HttpUpstream::new(UpstreamHttpPolicy::default())?);
    let mount = |profile: &str| {
        Ingress::new(stack.clone()).route(Route { profile: profile.into(), ..Route::to_chain("ethereum") })
    };
    let (wallet, indexer) = (mount("wallet"), mount("indexer"));

    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:4000".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}/wallet and /indexer", listener.local_addr()?);
    loop {
        let (stream, peer) = listener.accept().await?;
        let (wallet, indexer) = (wallet.clone().peer(peer), indexer.clone().peer(peer));
        let service = service_fn(move |request: Request<Incoming>| {
            let mount = match request.uri().path() {
                "/wallet" => Ok(wallet.handle(request)),
                "/indexer" => Ok(indexer.handle(request)),
                _ => Err(plain_error(StatusCode::NOT_FOUND, &RequestId::of(request.headers()))),
            };
            async {
                match mount {
                    Ok(response) => response.await,
                    Err(not_found) => Ok(not_found),
                }
            }
        });
        tokio::spawn(async move {
            // The only error here is a client that broke off.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}
