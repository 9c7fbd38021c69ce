//! Providers that ask for fewer requests.

use std::time::Duration;

use http::HeaderValue;
use lasso_layers::attempt::breaker::BreakerState;
use lasso_rpc::sim::{Fault, Rule};
use serde_json::json;
use tokio::time::Instant;

use crate::support::{Proxy, WHO, World, chain_of, ms, node, profile, until};

fn too_many(retry_after: Option<&'static str>) -> Fault {
    Fault::RateLimited { retry_after: retry_after.map(HeaderValue::from_static) }
}

#[tokio::test]
async fn routing_17_case_59_a_limited_provider_is_asked_last_until_its_time_is_over() {
    let world = World::start(&["a", "b"]).await;
    world.node("a").behave([Rule::method(WHO, too_many(Some("5"))).first(1)]);
    assert_eq!(world.who().await, "b");
    let left = world.proxy.limited("a").expect("the provider is limited");
    assert!(left <= Duration::from_secs(5), "{left:?}");
    let meanwhile = world.who().await;
    if world.proxy.limited("a").is_some() {
        assert_eq!((meanwhile.as_str(), world.asked()), ("b", vec![1, 2]));
    }
    until("the time is over", || world.proxy.limited("a").is_none()).await;
    assert_eq!(world.who().await, "a");
    assert_eq!(world.proxy.breaker("a").state, BreakerState::Closed);
}

#[tokio::test]
async fn routing_17_case_60_without_a_hint_the_settings_decide() {
    let world =
        World::with(&["a", "b"], |settings| settings.upstream_rate_limit.default = ms(200_000), |_| {}).await;
    world.behave("a", too_many(None));
    assert_eq!(world.who().await, "b");
    let left = world.proxy.limited("a").expect("the provider is limited");
    assert!(left > ms(100_000) && left <= ms(200_000), "{left:?}");
}

#[tokio::test]
async fn routing_17_case_61_when_all_are_limited_the_strategy_decides() {
    let world = World::start(&["a", "b", "c"]).await;
    for name in ["a", "b", "c"] {
        world.behave(name, too_many(None));
    }
    assert_eq!(world.proxy.call(WHO, json!([])).await.error().0, -32005);
    assert_eq!(world.asked(), [1, 1, 1]);
    for node in &world.nodes {
        node.heal();
    }
    assert_eq!(world.who().await, "a");
    // A success shows that it has room again; the others are not spoken for.
    assert_eq!(world.proxy.limited("a"), None);
    assert!(world.proxy.limited("b").is_some() && world.proxy.limited("c").is_some());
}

#[tokio::test]
async fn a_json_rpc_error_limits_as_a_status_does() {
    for fault in [
        Fault::rpc_error(-32005, "limit exceeded"),
        Fault::rpc_error(429, "no"),
        Fault::rpc_error(-32000, "Too Many Requests"),
    ] {
        let world = World::start(&["a", "b"]).await;
        world.behave("a", fault);
        assert_eq!(world.who().await, "b");
        assert!(world.proxy.limited("a").is_some());
        assert_eq!(world.proxy.breaker("a").failures, 0);
    }
}

#[tokio::test]
async fn a_hint_in_the_error_counts() {
    let world = World::start(&["a", "b"]).await;
    let data = Some(json!({ "retry_after": 500 }));
    world.behave("a", Fault::RpcError { code: -32005, message: "slow down".to_owned(), data });
    assert_eq!(world.who().await, "b");
    let left = world.proxy.limited("a").unwrap();
    assert!(left > ms(400_000) && left <= ms(500_000), "{left:?}");
}

#[tokio::test]
async fn a_sole_limited_provider_speaks_for_itself() {
    let world = World::start(&["a"]).await;
    world.behave("a", Fault::rpc_error(429, "no"));
    assert_eq!(world.proxy.call(WHO, json!([])).await.error(), (-32005, "no".to_owned()));
    world.behave("a", too_many(Some("7")));
    let reply = world.proxy.call(WHO, json!([])).await;
    assert_eq!(reply.error().0, -32005);
    assert_eq!(reply.json()["error"]["data"], json!({ "retry_after_ms": 7_000 }));
    assert_eq!(world.asked(), [2]);
}

#[tokio::test]
async fn a_shorter_hint_does_not_shorten_a_limit() {
    let world = World::start(&["a", "b"]).await;
    world.behave("a", too_many(Some("500")));
    world.ask("a").await.error();
    world.behave("a", too_many(Some("1")));
    world.ask("a").await.error();
    assert!(world.proxy.limited("a").unwrap() > ms(400_000));
    world.behave("a", too_many(Some("590")));
    world.ask("a").await.error();
    assert!(world.proxy.limited("a").unwrap() > ms(500_000));
}

#[tokio::test]
async fn profiles_share_the_limit_of_an_upstream() {
    let (a, b) = (node("a").await, node("b").await);
    let profiles = vec![profile("default", chain_of([&a, &b])), profile("other", chain_of([&a, &b]))];
    let proxy = Proxy::start(profiles, |_| {}).await;
    a.behave([Rule::method(WHO, too_many(None))]);
    assert_eq!(proxy.call(WHO, json!([])).await.who(), "b");
    assert_eq!(proxy.call_at("/rpc/profile/other/ethereum", WHO, json!([])).await.who(), "b");
    assert_eq!(a.calls(WHO), 1);
}

#[tokio::test]
async fn routing_17_case_44_a_limited_winner_is_the_fallback() {
    let world = World::start(&["slow", "quick"]).await;
    world.behave("slow", Fault::latency(ms(400)));
    for _ in 0..3 {
        let (slow, quick) = tokio::join!(world.ask("slow"), world.ask("quick"));
        assert_eq!((slow.who().as_str(), quick.who().as_str()), ("slow", "quick"));
    }
    // Case 37: the measured latency decides, not the order of the profile.
    let ask = || world.proxy.call_at("/rpc/fastest/ethereum?include_meta=headers", WHO, json!([]));
    assert_eq!(ask().await.who(), "quick");
    let channel = world.proxy.channel("quick");
    world.proxy.runtime.paces.limit(&channel, None, Instant::now());
    let reply = ask().await;
    assert_eq!(reply.who(), "slow");
    assert_eq!(reply.meta()["candidate_providers"], json!(["slow:http", "quick:http"]));
}
