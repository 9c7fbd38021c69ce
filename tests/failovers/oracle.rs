//! What one subscription was told, held against what may be told.

use lasso_rpc::sim::TRANSFER_TOPIC;
use serde_json::Value;

use super::ledger::{Ledger, quantity, text};

/// Follows one subscription.
pub(crate) struct Oracle {
    kind: Kind,
    /// The first block that the subscriber is owed.
    first: u64,
    /// The number of the newest block that something was told of.
    newest: u64,
    events: u64,
}

enum Kind {
    /// The branch that the subscriber has been told of: hashes, from `first` on.
    Heads(Vec<String>),
    /// The logs that the subscriber has been told of and not been told to forget.
    Logs { filter: Value, held: Vec<Value> },
}

impl Oracle {
    /// Of a subscription with these parameters, made when the chain was one block short of `first`.
    pub(crate) fn new(params: &Value, first: u64) -> Self {
        let kind = match params[0].as_str() {
            Some("newHeads") => Kind::Heads(Vec::new()),
            _ => Kind::Logs { filter: params[1].clone(), held: Vec::new() },
        };
        Self { kind, first, newest: first - 1, events: 0 }
    }

    pub(crate) fn newest(&self) -> u64 {
        self.newest
    }

    pub(crate) fn events(&self) -> u64 {
        self.events
    }

    /// Takes the next event; an error says what is wrong with it.
    pub(crate) fn hear(&mut self, event: &Value, ledger: &Ledger) -> Result<(), String> {
        self.events += 1;
        let first = self.first;
        match &mut self.kind {
            Kind::Heads(branch) => {
                self.newest = quantity(&event["number"]);
                hear_head(branch, first, event, ledger)
            }
            Kind::Logs { filter, held } => {
                self.newest = quantity(&event["blockNumber"]);
                hear_log(held, first, filter, event, ledger)
            }
        }
    }

    /// What is missing or too much, now that the chain stands still; nothing when all is right.
    pub(crate) fn differs(&self, ledger: &Ledger) -> Option<String> {
        let expected = ledger.hashes_from(self.first);
        match &self.kind {
            Kind::Heads(branch) => {
                let common = branch.iter().zip(&expected).take_while(|(told, is)| told == is).count();
                (*branch != expected).then(|| {
                    format!("heads agree up to {common}, {} told, {} expected", branch.len(), expected.len())
                })
            }
            Kind::Logs { filter, held } => {
                let of_block = |hash: &String| {
                    ledger.with(hash, |block| {
                        let logs = &block.expect("every block is remembered").logs;
                        logs.iter().filter(|log| passes(filter, log)).cloned().collect::<Vec<_>>()
                    })
                };
                let expected: Vec<_> = expected.iter().flat_map(of_block).collect();
                let common = held.iter().zip(&expected).take_while(|(told, is)| told == is).count();
                (*held != expected).then(|| {
                    format!("logs agree up to {common}, {} told, {} expected", held.len(), expected.len())
                })
            }
        }
    }
}

/// The next block, or one that takes the place of blocks that leave the chain.
fn hear_head(branch: &mut Vec<String>, first: u64, head: &Value, ledger: &Ledger) -> Result<(), String> {
    let (hash, parent, number) = (text(&head["hash"]), text(&head["parentHash"]), quantity(&head["number"]));
    ledger.with(&hash, |block| match block {
        None => Err(format!("there never was the head {head}")),
        Some(block) if block.header != *head => Err(format!("{head} should be {}", block.header)),
        Some(_) => Ok(()),
    })?;
    if branch.contains(&hash) {
        return Err(format!("head {number} {hash} was told before"));
    }
    let end = first + branch.len() as u64;
    if number > end {
        return Err(format!("after head {} comes {number}", end - 1));
    }
    let Some(at) = number.checked_sub(first) else {
        return Err(format!("head {number} {hash} is from before the subscription"));
    };
    branch.truncate(usize::try_from(at).expect("small"));
    if branch.last().is_some_and(|last| *last != parent) {
        return Err(format!("head {number} {hash} has the parent {parent}, not {:?}", branch.last()));
    }
    branch.push(hash);
    Ok(())
}

/// A log behind all that are held, or the newest of them taken back.
fn hear_log(
    held: &mut Vec<Value>,
    first: u64,
    filter: &Value,
    log: &Value,
    ledger: &Ledger,
) -> Result<(), String> {
    if log["removed"] == true {
        let newest = held.pop().map(|mut newest| {
            newest["removed"] = Value::Bool(true);
            newest
        });
        return match newest {
            Some(newest) if newest == *log => Ok(()),
            newest => Err(format!("{log} was taken back where {newest:?} is the newest")),
        };
    }
    let place = |log: &Value| (quantity(&log["blockNumber"]), quantity(&log["logIndex"]));
    if place(log).0 < first {
        return Err(format!("{log} is from before the subscription"));
    }
    if !passes(filter, log) {
        return Err(format!("{log} is not what {filter} asks for"));
    }
    let known =
        ledger.with(&text(&log["blockHash"]), |block| block.is_some_and(|block| block.logs.contains(log)));
    if !known {
        return Err(format!("there never was the log {log}"));
    }
    if let Some(newest) = held.last()
        && place(newest) >= place(log)
    {
        return Err(format!("{:?} comes after {:?}: {log} after {newest}", place(log), place(newest)));
    }
    held.push(log.clone());
    Ok(())
}

/// Whether a log is what one of the filters of these tests asks for.
fn passes(filter: &Value, log: &Value) -> bool {
    let topics = filter["topics"].as_array();
    assert!(topics.is_none_or(|topics| topics[0] == TRANSFER_TOPIC), "{filter}");
    filter.get("address").is_none_or(|address| *address == log["address"])
        && topics.is_none_or(|topics| topics[1] == log["topics"][1])
}
