//! No gap and no duplicate, whatever providers do.

use lasso_layers::catalog::Continuity;
use lasso_layers::state::health::{Aspect, Report, Status};
use lasso_rpc::sim::{Ending, Fault, NOTIFICATION, Rule};
use serde_json::json;
use tokio::time::Instant;

use super::{LIMIT, Net, Viewer, ms};

/// What clients read when a stream cannot be continued.
const EXHAUSTED: (u16, &str) = (1011, "Lasso subscription continuity exhausted");

/// A net and a client of it that follows heads and has seen block 10 go by.
async fn watching(names: &[&str]) -> (Net, Viewer) {
    let net = Net::start(names).await;
    let viewer = watch(&net).await;
    (net, viewer)
}

/// A client that follows heads and has seen one.
async fn watch(net: &Net) -> Viewer {
    let mut viewer = net.viewer().await;
    viewer.subscribe(json!(["newHeads"])).await;
    let height = net.chain.mine(1);
    assert_eq!(viewer.heads(1).await, net.blocks(height, height));
    viewer
}

async fn asked_to_subscribe(net: &Net, name: &str) {
    assert!(net.node(name).wait_for_method("eth_subscribe", 1, LIMIT).await, "{name} was not asked");
}

#[tokio::test]
async fn streaming_11_case_31_what_the_replacement_did_not_push_is_filled_in() {
    let (net, mut viewer) = watching(&["a", "b"]).await;
    net.node("b").behave([Rule::method("eth_subscribe", Fault::latency(ms(100)))]);
    net.node("a").stop().await;
    asked_to_subscribe(&net, "b").await;
    net.chain.mine(1);
    net.open("b", "newHeads", 1).await;
    net.chain.mine(1);
    assert_eq!(viewer.heads(2).await, net.blocks(12, 13));
    net.chain.mine(1);
    assert_eq!(viewer.heads(1).await, net.blocks(14, 14));
    net.until_figures("it is over", |figures| figures.recovered == 1).await;
    assert_eq!(net.figures().failovers, 1);
}

#[tokio::test]
async fn streaming_11_case_32_one_block_missed_at_the_confirmation_is_delivered() {
    let (net, mut viewer) = watching(&["a", "b"]).await;
    net.node("b").behave([Rule::method("eth_subscribe", Fault::latency(ms(100)))]);
    net.node("a").stop().await;
    asked_to_subscribe(&net, "b").await;
    net.chain.mine(1);
    // Nothing is mined after it that would tell of it.
    assert_eq!(viewer.heads(1).await, net.blocks(12, 12));
}

#[tokio::test]
async fn streaming_11_case_33_two_providers_are_enough() {
    let (net, mut viewer) = watching(&["a", "b"]).await;
    for (gone, back) in [("a", "b"), ("b", "a"), ("a", "b")] {
        net.node(gone).disconnect(Ending::Reset);
        net.cut(gone).await;
        net.chain.mine(2);
        let height = net.chain.height();
        assert_eq!(viewer.heads(2).await, net.blocks(height - 1, height));
        net.node(gone).heal();
        net.linked(gone).await;
        net.linked(back).await;
    }
    assert_eq!(net.figures().failovers, 3);
}

#[tokio::test]
async fn streaming_11_case_34_blocks_that_come_while_the_gap_is_filled_are_delivered_once() {
    let (net, mut viewer) = watching(&["a", "b"]).await;
    net.node("b").behave([
        Rule::method("eth_getBlockByNumber", Fault::latency(ms(50))),
        Rule::method("eth_getBlockByHash", Fault::latency(ms(50))),
    ]);
    net.cut("a").await;
    net.chain.mine(3);
    net.open("b", "newHeads", 1).await;
    for _ in 0..5 {
        net.chain.mine(1);
        tokio::task::yield_now().await;
    }
    assert_eq!(viewer.heads(8).await, net.blocks(12, 19));
    net.chain.mine(1);
    assert_eq!(viewer.heads(1).await, net.blocks(20, 20));
}

#[tokio::test]
async fn streaming_11_case_35_a_replacement_behind_neither_repeats_nor_goes_back() {
    let net = Net::start(&["a", "b"]).await;
    net.node("b").behave([Rule::any(Fault::Lag(2))]);
    let mut viewer = watch(&net).await;
    net.chain.mine(1);
    assert_eq!(viewer.heads(1).await, net.blocks(12, 12));
    net.cut("a").await;
    net.open("b", "newHeads", 1).await;
    // It pushes 11, 12 and 13.
    net.chain.mine(3);
    assert_eq!(viewer.heads(1).await, net.blocks(13, 13));
    net.chain.mine(1);
    assert_eq!(viewer.heads(1).await, net.blocks(14, 14));
}

#[tokio::test]
async fn streaming_11_case_36_a_block_that_is_not_there_yet_is_asked_for_again() {
    let (net, mut viewer) = watching(&["a", "b"]).await;
    net.node("b").behave([
        Rule::method("eth_subscribe", Fault::latency(ms(50))),
        Rule::method("eth_getBlockByNumber", Fault::NullResult).first(3),
        Rule::method("eth_getBlockByHash", Fault::NullResult).first(2),
    ]);
    net.cut("a").await;
    net.chain.mine(3);
    assert_eq!(viewer.heads(3).await, net.blocks(12, 14));
}

/// The only provider is away while more blocks are mined than may be filled in.
async fn with_a_wide_gap(continuity: Continuity) -> (Net, Viewer) {
    let net = Net::with(
        &["a"],
        |_| {},
        |chain| {
            chain.settings.continuity = continuity;
            chain.settings.max_backfill_blocks = 3;
            chain.settings.backfill_timeout = ms(1);
        },
    )
    .await;
    let viewer = watch(&net).await;
    net.cut("a").await;
    net.chain.mine(10);
    net.node("a").heal();
    (net, viewer)
}

#[tokio::test]
async fn streaming_11_case_37_a_gap_that_is_too_wide_ends_the_socket() {
    let (net, mut viewer) = with_a_wide_gap(Continuity::Strict).await;
    assert_eq!(viewer.closed().await, (EXHAUSTED.0, EXHAUSTED.1.to_owned()));
    net.until_figures("nothing is left of the stream", |figures| figures.streams == 0).await;
    assert_eq!(net.figures().exhausted, 1);
    // Who comes back is served.
    watch(&net).await;
}

#[tokio::test]
async fn streaming_11_case_38_with_best_effort_the_oldest_are_filled_in_and_then_it_is_live() {
    let (net, mut viewer) = with_a_wide_gap(Continuity::BestEffort).await;
    assert_eq!(viewer.heads(3).await, net.blocks(12, 14));
    assert_eq!(viewer.heads(1).await, net.blocks(21, 21));
    net.chain.mine(1);
    assert_eq!(viewer.heads(1).await, net.blocks(22, 22));
    assert_eq!(net.figures().left_out_blocks, 6);
}

#[tokio::test]
async fn streaming_11_case_39_heads_are_put_in_order() {
    let (net, mut viewer) = watching(&["a"]).await;
    net.node("a").behave([Rule::method(NOTIFICATION, Fault::Overtaken).every(2)]);
    net.chain.mine(3);
    assert_eq!(viewer.heads(3).await, net.blocks(12, 14));
}

#[tokio::test]
async fn streaming_11_case_40_a_head_of_another_branch_brings_its_parents() {
    let (net, mut viewer) = watching(&["a"]).await;
    net.chain.mine(1);
    assert_eq!(viewer.heads(1).await, net.blocks(12, 12));
    // The new block 12 is not told of.
    net.node("a").behave([Rule::method(NOTIFICATION, Fault::Omit).first(1)]);
    net.chain.reorg_to(1, 2);
    assert_eq!(viewer.heads(2).await, net.blocks(12, 13));
    assert_eq!(net.figures().reorgs, 1);
}

#[tokio::test]
async fn a_reorganisation_is_told_in_order() {
    let (net, mut viewer) = watching(&["a"]).await;
    net.chain.mine(5);
    assert_eq!(viewer.heads(5).await, net.blocks(12, 16));
    net.chain.reorg(4);
    assert_eq!(viewer.heads(4).await, net.blocks(13, 16));
    net.chain.mine(1);
    assert_eq!(viewer.heads(1).await, net.blocks(17, 17));
}

#[tokio::test]
async fn a_reorganisation_during_a_failover_is_told_too() {
    let (net, mut viewer) = watching(&["a", "b"]).await;
    net.chain.mine(3);
    assert_eq!(viewer.heads(3).await, net.blocks(12, 14));
    net.node("b").behave([Rule::method("eth_subscribe", Fault::latency(ms(50)))]);
    net.cut("a").await;
    net.chain.reorg_to(2, 3);
    assert_eq!(viewer.heads(3).await, net.blocks(13, 15));
}

#[tokio::test]
async fn streaming_11_case_41_three_failing_replacements_do_not_break_the_stream() {
    let (net, mut viewer) = watching(&["a", "b", "c", "d", "e"]).await;
    for name in ["b", "c", "d"] {
        net.node(name).behave([Rule::method("eth_subscribe", Fault::rpc_error(-32000, "try again later"))]);
    }
    net.cut("a").await;
    net.chain.mine(4);
    assert_eq!(viewer.heads(4).await, net.blocks(12, 15));
    net.open("e", "newHeads", 1).await;
    net.until_figures("it is over", |figures| figures.recovered == 1).await;
}

#[tokio::test]
async fn streaming_11_case_42_an_outage_of_all_is_filled_in() {
    let (net, mut viewer) = watching(&["a", "b"]).await;
    net.cut("a").await;
    net.cut("b").await;
    net.chain.mine(20);
    net.nodes.iter().for_each(lasso_rpc::sim::SimNode::heal);
    assert_eq!(viewer.heads(20).await, net.blocks(12, 31));
    net.chain.mine(1);
    assert_eq!(viewer.heads(1).await, net.blocks(32, 32));
}

#[tokio::test]
async fn a_stream_that_has_nobody_else_waits_for_no_breaker() {
    let (net, mut viewer) = watching(&["a", "b"]).await;
    for name in ["a", "b"] {
        let channel = net.channel(name).expect("it has a WebSocket");
        net.proxy.runtime.breakers.open(&channel, Instant::now());
    }
    // Whatever its breaker says, a loss is followed by ten seconds of rest at least, unless somebody waits.
    net.cut("a").await;
    net.cut("b").await;
    net.chain.mine(3);
    net.nodes.iter().for_each(lasso_rpc::sim::SimNode::heal);
    assert_eq!(viewer.heads(3).await, net.blocks(12, 14));
}

#[tokio::test]
async fn the_only_provider_coming_back_is_filled_in() {
    let (net, mut viewer) = watching(&["a"]).await;
    net.cut("a").await;
    net.chain.mine(5);
    net.node("a").heal();
    assert_eq!(viewer.heads(5).await, net.blocks(12, 16));
}

#[tokio::test]
async fn a_connection_that_is_only_half_there_is_left_when_heads_stay_away() {
    let net = Net::with(&["a", "b"], |_| {}, |chain| chain.settings.new_heads_timeout = ms(300)).await;
    let mut viewer = watch(&net).await;
    // Nothing is sent from the next head on, and nothing is closed.
    net.node("a").behave([Rule::method(NOTIFICATION, Fault::Freeze)]);
    net.chain.mine(2);
    assert_eq!(viewer.heads(2).await, net.blocks(12, 13));
    assert!(net.figures().failovers >= 1);
}

/// Has the probes of a node fail for good.
fn unhealthy(net: &Net, name: &str) {
    let instance = net.channel(name).expect("it has a WebSocket").instance;
    let report = Report { status: Status::Unhealthy, failures: 5, latency: None, error: None };
    net.proxy.runtime.health.report(instance, Aspect::Probe, report, Instant::now());
}

#[tokio::test]
async fn streaming_11_case_43_one_loss_is_one_failover() {
    let (net, mut viewer) = watching(&["a", "b"]).await;
    net.node("b").behave([Rule::method("eth_subscribe", Fault::latency(ms(200)))]);
    net.cut("a").await;
    asked_to_subscribe(&net, "b").await;
    unhealthy(&net, "a");
    net.chain.mine(2);
    assert_eq!(viewer.heads(2).await, net.blocks(12, 13));
    net.until_figures("it is over", |figures| figures.recovered == 1).await;
    assert_eq!(net.figures().failovers, 1);
}

#[tokio::test]
async fn a_provider_that_became_unhealthy_is_left() {
    let (net, mut viewer) = watching(&["a", "b"]).await;
    unhealthy(&net, "a");
    net.open("b", "newHeads", 1).await;
    net.chain.mine(2);
    assert_eq!(viewer.heads(2).await, net.blocks(12, 13));
}

#[tokio::test]
async fn whatever_ends_a_connection_loses_nothing() {
    let (net, mut viewer) = watching(&["a", "b"]).await;
    let endings = [
        Fault::Reset,
        Fault::Close,
        Fault::CloseFrame { code: 1012, reason: "restart".into() },
        Fault::TornFrame,
        Fault::Garbage,
    ];
    for (round, ending) in (0..).zip(endings) {
        // By turns, the one that serves and the other one.
        net.nodes.iter().for_each(|node| node.strike(ending.clone()));
        net.chain.mine(2);
        let height = net.chain.height();
        assert_eq!(viewer.heads(2).await, net.blocks(height - 1, height), "round {round}");
    }
}

#[tokio::test]
async fn a_subscription_that_died_without_a_word_is_made_anew() {
    let net = Net::with(&["a"], |_| {}, |chain| chain.settings.new_heads_timeout = ms(300)).await;
    let mut viewer = watch(&net).await;
    // The connection is fine, and there is nobody else.
    net.node("a").behave([Rule::method(NOTIFICATION, Fault::Omit)]);
    let before = net.node("a").topic("newHeads").subscribed;
    net.chain.mine(2);
    assert_eq!(viewer.heads(2).await, net.blocks(12, 13));
    assert!(net.node("a").topic("newHeads").subscribed > before);
}

#[tokio::test]
async fn a_quiet_chain_ends_no_stream_and_costs_little() {
    let net = Net::with(&["a", "b"], |_| {}, |chain| chain.settings.new_heads_timeout = ms(100)).await;
    let mut viewer = watch(&net).await;
    net.until_figures("all were silent by turns", |figures| figures.recovered >= 6).await;
    let figures = net.figures();
    assert_eq!((figures.exhausted, figures.left_out_blocks), (0, 0));
    let asked: u64 = net.nodes.iter().map(|node| node.calls("eth_getBlockByNumber")).sum();
    assert!(asked <= 2 * figures.failovers + 2, "{asked} questions, {} failovers", figures.failovers);
    net.chain.mine(1);
    assert_eq!(viewer.heads(1).await, net.blocks(12, 12));
}
