//! What is on the page, over a stack without sockets.

use std::collections::BTreeSet;

use lasso_layers::attempt::Attempt;
use lasso_layers::call::{Call, Failure, Reply, Route, UpstreamFailure};
use lasso_layers::catalog::{Category, ChainSpec, Live, ProfileSpec, ProviderSpec, Strategy, Transport};
use lasso_layers::testing;
use lasso_layers::wire::{ErrorObject, Request};
use tokio::time::Instant;
use tower::{ServiceExt, service_fn};

use super::*;
use crate::config::Settings;
use crate::router::Router;

fn profile(providers: &[&str]) -> ProfileSpec {
    let chain = providers.iter().fold(ChainSpec::new("ethereum", 1), |chain, id| {
        chain.provider(ProviderSpec::http(*id, format!("http://{id}.example")))
    });
    let mut profile = ProfileSpec::new("default").chain(chain);
    profile.routing.default_strategy = Some(Strategy::Priority);
    profile
}

/// What the provider `a` answers; every other one answers well.
type Answer = fn(&Attempt) -> Result<Reply, Failure>;

struct World {
    live: Live,
    router: Router,
    metrics: Metrics,
}

impl World {
    fn new(providers: &[&str], answer: Answer) -> Self {
        let live = Live::new(vec![profile(providers)]).unwrap();
        let settings = Settings::default();
        let runtime = Runtime::new(live.clone(), &settings);
        let upstream = service_fn(move |attempt: Attempt| {
            let reply = match attempt.provider().id.as_str() {
                "a" => answer(&attempt),
                _ => Ok(testing::reply("\"0x1\"")),
            };
            async move { reply }
        });
        let metrics = Metrics::new(runtime.clone(), OpenSockets::default());
        Self { live, router: Router::with_upstream(runtime, &settings, upstream), metrics }
    }

    async fn call(&self, chain: &str, method: &str) {
        let request = Request::new("1", method, "[]").unwrap();
        let call = Call::new(Route::to_chain(chain), request, Instant::now());
        // What becomes of it is on the page.
        let _ = self.router.service().oneshot(call).await;
    }

    async fn page(&self) -> String {
        String::from_utf8(self.metrics.page().await.unwrap().to_vec()).unwrap()
    }

    /// The value of the series that begins with this text.
    async fn value(&self, series: &str) -> Option<f64> {
        let page = self.page().await;
        let rest = page.lines().find_map(|line| line.strip_prefix(series))?;
        rest.trim().parse().ok()
    }
}

fn refuse(category: Category, message: &str) -> Result<Reply, Failure> {
    let error = ErrorObject::new(-32_000, message.to_owned());
    let transport = Transport::Http;
    let failure = UpstreamFailure { error, category, retry_after: None, transport, http: None };
    Err(Failure::Upstream(Box::new(failure)))
}

/// Every series of a page, without its value.
fn series(page: &str) -> BTreeSet<&str> {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.rsplit_once(' ')).map(|(series, _)| series).collect()
}

#[tokio::test]
async fn calls_are_counted_by_who_answered_them() {
    let world = World::new(&["a", "b"], |_| refuse(Category::ServerError, "broken"));
    world.call("ethereum", "eth_blockNumber").await;
    world.call("ethereum", "eth_chainId").await;
    let answered = "lasso_rpc_request_count{profile=\"default\",chain=\"ethereum\",provider_id=\"b\",method=\"eth_blockNumber\",transport=\"http\",status=\"success\"}";
    assert_eq!(world.value(answered).await, Some(1.0));
    let local = "lasso_rpc_request_count{profile=\"default\",chain=\"ethereum\",provider_id=\"none\",method=\"eth_chainId\",transport=\"http\",status=\"success\"}";
    assert_eq!(world.value(local).await, Some(1.0));
    let failed = "lasso_failover_fast_fail_count{profile=\"default\",chain=\"ethereum\",provider_id=\"a\",transport=\"http\",error_category=\"server_error\"}";
    assert_eq!(world.value(failed).await, Some(1.0));
    let route = "lasso_rpc_route_requests_total{profile=\"default\",chain=\"ethereum\",strategy=\"priority\",transport=\"none\",status=\"success\"}";
    assert_eq!(world.value(route).await, Some(2.0));
}

#[tokio::test]
async fn the_last_failure_of_a_call_is_followed_by_nothing() {
    let world = World::new(&["a"], |_| refuse(Category::ServerError, "broken"));
    world.call("ethereum", "eth_blockNumber").await;
    let page = world.page().await;
    assert!(!page.contains("\nlasso_failover_fast_fail_count{"), "{page}");
    let error = "lasso_rpc_errors_total{profile=\"default\",chain=\"ethereum\",category=\"server_error\"}";
    assert_eq!(world.value(error).await, Some(1.0));
}

#[tokio::test]
async fn an_open_breaker_is_told_and_shown() {
    let world = World::new(&["a"], |_| refuse(Category::ServerError, "broken"));
    for _ in 0..7 {
        world.call("ethereum", "eth_blockNumber").await;
    }
    let page = world.page().await;
    let value = |name: &str| {
        let line = page.lines().find(|line| line.starts_with(&format!("{name}{{")));
        line.and_then(|line| line.rsplit_once(' ')).and_then(|(_, value)| value.parse::<f64>().ok())
    };
    assert_eq!(value("lasso_circuit_breaker_state"), Some(2.0));
    assert_eq!(value("lasso_circuit_breaker_open_count"), Some(1.0));
    assert_eq!(value("lasso_circuit_breaker_failure_count"), Some(5.0));
    assert_eq!(value("lasso_provider_up"), Some(0.0));
    assert_eq!(value("lasso_chain_providers_up"), Some(0.0));
    assert_eq!(value("lasso_failover_exhaustion_count"), Some(2.0));
}

#[tokio::test]
async fn clients_cannot_make_series() {
    let world = World::new(&["a", "b"], |attempt| {
        // A text of its own each time.
        refuse(
            Category::ServerError,
            &format!("error {}", String::from_utf8_lossy(attempt.call().request.method().as_bytes())),
        )
    });
    // Until the breaker is open and the other provider answers, which is all that can happen.
    for _ in 0..10 {
        world.call("ethereum", "eth_invented").await;
    }
    world.call("nowhere", "eth_invented").await;
    let before = world.page().await;
    for number in 0..10_000 {
        world.call("ethereum", &format!("eth_invented{number}")).await;
    }
    for number in 0..1_000 {
        world.call(&format!("nowhere{number}"), "eth_invented").await;
    }
    let page = world.page().await;
    assert_eq!(series(&page), series(&before));
    assert!(!page.contains("eth_invented") && !page.contains("nowhere"));
    let unknown = "lasso_rpc_request_count{profile=\"unknown\",chain=\"unknown\",provider_id=\"none\",method=\"other\",transport=\"http\",status=\"error\"}";
    assert_eq!(world.value(unknown).await, Some(1_001.0));
}

#[tokio::test]
async fn what_a_reload_takes_away_is_gone_from_the_state() {
    let world = World::new(&["a", "b"], |_| Ok(testing::reply("1")));
    let gone = |page: &str| series(page).iter().any(|series| series.contains("provider_id=\"b\""));
    assert!(gone(&world.page().await));
    world.live.publish(vec![profile(&["a"])]).unwrap();
    let page = world.page().await;
    assert!(!gone(&page), "{page}");
    assert!(page.contains("lasso_config_generation 2\n"));
}

#[tokio::test]
async fn every_metric_is_described_once() {
    let world = World::new(&["a", "b"], |_| refuse(Category::Timeout, "late"));
    world.call("ethereum", "eth_blockNumber").await;
    let page = world.page().await;
    let names = |word: &str| {
        let lines = page.lines().filter_map(|line| line.strip_prefix(word)?.split(' ').next());
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let (helps, types) = (names("# HELP "), names("# TYPE "));
    let distinct: BTreeSet<_> = types.iter().collect();
    assert_eq!(distinct.len(), types.len(), "{types:?}");
    assert_eq!(helps, types);
}
