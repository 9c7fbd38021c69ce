//! Which plan a call gets, and what a client is told when there is none.
#![cfg(all(feature = "profile", feature = "test-util"))]

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use lasso_layers::call::{Batch, BatchItem, Call, Failure, Pin, Rejection, Route, Scope};
use lasso_layers::catalog::{
    ChainSpec, Live, MethodOverride, ProfileSpec, ProviderSpec, RoutingSpec, Strategy, Timeouts, Transport,
};
use lasso_layers::edge::profile::{ProfileLayer, ProfilePolicy};
use lasso_layers::testing;
use tokio::sync::mpsc;
use tower::{Layer, ServiceExt, service_fn};

/// The call as the next layer gets it.
async fn resolve(live: &Live, policy: ProfilePolicy, call: Call) -> Result<Call, Failure> {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let next = service_fn(move |call: Call| {
        sender.send(call).unwrap();
        async { Ok::<_, Failure>(testing::reply("null")) }
    });
    ProfileLayer::new(live.clone(), policy).layer(next).oneshot(call).await?;
    Ok(receiver.recv().await.unwrap())
}

async fn resolve_by_default(live: &Live, call: Call) -> Result<Call, Failure> {
    resolve(live, ProfilePolicy::default(), call).await
}

async fn refusal(live: &Live, call: Call) -> Box<Rejection> {
    match resolve_by_default(live, call).await {
        Err(Failure::Rejected(rejection)) => rejection,
        other => panic!("not refused: {other:?}"),
    }
}

fn live() -> Live {
    testing::live(testing::chain(&["a", "b"]))
}

fn call() -> Call {
    testing::call("eth_call", "[]")
}

fn call_by(route: impl FnOnce(&mut Route)) -> Call {
    let mut call = call();
    route(&mut call.route);
    call
}

fn data(rejection: &Rejection) -> serde_json::Value {
    serde_json::from_slice(rejection.error.data.as_ref().unwrap()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_call_gets_a_plan_and_its_methods_deadline() {
    let call = resolve_by_default(&live(), call()).await.unwrap();
    let plan = call.plan().unwrap();
    assert_eq!((plan.profile().slug.as_str(), plan.chain().chain_id), ("default", 1));
    assert_eq!((plan.pin, plan.transport, plan.strategy), (None, None, Strategy::LoadBalanced));
    assert_eq!(call.deadline - call.received, Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_call_over_web_socket_has_a_flat_time() {
    let mut timeouts = Timeouts::default();
    timeouts.set("eth_call", Duration::from_secs(3));
    let policy = ProfilePolicy { timeouts, ws_timeout: Duration::from_secs(7), ..ProfilePolicy::default() };
    for (transport, seconds) in [(None, 3), (Some(Transport::Http), 3), (Some(Transport::Ws), 7)] {
        let mut call = call();
        call.origin.transport = transport;
        let call = resolve(&live(), policy.clone(), call).await.unwrap();
        assert_eq!(call.deadline - call.received, Duration::from_secs(seconds));
    }
}

#[tokio::test]
async fn api_case_11_a_chain_is_found_by_id_and_by_exact_alias() {
    for chain in ["1", "01", "ethereum"] {
        assert!(resolve_by_default(&live(), call_by(|route| route.chain = chain.into())).await.is_ok());
    }
    let rejection = refusal(&live(), call_by(|route| route.chain = "Ethereum".into())).await;
    assert_eq!(rejection.error.code, -32602);
    assert_eq!(rejection.error.message, "Unsupported chain 'Ethereum' in profile 'default'");
    assert_eq!((rejection.status, rejection.scope), (StatusCode::BAD_REQUEST, Scope::Request));
}

#[tokio::test]
async fn api_case_12_public_means_the_default_profile() {
    for slug in ["default", "public", " default "] {
        let call = resolve_by_default(&live(), call_by(|route| route.profile = slug.into())).await.unwrap();
        assert_eq!(call.plan().unwrap().profile().slug, "default");
    }
}

#[tokio::test]
async fn api_case_13_blank_and_unknown_profiles() {
    for slug in ["", " ", "\t"] {
        let rejection = refusal(&live(), call_by(|route| route.profile = slug.into())).await;
        assert_eq!((rejection.error.code, rejection.status), (-32602, StatusCode::BAD_REQUEST));
        assert_eq!(data(&rejection), serde_json::json!({"error_type": "profile_empty"}));
        assert_eq!(rejection.scope, Scope::Request);
    }
    let rejection = refusal(&live(), call_by(|route| route.profile = "no\"pe".into())).await;
    assert_eq!((rejection.error.code, rejection.status), (-32000, StatusCode::NOT_FOUND));
    assert_eq!(data(&rejection), serde_json::json!({"error_type": "profile_not_found"}));
    assert!(rejection.error.message.contains("no\"pe"));
    assert!(serde_json::from_slice::<serde_json::Value>(&rejection.error.body(None)).is_ok());
}

#[tokio::test]
async fn over_web_socket_a_blank_profile_means_the_default_one() {
    let mut blank = call_by(|route| route.profile = " ".into());
    blank.origin.transport = Some(Transport::Ws);
    assert!(resolve_by_default(&live(), blank).await.is_ok());
}

#[tokio::test]
async fn routing_17_case_19_an_unknown_provider_is_named() {
    let rejection = refusal(&live(), call_by(|route| route.provider = Some("g\\host".into()))).await;
    assert_eq!((rejection.error.code, rejection.status), (-32602, StatusCode::BAD_REQUEST));
    assert!(rejection.error.message.contains("g\\host"));
    let expected = serde_json::json!({"provider_id": "g\\host", "chain_id": 1, "profile": "default"});
    assert_eq!(data(&rejection), expected);
}

#[tokio::test]
async fn a_strategy_is_taken_from_the_nearest_place_that_names_one() {
    let routing = |default_strategy, method_strategy| RoutingSpec {
        default_strategy,
        method_overrides: vec![MethodOverride {
            method: "eth_call".to_owned(),
            strategy: method_strategy,
            providers: Vec::new(),
        }],
    };
    let (fastest, priority, weighted) =
        (Some(Strategy::Fastest), Some(Strategy::Priority), Some(Strategy::LatencyWeighted));
    for (route, routing, expected) in [
        (fastest, routing(weighted, priority), Strategy::Fastest),
        (None, routing(weighted, priority), Strategy::Priority),
        (None, routing(weighted, None), Strategy::LatencyWeighted),
        (None, routing(None, None), Strategy::Fastest),
    ] {
        let profile = ProfileSpec { routing, ..ProfileSpec::new("default").chain(testing::chain(&["a"])) };
        let live = Live::new(vec![profile]).unwrap();
        let policy = ProfilePolicy { default_strategy: Strategy::Fastest, ..ProfilePolicy::default() };
        let call = resolve(&live, policy, call_by(|by| by.strategy = route)).await.unwrap();
        assert_eq!(call.plan().unwrap().strategy, expected);
    }
}

#[tokio::test]
async fn a_provider_in_the_route_is_asked_alone_and_over_the_wanted_transport() {
    let wanted = |route: &mut Route| {
        route.provider = Some("b".into());
        route.transport = Some(Transport::Http);
    };
    let call = resolve_by_default(&live(), call_by(wanted)).await.unwrap();
    let plan = call.plan().unwrap();
    assert_eq!(plan.pin, Some(Pin { provider: 1, failover: false }));
    assert_eq!(plan.transport, Some(Transport::Http));
}

#[tokio::test]
async fn the_others_may_follow_a_provider_in_the_route_if_the_client_says_so() {
    let wanted = |route: &mut Route| {
        route.provider = Some("b".into());
        route.failover_on_override = true;
    };
    let call = resolve_by_default(&live(), call_by(wanted)).await.unwrap();
    assert_eq!(call.plan().unwrap().pin, Some(Pin { provider: 1, failover: true }));
    // Without a provider there is nothing to override.
    let call = resolve_by_default(&live(), call_by(|route| route.failover_on_override = true)).await.unwrap();
    assert_eq!(call.plan().unwrap().pin, None);
}

#[tokio::test(start_paused = true)]
async fn a_client_may_ask_for_another_time_up_to_a_limit() {
    let policy = ProfilePolicy { max_requested_timeout: Duration::from_secs(8), ..ProfilePolicy::default() };
    for transport in [None, Some(Transport::Http), Some(Transport::Ws)] {
        for (asked, expected) in [(1, 1), (7_999, 7_999), (8_001, 8_000), (u64::MAX, 8_000)] {
            let mut call = call_by(|route| route.timeout = Some(Duration::from_millis(asked)));
            call.origin.transport = transport;
            let call = resolve(&live(), policy.clone(), call).await.unwrap();
            assert_eq!(call.deadline - call.received, Duration::from_millis(expected));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_is_rushed_if_its_client_leaves_it_less_than_the_usual_time() {
    let mut timeouts = Timeouts::default();
    timeouts.set("eth_call", Duration::from_secs(3));
    let policy = ProfilePolicy {
        timeouts,
        ws_timeout: Duration::from_secs(7),
        max_requested_timeout: Duration::from_secs(6),
        ..ProfilePolicy::default()
    };
    for (transport, asked, expected) in [
        (Transport::Http, None, false),
        (Transport::Http, Some(2_999), true),
        (Transport::Http, Some(3_000), false),
        (Transport::Http, Some(60_000), false),
        (Transport::Ws, None, false),
        (Transport::Ws, Some(3_000), true),
        // More than is granted, and what is granted is less than the usual time.
        (Transport::Ws, Some(60_000), true),
    ] {
        let mut call = call_by(|route| route.timeout = asked.map(Duration::from_millis));
        call.origin.transport = Some(transport);
        let call = resolve(&live(), policy.clone(), call).await.unwrap();
        assert_eq!(call.is_rushed, expected, "{transport:?} {asked:?}");
    }
}

#[tokio::test]
async fn items_of_a_batch_share_its_snapshot_and_its_provider() {
    let live = live();
    let batch = Arc::new(Batch { size: 2, snapshot: live.snapshot(), pin: Some(1) });
    let item = |provider: Option<&str>| {
        let mut call = call_by(|route| route.provider = provider.map(Into::into));
        call.batch = Some(BatchItem { batch: batch.clone(), index: 0 });
        call
    };
    // A reload between two items must not tear the batch.
    let other = ChainSpec::new("other", 2).provider(ProviderSpec::http("x", "http://x.example"));
    live.publish(vec![ProfileSpec::new("default").chain(other)]).unwrap();

    let call = resolve_by_default(&live, item(None)).await.unwrap();
    assert_eq!(call.plan().unwrap().pin, Some(Pin { provider: 1, failover: true }));
    assert!(Arc::ptr_eq(call.plan().unwrap().snapshot(), &batch.snapshot));
    // What the client asks for replaces the provider of the batch.
    let call = resolve_by_default(&live, item(Some("a"))).await.unwrap();
    assert_eq!(call.plan().unwrap().pin, Some(Pin { provider: 0, failover: false }));
}
