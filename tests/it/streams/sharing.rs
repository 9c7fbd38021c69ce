//! What streams share, how long they keep it, and what becomes of them when the configuration changes.

use lasso_layers::catalog::ProfileSpec;
use lasso_rpc::sim::{Fault, SimNode};
use serde_json::json;

use super::{LIMIT, Net, Viewer, ms, nodes, profile, quick, streaming, until};
use crate::support::Proxy;

#[tokio::test]
async fn profiles_share_upstream_subscriptions_and_not_streams() {
    let (chain, nodes) = nodes(&["a"]).await;
    let profiles = ["default", "other"].map(|slug| profile(slug, streaming(&nodes)));
    let proxy = Proxy::start(profiles.to_vec(), |all| {
        quick(all);
        // The tracker of heights has a place in the same subscription.
        all.block_sync.enabled = true;
    })
    .await;
    let net = Net { chain, nodes, proxy };
    net.linked("a").await;
    let mut one = net.viewer().await;
    let mut other = Viewer::connect(&net.proxy, "/ws/rpc/profile/other/ethereum").await;
    for viewer in [&mut one, &mut other] {
        viewer.subscribe(json!(["newHeads"])).await;
        viewer.subscribe(json!(["logs", {}])).await;
    }
    assert_eq!(net.figures().streams, 4);
    let asked = ["newHeads", "logs"].map(|topic| net.node("a").topic(topic).subscribed);
    assert_eq!(asked, [1, 1]);
    net.chain.mine(1);
    let heights = net.proxy.runtime.heights;
    let instance = net.channel("a").unwrap().instance;
    until("the height is known", || heights.latest(1, instance).is_some_and(|it| it.height == 11)).await;
    until("it was pushed", || heights.last_streamed(1, instance).is_some()).await;
}

#[tokio::test]
async fn streaming_11_case_28_an_upstream_subscription_outlives_its_last_client_for_a_while() {
    let settings = |all: &mut lasso_rpc::config::Settings| {
        all.subscriptions.linger = ms(300);
        all.subscriptions.linger_sweep = ms(50);
    };
    let net = Net::with(&["a"], settings, |_| {}).await;
    let mut viewer = net.viewer().await;
    let id = viewer.subscribe(json!(["newHeads"])).await;
    assert_eq!(viewer.unsubscribe(&id).await, json!(true));
    assert_eq!(net.figures().streams, 0, "the stream ends at once");
    // Who comes back in time finds it.
    let id = viewer.subscribe(json!(["newHeads"])).await;
    net.chain.mine(1);
    assert_eq!(viewer.heads(1).await, net.blocks(11, 11));
    assert_eq!((net.node("a").topic("newHeads").subscribed, net.figures().upstream_subscriptions), (1, 1));
    viewer.unsubscribe(&id).await;
    let ended = |stats: &lasso_rpc::sim::TopicStats| stats.unsubscribed == 1 && stats.open == 0;
    assert!(net.node("a").wait_for_topic("newHeads", LIMIT, ended).await);
    assert_eq!(net.node("a").calls("eth_unsubscribe"), 1);
    net.until_figures("it is gone", |figures| figures.upstream_subscriptions == 0).await;
}

#[tokio::test]
async fn a_client_that_vanishes_leaves_nothing() {
    let net = Net::start(&["a"]).await;
    let mut viewer = net.viewer().await;
    viewer.subscribe(json!(["newHeads"])).await;
    viewer.subscribe(json!(["logs", {}])).await;
    drop(viewer);
    net.until_figures("nothing is left", |it| (it.streams, it.subscribers) == (0, 0)).await;
}

#[tokio::test]
async fn a_slow_reader_is_closed_and_the_others_lose_nothing() {
    let net = Net::with(&["a"], |all| all.websocket.outbox_messages = 8, |_| {}).await;
    let mut fast = Vec::new();
    for _ in 0..20 {
        let mut viewer = net.viewer().await;
        viewer.subscribe(json!(["newHeads"])).await;
        fast.push(viewer);
    }
    let mut slow = net.viewer().await;
    for _ in 0..100 {
        slow.subscribe(json!(["newHeads"])).await;
    }
    let before = net.figures().subscribers;
    assert_eq!(before, 120);
    // Block after block, read by all but one. What sockets hold is finite.
    let mut height = 10;
    while net.figures().subscribers > 20 {
        assert!(height < 5_000, "it should be full by now");
        height = net.chain.mine(1);
        for viewer in &mut fast {
            assert_eq!(viewer.heads(1).await, net.blocks(height, height));
        }
    }
    assert_eq!(net.figures().subscribers, 20);
    net.chain.mine(1);
    for viewer in &mut fast {
        assert_eq!(viewer.heads(1).await, net.blocks(height + 1, height + 1));
    }
}

/// Puts these nodes in force as the providers of the default profile, and of nothing else.
fn publish(net: &Net, names: &[&str]) {
    let mut chain = streaming(&net.nodes);
    chain.providers.retain(|provider| names.contains(&&*provider.id));
    net.proxy.runtime.live.publish(vec![profile("default", chain)]).unwrap();
}

#[tokio::test]
async fn streams_go_on_through_a_reload() {
    let net = Net::start(&["a", "b"]).await;
    let mut viewer = net.viewer().await;
    viewer.subscribe(json!(["newHeads"])).await;
    net.open("a", "newHeads", 1).await;
    publish(&net, &["a"]);
    net.chain.mine(1);
    assert_eq!(viewer.heads(1).await, net.blocks(11, 11));
    publish(&net, &["a", "b"]);
    net.linked("b").await;
    net.chain.mine(1);
    assert_eq!(viewer.heads(1).await, net.blocks(12, 12));
    assert_eq!((net.figures().failovers, net.node("a").topic("newHeads").subscribed), (0, 1));
}

#[tokio::test]
async fn a_provider_that_left_is_left() {
    let net = Net::start(&["a", "b"]).await;
    let mut viewer = net.viewer().await;
    viewer.subscribe(json!(["newHeads"])).await;
    net.chain.mine(1);
    assert_eq!(viewer.heads(1).await, net.blocks(11, 11));
    publish(&net, &["b"]);
    net.open("b", "newHeads", 1).await;
    net.chain.mine(2);
    assert_eq!(viewer.heads(2).await, net.blocks(12, 13));
    assert_eq!(net.figures().failovers, 1);
}

#[tokio::test]
async fn a_provider_that_left_one_profile_is_left_by_that_one() {
    let (chain, nodes) = nodes(&["a", "b"]).await;
    let all = |nodes: &[SimNode]| -> Vec<ProfileSpec> {
        ["default", "other"].map(|slug| profile(slug, streaming(nodes))).to_vec()
    };
    let proxy = Proxy::start(all(&nodes), quick).await;
    let net = Net { chain, nodes, proxy };
    net.linked("a").await;
    net.linked("b").await;
    let mut one = net.viewer().await;
    let mut other = Viewer::connect(&net.proxy, "/ws/rpc/profile/other/ethereum").await;
    one.subscribe(json!(["newHeads"])).await;
    other.subscribe(json!(["newHeads"])).await;
    net.chain.mine(1);
    for viewer in [&mut one, &mut other] {
        assert_eq!(viewer.heads(1).await, net.blocks(11, 11));
    }
    let mut profiles = all(&net.nodes);
    profiles[1].chains[0].providers.remove(0);
    net.proxy.runtime.live.publish(profiles).unwrap();
    net.open("b", "newHeads", 1).await;
    net.chain.mine(2);
    for viewer in [&mut one, &mut other] {
        assert_eq!(viewer.heads(2).await, net.blocks(12, 13));
    }
    assert_eq!(net.figures().failovers, 1);
}

#[tokio::test]
async fn a_profile_that_left_ends_its_streams_visibly() {
    let (chain, nodes) = nodes(&["a"]).await;
    let profiles = ["default", "other"].map(|slug| profile(slug, streaming(&nodes)));
    let proxy = Proxy::start(profiles.to_vec(), quick).await;
    let net = Net { chain, nodes, proxy };
    net.linked("a").await;
    let mut one = net.viewer().await;
    let mut other = Viewer::connect(&net.proxy, "/ws/rpc/profile/other/ethereum").await;
    one.subscribe(json!(["newHeads"])).await;
    other.subscribe(json!(["newHeads"])).await;
    publish(&net, &["a"]);
    assert_eq!(other.closed().await.0, 1011);
    net.chain.mine(1);
    assert_eq!(one.heads(1).await, net.blocks(11, 11));
    assert_eq!(net.figures().streams, 1);
}

#[tokio::test]
async fn a_provider_on_another_chain_serves_no_stream() {
    let net = Net::with(
        &["a", "b"],
        |all| {
            all.probe.enabled = true;
            all.probe.tick = ms(10);
        },
        |chain| chain.settings.probe_interval = ms(50),
    )
    .await;
    let mut viewer = net.viewer().await;
    viewer.subscribe(json!(["newHeads"])).await;
    net.chain.mine(1);
    assert_eq!(viewer.heads(1).await, net.blocks(11, 11));
    net.node("a").behave([lasso_rpc::sim::Rule::any(Fault::WrongChain(7))]);
    net.open("b", "newHeads", 1).await;
    net.chain.mine(1);
    assert_eq!(viewer.heads(1).await, net.blocks(12, 12));
}
