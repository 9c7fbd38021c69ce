//! How a replay reads.

use std::time::Duration;

use lasso_rpc::streams::block::{BlockHash, Header};
use lasso_rpc::streams::coordinator::{Action, BlockId, Input};

use crate::chain::{Block, Payload, Tree};
use crate::scenario::Scenario;

/// Seconds since the beginning.
#[must_use]
pub fn time(at: Duration) -> String {
    format!("{:10.4}", at.as_secs_f64())
}

/// Number and position, and the position of the parent: `1012:27<26`.
#[must_use]
pub fn block(tree: &Tree, block: Block) -> String {
    let parent = tree.parent(block).map_or_else(String::new, |parent| format!("<{}", parent.0));
    format!("{}:{}{parent}", tree.number(block), block.0)
}

/// What is said before anything happens.
pub fn scenario(scenario: &Scenario) {
    let Scenario { seed, kind, policy, calm, end, .. } = scenario;
    println!("seed {seed}: {kind:?} {policy:#?}");
    for (node, provider) in scenario.providers.iter().enumerate() {
        println!("p{node} {provider:?}");
    }
    println!(
        "blooms {} late logs {} echoes {} calm {} end {}",
        scenario.blooms,
        scenario.late_logs,
        scenario.echoes,
        time(*calm),
        time(*end)
    );
    let moves: Vec<String> =
        scenario.moves.iter().map(|step| format!("{:.2} {:?}", step.at.as_secs_f64(), step.turn)).collect();
    println!("{}\n", moves.join(", "));
}

/// What the player is told.
#[must_use]
pub fn input(tree: &Tree, input: &Input) -> String {
    match input {
        Input::Head { lease, header } => format!("head {} lease {}", head(tree, header), lease.0),
        Input::Log { lease, log } => {
            let taken = if log.removed { " removed" } else { "" };
            format!("log {} of {}{taken} lease {}", log.index, hash(tree, log.block), lease.0)
        }
        Input::Confirmed { lease, head: newest } => {
            let newest = newest.as_ref().map_or_else(|| "none".to_owned(), |header| head(tree, header));
            format!("confirmed lease {} newest {newest}", lease.0)
        }
        Input::Block { fetch, outcome } => match outcome {
            Ok(Some(header)) => format!("block {} is {}", fetch.0, head(tree, header)),
            Ok(None) => format!("block {} is null", fetch.0),
            Err(_) => format!("block {} unavailable", fetch.0),
        },
        Input::Logs { fetch, outcome, complete } => match outcome {
            Ok(logs) => {
                let logs: Vec<String> =
                    logs.iter().map(|log| format!("{}/{}", hash(tree, log.block), log.index)).collect();
                format!("logs {} are [{}] complete {complete}", fetch.0, logs.join(" "))
            }
            Err(_) => format!("logs {} unavailable", fetch.0),
        },
        other => format!("{other:?}"),
    }
}

/// What the player says.
#[must_use]
pub fn action(tree: &Tree, action: &Action) -> String {
    match action {
        Action::FetchBlock { fetch, block: BlockId::Hash(asked), source } => {
            format!("fetch {} block {} {source:?}", fetch.0, hash(tree, *asked))
        }
        Action::FetchBlock { fetch, block, source } => format!("fetch {} {block:?} {source:?}", fetch.0),
        Action::FetchLogs { fetch, header, prove, source } => {
            format!("fetch {} logs of {} prove {prove} {source:?}", fetch.0, head(tree, header))
        }
        Action::Emit { payloads, filled } => {
            let payloads: Vec<String> = payloads
                .iter()
                .map(|json| match serde_json::from_slice::<Payload>(json) {
                    Ok(Payload { block: id, log, removed }) if (id as usize) < tree.len() => {
                        let log = log.map_or_else(String::new, |log| format!("/{log}"));
                        let removed = if removed { "-" } else { "" };
                        format!("{removed}{}{log}", block(tree, Block(id)))
                    }
                    _ => String::from_utf8_lossy(json).into_owned(),
                })
                .collect();
            format!("EMIT [{}] filled {filled}", payloads.join(" "))
        }
        other => format!("{other:?}"),
    }
}

fn head(tree: &Tree, header: &Header) -> String {
    match tree.find(header.hash) {
        Some(found) => block(tree, found),
        None => format!("LIE {}", header.number),
    }
}

fn hash(tree: &Tree, hash: BlockHash) -> String {
    tree.find(hash).map_or_else(|| "LIE".to_owned(), |found| block(tree, found))
}
