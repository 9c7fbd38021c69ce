//! Who may subscribe to what, and what an id is good for.

use lasso_rpc::sim::{Fault, NOTIFICATION, Rule, TOKEN_A};
use serde_json::{Value, json};

use super::Net;

/// Code and message of a refusal.
#[track_caller]
fn error(reply: &Value) -> (i64, &str) {
    let error = &reply["error"];
    (error["code"].as_i64().unwrap_or_else(|| panic!("{reply}")), error["message"].as_str().unwrap())
}

/// The parameters of all subscriptions that a node was asked for.
fn asked(net: &Net, name: &str) -> Vec<String> {
    let seen = net.node(name).seen();
    let subscribed = seen.into_iter().filter(|call| call.method == "eth_subscribe");
    subscribed.map(|call| call.params.expect("it has parameters")).collect()
}

#[tokio::test]
async fn streaming_11_case_17_what_nobody_offers_is_refused() {
    let net = Net::start(&["a"]).await;
    let mut viewer = net.viewer().await;
    let reply = viewer.call("eth_subscribe", json!(["syncing"])).await;
    assert_eq!(error(&reply), (-32602, "Invalid subscription parameters"));
    assert_eq!(asked(&net, "a"), [""; 0]);
}

#[tokio::test]
async fn streaming_11_case_18_a_hundred_clients_are_one_upstream_subscription() {
    let net = Net::start(&["a", "b"]).await;
    let mut viewers = Vec::new();
    for _ in 0..100 {
        let mut viewer = net.viewer().await;
        viewer.subscribe(json!(["newHeads"])).await;
        viewers.push(viewer);
    }
    net.chain.mine(2);
    for viewer in &mut viewers {
        assert_eq!(viewer.heads(2).await, net.blocks(11, 12));
    }
    assert_eq!(asked(&net, "a"), [r#"["newHeads"]"#]);
    assert_eq!(asked(&net, "b"), [""; 0]);
    assert_eq!((net.figures().streams, net.figures().subscribers), (1, 100));
}

/// Has one client subscribe to logs by each of these filters, and returns what a node is asked for.
async fn asked_for(net: &Net, filters: impl IntoIterator<Item = Value>) -> Vec<String> {
    let mut viewer = net.viewer().await;
    for filter in filters {
        viewer.subscribe(json!(["logs", filter])).await;
    }
    asked(net, "a").into_iter().filter(|params| params.contains("logs")).collect()
}

#[tokio::test]
async fn streaming_11_case_19_alternatives_in_another_order_are_the_same_stream() {
    let net = Net::start(&["a"]).await;
    let (a, b) = (format!("0x{}A", "0".repeat(63)), format!("0x{}B", "0".repeat(63)));
    let lower = [a.to_lowercase(), b.to_lowercase()];
    let asked = asked_for(&net, [json!({"topics": [[b, a], null]}), json!({"topics": [lower, null]})]).await;
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!((net.figures().streams, net.figures().subscribers), (1, 2));
}

#[tokio::test]
async fn streaming_11_case_20_no_range_goes_upstream() {
    let net = Net::start(&["a"]).await;
    let asked = asked_for(&net, [json!({"fromBlock": "latest", "toBlock": "0x1"}), json!({})]).await;
    assert_eq!(asked, [r#"["logs",{}]"#]);
}

#[tokio::test]
async fn streaming_11_case_21_an_address_and_a_list_of_one_are_the_same_stream() {
    let net = Net::start(&["a"]).await;
    let upper = format!("0x{}", TOKEN_A[2..].to_uppercase());
    let asked = asked_for(&net, [json!({"address": upper}), json!({"address": [TOKEN_A]})]).await;
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!((net.figures().streams, net.figures().subscribers), (1, 2));
}

#[tokio::test]
async fn streaming_11_case_22_without_a_websocket_provider_there_is_no_id() {
    let net = Net::with(&["a"], |_| {}, |chain| chain.providers[0].ws_url = None).await;
    let mut viewer = net.viewer().await;
    let reply = viewer.call("eth_subscribe", json!(["newHeads"])).await;
    assert_eq!(error(&reply), (-32000, "Failed to create subscription"));
    assert_eq!(net.figures().subscribers, 0);
}

#[tokio::test]
async fn without_a_connection_there_is_no_id_either() {
    let net = Net::with(&["a"], |all| all.websocket.item_deadline = super::ms(300), |_| {}).await;
    net.cut("a").await;
    let mut viewer = net.viewer().await;
    let reply = viewer.call("eth_subscribe", json!(["newHeads"])).await;
    assert_eq!(error(&reply), (-32000, "Failed to create subscription"));
    assert_eq!(reply["error"]["data"]["reason"], "upstream_establishment_failed");
    assert_eq!((net.figures().streams, net.figures().subscribers), (0, 0), "nothing stays");
}

#[tokio::test]
async fn streaming_11_case_23_who_refuses_for_good_is_not_asked_again() {
    let net = Net::start(&["a", "b"]).await;
    net.node("a").behave([Rule::method("eth_subscribe", Fault::rpc_error(-32601, "no such method"))]);
    let mut viewer = net.viewer().await;
    viewer.subscribe(json!(["newHeads"])).await;
    net.chain.mine(1);
    assert_eq!(viewer.heads(1).await, net.blocks(11, 11));
    assert_eq!((asked(&net, "a").len(), asked(&net, "b").len()), (1, 1));
}

#[tokio::test]
async fn a_stream_that_everybody_refuses_is_refused() {
    let net = Net::start(&["a", "b"]).await;
    for node in &net.nodes {
        node.behave([Rule::method("eth_subscribe", Fault::rpc_error(-32601, "no such method"))]);
    }
    let mut viewer = net.viewer().await;
    for stream in ["newHeads", "newPendingTransactions"] {
        let reply = viewer.call("eth_subscribe", json!([stream])).await;
        assert_eq!(error(&reply), (-32000, "Failed to create subscription"));
    }
    // And is asked for anew when somebody else comes.
    net.nodes.iter().for_each(lasso_rpc::sim::SimNode::heal);
    viewer.subscribe(json!(["newHeads"])).await;
}

#[tokio::test]
async fn streaming_11_case_24_ids_of_others_mean_nothing() {
    let net = Net::start(&["a"]).await;
    let (mut one, mut other) = (net.viewer().await, net.viewer().await);
    let id = one.subscribe(json!(["newHeads"])).await;
    assert_eq!(other.unsubscribe(&id).await, json!(false));
    net.chain.mine(1);
    assert_eq!(one.heads(1).await, net.blocks(11, 11));
}

#[tokio::test]
async fn streaming_11_case_25_a_subscription_is_given_up_once() {
    let net = Net::start(&["a"]).await;
    let mut viewer = net.viewer().await;
    let id = viewer.subscribe(json!(["newHeads"])).await;
    for call in 1..=2 {
        viewer.socket.ask(&json!(call), "eth_unsubscribe", &json!([id])).await;
    }
    let mut replies =
        [viewer.socket.next().await, viewer.socket.next().await].map(|mut it| it["result"].take());
    replies.sort_by_key(|reply| reply.as_bool());
    assert_eq!(replies, [json!(false), json!(true)]);
    assert_eq!((net.figures().streams, net.figures().subscribers), (0, 0));
}

#[tokio::test]
async fn streaming_11_case_26_two_ids_get_each_head_once_each() {
    let net = Net::start(&["a"]).await;
    let mut viewer = net.viewer().await;
    let ids = [viewer.subscribe(json!(["newHeads"])).await, viewer.subscribe(json!(["newHeads"])).await];
    net.chain.mine(2);
    let mut pushes = Vec::new();
    for _ in 0..4 {
        let push = viewer.push().await;
        pushes.push((push.subscription, super::viewer::quantity(&push.result["number"])));
    }
    pushes.sort();
    let mut expected: Vec<_> = ids.into_iter().flat_map(|id| [(id.clone(), 11), (id, 12)]).collect();
    expected.sort();
    assert_eq!(pushes, expected);
}

#[tokio::test]
async fn streaming_11_case_27_heads_come_from_those_that_push_them() {
    let net =
        Net::with(&["a", "b"], |_| {}, |chain| chain.providers[0].subscribe_new_heads = Some(false)).await;
    let mut viewer = net.viewer().await;
    viewer.subscribe(json!(["newHeads"])).await;
    assert_eq!(asked(&net, "a"), [""; 0]);
    assert_eq!(asked(&net, "b"), [r#"["newHeads"]"#]);
    net.chain.mine(1);
    assert_eq!(viewer.heads(1).await, net.blocks(11, 11));
}

#[tokio::test]
async fn streaming_11_case_27_logs_may_come_from_one_that_pushes_no_heads() {
    let net = Net::with(
        &["a"],
        |_| {},
        |chain| {
            chain.providers[0].subscribe_new_heads = Some(false);
            chain.block_time = Some(super::ms(20));
        },
    )
    .await;
    let mut viewer = net.viewer().await;
    viewer.subscribe(json!(["logs", {"address": TOKEN_A}])).await;
    net.chain.mine(1);
    assert_eq!(super::viewer::quantity(&viewer.event().await["blockNumber"]), 11);
    assert_eq!(asked(&net, "a").len(), 1);
}

#[tokio::test]
async fn streaming_11_case_29_what_comes_twice_is_pushed_once() {
    let net = Net::start(&["a"]).await;
    net.node("a").behave([Rule::method(NOTIFICATION, Fault::Repeat)]);
    let mut viewer = net.viewer().await;
    viewer.subscribe(json!(["newHeads"])).await;
    net.chain.mine(3);
    assert_eq!(viewer.heads(3).await, net.blocks(11, 13));
}

#[tokio::test]
async fn a_pinned_socket_has_a_stream_of_its_own() {
    let net = Net::start(&["a", "b"]).await;
    let mut free = net.viewer().await;
    let mut pinned = super::Viewer::connect(&net.proxy, "/ws/rpc/ethereum/b").await;
    free.subscribe(json!(["newHeads"])).await;
    pinned.subscribe(json!(["newHeads"])).await;
    assert_eq!((asked(&net, "a").len(), asked(&net, "b").len()), (1, 1));
    net.chain.mine(1);
    for viewer in [&mut free, &mut pinned] {
        assert_eq!(viewer.heads(1).await, net.blocks(11, 11));
    }
}

#[tokio::test]
async fn a_pin_that_cannot_serve_is_named() {
    let chain = |chain: &mut lasso_layers::catalog::ChainSpec| {
        chain.providers[1].ws_url = None;
        chain.providers[2].subscribe_new_heads = Some(false);
    };
    let net = Net::with(&["a", "b", "c"], |_| {}, chain).await;
    for (provider, problem) in
        [("b", "does not support WebSocket subscriptions"), ("c", "does not support newHeads subscriptions")]
    {
        let mut viewer = super::Viewer::connect(&net.proxy, &format!("/ws/rpc/ethereum/{provider}")).await;
        let reply = viewer.call("eth_subscribe", json!(["newHeads"])).await;
        assert_eq!(error(&reply), (-32602, &*format!("Provider '{provider}' {problem}")));
        let data = json!({"provider_id": provider, "chain_id": 1, "profile": "default"});
        assert_eq!(reply["error"]["data"], data);
    }
}
