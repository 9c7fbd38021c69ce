//! A layer and a filter of one's own in the middle of the stack.
//!
//! ```text
//! cargo run --example custom_layer
//! curl -s 'http://127.0.0.1:4000/rpc/ethereum?include_meta=body' \
//!   -d '{"jsonrpc":"2.0","id":1,"method":"eth_sendRawTransaction","params":["0x02"]}'
//! ```
//!
//! [`BlockCacheLayer`] answers `eth_getBlockByHash` from memory: a block never changes under its hash.
//! [`PrivateTransactions`] keeps transactions away from public nodes. Neither is known to the layers around it.

use std::collections::HashMap;
use std::error::Error;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use lasso_layers::attempt::classify::ClassifyLayer;
use lasso_layers::attempt::timeout::TimeoutLayer;
use lasso_layers::call::candidate::CandidateLayer;
use lasso_layers::call::failover::{FailoverLayer, FailoverPolicy};
use lasso_layers::call::guard::{GuardLayer, GuardPolicy};
use lasso_layers::call::observe::{ObserveLayer, ObservePolicy};
use lasso_layers::call::strategy::StrategyLayer;
use lasso_layers::call::{Body, Call, Either, Failure, Filter, Reply, Stage, Subject, Verdict};
use lasso_layers::catalog::{ChainSpec, Live, ProfileSpec, ProviderSpec};
use lasso_layers::edge::ingress::Ingress;
use lasso_layers::edge::profile::{ProfileLayer, ProfilePolicy};
use lasso_layers::wire::{RawJson, result_body};
use lasso_rpc::sim::{SimChain, SimChainOptions, SimNode, SimNodeOptions};
use lasso_rpc::upstream::{HttpUpstream, UpstreamHttpPolicy};
use tokio::net::TcpListener;
use tower::{Layer, Service, ServiceBuilder};

/// Sends transactions to one provider only, and nothing else to it.
struct PrivateTransactions {
    relay: &'static str,
}

impl Filter for PrivateTransactions {
    fn check(&self, subject: &Subject<'_>) -> Verdict {
        let is_transaction = subject.call.request.method() == "eth_sendRawTransaction";
        let is_relay = subject.provider.id == self.relay;
        // The reason is what explanations show for a channel that was ruled out.
        if is_transaction == is_relay { Verdict::Keep } else { Verdict::exclude("private_transactions") }
    }
}

/// Answers `eth_getBlockByHash` from memory where it can.
#[derive(Clone, Default)]
struct BlockCacheLayer {
    /// Results by chain id and parameters, all of them as bytes: nothing is parsed into values.
    blocks: Arc<Mutex<HashMap<(u64, Bytes), Bytes>>>,
}

impl BlockCacheLayer {
    const CAPACITY: usize = 1_000;

    fn find(&self, key: &(u64, Bytes)) -> Option<Bytes> {
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    fn keep(&self, key: (u64, Bytes), reply: &Reply) {
        // A reply that is a stream is too large to be worth keeping; a block that is not there may come.
        let Reply::Result(Body::Full(envelope)) = reply else { return };
        let result = RawJson::parse(envelope).ok().and_then(|reply| reply.member("result"));
        let Some(result) = result.filter(|result| !result.is_null()) else { return };
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        if blocks.len() >= Self::CAPACITY {
            blocks.clear();
        }
        blocks.insert(key, Bytes::copy_from_slice(result.bytes()));
    }
}

impl<S> Layer<S> for BlockCacheLayer {
    type Service = BlockCache<S>;

    fn layer(&self, inner: S) -> BlockCache<S> {
        BlockCache { inner, cache: self.clone() }
    }
}

/// The service of [`BlockCacheLayer`].
#[derive(Clone)]
struct BlockCache<S> {
    inner: S,
    cache: BlockCacheLayer,
}

impl<S> Service<Call> for BlockCache<S>
where
    S: Service<Call, Response = Reply, Error = Failure>,
    S::Future: Send + 'static,
{
    type Response = Reply;
    type Error = Failure;
    /// Other methods cost nothing: their future is the inner one.
    type Future = Either<S::Future, Pin<Box<dyn Future<Output = Result<Reply, Failure>> + Send>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call) -> Self::Future {
        // A client that names a provider wants to hear that provider; a dry run wants no answer.
        let is_cached = call.request.method() == "eth_getBlockByHash";
        let Some(plan) = call.plan().filter(|_| is_cached && call.route.provider.is_none() && !call.dry_run)
        else {
            return Either::Left(self.inner.call(call));
        };
        let key =
            (plan.chain().chain_id, Bytes::copy_from_slice(call.request.params().raw().unwrap_or_default()));
        if let Some(block) = self.cache.find(&key) {
            let reply = Reply::Result(Body::Full(result_body(call.request.id(), &block)));
            return Either::Right(Box::pin(async { Ok(reply) }));
        }
        let (cache, answer) = (self.cache.clone(), self.inner.call(call));
        Either::Right(Box::pin(async move {
            let reply = answer.await?;
            cache.keep(key, &reply);
            Ok(reply)
        }))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let chain = SimChain::new(1, SimChainOptions::default());
    let public = SimNode::start(SimNodeOptions::new("public", chain.clone())).await?;
    let relay = SimNode::start(SimNodeOptions::new("relay", chain)).await?;
    let ethereum = ChainSpec::new("ethereum", 1)
        .provider(ProviderSpec::http("public", public.http_url()))
        .provider(ProviderSpec::http("relay", relay.http_url()));
    let live = Live::new(vec![ProfileSpec::new("default").chain(ethereum)])
        .map_err(|problems| format!("the profile is refused: {problems:?}"))?;

    let stack = ServiceBuilder::new()
        .layer(ObserveLayer::new(ObservePolicy::default()))
        .layer(ProfileLayer::new(live, ProfilePolicy::default()))
        .layer(GuardLayer::new(GuardPolicy::default()))
        // Inside the profile, because the chain must be known; outside the selection, which a hit need not pay.
        .layer(BlockCacheLayer::default())
        .layer(CandidateLayer::new().filter(Stage::Custom, PrivateTransactions { relay: "relay" }))
        .layer(StrategyLayer::new())
        .layer(FailoverLayer::new(FailoverPolicy::default()))
        .layer(TimeoutLayer::new())
        .layer(ClassifyLayer::new())
        .service(HttpUpstream::new(UpstreamHttpPolicy::default())?);
    let ingress = Ingress::new(stack);

    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:4000".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}/rpc/ethereum", listener.local_addr()?);
    loop {
        let (stream, peer) = listener.accept().await?;
        let ingress = ingress.clone().peer(peer);
        tokio::spawn(async move {
            let service = service_fn(move |request| ingress.handle(request));
            // The only error here is a client that broke off.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}
