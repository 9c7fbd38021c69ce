//! Streams of logs.

use lasso_rpc::sim::{Fault, NOTIFICATION, Rule, TOKEN_A, TOKEN_B};
use serde_json::{Value, json};

use super::{Net, Viewer, ms};

/// What makes a log itself: hash of its block, number of it, index, and whether it is taken back.
type Id = (String, String, String, bool);

fn id(log: &Value) -> Id {
    let text = |name: &str| log[name].as_str().unwrap_or_else(|| panic!("no {name}: {log}")).to_owned();
    (text("blockHash"), text("blockNumber"), text("logIndex"), log["removed"].as_bool().unwrap())
}

async fn logs(viewer: &mut Viewer, count: usize) -> Vec<Id> {
    let mut logs = Vec::new();
    for _ in 0..count {
        logs.push(id(&viewer.event().await));
    }
    logs
}

/// The logs of some blocks, of one token or of all.
fn expected(net: &Net, from: u64, to: u64, token: Option<&str>) -> Vec<Id> {
    let logs = net.chain.logs(from, to);
    logs.iter().filter(|log| token.is_none_or(|token| log["address"] == token)).map(id).collect()
}

/// The same taken back, the newest first.
fn withdrawn(mut logs: Vec<Id>) -> Vec<Id> {
    logs.reverse();
    logs.iter_mut().for_each(|log| log.3 = true);
    logs
}

/// A client that follows all logs and has seen those of block 11.
async fn watching(names: &[&str]) -> (Net, Viewer) {
    let net = Net::start(names).await;
    let mut viewer = net.viewer().await;
    viewer.subscribe(json!(["logs", {}])).await;
    net.chain.mine(1);
    assert_eq!(logs(&mut viewer, 2).await, expected(&net, 11, 11, None));
    (net, viewer)
}

#[tokio::test]
async fn streaming_11_case_30_a_log_is_taken_back_after_it_was_told() {
    let (net, mut viewer) = watching(&["a"]).await;
    let old = expected(&net, 11, 11, None);
    net.chain.reorg(1);
    assert_eq!(logs(&mut viewer, 2).await, withdrawn(old));
    assert_eq!(logs(&mut viewer, 2).await, expected(&net, 11, 11, None));
}

#[tokio::test]
async fn a_deep_reorganisation_takes_back_the_newest_first() {
    let (net, mut viewer) = watching(&["a"]).await;
    net.chain.mine(3);
    assert_eq!(logs(&mut viewer, 6).await, expected(&net, 12, 14, None));
    let old = expected(&net, 12, 14, None);
    net.chain.reorg_to(3, 4);
    assert_eq!(logs(&mut viewer, 6).await, withdrawn(old));
    assert_eq!(logs(&mut viewer, 8).await, expected(&net, 12, 15, None));
}

#[tokio::test]
async fn streaming_11_case_44_each_stream_of_logs_is_filled_by_its_own_filter() {
    let net = Net::start(&["a", "b"]).await;
    let filters = [
        (json!({}), None),
        (json!({"address": TOKEN_A}), Some(TOKEN_A)),
        (json!({"address": TOKEN_B}), Some(TOKEN_B)),
    ];
    let mut viewers = Vec::new();
    for (filter, token) in filters {
        let mut viewer = net.viewer().await;
        viewer.subscribe(json!(["logs", filter])).await;
        viewers.push((viewer, token));
    }
    net.chain.mine(1);
    for (viewer, token) in &mut viewers {
        let expected = expected(&net, 11, 11, *token);
        assert_eq!(logs(viewer, expected.len()).await, expected);
    }
    net.node("b").behave([Rule::method("eth_subscribe", Fault::latency(ms(50)))]);
    net.cut("a").await;
    net.chain.mine(4);
    net.open("b", "logs", 3).await;
    net.chain.mine(1);
    for (viewer, token) in &mut viewers {
        let expected = expected(&net, 12, 16, *token);
        assert_eq!(logs(viewer, expected.len()).await, expected);
    }
}

#[tokio::test]
async fn logs_that_a_provider_does_not_push_are_asked_for() {
    let (net, mut viewer) = watching(&["a"]).await;
    net.node("a").behave([Rule::method(NOTIFICATION, Fault::Omit).params_contain("\"logIndex\"")]);
    net.chain.mine(2);
    assert_eq!(logs(&mut viewer, 4).await, expected(&net, 12, 13, None));
}

#[tokio::test]
async fn a_provider_that_knows_a_block_before_its_logs_is_asked_again() {
    let (net, mut viewer) = watching(&["a", "b"]).await;
    net.node("b").behave([
        Rule::method("eth_subscribe", Fault::latency(ms(50))),
        Rule::method("eth_getLogs", Fault::Result(json!([]))).first(6),
    ]);
    net.cut("a").await;
    net.chain.mine(3);
    assert_eq!(logs(&mut viewer, 6).await, expected(&net, 12, 14, None));
}

#[tokio::test]
async fn an_outage_before_the_first_log_is_filled_too() {
    let net = Net::start(&["a"]).await;
    let mut viewer = net.viewer().await;
    viewer.subscribe(json!(["logs", {"address": TOKEN_A}])).await;
    net.cut("a").await;
    net.chain.mine(5);
    net.node("a").heal();
    let expected = expected(&net, 11, 15, Some(TOKEN_A));
    assert_eq!(logs(&mut viewer, expected.len()).await, expected);
}

#[tokio::test]
async fn with_verification_logs_that_were_left_out_are_found() {
    let net = Net::with(
        &["a"],
        |all| all.subscriptions.verify_logs = lasso_rpc::config::settings::VerifyLogs::Always,
        |_| {},
    )
    .await;
    let mut viewer = net.viewer().await;
    viewer.subscribe(json!(["logs", {}])).await;
    // One of two, so that nothing looks missing.
    let second = Rule::method(NOTIFICATION, Fault::Omit).params_contain("\"logIndex\":\"0x1\"");
    net.node("a").behave([second]);
    net.chain.mine(2);
    assert_eq!(logs(&mut viewer, 4).await, expected(&net, 11, 12, None));
}

#[tokio::test]
async fn pending_transactions_are_told_once_and_survive_a_loss() {
    let net = Net::start(&["a", "b"]).await;
    let mut viewer = net.viewer().await;
    viewer.subscribe(json!(["newPendingTransactions"])).await;
    net.node("a").behave([Rule::method(NOTIFICATION, Fault::Repeat)]);
    let send = async |raw: &str| net.proxy.call("eth_sendRawTransaction", json!([raw])).await.result();
    let first = send("0x01").await;
    assert_eq!(viewer.event().await, first);
    net.cut("a").await;
    net.open("b", "newPendingTransactions", 1).await;
    let second = send("0x02").await;
    assert_eq!(viewer.event().await, second);
}
