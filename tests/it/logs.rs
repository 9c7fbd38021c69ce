//! What is logged of requests and of what providers do to them.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use http::StatusCode;
use lasso_rpc::sim::Fault;
use serde_json::{Value, json};
use tokio::time::timeout;
use tracing::level_filters::LevelFilter;

use crate::support::{Client, LIMIT, Lines, Reply, WHO, World, ms, request, until};

const COMPLETED: &str = "rpc.request.completed";

/// What every line has, whatever it is about.
const LINE: [&str; 2] = ["ts_ms", "level"];

/// What every entry on a request has.
const ALWAYS: [&str; 22] = [
    "event",
    "request_id",
    "strategy",
    "chain",
    "chain_id",
    "transport",
    "jsonrpc_method",
    "params_present",
    "path",
    "user_agent",
    "batch_size",
    "routing.selected_provider.id",
    "routing.selected_provider.protocol",
    "routing.retries",
    "routing.candidate_providers",
    "routing.selection_reason",
    "routing.circuit_breaker_state",
    "timing.selection_latency_ms",
    "timing.upstream_latency_ms",
    "timing.end_to_end_latency_ms",
    "timing.lasso_overhead_ms",
    "response.status",
];
const RESULT: [&str; 2] = ["response.result_type", "response.result_size_bytes"];
const ERROR: [&str; 4] = [
    "response.error.code",
    "response.error.message",
    "response.error.category",
    "response.error.data_present",
];

/// The paths of all members that are no objects.
fn paths(object: &Value, within: &str, found: &mut BTreeSet<String>) {
    for (name, value) in object.as_object().expect("an object") {
        let path = format!("{within}{name}");
        if value.is_object() {
            paths(value, &format!("{path}."), found);
        } else {
            found.insert(path);
        }
    }
}

#[track_caller]
fn has_exactly(entry: &Value, expected: &[&[&str]]) {
    let mut found = BTreeSet::new();
    paths(entry, "", &mut found);
    let expected = expected.concat().into_iter().chain(LINE).map(str::to_owned);
    assert_eq!(found, expected.collect(), "{entry}");
}

/// A batch of one from a client with a name.
async fn ask(world: &World) -> Reply {
    let headers = [("user-agent", "a client")];
    let body = format!("[{}]", request(WHO, &json!(["p4ram"])));
    world.proxy.post_with("/rpc/ethereum?key=cl13nt", &headers, body).await
}

#[tokio::test]
async fn an_entry_on_a_request_has_exactly_the_documented_members() {
    let (lines, _listening) = Lines::at(LevelFilter::INFO);
    let world = World::with(&["a"], |all| all.log.client_ip = true, |_| {}).await;
    ask(&world).await;
    world.behave("a", Fault::rpc_error(-32000, "x".repeat(300)));
    ask(&world).await;
    let entries = lines.events(COMPLETED);
    assert_eq!(entries.len(), 2);
    has_exactly(&entries[0], &[&ALWAYS, &RESULT, &["client_ip"]]);
    has_exactly(&entries[1], &[&ALWAYS, &ERROR, &["client_ip"]]);

    let success = &entries[0];
    assert_eq!((&success["level"], &success["client_ip"]), (&json!("info"), &json!("127.0.0.1")));
    assert_eq!((&success["user_agent"], &success["path"]), (&json!("a client"), &json!("/rpc/ethereum")));
    assert_eq!(success["routing"]["candidate_providers"], json!(["a:http"]));
    assert_eq!(success["response"]["result_type"], "passthrough");
    assert_eq!(entries[1]["level"], "warn");
    assert_eq!(entries[1]["response"]["error"]["message"].as_str().map(str::len), Some(256));
    assert!(!lines.text().contains("p4ram") && !lines.text().contains("cl13nt"));
}

#[tokio::test]
async fn addresses_of_clients_are_not_logged_by_default() {
    let (lines, _listening) = Lines::at(LevelFilter::TRACE);
    let world = World::start(&["a"]).await;
    ask(&world).await;
    assert_eq!(lines.events(COMPLETED).len(), 1);
    assert!(!lines.text().contains("client_ip"));
}

#[tokio::test]
async fn what_is_switched_off_is_not_logged() {
    for (enabled, slow) in [(true, true), (true, false), (false, true)] {
        let (lines, _listening) = Lines::at(LevelFilter::INFO);
        let settings = |all: &mut lasso_rpc::config::Settings| {
            all.log.enabled = enabled;
            all.log.log_slow_requests = slow;
            // Every answer takes longer.
            (all.log.slow_info, all.log.slow_warn, all.log.very_slow) = (ms(0), ms(0), ms(0));
        };
        let world = World::with(&["a"], settings, |_| {}).await;
        world.who().await;
        let written = [COMPLETED, "lasso.request.very_slow"].map(|name| lines.events(name).len());
        assert_eq!(written, [usize::from(enabled), usize::from(enabled && slow)]);
    }
}

#[tokio::test]
async fn every_attempt_has_one_entry_for_who_wants_details() {
    let (lines, _listening) = Lines::at(LevelFilter::DEBUG);
    let world = World::start(&["a", "b", "c"]).await;
    world.behave("a", Fault::status(StatusCode::TOO_MANY_REQUESTS));
    world.behave("b", Fault::status(StatusCode::BAD_GATEWAY));
    assert_eq!(world.who().await, "c");
    let told = |name: &str, members: [&str; 3]| {
        let events = lines.events(name);
        events.iter().map(|event| members.map(|member| event[member].clone())).collect::<Vec<_>>()
    };
    let attempts = told("lasso.rpc.attempt.terminal", ["provider_id", "outcome", "error_category"]);
    assert_eq!(
        attempts,
        [
            [json!("a"), json!("capacity_rejection"), json!("rate_limit")],
            [json!("b"), json!("service_failure"), json!("server_error")],
            [json!("c"), json!("usable_success"), Value::Null],
        ]
    );
    let terminal = told("lasso.rpc.request.terminal", ["result", "dispatch_count", "failovers"]);
    assert_eq!(terminal, [[json!("success"), json!(3), json!(2)]]);

    // Limited by now: passed by, and that is no attempt.
    assert_eq!(world.who().await, "c");
    let ids = lines.events("lasso.rpc.attempt.terminal").into_iter().map(|it| it["request_id"].clone());
    let last = lines.events(COMPLETED).pop().unwrap()["request_id"].clone();
    let tried = ids.filter(|id| *id == last).count();
    assert_eq!(tried, 2, "b and c");

    world.behave("c", Fault::Hang);
    let asking = world.proxy.spawn_call("/rpc/ethereum/c", WHO);
    world.wait_in_flight("c", 1).await;
    asking.abort();
    let cancelled = || {
        let events = lines.events("lasso.rpc.attempt.terminal");
        events.iter().any(|event| event["outcome"] == "cancelled" && event["provider_id"] == "c")
    };
    until("the router notices", cancelled).await;
}

#[tokio::test]
async fn a_change_of_state_is_logged_once_however_many_requests_meet_it() {
    let (lines, _listening) = Lines::at(LevelFilter::INFO);
    let world = World::start(&["a", "b"]).await;
    world.behave("a", Fault::status(StatusCode::INTERNAL_SERVER_ERROR));
    for _ in 0..20 {
        assert_eq!(world.who().await, "b");
    }
    let opened = lines.events("lasso.circuit_breaker.open");
    assert_eq!(opened.len(), 1);
    for (member, expected) in [
        ("level", json!("warn")),
        ("provider_id", json!("a")),
        ("transport", json!("http")),
        ("from_state", json!("closed")),
        ("to_state", json!("open")),
        ("reason", json!("failure_threshold_exceeded")),
        ("error_category", json!("server_error")),
    ] {
        assert_eq!(opened[0][member], expected, "{member}");
    }
    assert_eq!(lines.events("lasso.failover.fast_fail").len(), world.asked()[0] as usize);
}

/// Nobody reads what the process writes: its pipe is full after a hundred lines.
#[tokio::test]
async fn a_log_that_nobody_reads_holds_up_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lasso"));
    command.args(["demo", "--listen", "127.0.0.1:0"]).current_dir(folder.path());
    let mut lasso = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut out = BufReader::new(lasso.stdout.take().unwrap());
    // What it says at the start is read, and then no more.
    let address = loop {
        let mut line = String::new();
        assert!(out.read_line(&mut line).unwrap() > 0, "it ended");
        let url = line.split_whitespace().find_map(|word| word.strip_prefix("http://127.0.0.1:"));
        let port: String = url.unwrap_or_default().chars().take_while(char::is_ascii_digit).collect();
        if !port.is_empty() && port != "0" && line.contains("/rpc/") {
            break format!("http://127.0.0.1:{port}/rpc/ethereum");
        }
    };
    let client = Client::new();
    // Answered by the process itself, so that nothing else takes time.
    let body = request("eth_chainId", &json!([]));
    // Far more than the pipe takes; each is answered although the lines of all before it wait.
    let asking = async {
        for _ in 0..500 {
            let response = client.open(&address, &[("user-agent", &"x".repeat(200))], body.clone()).await;
            Reply::read(response.expect("the router answers")).await.result();
        }
    };
    let answered = timeout(LIMIT, asking).await;
    lasso.kill().unwrap();
    lasso.wait().unwrap();
    answered.expect("every request is answered");
    let mut unread = Vec::new();
    out.read_to_end(&mut unread).unwrap();
    // How much a full pipe holds depends on how lines fall on its pages; that lines are missing is what tells.
    let lines = String::from_utf8_lossy(&unread).matches("rpc.request.completed").count();
    assert!((1..500).contains(&lines), "{lines} lines came through: the pipe was not full");
}
