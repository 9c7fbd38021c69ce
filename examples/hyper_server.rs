//! The smallest router that is worth having: four layers around a connection pool, in a plain hyper server.
//!
//! ```text
//! cargo run --example hyper_server
//! curl -s http://127.0.0.1:4000/ -d '{"jsonrpc":"2.0","id":1,"method":"web3_clientVersion"}'
//! ```
//!
//! The first node is out of order, so every answer comes from the second. There are no breakers here, so the first
//! node is asked each time; nothing classifies errors, so a JSON-RPC error is the answer whatever it says. Add layers
//! as you need what they do; `proxy.rs` has all of them.

use std::error::Error;

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use lasso_layers::attempt::timeout::TimeoutLayer;
use lasso_layers::call::Route;
use lasso_layers::call::candidate::CandidateLayer;
use lasso_layers::call::failover::{FailoverLayer, FailoverPolicy};
use lasso_layers::catalog::{ChainSpec, Live, ProfileSpec, ProviderSpec};
use lasso_layers::edge::ingress::Ingress;
use lasso_layers::edge::profile::{ProfileLayer, ProfilePolicy};
use lasso_rpc::sim::{Fault, Rule, SimChain, SimChainOptions, SimNode, SimNodeOptions};
use lasso_rpc::upstream::{HttpUpstream, UpstreamHttpPolicy};
use tokio::net::TcpListener;
use tower::ServiceBuilder;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let chain = SimChain::new(1, SimChainOptions::default());
    let broken = SimNode::start(SimNodeOptions::new("broken", chain.clone())).await?;
    let backup = SimNode::start(SimNodeOptions::new("backup", chain)).await?;
    broken.behave([Rule::any(Fault::Reset)]);
    let ethereum = ChainSpec::new("ethereum", 1)
        .provider(ProviderSpec::http("broken", broken.http_url()))
        .provider(ProviderSpec::http("backup", backup.http_url()));
    let live = Live::new(vec![ProfileSpec::new("default").chain(ethereum)])
        .map_err(|problems| format!("the profile is refused: {problems:?}"))?;

    let stack = ServiceBuilder::new()
        // Looks the chain up and sets the deadline.
        .layer(ProfileLayer::new(live, ProfilePolicy::default()))
        // Lists the channels that can serve the call. Without a strategy they keep the order from above.
        .layer(CandidateLayer::new())
        // Tries them until one answers.
        .layer(FailoverLayer::new(FailoverPolicy::default()))
        // Ends a try that takes too long: nothing else does.
        .layer(TimeoutLayer::new())
        .service(HttpUpstream::new(UpstreamHttpPolicy::default())?);
    // One chain, so its name need not be in the path.
    let ingress = Ingress::new(stack).route(Route::to_chain("ethereum"));

    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:4000".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}/", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        let ingress = ingress.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| ingress.handle(request));
            // The only error here is a client that broke off.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}
