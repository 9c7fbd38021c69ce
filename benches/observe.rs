//! What it costs a call that everything is heard.
//!
//! `cargo bench --profile release --bench observe`

use std::future::ready;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use divan::{Bencher, black_box};
use lasso_layers::attempt::Attempt;
use lasso_layers::call::candidate::CandidateLayer;
use lasso_layers::call::failover::{FailoverLayer, FailoverPolicy};
use lasso_layers::call::observe::{ObserveLayer, ObservePolicy};
use lasso_layers::call::strategy::StrategyLayer;
use lasso_layers::call::{Call, Failure};
use lasso_layers::catalog::{ChainSpec, Live, ProfileSpec, ProviderSpec};
use lasso_layers::edge::profile::{ProfileLayer, ProfilePolicy};
use lasso_layers::testing;
use lasso_rpc::observe::Observed;
use tokio::time::Instant;
use tower::{Service, ServiceBuilder, service_fn};

fn main() {
    divan::main();
}

/// Runs calls to a provider that answers at once.
fn calls(bencher: Bencher<'_, '_>, observe: ObserveLayer) {
    let provider = ProviderSpec::http("provider", "http://host.example");
    let profile = ProfileSpec::new("default").chain(ChainSpec::new("ethereum", 1).provider(provider));
    let live = Live::new(vec![profile]).expect("the profile is valid");
    let mut stack = ServiceBuilder::new()
        .layer(observe)
        .layer(ProfileLayer::new(live, ProfilePolicy::default()))
        .layer(CandidateLayer::new())
        .layer(StrategyLayer::new())
        .layer(FailoverLayer::new(FailoverPolicy::default()))
        .service(service_fn(|_: Attempt| ready(Ok::<_, Failure>(testing::reply("\"0x1\"")))));
    let request =
        testing::call("eth_getBalance", r#"["0x407d73d8a49eeb85d32cf465507dd71d507100c1","latest"]"#);
    let mut context = Context::from_waker(Waker::noop());
    bencher.bench_local(|| {
        let mut call = Call::new(request.route.clone(), request.request.clone(), Instant::now());
        // As the ingress does.
        call.origin.request_id = Some("a-request-of-a-client-with-a-name".into());
        assert!(stack.poll_ready(&mut context).is_ready(), "the stack is always ready");
        match pin!(stack.call(black_box(call))).poll(&mut context) {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => panic!("the provider answers at once"),
        }
    });
}

/// Nobody hears of it.
#[divan::bench]
fn unheard(bencher: Bencher<'_, '_>) {
    calls(bencher, ObserveLayer::new(ObservePolicy::default()));
}

/// The decision is kept: at most 0.5 µs more.
#[divan::bench]
fn heard(bencher: Bencher<'_, '_>) {
    let observed = Observed::new(4096);
    calls(bencher, ObserveLayer::new(ObservePolicy::default()).observer(Arc::new(observed)));
}

/// Somebody watches too; what the queue has no room for is dropped, as it is when a viewer is slow.
#[divan::bench]
fn watched(bencher: Bencher<'_, '_>) {
    let observed = Observed::new(4096);
    let _watch = observed.feed().watch();
    calls(bencher, ObserveLayer::new(ObservePolicy::default()).observer(Arc::new(observed.clone())));
}
