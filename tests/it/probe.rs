//! `lasso probe` against simulated nodes: the program as a person runs it, and what it prints.

use std::fs;
use std::process::{Command, Output};
use std::time::Duration;

use http::StatusCode;
use lasso_rpc::sim::{Fault, Rule, SimChain, SimChainOptions, SimLimits, SimNode, SimNodeOptions};
use serde_json::{Value, json};

use crate::support::{LIMIT, ms};

const KEY: &str = "0123456789abcdef0123456789abcdef";

/// What the program printed.
struct Printed {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Printed {
    /// The only document on the standard output.
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}\n{}\n{}", self.stdout, self.stderr))
    }
}

/// Runs the program to its end beside the nodes.
async fn lasso(arguments: &str) -> Printed {
    let arguments: Vec<String> = arguments.split_whitespace().map(str::to_owned).collect();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lasso"));
    command.args(arguments).env_clear();
    let running = tokio::task::spawn_blocking(move || command.output().unwrap());
    let Output { status, stdout, stderr } = running.await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Printed { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

/// The report of a probe that has one.
async fn report(arguments: &str) -> Value {
    let printed = lasso(&format!("probe --output json {arguments}")).await;
    assert_eq!(printed.code, Some(0), "{}", printed.stderr);
    printed.json()
}

/// Long enough for every limit that is met here, and short enough to be searched for logs in no time.
const HEIGHT: u64 = 2_500;

async fn node(limits: SimLimits) -> SimNode {
    let chain = SimChain::new(1, SimChainOptions { height: HEIGHT, ..SimChainOptions::default() });
    SimNode::start(SimNodeOptions { limits, ..SimNodeOptions::new("probed", chain) }).await.unwrap()
}

async fn generous() -> SimNode {
    node(SimLimits { log_range: u64::MAX, state_depth: None }).await
}

fn method<'a>(report: &'a Value, name: &str) -> &'a Value {
    let methods = report["methods"]["methods"].as_array().unwrap();
    methods.iter().find(|method| method["method"] == name).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_probes_of_a_good_node() {
    const TOPICS: [&str; 3] = ["newHeads", "logs", "newPendingTransactions"];
    let node = generous().await;
    let url = node.http_url();
    let probing = tokio::spawn(async move { report(&format!("{url} --level full")).await });
    // The last of the three that is asked for.
    assert!(node.wait_for_topic(TOPICS[2], LIMIT, |topic| topic.open == 1).await);
    for topic in TOPICS {
        node.push(topic, json!({}));
    }
    let report = probing.await.unwrap();

    assert_eq!(report["url"], format!("{}/", node.http_url()));
    assert_eq!(report["websocket_url"], format!("{}/", node.ws_url()));
    assert_eq!(report["node"]["chain_id"], 1);
    assert_eq!(report["node"]["height"], HEIGHT);
    assert!(report["node"]["client_version"].as_str().unwrap().ends_with("/probed"));

    for (name, category, verdict) in [
        ("eth_getBalance", "core", "supported"),
        ("eth_getBlockByHash", "core", "supported"),
        ("eth_getUncleCountByBlockHash", "core", "unsupported"),
        ("eth_call", "state", "supported"),
        ("eth_sendRawTransaction", "mempool", "supported"),
        ("eth_getLogs", "filters", "supported"),
        ("eth_newFilter", "filters", "unsupported"),
        ("eth_subscribe", "subscriptions", "supported"),
        ("debug_traceCall", "debug", "unsupported"),
    ] {
        let found = method(&report, name);
        assert_eq!((&found["category"], &found["verdict"]), (&json!(category), &json!(verdict)), "{name}");
    }
    let limits = &report["limits"];
    assert_eq!(
        (&limits["block_range"]["verdict"], &limits["block_range"]["max"]),
        (&json!("unlimited"), &json!(HEIGHT))
    );
    assert_eq!(limits["address_count"], json!({"verdict": "unlimited", "max": 100}));
    assert_eq!(limits["batch"], json!({"verdict": "unlimited", "max": 100}));
    let tags: Vec<(&str, bool)> = limits["block_params"]
        .as_array()
        .unwrap()
        .iter()
        .map(|param| (param["tag"].as_str().unwrap(), param["supported"] == true))
        .collect();
    let expected = ["earliest", "latest", "pending", "safe", "finalized"].map(|tag| (tag, true));
    assert_eq!(tags, expected);
    assert_eq!((&limits["archive"]["verdict"], &limits["archive"]["block"]), (&json!("full"), &json!(100)));
    assert_eq!(limits["rate_limit"]["verdict"], "unlimited");
    assert_eq!((&limits["rate_limit"]["requests"], &limits["rate_limit"]["ok"]), (&json!(100), &json!(100)));

    let websocket = &report["websocket"];
    assert_eq!(websocket["connected"], true);
    assert!(websocket["latency_ms"].is_number() && websocket["connect_ms"].is_number());
    for request in websocket["requests"].as_array().unwrap() {
        assert_eq!(request["ok"], true, "{request}");
    }
    for (subscription, topic) in websocket["subscriptions"].as_array().unwrap().iter().zip(TOPICS) {
        assert_eq!((&subscription["topic"], &subscription["unsubscribed"]), (&json!(topic), &json!(true)));
        assert!(subscription["first_event_ms"].is_number(), "{subscription}");
        assert_eq!(node.topic(topic).unsubscribed, 1, "{topic}");
    }
    assert_eq!(report["recommendations"]["unsupported_categories"], json!(["debug", "trace", "txpool"]));
    assert_eq!(report["recommendations"]["max_block_range"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_that_changes_anything() {
    let node = generous().await;
    report(&format!("{} --level full --probes methods", node.http_url())).await;
    for seen in node.seen() {
        let is_dangerous =
            ["eth_send", "eth_new", "eth_uninstall", "eth_subscribe", "eth_sign", "eth_submit"]
                .iter()
                .any(|start| seen.method.starts_with(start));
        let params = seen.params.unwrap_or_default();
        // Without what they need, or with an argument where they take none.
        let harmless = ["[]", r#"["0x0000000000000000000000000000000000000000"]"#];
        assert!(!is_dangerous || harmless.contains(&&*params), "{} {params}", seen.method);
    }
    assert_eq!(node.calls("eth_sendRawTransaction"), 1);
    assert_eq!(node.stats().subscribed, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn levels_ask_more_and_more_methods() {
    let node = generous().await;
    let mut counts = Vec::new();
    for level in ["critical", "minimal", "standard", "full", "comprehensive"] {
        let report = report(&format!("{} -p methods -l {level}", node.http_url())).await;
        assert_eq!((&report["limits"], &report["websocket"]), (&Value::Null, &Value::Null));
        counts.push(report["methods"]["methods"].as_array().unwrap().len());
    }
    assert_eq!((counts[0], counts[1], counts[3]), (17, 17, counts[4]));
    assert!(counts[1] < counts[2] && counts[2] < counts[3], "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_a_thousand_blocks_is_found_and_the_block_for_the_profile_loads() {
    let node = node(SimLimits { log_range: 1_000, state_depth: None }).await;
    let report = report(&format!("{} -p methods,limits -l full", node.http_url())).await;
    let range = &report["limits"]["block_range"];
    assert_eq!(range["verdict"], "limited");
    assert!(range["note"].as_str().unwrap().contains("block range too large"), "{range}");
    let suggested = report["recommendations"]["max_block_range"].as_u64().unwrap();
    // The node counts both ends, a profile counts the difference.
    assert!((989..=999).contains(&suggested), "{suggested}");

    let folder = tempfile::tempdir().unwrap();
    let block = report["recommendations"]["yaml"].as_str().unwrap();
    assert!(block.contains(&format!("max_block_range: {suggested}\n")), "{block}");
    let profile = format!(
        "name: Test\nslug: default\nchains:\n  ethereum:\n    chain_id: 1\n    providers:\n      - id: probed\n        \
         url: {}\n{block}",
        node.http_url()
    );
    fs::write(folder.path().join("default.yml"), profile).unwrap();
    let checked = lasso(&format!("check --profiles {}", folder.path().display())).await;
    assert_eq!(checked.code, Some(0), "{}{}", checked.stdout, checked.stderr);
    assert!(checked.stdout.contains("fine, 0 warnings"), "{}", checked.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn archives_are_full_partial_or_none() {
    let archive = async |node: &SimNode, more: &str| {
        report(&format!("{} -p limits {more}", node.http_url())).await["limits"]["archive"].clone()
    };
    let pruned = SimLimits { log_range: u64::MAX, state_depth: Some(128) };
    let found = archive(&generous().await, "").await;
    assert_eq!(
        (&found["verdict"], &found["balance"], &found["logs"]),
        (&json!("full"), &json!(true), &json!(true))
    );

    let partial = node(pruned.clone()).await;
    let found = archive(&partial, "--chain sepolia").await;
    assert_eq!(
        (&found["verdict"], &found["balance"], &found["logs"]),
        (&json!("partial"), &json!(false), &json!(true))
    );
    assert!(found["note"].as_str().unwrap().contains("missing trie node"), "{found}");

    partial.behave([
        Rule::method("eth_getLogs", Fault::rpc_error(-32000, "pruned")).params_contain(r#""0x64""#)
    ]);
    let found = archive(&partial, "").await;
    assert_eq!(
        (&found["verdict"], &found["balance"], &found["logs"]),
        (&json!("none"), &json!(false), &json!(false))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_without_websocket_is_reported() {
    let node = generous().await;
    node.behave([Rule::handshake(Fault::status(StatusCode::NOT_FOUND))]);
    let report = report(&format!("{} -l full -p methods,websocket", node.http_url())).await;
    assert_eq!(report["websocket"]["connected"], false);
    assert_eq!(report["websocket"]["error"], "answered HTTP 404 Not Found");
    // There may be one elsewhere: nothing is recommended against.
    assert_eq!(method(&report, "eth_subscribe")["verdict"], "unknown");
    let excluded = report["recommendations"]["unsupported_categories"].as_array().unwrap();
    assert!(!excluded.contains(&json!("subscriptions")), "{excluded:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_without_events_are_no_failures() {
    let node = generous().await;
    let report = report(&format!("{} -p websocket --subscription-wait 50", node.ws_url())).await;
    assert_eq!(report["url"], format!("{}/", node.ws_url()));
    for subscription in report["websocket"]["subscriptions"].as_array().unwrap() {
        assert_eq!(
            (&subscription["subscribed"], &subscription["unsubscribed"]),
            (&json!(true), &json!(true))
        );
        assert_eq!(subscription["first_event_ms"], Value::Null);
        assert_eq!(subscription["note"], "no event within 50 ms");
    }
    // Nothing was asked over HTTP.
    assert_eq!(report["node"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_can_be_elsewhere() {
    let (node, sockets) = (generous().await, generous().await);
    node.behave([Rule::handshake(Fault::status(StatusCode::NOT_FOUND))]);
    let arguments = "-p methods,websocket --level critical --subscription-wait 50";
    let report = report(&format!("{} --ws {} {arguments}", node.http_url(), sockets.ws_url())).await;
    assert_eq!(report["websocket"]["connected"], true);
    assert_eq!((sockets.stats().sockets_opened, sockets.calls("eth_getBalance")), (1, 0));
    assert_eq!(node.calls("eth_getBalance"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_that_hangs_is_a_timeout_and_delays_no_other() {
    let node = generous().await;
    node.behave([
        Rule::method("eth_getBalance", Fault::Hang),
        Rule::method("eth_getCode", Fault::NullResult),
    ]);
    let report = report(&format!("{} -p methods -l critical -t 300", node.http_url())).await;
    assert_eq!(method(&report, "eth_getBalance")["verdict"], "timeout");
    assert_eq!(method(&report, "eth_getBalance")["note"], "no answer within 300 ms");
    assert_eq!(method(&report, "eth_getCode")["verdict"], "supported");
    assert_eq!(method(&report, "eth_chainId")["verdict"], "supported");
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_are_asked_so_many_at_a_time() {
    let node = generous().await;
    let silent = ["eth_blockNumber", "eth_getBalance", "eth_getCode", "eth_gasPrice"];
    node.behave(silent.map(|method| Rule::method(method, Fault::Hang)));
    let arguments = format!("probe {} -p methods -l critical -t 1500 --concurrent 3", node.http_url());
    let watching = async {
        let three = node.wait_until(LIMIT, |stats| stats.in_flight == 3).await;
        // Three that are silent leave no room for the fourth, for as long as they are waited for.
        let four = node.wait_until(ms(200), |stats| stats.in_flight > 3).await;
        (three, four)
    };
    let (printed, seen) = tokio::join!(lasso(&arguments), watching);
    assert_eq!((printed.code, seen), (Some(0), (true, false)), "{}", printed.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn rate_limits_are_told_from_failures() {
    // One greeting and the items of three batches come before the hundred requests.
    const BEFORE: u64 = 1 + 10 + 50 + 100;
    let limited = Fault::RateLimited { retry_after: None };
    for (fault, verdict, refused) in
        [(limited, "limited", 50), (Fault::status(StatusCode::BAD_GATEWAY), "inconclusive", 0)]
    {
        let node = generous().await;
        node.behave([Rule::method("eth_chainId", fault).after(BEFORE + 50)]);
        let report = report(&format!("{} -p limits", node.http_url())).await;
        let rate = &report["limits"]["rate_limit"];
        assert_eq!(rate["verdict"], verdict);
        assert_eq!((&rate["ok"], &rate["limited"]), (&json!(50), &json!(refused)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_limit_in_between_is_waited_out() {
    let node = generous().await;
    let retry_after = Some(http::HeaderValue::from_static("1"));
    node.behave([
        Rule::method("eth_getLogs", Fault::RateLimited { retry_after }).first(1),
        Rule::method("eth_gasPrice", Fault::rpc_error(-32005, "slow down")).first(1),
    ]);
    let report = report(&format!("{} -p methods,limits -l critical", node.http_url())).await;
    let range = &report["limits"]["block_range"];
    assert_eq!((&range["verdict"], &range["max"]), (&json!("unlimited"), &json!(HEIGHT)));
    assert_eq!(method(&report, "eth_gasPrice")["verdict"], "supported");
}

#[tokio::test(flavor = "multi_thread")]
async fn streaming_11_case_59_probe_without_a_url_is_wrong_and_json_is_one_document() {
    let without = lasso("probe").await;
    assert_eq!((without.code, &*without.stdout), (Some(1), ""));
    assert!(without.stderr.contains("Usage: lasso probe <URL>"), "{}", without.stderr);
    let without = lasso("probe --output json --level full").await;
    assert_eq!((without.code, &*without.stdout), (Some(1), ""));

    let node = generous().await;
    // A warning on the standard error stream does not get into the document.
    let printed = lasso(&format!("probe {} -o json -l minimal -p methods -t soon", node.http_url())).await;
    assert_eq!(printed.code, Some(0));
    assert_eq!(printed.json()["methods"]["level"], "critical");
    assert!(printed.stderr.contains("warning: `--timeout soon`"), "{}", printed.stderr);

    node.stop().await;
    let printed = lasso(&format!("probe {} --output json", node.http_url())).await;
    assert_eq!(printed.code, Some(1));
    assert!(printed.json()["error"].as_str().unwrap().contains("refused"), "{}", printed.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_cannot_be_used_are_warned_of_and_unknown_options_are_wrong() {
    let node = generous().await;
    let url = node.http_url();
    // Without it, the default of 15 seconds would be waited for events.
    node.behave([Rule::handshake(Fault::status(StatusCode::NOT_FOUND))]);
    let values = "-p socket -l hard -t 0 -o xml -c moon --concurrent none --subscription-wait -1";
    let printed = lasso(&format!("probe {url} --ws {url} {values}")).await;
    assert_eq!(printed.code, Some(0), "{}", printed.stderr);
    let options = ["probes", "level", "timeout", "output", "chain", "concurrent", "subscription-wait", "ws"];
    for option in options {
        assert!(printed.stderr.contains(&format!("warning: `--{option}")), "{option}: {}", printed.stderr);
    }
    assert_eq!(printed.stderr.lines().count(), options.len(), "{}", printed.stderr);
    assert!(printed.stdout.contains("WEBSOCKET"), "{}", printed.stdout);

    let printed = lasso(&format!("probe {url} --lvl full")).await;
    assert_eq!((printed.code, &*printed.stdout), (Some(2), ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_none_is_an_error() {
    let node = generous().await;
    node.behave([Rule::any(Fault::Html(StatusCode::UNAUTHORIZED)), Rule::handshake(Fault::Reset)]);
    let printed = lasso(&format!("probe {}/v2/{KEY}", node.http_url())).await;
    assert_eq!((printed.code, &*printed.stdout), (Some(1), ""));
    assert!(printed.stderr.contains("/v2/0123***: answered HTTP 401 Unauthorized"), "{}", printed.stderr);
    for url in ["nowhere", "ftp://h/x", "http://"] {
        let printed = lasso(&format!("probe {url}")).await;
        assert_eq!((printed.code, &*printed.stdout), (Some(1), ""));
        assert!(printed.stderr.contains("the URL cannot be probed"), "{}", printed.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_in_no_output() {
    let node = generous().await;
    let says = format!("bad key {KEY} in {}/v2/{KEY}", node.http_url());
    node.behave([
        Rule::method("eth_getCode", Fault::rpc_error(-32000, &says)),
        Rule::method("web3_clientVersion", Fault::Result(json!(says))),
        Rule::method("eth_subscribe", Fault::rpc_error(-32000, says)),
    ]);
    for output in ["json", "table"] {
        let arguments = format!("{}/v2/{KEY} -l full --subscription-wait 50 -o {output}", node.http_url());
        let printed = lasso(&format!("probe {arguments}")).await;
        assert_eq!(printed.code, Some(0), "{}", printed.stderr);
        for text in [&printed.stdout, &printed.stderr] {
            assert!(!text.contains("456789abcdef"), "{text}");
        }
        assert!(printed.stdout.contains("/v2/0123***"), "{}", printed.stdout);
        assert!(printed.stdout.contains("bad key ***"), "{}", printed.stdout);
    }
    node.stop().await;
    let printed = lasso(&format!("probe {}/v2/{KEY} -o json", node.http_url())).await;
    assert!(!printed.stdout.contains("456789abcdef") && !printed.stderr.contains("456789abcdef"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_has_its_sections() {
    let node = node(SimLimits { log_range: 1_000, state_depth: Some(128) }).await;
    let printed = lasso(&format!("probe {} -l full --subscription-wait 50", node.http_url())).await;
    assert_eq!((printed.code, &*printed.stderr), (Some(0), ""));
    let rule = "=".repeat(80);
    for section in ["METHOD SUPPORT", "PROVIDER LIMITS", "WEBSOCKET", "RECOMMENDATIONS"] {
        assert!(printed.stdout.contains(&format!("\n{rule}\n{section}\n{rule}\n")), "{}", printed.stdout);
    }
    // Nothing for terminals in what is no terminal.
    assert!(!printed.stdout.contains('\x1b'));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_chain_is_asked_for_what_it_has() {
    let chain = SimChain::new(31_337, SimChainOptions { height: 20, ..SimChainOptions::default() });
    let node = SimNode::start(SimNodeOptions::new("young", chain)).await.unwrap();
    let limits = report(&format!("{} -p limits", node.http_url())).await["limits"].clone();
    assert_eq!(
        (&limits["block_range"]["verdict"], &limits["block_range"]["max"]),
        (&json!("unlimited"), &json!(20))
    );
    assert_eq!((&limits["archive"]["verdict"], &limits["archive"]["block"]), (&json!("full"), &json!(10)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_does_not_answer_is_unreachable() {
    let node = generous().await;
    node.behave([Rule::any(Fault::latency(Duration::from_secs(3600))), Rule::handshake(Fault::Hang)]);
    let printed = lasso(&format!("probe {} -t 150", node.http_url())).await;
    assert_eq!(printed.code, Some(1));
    assert!(printed.stderr.contains("no answer within 150 ms"), "{}", printed.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_height_no_range_is_made_up() {
    let node = generous().await;
    node.behave([Rule::method("eth_getBlockByNumber", Fault::rpc_error(-32601, "no such method"))]);
    let report = report(&format!("{} -p limits", node.http_url())).await;
    let range = &report["limits"]["block_range"];
    assert_eq!((&range["verdict"], &range["max"]), (&json!("inconclusive"), &Value::Null));
    assert_eq!(report["limits"]["archive"]["block"], 100);
    assert_eq!(report["recommendations"]["max_block_range"], Value::Null);
}
