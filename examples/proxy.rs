//! The whole stack in one file: every layer composed by hand, from a socket to simulated nodes.
//!
//! ```text
//! cargo run --example proxy
//! curl -s http://127.0.0.1:4000/rpc/ethereum -d '{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber"}'
//! ```
//!
//! `src/stack.rs` is the same composition with the settings of the `lasso` binary.

use std::error::Error;

use hyper::service::service_fn;
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use lasso_layers::attempt::benchmark::{
    BenchmarkLayer, Benchmarks, Fastest, FastestPolicy, LatencyWeighted, LatencyWeightedPolicy,
};
use lasso_layers::attempt::breaker::{BreakerPolicy, Breakers, CircuitBreakerLayer};
use lasso_layers::attempt::classify::ClassifyLayer;
use lasso_layers::attempt::pace::{PaceLayer, PacePolicy, Paces};
use lasso_layers::attempt::timeout::TimeoutLayer;
use lasso_layers::call::candidate::{CandidateLayer, HttpOnly};
use lasso_layers::call::failover::{FailoverLayer, FailoverPolicy};
use lasso_layers::call::guard::{GuardLayer, GuardPolicy};
use lasso_layers::call::observe::{ObserveLayer, ObservePolicy};
use lasso_layers::call::rate_limit::{Limits, RateLimitLayer};
use lasso_layers::call::strategy::StrategyLayer;
use lasso_layers::call::{Dispatch, Failure, Stage, TransportKind};
use lasso_layers::catalog::{ChainSpec, Live, ProfileSpec, ProviderSpec, Strategy, Transport};
use lasso_layers::edge::egress::{EgressLayer, EgressPolicy};
use lasso_layers::edge::ingress::Ingress;
use lasso_layers::edge::profile::{ProfileLayer, ProfilePolicy};
use lasso_rpc::sim::{Fault, Rule, SimChain, SimChainOptions, SimNode, SimNodeOptions};
use tokio::net::TcpListener;
use tower::ServiceBuilder;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Two nodes of one chain. The one that is asked first answers every second call with status 503.
    let chain = SimChain::new(1, SimChainOptions::default());
    let shaky = SimNode::start(SimNodeOptions::new("shaky", chain.clone())).await?;
    let steady = SimNode::start(SimNodeOptions::new("steady", chain)).await?;
    shaky.behave([Rule::any(Fault::status(http::StatusCode::SERVICE_UNAVAILABLE)).every(2)]);
    let ethereum = ChainSpec::new("ethereum", 1)
        .provider(ProviderSpec::http("shaky", shaky.http_url()).priority(1))
        .provider(ProviderSpec::http("steady", steady.http_url()).priority(2));
    let live = Live::new(vec![ProfileSpec::new("default").chain(ethereum)])
        .map_err(|problems| format!("the profile is refused: {problems:?}"))?;

    // Stores: handles on the state that outlives requests. Two layers that hold the same handle agree.
    let breakers = Breakers::new(BreakerPolicy::default());
    let paces = Paces::new(PacePolicy::default());
    let benchmarks = Benchmarks::new();

    // The stores have their say in which channels may be used; WebSocket channels are nothing for an HTTP client.
    let candidates = CandidateLayer::new()
        .filter(Stage::Liveness, HttpOnly)
        .filter(Stage::Circuit, breakers)
        .filter(Stage::RateLimit, paces);

    // Any tower service that takes HTTP requests will do. Whether a request may have arrived decides whether it
    // may be sent again, so an error says so as precisely as it can.
    let client = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build_http();
    let failure = |error: ClientError| match error.is_connect() {
        true => Failure::transport(TransportKind::Connect, Dispatch::NotSent, Transport::Http),
        false => Failure::transport(TransportKind::Broken, Dispatch::Unknown, Transport::Http),
    };

    let stack = ServiceBuilder::new()
        // === once for each call ===
        // Outermost, so that refusals are seen too.
        .layer(ObserveLayer::new(ObservePolicy::default()))
        // Turns names into one snapshot of the catalogue; every layer below reads it.
        .layer(ProfileLayer::new(
            live,
            ProfilePolicy { default_strategy: Strategy::Priority, ..Default::default() },
        ))
        // What is refused or answered here costs no token and no upstream.
        .layer(GuardLayer::new(GuardPolicy::default()))
        // Counts what clients ask, not what it takes to answer them.
        .layer(RateLimitLayer::new(Limits::new()))
        // Which channels may be used.
        .layer(candidates)
        // In which order: measurements have their say as rankers.
        .layer(
            StrategyLayer::new()
                .ranker(Strategy::Fastest, Fastest::new(benchmarks, FastestPolicy::default()))
                .ranker(
                    Strategy::LatencyWeighted,
                    LatencyWeighted::new(benchmarks, LatencyWeightedPolicy::default()),
                ),
        )
        // The pivot: below it, a request is one attempt on one channel.
        .layer(FailoverLayer::new(FailoverPolicy::default()))
        // === once for each attempt ===
        // Outermost, so that it hears of timeouts and refuses for free.
        .layer(CircuitBreakerLayer::new(breakers))
        // Sends a channel back that became rate limited since it was ranked.
        .layer(PaceLayer::new(paces))
        // Outside the timeout: an attempt that was cut off is a recorded bound, not a missing sample.
        .layer(BenchmarkLayer::new(benchmarks))
        .layer(TimeoutLayer::new())
        // Everyone outside sees categories, not codes and texts.
        .layer(ClassifyLayer::new())
        // Attempts become HTTP requests.
        .layer(EgressLayer::new(EgressPolicy::default()))
        .map_err(failure)
        .service(client);
    let ingress = Ingress::new(stack);

    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:4000".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}/rpc/ethereum", listener.local_addr()?);
    loop {
        let (stream, peer) = listener.accept().await?;
        // Who is asking is a property of the connection; client limits are counted under it.
        let ingress = ingress.clone().peer(peer);
        tokio::spawn(async move {
            let service = service_fn(move |request| ingress.handle(request));
            let connection = Builder::new(TokioExecutor::new());
            // The only error here is a client that broke off.
            let _ = connection.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
