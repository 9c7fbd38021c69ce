//! Which providers a call goes to, and for how long.

use std::time::Duration;

use http::StatusCode;
use lasso_layers::attempt::breaker::BreakerState;
use lasso_layers::catalog::{Category, ChainSpec, Strategy};
use lasso_layers::state::heights::{Observation, Source};
use lasso_rpc::config::Settings;
use lasso_rpc::sim::{Fault, Rule};
use serde_json::{Value, json};
use tokio::time::Instant;
use tracing::Level;
use tracing::level_filters::LevelFilter;

use crate::support::log::Log;
use crate::support::{Client, LIMIT, Proxy, Reply, WHO, World, chain_of, ms, node, profile, request};

const DOWN: fn() -> Fault = || Fault::status(StatusCode::INTERNAL_SERVER_ERROR);

/// Every call has this much time.
fn time(total: Duration) -> impl FnOnce(&mut Settings) {
    move |settings| settings.timeouts.default = total
}

#[tokio::test]
async fn routing_17_case_9_a_sole_provider_gets_all_the_time() {
    let world = World::with(&["a"], time(ms(500)), |_| {}).await;
    world.behave("a", Fault::Hang);
    assert_eq!(world.proxy.call(WHO, json!([])).await.error().0, -32007);
    assert_eq!(world.asked(), [1]);
    world.wait_in_flight("a", 0).await;
}

#[tokio::test]
async fn when_everybody_hangs_the_call_ends_with_its_time() {
    let world = World::with(&["a", "b"], time(ms(500)), |_| {}).await;
    world.behave("a", Fault::Hang);
    world.behave("b", Fault::Hang);
    assert_eq!(world.proxy.call(WHO, json!([])).await.error().0, -32007);
    assert_eq!(world.asked(), [1, 1]);
    world.wait_in_flight("a", 0).await;
    world.wait_in_flight("b", 0).await;
}

#[tokio::test]
async fn two_providers_that_hang_leave_time_for_a_third() {
    let world = World::with(&["a", "b", "c"], time(ms(2_000)), |_| {}).await;
    world.behave("a", Fault::Hang);
    world.behave("b", Fault::Hang);
    assert_eq!(world.who().await, "c");
    assert_eq!(world.asked(), [1, 1, 1]);
}

#[tokio::test]
async fn routing_17_case_10_a_client_that_leaves_blames_nobody() {
    let world = World::start(&["a", "b"]).await;
    world.behave("a", Fault::Hang);
    let call = world.proxy.spawn_call("/rpc/ethereum", WHO);
    world.wait_in_flight("a", 1).await;
    call.abort();
    world.wait_in_flight("a", 0).await;
    assert_eq!(world.asked(), [1, 0]);
    assert_eq!(world.proxy.breaker("a").failures, 0);
    // Nothing is remembered against it either: it is asked first again.
    world.node("a").heal();
    assert_eq!(world.who().await, "a");
}

#[tokio::test]
async fn routing_17_case_15_a_method_that_needs_keys_reaches_nobody() {
    let world = World::start(&["a"]).await;
    for method in ["eth_sendTransaction", "personal_sign", "eth_sign", "eth_signTransaction", "eth_accounts"]
    {
        let reply = world.proxy.call(method, json!([])).await;
        assert_eq!(reply.status, StatusCode::OK);
        assert_eq!(reply.error(), (-32601, "Method not supported by proxy".to_owned()), "{method}");
        assert_eq!(world.node("a").calls(method), 0, "{method}");
    }
}

#[tokio::test]
async fn routing_17_case_16_an_unknown_strategy_is_no_error() {
    // The default of the product, which the other tests set otherwise.
    let tweak = |settings: &mut Settings| settings.routing.default_strategy = Strategy::LoadBalanced;
    let world = World::with(&["a"], tweak, |_| {}).await;
    let path = "/rpc/ethereum?strategy=cheapest&include_meta=headers";
    let reply = world.proxy.call_at(path, WHO, json!([])).await;
    assert_eq!((reply.who().as_str(), &reply.meta()["strategy"]), ("a", &json!("load_balanced")));

    let world = World::with(&["a", "b", "c"], tweak, |_| {}).await;
    for _ in 0..90 {
        world.proxy.call_at("/rpc/ethereum?strategy=cheapest", WHO, json!([])).await.who();
    }
    // Each has 30 on average; fewer than 8 is less likely than one in a million.
    assert!(world.asked().iter().all(|calls| *calls >= 8), "{:?}", world.asked());
    // Where something else is the default it stays that.
    let world = World::start(&["a"]).await;
    let reply = world.proxy.call_at(path, WHO, json!([])).await;
    assert_eq!((reply.who().as_str(), &reply.meta()["strategy"]), ("a", &json!("priority")));
}

#[tokio::test]
async fn routing_17_case_17_a_chosen_provider_is_asked_alone() {
    let world = World::start(&["a", "b"]).await;
    world.behave("a", DOWN());
    assert_eq!(world.ask("a").await.error(), (-32002, "Provider infrastructure error (HTTP 500)".to_owned()));
    assert_eq!(world.asked(), [1, 0]);
    assert_eq!(world.proxy.breaker("a").failures, 1);
    // By its own choice a client gets the second provider although it is ranked behind.
    assert_eq!(world.ask("b").await.who(), "b");
}

#[tokio::test]
async fn routing_17_case_18_a_chosen_provider_whose_breaker_is_open_is_no_channel() {
    let world = World::start(&["a", "b"]).await;
    world.proxy.open_breaker("a");
    let reply = world.ask("a").await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(reply.error(), (-32000, "No channels available".to_owned()));
    assert_eq!(world.asked(), [0, 0]);
}

#[tokio::test]
async fn routing_17_case_19_an_unknown_provider_is_refused() {
    let world = World::start(&["a"]).await;
    let reply = world.ask("nobody").await;
    assert_eq!((reply.status, reply.error().0), (StatusCode::BAD_REQUEST, -32602));
    assert_eq!(reply.json()["id"], Value::Null);
    assert_eq!(world.asked(), [0]);
}

fn batch(size: usize) -> String {
    let items: Vec<String> = (0..size)
        .map(|id| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{WHO}","params":["{id}"]}}"#))
        .collect();
    format!("[{}]", items.join(","))
}

/// Who answered each item, in order; the ids have to count up from 0.
fn answered_by(reply: &Reply) -> Vec<String> {
    let answers = reply.json();
    let answers = answers.as_array().expect("a batch is answered with an array");
    let name = |(index, answer): (usize, &Value)| {
        assert_eq!(answer["id"], json!(index), "{answer}");
        answer["result"].as_str().unwrap_or_else(|| panic!("{answer}")).rsplit('/').next().unwrap().to_owned()
    };
    answers.iter().enumerate().map(name).collect()
}

#[tokio::test]
async fn routing_17_case_20_the_items_of_a_batch_go_to_one_provider() {
    let world = World::start(&["a", "b", "c"]).await;
    for _ in 0..8 {
        let reply = world.proxy.post("/rpc/load-balanced/ethereum", batch(5)).await;
        let names = answered_by(&reply);
        assert_eq!(names.len(), 5);
        assert!(names.iter().all(|name| *name == names[0]), "{names:?}");
    }
    assert_eq!(world.asked().iter().sum::<u64>(), 40);
    assert!(world.asked().iter().all(|calls| calls.is_multiple_of(5)), "{:?}", world.asked());
}

#[tokio::test]
async fn routing_17_case_21_batches_too_large_empty_or_silent() {
    let world = World::start(&["a"]).await;
    for body in [batch(51), "[]".to_owned()] {
        let reply = world.proxy.post("/rpc/ethereum", body).await;
        assert_eq!((reply.status, reply.error().0), (StatusCode::OK, -32600));
        assert_eq!(reply.json()["id"], Value::Null);
    }
    assert_eq!(world.asked(), [0]);
    let silent = format!(r#"[{{"jsonrpc":"2.0","method":"{WHO}"}},{{"jsonrpc":"2.0","method":"{WHO}"}}]"#);
    let reply = world.proxy.post("/rpc/ethereum", silent).await;
    assert_eq!((reply.status, reply.body.len()), (StatusCode::NO_CONTENT, 0));
    assert_eq!(world.asked(), [2]);
    assert_eq!(answered_by(&world.proxy.post("/rpc/ethereum", batch(50)).await).len(), 50);
}

#[tokio::test]
async fn routing_17_case_22_an_item_that_fails_moves_alone() {
    let world = World::start(&["a", "b"]).await;
    world.node("a").behave([Rule::method(WHO, DOWN()).params_contain("\"3\"")]);
    let reply = world.proxy.post("/rpc/ethereum", batch(5)).await;
    assert_eq!(answered_by(&reply), ["a", "a", "a", "b", "a"]);
    assert_eq!(world.asked(), [5, 1]);
}

#[tokio::test]
async fn a_batch_runs_four_items_at_a_time_and_ends_with_its_client() {
    let world = World::start(&["a", "b"]).await;
    world.behave("a", Fault::Hang);
    let url = world.proxy.url("/rpc/ethereum");
    let call = tokio::spawn(async move { Client::new().open(&url, &[], batch(10)).await.map(|_| ()) });
    world.wait_in_flight("a", 4).await;
    assert_eq!(world.ask("b").await.who(), "b");
    call.abort();
    world.wait_in_flight("a", 0).await;
    assert_eq!(world.asked(), [4, 1]);
    assert_eq!(world.proxy.breaker("a").failures, 0);
}

#[tokio::test]
async fn api_cases_3_4_and_45_batches_with_odd_items() {
    let world = World::start(&["a"]).await;
    let reply = world.proxy.post("/rpc/ethereum", "[{},42]").await.json();
    assert_eq!(reply.as_array().unwrap().len(), 2);
    assert!(
        reply.as_array().unwrap().iter().all(|one| one["error"]["code"] == -32600 && one["id"].is_null())
    );
    let call = |id: &str| format!(r#"{{"jsonrpc":"2.0"{id},"method":"{WHO}"}}"#);
    let body = format!("[{},{}]", call(""), call(r#","id":null"#));
    let reply = world.proxy.post("/rpc/ethereum", body).await.json();
    assert_eq!(reply.as_array().unwrap().len(), 1);
    assert!(reply[0]["id"].is_null() && reply[0]["result"].is_string(), "{reply}");
    let body = format!("[{},{}]", call(r#","id":"x""#), call(r#","id":"x""#));
    let reply = world.proxy.post("/rpc/ethereum", body).await.json();
    assert_eq!(
        (&reply[0]["id"], &reply[1]["id"], reply.as_array().unwrap().len()),
        (&json!("x"), &json!("x"), 2)
    );
}

/// A call for the logs of so many blocks beyond the first.
fn logs(range: u64) -> Value {
    json!([{ "fromBlock": "0x1", "toBlock": format!("{:#x}", 1 + range) }])
}

#[tokio::test]
async fn routing_17_case_23_and_api_case_31_a_declared_range_is_kept_to() {
    let world = World::with(
        &["a", "b"],
        |_| {},
        |chain| {
            chain.providers[0].capabilities.max_block_range = Some(1_000);
        },
    )
    .await;
    for node in &world.nodes {
        node.behave([Rule::method("eth_getLogs", Fault::Result(json!(node.name())))]);
    }
    for (range, expected) in [(5_000, "b"), (1_001, "b"), (1_000, "a")] {
        let reply = world.proxy.call("eth_getLogs", logs(range)).await;
        assert_eq!(reply.result(), json!(expected), "{range}");
    }
    assert_eq!((world.node("a").calls("eth_getLogs"), world.node("b").calls("eth_getLogs")), (1, 2));
}

#[tokio::test]
async fn routing_17_case_24_a_range_that_nobody_declares_is_tried_all_the_same() {
    let world = World::with(
        &["a"],
        |_| {},
        |chain| {
            chain.providers[0].capabilities.max_block_range = Some(1_000);
        },
    )
    .await;
    world.node("a").behave([Rule::method("eth_getLogs", Fault::Result(json!([])))]);
    assert_eq!(world.proxy.call("eth_getLogs", logs(5_000)).await.result(), json!([]));
    assert_eq!(world.node("a").calls("eth_getLogs"), 1);
}

#[tokio::test]
async fn routing_17_case_25_a_filter_call_is_sent_once() {
    let allow = |settings: &mut Settings| {
        settings.methods.allow_stateful_filters = true;
        settings.timeouts.default = ms(500);
    };
    let world = World::with(&["a", "b"], allow, |_| {}).await;
    world.node("a").behave([Rule::method("eth_getFilterChanges", Fault::Hang)]);
    let (code, message) = world.proxy.call("eth_getFilterChanges", json!(["0x1"])).await.error();
    assert!([-32000, -32007].contains(&code), "{code} {message}");
    assert_eq!(world.node("a").calls("eth_getFilterChanges"), 1);
    assert_eq!(world.node("b").calls("eth_getFilterChanges"), 0);
}

#[tokio::test]
async fn filters_are_refused_unless_allowed() {
    let world = World::start(&["a"]).await;
    let reply = world.proxy.call("eth_newFilter", json!([{}])).await;
    assert_eq!(reply.error().0, -32601);
    assert_eq!(world.node("a").calls("eth_newFilter"), 0);
}

#[tokio::test]
async fn routing_17_case_26_a_signed_transaction_goes_on() {
    let world = World::start(&["a", "b"]).await;
    let send = || world.proxy.call("eth_sendRawTransaction", json!(["0x02f8"]));
    world.node("a").stop().await;
    let hash = send().await.result();
    assert!(hash.is_string());
    // After the bytes went out, too: they have the same hash wherever they go.
    world.node("a").restart().await.unwrap();
    world.node("a").behave([Rule::method("eth_sendRawTransaction", Fault::Reset)]);
    assert_eq!(send().await.result(), hash);
    assert_eq!(world.node("b").calls("eth_sendRawTransaction"), 2);
    // What a node says about the transaction is the answer.
    let refusal = Fault::rpc_error(-32000, "nonce too low");
    world.node("a").behave([Rule::method("eth_sendRawTransaction", refusal)]);
    assert_eq!(send().await.error(), (-32000, "nonce too low".to_owned()));
    assert_eq!(world.node("b").calls("eth_sendRawTransaction"), 2);
}

#[tokio::test]
async fn api_case_41_an_unknown_method_whose_outcome_is_unknown_is_sent_once() {
    let world = World::with(&["a", "b"], time(ms(500)), |_| {}).await;
    world.node("a").behave([Rule::method("vendor_x", Fault::Hang)]);
    let (code, message) = world.proxy.call("vendor_x", json!([])).await.error();
    assert!([-32000, -32007].contains(&code), "{code} {message}");
    assert_eq!((world.node("a").calls("vendor_x"), world.node("b").calls("vendor_x")), (1, 0));
}

#[tokio::test]
async fn an_unknown_method_goes_on_after_a_definite_refusal() {
    let world = World::start(&["a", "b"]).await;
    world.node("b").behave([Rule::method("vendor_x", Fault::Result(json!("here")))]);
    // The first node does not know it either: code -32601.
    assert_eq!(world.proxy.call("vendor_x", json!([])).await.result(), json!("here"));
}

#[tokio::test]
async fn no_more_providers_are_asked_than_the_settings_allow() {
    let world = World::with(&["a", "b", "c"], |settings| settings.failover.max_attempts = 2, |_| {}).await;
    for name in ["a", "b", "c"] {
        world.behave(name, DOWN());
    }
    assert_eq!(world.proxy.call(WHO, json!([])).await.error().0, -32002);
    assert_eq!(world.asked(), [1, 1, 0]);
}

#[tokio::test]
async fn routing_17_case_27_old_state_is_asked_of_archive_nodes_only() {
    let all_pruned = |chain: &mut ChainSpec| {
        for provider in &mut chain.providers {
            provider.archival = false;
        }
    };
    let address = "0x0000000000000000000000000000000000000001";
    let world = World::with(&["a", "b"], |_| {}, all_pruned).await;
    let (code, message) = world.proxy.call("eth_getBalance", json!([address, "earliest"])).await.error();
    assert_eq!(code, -32000);
    assert!(message.starts_with("No available channels for method: eth_getBalance."), "{message}");
    assert_eq!((world.node("a").calls("eth_getBalance"), world.node("b").calls("eth_getBalance")), (0, 0));

    let one_archive = |chain: &mut ChainSpec| chain.providers[0].archival = false;
    let world = World::with(&["a", "b"], |_| {}, one_archive).await;
    assert!(world.proxy.call("eth_getBalance", json!([address, "earliest"])).await.result().is_string());
    assert_eq!((world.node("a").calls("eth_getBalance"), world.node("b").calls("eth_getBalance")), (0, 1));
}

#[tokio::test]
async fn routing_17_case_29_while_no_height_is_known_a_number_is_old_and_an_address_is_none() {
    let pruned = |chain: &mut ChainSpec| chain.providers[0].archival = false;
    let address = "0x0000000000000000000000000000000000000001";
    let world = World::with(&["a"], |_| {}, pruned).await;
    let (code, message) = world.proxy.call("eth_getBalance", json!([address, "0x0"])).await.error();
    assert_eq!(code, -32000);
    assert!(message.starts_with("No available channels for method: eth_getBalance."), "{message}");
    assert_eq!(world.node("a").calls("eth_getBalance"), 0);
    assert!(world.proxy.call("eth_getBalance", json!([address])).await.result().is_string());
    assert_eq!(world.node("a").calls("eth_getBalance"), 1);
}

#[tokio::test]
async fn routing_17_case_31_when_all_are_too_far_behind_the_client_and_the_log_are_told() {
    let (log, _guard) = Log::at(LevelFilter::WARN);
    // Two profiles vote on the height of the chain, and only the nodes of the other one are up to date.
    let nodes = [node("a").await, node("b").await, node("x").await];
    let mut own = chain_of(&nodes[..2]);
    own.settings.max_lag_blocks = Some(1);
    let profiles = vec![profile("default", own), profile("other", chain_of(&nodes[2..]))];
    let proxy = Proxy::start(profiles, |_| {}).await;
    let heights = proxy.runtime.heights;
    for (slug, provider, height) in [("default", "a", 98), ("default", "b", 90), ("other", "x", 100)] {
        let instance = proxy.channel_in(slug, provider).instance;
        heights.record(1, instance, Observation::new(height, Instant::now(), Source::Http));
    }
    let reply = proxy.call(WHO, json!([])).await;
    assert_eq!(reply.status, StatusCode::OK);
    let message = format!("No available channels for method: {WHO}. All circuit breakers are open.");
    assert_eq!(reply.error(), (-32000, message));
    assert_eq!((nodes[0].calls(WHO), nodes[1].calls(WHO)), (0, 0));
    let warnings = log.entries("lasso.failover.lagging");
    assert_eq!(warnings.len(), 1);
    assert_eq!(warnings[0].level, Level::WARN);
    for (field, value) in [
        ("profile", json!("default")),
        ("chain", json!("ethereum")),
        ("method", json!(WHO)),
        ("channels", json!(2)),
        ("max_lag_blocks", json!(1)),
    ] {
        assert_eq!(warnings[0].fields[field], value, "{field}");
    }
    assert_eq!(proxy.call_at("/rpc/profile/other/ethereum", WHO, json!([])).await.who(), "x");
    // One block closer, the first is not too far behind any longer.
    let closer = Observation::new(99, Instant::now(), Source::Http);
    heights.record(1, proxy.channel("a").instance, closer);
    assert_eq!(proxy.call(WHO, json!([])).await.who(), "a");
}

#[tokio::test]
async fn routing_17_case_32_a_call_for_sockets_that_are_down_reaches_nobody() {
    let sockets = |chain: &mut ChainSpec| {
        for provider in &mut chain.providers {
            // Nobody has opened one.
            provider.ws_url = Some("ws://127.0.0.1:9".to_owned());
        }
    };
    let world = World::with(&["a", "b"], |_| {}, sockets).await;
    let reply = world.proxy.call_at("/rpc/ethereum?transport=ws", WHO, json!([])).await;
    assert_eq!(reply.status, StatusCode::OK);
    let message = format!("No available channels for method: {WHO}. All circuit breakers are open.");
    assert_eq!(reply.error(), (-32000, message));
    assert_eq!(world.asked(), [0, 0]);
    // Over either transport HTTP is left, and nothing was held against it.
    let reply = world.proxy.call_at("/rpc/ethereum?include_meta=headers", WHO, json!([])).await;
    assert_eq!(reply.who(), "a");
    assert_eq!(reply.meta()["candidate_providers"], json!(["a:http", "b:http"]));
    assert_eq!(world.proxy.breaker("a").failures, 0);
}

#[tokio::test]
async fn routing_17_case_33_a_method_nobody_declares_is_tried_all_the_same() {
    let without = |chain: &mut ChainSpec| {
        for provider in &mut chain.providers {
            provider.capabilities.unsupported_methods = vec![WHO.to_owned()];
        }
    };
    let world = World::with(&["a", "b"], |_| {}, without).await;
    assert_eq!(world.who().await, "a");
    world.behave("a", DOWN());
    assert_eq!(world.who().await, "b");
    assert_eq!(world.asked(), [2, 1]);
}

#[tokio::test]
async fn a_method_a_provider_does_not_declare_goes_to_another() {
    let world = World::with(
        &["a", "b"],
        |_| {},
        |chain| {
            chain.providers[0].capabilities.unsupported_methods = vec![WHO.to_owned()];
        },
    )
    .await;
    assert_eq!(world.who().await, "b");
    assert_eq!(world.asked(), [0, 1]);
}

#[tokio::test]
async fn a_slow_first_provider_leaves_the_second_its_share() {
    // The first provider answers, but later than its share of the time.
    let world = World::with(&["a", "b"], time(ms(3_000)), |_| {}).await;
    world.behave("a", Fault::latency(Duration::from_secs(3_600)));
    assert_eq!(world.who().await, "b");
    let breaker = world.proxy.breaker("a");
    assert_eq!((breaker.state, breaker.failures), (BreakerState::Closed, 1));
    assert_eq!(breaker.last_error.unwrap().category, Category::Timeout);
}

#[tokio::test]
async fn a_notification_is_carried_out_and_not_answered() {
    let world = World::start(&["a", "b"]).await;
    world.behave("a", DOWN());
    let body = format!(r#"{{"jsonrpc":"2.0","method":"{WHO}","params":[]}}"#);
    let reply = world.proxy.post("/rpc/ethereum", body).await;
    assert_eq!((reply.status, reply.body.len()), (StatusCode::NO_CONTENT, 0), "api case 6");
    assert_eq!(world.asked(), [1, 1]);
}

#[tokio::test]
async fn many_calls_at_once_all_come_back() {
    let world = World::start(&["a", "b", "c"]).await;
    world.node("a").behave([Rule::method(WHO, DOWN()).every(3)]);
    world.node("b").behave([Rule::method(WHO, Fault::Reset).every(5)]);
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let (client, url) = (world.proxy.client.clone(), world.proxy.url("/rpc/load-balanced/ethereum"));
        calls.spawn(async move {
            let response = client.open(&url, &[], request(WHO, &json!([]))).await.unwrap();
            Reply::read(response).await.who()
        });
    }
    let all = tokio::time::timeout(LIMIT, calls.join_all()).await.expect("all calls end");
    assert_eq!(all.len(), 200);
}
