//! `lasso probe`: finds out what an endpoint serves, how much of it, and what a profile should say of that.
//!
//! # By file
//!
//! | File | Knows |
//! |---|---|
//! | `options.rs`, `target.rs`, `chain.rs` | what the command line says: options, addresses, chains |
//! | `catalogue.rs` | which methods there are, by level, and what to ask them with |
//! | `http.rs`, `socket.rs` | how to ask, over the router's own kind of connections |
//! | `answer.rs` | what an answer is, and how to quote it without doing harm |
//! | `methods.rs` | which methods are served |
//! | `limits/` | how far `eth_getLogs` reaches, how many addresses and batch items, old blocks, requests at once |
//! | `websocket.rs` | requests and subscriptions over WebSocket |
//! | `report.rs`, `recommend.rs` | the findings as data, and the conclusions |
//! | `table.rs`, `progress.rs` | what people see at the end, and until then |
//!
//! Nothing that is asked changes anything: methods that would are asked without what they need.
//! Addresses are shown masked, and whatever an endpoint says is stripped of their secrets.

mod answer;
mod catalogue;
mod chain;
mod http;
mod limits;
mod methods;
mod options;
mod progress;
mod recommend;
mod report;
mod socket;
mod table;
mod target;
mod websocket;

use std::io::{self, Write};
use std::process::ExitCode;

use lasso_layers::catalog::{Category, Transport};
use serde_json::{Value, json};

use self::answer::{Kind, Trouble, harmless};
use self::catalogue::Sample;
use self::http::Http;
pub(crate) use self::options::Arguments;
use self::options::{Options, Output};
use self::progress::Progress;
use self::recommend::recommend;
use self::report::{Node, Report};
use self::target::{Target, shown};

/// Probes what the arguments name and prints the report. `usage` is printed when they name nothing.
///
/// The exit code is 0 when there is a report, whatever it says, and 1 when there is none.
pub(crate) fn main(arguments: &Arguments, usage: impl FnOnce() -> String) -> ExitCode {
    let Some(url) = &arguments.url else {
        eprint!("{}", usage());
        return ExitCode::FAILURE;
    };
    let (options, mut warnings) = Options::read(arguments);
    let outcome = match Target::read(&url.0) {
        Ok(mut target) => {
            if let Some(ws) = &arguments.ws
                && let Err(complaint) = target.set_ws(&ws.0)
            {
                warnings.push(format!("`--ws`: {complaint}; {} is used", shown(&target.ws)));
            }
            warn(&warnings);
            run(&target, &options)
        }
        Err(complaint) => {
            warn(&warnings);
            Err(format!("the URL cannot be probed: {complaint}"))
        }
    };
    finish(outcome, options.output)
}

fn warn(warnings: &[String]) {
    for warning in warnings {
        eprintln!("warning: {warning}");
    }
}

fn finish(outcome: Result<Report, String>, output: Output) -> ExitCode {
    let (text, code) = match (outcome, output) {
        (Ok(report), Output::Table) => (table::table(&report), ExitCode::SUCCESS),
        (Ok(report), Output::Json) => {
            let document = serde_json::to_string_pretty(&report).expect("a report is made of plain data");
            (document + "\n", ExitCode::SUCCESS)
        }
        (Err(error), output) => {
            eprintln!("lasso probe: {error}");
            let document = if output == Output::Json {
                format!("{:#}\n", json!({"error": error}))
            } else {
                String::new()
            };
            (document, ExitCode::FAILURE)
        }
    };
    // An error means that nobody is left to read the report.
    let written = io::stdout().write_all(text.as_bytes());
    if written.is_ok() { code } else { ExitCode::FAILURE }
}

/// Runs the probes on a runtime of their own.
fn run(target: &Target, options: &Options) -> Result<Report, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start: {error}"))?;
    let progress = Progress::on_stderr();
    let outcome = runtime.block_on(probe(target, options, &progress));
    progress.clear();
    // A name that is still being looked up would hold the process up for as long as that takes.
    runtime.shutdown_background();
    outcome
}

/// # Errors
///
/// When the endpoint answers over none of the transports that were to be probed.
async fn probe(target: &Target, options: &Options, progress: &Progress) -> Result<Report, String> {
    let unreachable = |address: &str, error: &str| format!("{address}: {error}");
    let http_address = shown(&target.http);
    let ws_address = shown(&target.ws);
    let mut report = Report {
        url: if target.given == Transport::Http { http_address.clone() } else { ws_address.clone() },
        websocket_url: ws_address.clone(),
        http_error: None,
        node: None,
        methods: None,
        limits: None,
        websocket: None,
        recommendations: report::Recommendations::default(),
    };
    let mut http = None;
    if options.probes.methods || options.probes.limits {
        progress.say("the endpoint");
        let client = Http::new(target.http.clone(), options.timeout)
            .map_err(|error| unreachable(&http_address, &error.to_string()))?;
        match meet(&client, target).await {
            Ok((node, sample)) => {
                report.node = Some(node);
                http = Some((client, sample));
            }
            Err(trouble) if options.probes.websocket => report.http_error = Some(trouble.text),
            Err(trouble) => return Err(unreachable(&http_address, &trouble.text)),
        }
    }
    if let Some((client, sample)) = &http {
        if options.probes.methods {
            report.methods = Some(methods::run(client, &target.ws, sample, options, progress).await);
        }
        if options.probes.limits {
            report.limits = Some(limits::run(client, sample, options.chain, progress).await);
        }
    }
    if options.probes.websocket {
        let websocket = websocket::run(&target.ws, options, progress).await;
        if http.is_none() && !websocket.connected {
            let over_ws = unreachable(&ws_address, websocket.error.as_deref().unwrap_or("no connection"));
            let over_http = report.http_error.map(|error| unreachable(&http_address, &error) + "; ");
            return Err(over_http.unwrap_or_default() + &over_ws);
        }
        report.websocket = Some(websocket);
    }
    if let (Some(limits), Some((client, _))) = (&mut report.limits, &http) {
        progress.say("limits: many requests at once");
        limits.rate_limit = Some(limits::rate_limit::run(client).await);
    }
    report.recommendations = recommend(report.methods.as_ref(), report.limits.as_ref());
    Ok(report)
}

/// Asks who is there, and for something to ask about.
///
/// # Errors
///
/// When nobody is there who speaks JSON-RPC and lets us ask.
async fn meet(http: &Http, target: &Target) -> Result<(Node, Sample), Trouble> {
    let chain_id = match http.ask_patiently("eth_chainId", "[]").await.outcome {
        Ok(id) => quantity(&serde_json::from_slice(&id).unwrap_or_default()),
        Err(trouble) => match trouble.kind {
            Kind::Refused { category, .. } if category != Category::AuthError && !trouble.is_rate_limit() => {
                None
            }
            _ => return Err(trouble),
        },
    };
    let block = http.ask_patiently("eth_getBlockByNumber", r#"["latest",false]"#).await.outcome;
    let block: Value = block.ok().and_then(|block| serde_json::from_slice(&block).ok()).unwrap_or_default();
    let height = quantity(&block["number"]);
    let nothing = Sample::default();
    let sample = Sample {
        chain_id,
        height,
        block: hash(&block["hash"]).unwrap_or(nothing.block),
        transaction: hash(&block["transactions"][0]).unwrap_or(nothing.transaction),
    };
    let version = http.ask_patiently("web3_clientVersion", "[]").await.outcome;
    let version = version.ok().and_then(|version| serde_json::from_slice::<String>(&version).ok());
    let client_version = version.map(|version| harmless(&version, &target.http));
    Ok((Node { chain_id, height, client_version }, sample))
}

/// A quantity of [EIP-1474](https://eips.ethereum.org/EIPS/eip-1474#quantity).
fn quantity(value: &Value) -> Option<u64> {
    u64::from_str_radix(value.as_str()?.strip_prefix("0x")?, 16).ok()
}

/// A hash, and nothing else that an endpoint may have put in its place.
fn hash(value: &Value) -> Option<String> {
    let digits = value.as_str()?.strip_prefix("0x")?;
    let is_hash = digits.len() == 64 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_hash.then(|| format!("0x{digits}"))
}
