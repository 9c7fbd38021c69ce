//! The subscriptions of one WebSocket: a pure machine from chain events to messages.

use std::sync::Arc;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::block;
use super::chain::{Event, SimChain};
use super::filter::LogFilter;
use super::hex::hex;
use super::ledger::{Ledger, Subscribed};
use super::params::{Params, RpcError};

#[derive(Debug)]
pub(crate) struct Subscriptions {
    ledger: Arc<Ledger>,
    open: Vec<Subscription>,
}

#[derive(Debug)]
struct Subscription {
    id: String,
    kind: Kind,
    /// The block to tell about next.
    next: u64,
    /// The last event that happened before there was a subscription.
    since: u64,
    open: Subscribed,
}

/// A message of a subscription.
#[derive(Debug)]
pub(crate) struct Notice {
    pub(crate) text: String,
    /// Its result alone.
    pub(crate) result: String,
}

#[derive(Debug)]
enum Kind {
    Heads,
    Logs(LogFilter),
    Pending,
}

// === impl Subscriptions ===

impl Subscriptions {
    pub(crate) fn new(ledger: Arc<Ledger>) -> Self {
        Self { ledger, open: Vec::new() }
    }

    /// Starts a subscription that is `lag` blocks behind and returns its id.
    pub(crate) fn subscribe(
        &mut self,
        chain: &SimChain,
        lag: u64,
        params: Option<&RawValue>,
    ) -> Result<String, RpcError> {
        let params = Params::parse(params)?;
        let kind = match params.required(0)?.as_str() {
            Some("newHeads") => Kind::Heads,
            Some("logs") => Kind::Logs(LogFilter::parse(params.at(1))?),
            Some("newPendingTransactions") if params.at(1) == &json!(true) => {
                return Err(RpcError::invalid_params("invalid argument 1: only hashes are available"));
            }
            Some("newPendingTransactions") => Kind::Pending,
            Some(other) => {
                let message = format!("no \"{other}\" subscription in eth namespace");
                return Err(RpcError::new(-32601, message));
            }
            None => return Err(RpcError::invalid_params("invalid argument 0: want a subscription name")),
        };
        let (view, since) = chain.moment();
        let id = format!("{:#034x}", fastrand::u128(..));
        let next = view.behind(lag).height() + 1;
        let open = self.ledger.subscribed(kind.topic());
        self.open.push(Subscription { id: id.clone(), kind, next, since, open });
        Ok(id)
    }

    pub(crate) fn unsubscribe(&mut self, params: Option<&RawValue>) -> Result<(), RpcError> {
        let params = Params::parse(params)?;
        let id = params.required(0)?.as_str();
        let known = self.open.iter().position(|subscription| Some(subscription.id.as_str()) == id);
        let known = known.ok_or_else(|| RpcError::new(-32000, "subscription not found"))?;
        self.open.remove(known).open.unsubscribe();
        Ok(())
    }

    /// The messages to send because of an event, in order.
    pub(crate) fn messages(&mut self, event: &Event, lag: u64) -> Vec<Notice> {
        let mut messages = Vec::new();
        for subscription in &mut self.open {
            let mut results = Vec::new();
            subscription.hear(event, lag, &mut results);
            messages.extend(results.iter().map(|result| Notice::new(&subscription.id, result)));
        }
        messages
    }

    /// The messages that give a result to all subscriptions of a topic.
    pub(crate) fn push(&self, topic: &str, result: &Value) -> Vec<Notice> {
        let subscribed = self.open.iter().filter(|subscription| subscription.open.topic() == topic);
        subscribed.map(|subscription| Notice::new(&subscription.id, result)).collect()
    }
}

// === impl Kind ===

impl Kind {
    fn topic(&self) -> &'static str {
        match self {
            Self::Heads => "newHeads",
            Self::Logs(_) => "logs",
            Self::Pending => "newPendingTransactions",
        }
    }
}

// === impl Notice ===

impl Notice {
    fn new(id: &str, result: &Value) -> Self {
        let result = result.to_string();
        let text = format!(
            r#"{{"jsonrpc":"2.0","method":"eth_subscription","params":{{"subscription":"{id}","result":{result}}}}}"#
        );
        Self { text, result }
    }
}

// === impl Subscription ===

impl Subscription {
    fn hear(&mut self, event: &Event, lag: u64, results: &mut Vec<Value>) {
        let sequence = match event {
            Event::Blocks { sequence, .. } | Event::Pending { sequence, .. } => *sequence,
        };
        if sequence <= self.since {
            return;
        }
        match (event, &self.kind) {
            (Event::Blocks { from, before, after, .. }, Kind::Heads | Kind::Logs(_)) => {
                if *from < self.next {
                    // What was told about the abandoned blocks is taken back, the newest first.
                    if let Kind::Logs(filter) = &self.kind {
                        for number in (*from..self.next).rev() {
                            results
                                .extend(block::logs(before, number, filter).into_iter().rev().map(removed));
                        }
                    }
                    self.next = *from;
                }
                let visible = after.height().saturating_sub(lag);
                while self.next <= visible {
                    match &self.kind {
                        Kind::Logs(filter) => results.extend(block::logs(after, self.next, filter)),
                        _ => results.push(block::header(after, self.next)),
                    }
                    self.next += 1;
                }
            }
            (Event::Pending { hash, .. }, Kind::Pending) => results.push(json!(hex(hash))),
            _ => {}
        }
    }
}

fn removed(mut log: Value) -> Value {
    log["removed"] = json!(true);
    log
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::Value;
    use serde_json::value::RawValue;
    use tokio::sync::broadcast::Receiver;

    use super::Subscriptions;
    use crate::sim::chain::Event;
    use crate::sim::ledger::Ledger;
    use crate::sim::{SimChain, SimChainOptions, TOKEN_A};

    struct Fixture {
        chain: SimChain,
        events: Receiver<Event>,
        subscriptions: Subscriptions,
    }

    impl Fixture {
        fn new() -> Self {
            let chain = SimChain::new(1, SimChainOptions { height: 10, ..SimChainOptions::default() });
            let events = chain.events();
            Self { chain, events, subscriptions: Subscriptions::new(Arc::new(Ledger::new(0))) }
        }

        fn subscribe(&mut self, params: &str, lag: u64) -> String {
            let params = RawValue::from_string(params.to_owned()).unwrap();
            self.subscriptions.subscribe(&self.chain, lag, Some(&params)).unwrap()
        }

        fn heard(&mut self, lag: u64) -> Vec<Value> {
            let mut heard = Vec::new();
            while let Ok(event) = self.events.try_recv() {
                let messages = self.subscriptions.messages(&event, lag);
                heard.extend(messages.iter().map(|notice| {
                    let message: Value = serde_json::from_str(&notice.text).unwrap();
                    assert_eq!(message["params"]["result"].to_string(), notice.result);
                    message["params"]["result"].clone()
                }));
            }
            heard
        }

        fn heads(&mut self, lag: u64) -> Vec<(u64, bool)> {
            let heads = self.heard(lag);
            let read = |head: &Value| {
                let number = head["number"].as_str().unwrap();
                let number = u64::from_str_radix(number.trim_start_matches("0x"), 16).unwrap();
                (number, self.chain.block_hash(number).as_deref() == head["hash"].as_str())
            };
            heads.iter().map(read).collect()
        }
    }

    #[test]
    fn heads_come_in_order_and_again_after_a_reorg() {
        let mut fixture = Fixture::new();
        fixture.chain.mine(1);
        fixture.subscribe(r#"["newHeads"]"#, 0);
        fixture.chain.mine(2);
        fixture.chain.reorg(2);
        fixture.chain.mine(1);
        // Block 11 was there before. The second number tells whether the hash is the one that stayed.
        let expected = [(12, false), (13, false), (12, true), (13, true), (14, true)];
        assert_eq!(fixture.heads(0), expected);
    }

    #[test]
    fn a_subscriber_behind_the_head_hears_each_block_once_and_only_of_reorgs_it_can_see() {
        let mut fixture = Fixture::new();
        fixture.subscribe(r#"["newHeads"]"#, 2);
        fixture.chain.mine(3);
        assert_eq!(fixture.heads(2), [(9, true), (10, true), (11, true)]);
        fixture.chain.reorg(2);
        assert_eq!(fixture.heads(2), []);
        fixture.chain.reorg(4);
        assert_eq!(fixture.heads(2), [(10, true), (11, true)]);
        // Caught up.
        fixture.chain.mine(1);
        assert_eq!(fixture.heads(0), [(12, true), (13, true), (14, true)]);
    }

    #[test]
    fn logs_of_abandoned_blocks_are_removed() {
        let mut fixture = Fixture::new();
        fixture.subscribe(&format!(r#"["logs",{{"address":"{TOKEN_A}"}}]"#), 0);
        fixture.chain.mine(1);
        let old = fixture.heard(0);
        fixture.chain.reorg(1);
        let heard = fixture.heard(0);
        assert_eq!((old.len(), heard.len()), (1, 2));
        assert_eq!((&heard[0]["removed"], &heard[1]["removed"]), (&Value::Bool(true), &Value::Bool(false)));
        assert_eq!(heard[0]["blockHash"], old[0]["blockHash"]);
        assert_eq!(heard[1]["blockHash"].as_str(), fixture.chain.block_hash(11).as_deref());
    }

    #[test]
    fn a_branch_gone_back_to_is_told_from_where_it_parts() {
        let mut fixture = Fixture::new();
        fixture.subscribe(r#"["newHeads"]"#, 0);
        let branch = fixture.chain.branch();
        fixture.chain.reorg_to(2, 3);
        assert_eq!(fixture.heads(0), [(9, true), (10, true), (11, true)]);
        fixture.chain.switch(&branch);
        assert_eq!(fixture.heads(0), [(9, true), (10, true)]);
        // A head that goes back is not told, as a real node does not tell it.
        fixture.chain.reorg_to(2, 0);
        assert_eq!(fixture.heads(0), []);
        fixture.chain.switch(&branch);
        assert_eq!(fixture.heads(0), [(9, true), (10, true)]);
    }

    #[test]
    fn sent_transactions_are_pending() {
        let mut fixture = Fixture::new();
        fixture.subscribe(r#"["newPendingTransactions"]"#, 0);
        fixture.chain.send(b"raw");
        fixture.chain.send(b"raw");
        assert_eq!(fixture.heard(0).len(), 1);
    }

    #[test]
    fn nothing_comes_after_unsubscribing() {
        let mut fixture = Fixture::new();
        let id = fixture.subscribe(r#"["newHeads"]"#, 0);
        let params = RawValue::from_string(format!("[\"{id}\"]")).unwrap();
        fixture.subscriptions.unsubscribe(Some(&params)).unwrap();
        fixture.chain.mine(1);
        assert_eq!(fixture.heard(0), [0; 0]);
        assert_eq!(fixture.subscriptions.unsubscribe(Some(&params)).unwrap_err().code, -32000);
    }
}
