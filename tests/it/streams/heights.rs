//! The heads of all upstreams, followed for their heights.

use lasso_layers::attempt::breaker::BreakerState;
use lasso_layers::state::heights::Source;
use lasso_rpc::config::Settings;
use lasso_rpc::sim::{Fault, NOTIFICATION, Rule};
use tokio::time::Instant;

use super::{LIMIT, Net, ms, until};

/// Heights are told by heads, and asked for so rarely that nothing else tells them.
fn tracked(settings: &mut Settings) {
    settings.block_sync.enabled = true;
}

#[tokio::test]
async fn heads_of_all_upstreams_are_heights() {
    let net = Net::with(&["a", "b"], tracked, |chain| {
        chain.providers[0].url = None;
        chain.providers[1].subscribe_new_heads = Some(false);
    })
    .await;
    net.open("a", "newHeads", 1).await;
    net.chain.mine(3);
    let heights = net.proxy.runtime.heights;
    let instance = net.channel("a").unwrap().instance;
    until("the height is known", || heights.latest(1, instance).is_some_and(|it| it.height == 13)).await;
    assert_eq!(heights.latest(1, instance).unwrap().source, Source::Ws);
    assert_eq!(net.node("b").topic("newHeads").subscribed, 0, "it is not to be subscribed to");
}

#[tokio::test]
async fn heads_close_the_breaker() {
    let settings = |settings: &mut Settings| {
        tracked(settings);
        // What a connection brings that may be gone in a moment is no recovery.
        settings.upstream_websocket.stable_after = ms(10);
    };
    let net = Net::with(&["a"], settings, |_| {}).await;
    net.open("a", "newHeads", 1).await;
    let (channel, breakers) = (net.channel("a").unwrap(), net.proxy.runtime.breakers);
    breakers.open(&channel, Instant::now());
    assert_eq!(breakers.status(channel.key, Instant::now()).state, BreakerState::Open);
    let is_closed = || {
        net.chain.mine(1);
        breakers.status(channel.key, Instant::now()).state == BreakerState::Closed
    };
    until("heads have closed it", is_closed).await;
}

#[tokio::test]
async fn silence_ends_the_subscription() {
    let settings = |settings: &mut Settings| {
        tracked(settings);
        settings.subscriptions.linger_sweep = ms(50);
    };
    let net = Net::with(&["a"], settings, |chain| chain.settings.new_heads_timeout = ms(100)).await;
    net.open("a", "newHeads", 1).await;
    net.node("a").behave([Rule::method(NOTIFICATION, Fault::Omit)]);
    let ended = |stats: &lasso_rpc::sim::TopicStats| stats.unsubscribed == 1;
    assert!(net.node("a").wait_for_topic("newHeads", LIMIT, ended).await);
}

#[tokio::test]
async fn an_upstream_that_left_has_no_height() {
    let net = Net::with(&["a", "b"], tracked, |chain| chain.providers[0].url = None).await;
    net.open("a", "newHeads", 1).await;
    net.chain.mine(1);
    let heights = net.proxy.runtime.heights;
    let instance = net.channel("a").unwrap().instance;
    until("the height is known", || heights.latest(1, instance).is_some()).await;
    let mut chain = super::streaming(&net.nodes);
    chain.providers.remove(0);
    net.proxy.runtime.live.publish(vec![super::profile("default", chain)]).unwrap();
    until("it is forgotten", || heights.latest(1, instance).is_none()).await;
}
