//! What is measured about providers, and what follows from it.

use http::StatusCode;
use lasso_layers::attempt::benchmark::Series;
use lasso_layers::catalog::{MethodId, Transport};
use lasso_rpc::sim::{Fault, REVERTING_CONTRACT, Rule};
use serde_json::json;

use crate::support::{WHO, World, ms};

/// Successes and failures of a provider, over HTTP.
fn counted(world: &World, provider: &str, method: &str) -> (u64, u64) {
    let catalog = world.proxy.runtime.live.snapshot();
    let (_, profile) = catalog.profile("default").unwrap();
    let (_, chain) = profile.chain("ethereum").unwrap();
    let (_, provider) = chain.provider(provider).unwrap();
    let series = Series { provider: provider.key, transport: Transport::Http, method: MethodId::of(method) };
    let summary = world.proxy.runtime.benchmarks.read(series);
    summary.map_or((0, 0), |summary| (summary.successes, summary.failures))
}

#[tokio::test]
async fn routing_17_case_68_each_attempt_counts_for_the_provider_that_made_it() {
    let world = World::start(&["a", "b"]).await;
    world.behave("a", Fault::status(StatusCode::INTERNAL_SERVER_ERROR));
    assert_eq!(world.who().await, "b");
    assert_eq!((counted(&world, "a", WHO), counted(&world, "b", WHO)), ((0, 1), (1, 0)));
    assert_eq!(counted(&world, "b", "eth_gasPrice"), (0, 0), "methods are measured apart");
}

#[tokio::test]
async fn what_is_not_the_providers_doing_counts_for_nothing() {
    let world = World::start(&["a", "b"]).await;
    for fault in [
        Fault::RateLimited { retry_after: None },
        Fault::rpc_error(-32602, "bad"),
        Fault::rpc_error(-32601, "no"),
        Fault::rpc_error(35, "no"),
        Fault::rpc_error(-32000, "header not found"),
    ] {
        world.behave("a", fault);
        world.ask("a").await.error();
    }
    assert_eq!(world.asked(), [5, 0]);
    assert_eq!(counted(&world, "a", WHO), (0, 0));
    let revert = json!([{ "to": REVERTING_CONTRACT }, "latest"]);
    assert_eq!(world.proxy.call("eth_call", revert).await.error().0, 3);
    assert_eq!(counted(&world, "a", "eth_call"), (0, 0));
    // Nor does a client that does not wait as long as others.
    world.behave("a", Fault::Hang);
    let hurried = world.proxy.call_at("/rpc/ethereum/a?timeout=50", WHO, json!([])).await;
    assert_eq!(hurried.error().0, -32007);
    world.wait_in_flight("a", 0).await;
    assert_eq!(counted(&world, "a", WHO), (0, 0));
    // Nor one that leaves.
    let call = world.proxy.spawn_call("/rpc/ethereum/a", WHO);
    world.wait_in_flight("a", 1).await;
    call.abort();
    world.wait_in_flight("a", 0).await;
    assert_eq!(counted(&world, "a", WHO), (0, 0));
}

#[tokio::test]
async fn routing_17_case_38_a_quick_provider_that_often_fails_is_not_the_fastest() {
    let world = World::start(&["slow", "shaky"]).await;
    world.node("slow").behave([Rule::method(WHO, Fault::latency(ms(300)))]);
    let down = Fault::status(StatusCode::INTERNAL_SERVER_ERROR);
    world.node("shaky").behave([Rule::method(WHO, down).every(2)]);
    for _ in 0..4 {
        tokio::join!(world.ask("slow"), world.ask("shaky"));
    }
    assert_eq!((counted(&world, "slow", WHO), counted(&world, "shaky", WHO)), ((4, 0), (2, 2)));
    let reply = world.proxy.call_at("/rpc/fastest/ethereum?include_meta=headers", WHO, json!([])).await;
    assert_eq!(reply.meta()["candidate_providers"], json!(["slow:http", "shaky:http"]));
}

#[tokio::test]
async fn routing_17_case_40_who_is_fastest_is_decided_for_each_method() {
    let world = World::start(&["a", "b"]).await;
    world.node("a").behave([Rule::method(WHO, Fault::latency(ms(400)))]);
    world.node("b").behave([Rule::method("eth_gasPrice", Fault::latency(ms(400)))]);
    for _ in 0..3 {
        let ask = |provider: &str, method: &'static str| {
            let path = format!("/rpc/ethereum/{provider}");
            let proxy = &world.proxy;
            async move { proxy.call_at(&path, method, json!([])).await.result() }
        };
        tokio::join!(ask("a", WHO), ask("b", WHO), ask("a", "eth_gasPrice"), ask("b", "eth_gasPrice"));
    }
    for (method, order) in [(WHO, ["b:http", "a:http"]), ("eth_gasPrice", ["a:http", "b:http"])] {
        let reply =
            world.proxy.call_at("/rpc/fastest/ethereum?include_meta=headers", method, json!([])).await;
        assert_eq!(reply.meta()["candidate_providers"], json!(order), "{method}");
    }
}
