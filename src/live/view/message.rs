//! What goes over the wire, as server-sent events
//! ([HTML, section 9.2](https://html.spec.whatwg.org/multipage/server-sent-events.html)).

use bytes::Bytes;
use serde::Serialize;
use smol_str::SmolStr;

use super::{ChainView, ClusterView, EventView, ProviderView, Stats, StreamView, SystemView};

/// A message to a viewer.
pub trait Message: Serialize {
    /// Its name, by which browsers listen.
    const NAME: &'static str;

    /// The message as it is written: once, however many viewers get it.
    fn encode(&self) -> Bytes {
        let mut text = format!("event: {}\ndata: ", Self::NAME).into_bytes();
        serde_json::to_writer(&mut text, self).expect("views are plain data, and memory can be written to");
        text.extend_from_slice(b"\n\n");
        text.into()
    }
}

/// Everything there is to see; the first message, and the one after a change of the catalogue.
#[derive(Debug, Serialize)]
pub struct Snapshot<'a> {
    /// The number of the last batch that is in it.
    pub seq: u64,
    /// When it was made.
    pub now: u64,
    /// The profile's slug.
    pub profile: &'a str,
    /// Every profile that is listed, and this one.
    pub profiles: &'a [ProfileView],
    /// The node that answers.
    pub node: &'a NodeView,
    /// What one client may ask.
    pub limits: Limits,
    /// The strategy where the URL names none.
    pub default_strategy: &'static str,
    /// In configured order.
    pub chains: &'a [ChainView],
    /// In configured order.
    pub providers: &'a [ProviderView],
    /// The oldest first.
    pub streams: &'a [StreamView],
    /// What clients had lately.
    pub stats: &'a Stats,
    /// The nodes that take part.
    pub cluster: &'a ClusterView,
    /// What the process takes; `null` where that is not shown, or not known yet.
    pub system: Option<&'a SystemView>,
    /// The last ones, the oldest first.
    pub events: &'a [EventView],
}

impl Message for Snapshot<'_> {
    const NAME: &'static str = "snapshot";
}

/// What changed since the message before. What did not change is left out.
#[derive(Debug, Default, Serialize)]
pub struct Batch<'a> {
    /// One more than that of the batch before.
    pub seq: u64,
    /// When it was made.
    pub now: u64,
    /// Whole, those that are new or different.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub chains: Vec<&'a ChainView>,
    /// Whole, those that are new or different.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub providers: Vec<&'a ProviderView>,
    /// Whole, those that are new or different.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub streams: Vec<&'a StreamView>,
    /// The keys of those that are not there any more.
    #[serde(skip_serializing_if = "Gone::is_empty")]
    pub gone: Gone,
    /// What clients had lately.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stats: Option<&'a Stats>,
    /// The nodes that take part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<&'a ClusterView>,
    /// What the process takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<&'a SystemView>,
    /// What happened, the oldest first.
    pub events: &'a [EventView],
    /// Successful calls that were left out of the events, because there were too many of them.
    pub sampled_out: u64,
    /// Events that were lost.
    pub dropped: u64,
}

impl Batch<'_> {
    /// Whether it says nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.chains.is_empty()
            && self.providers.is_empty()
            && self.streams.is_empty()
            && self.gone.is_empty()
            && self.stats.is_none()
            && self.cluster.is_none()
            && self.system.is_none()
            && self.events.is_empty()
            && self.sampled_out == 0
            && self.dropped == 0
    }
}

impl Message for Batch<'_> {
    const NAME: &'static str = "batch";
}

/// Keys of what is not there any more.
#[derive(Debug, Default, Serialize)]
pub struct Gone {
    /// Of chains.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub chains: Vec<SmolStr>,
    /// Of providers.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub providers: Vec<SmolStr>,
    /// Of streams.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub streams: Vec<SmolStr>,
}

impl Gone {
    /// Whether nothing is gone.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.chains.is_empty() && self.providers.is_empty() && self.streams.is_empty()
    }
}

/// A sign of life.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Heartbeat {
    /// The time.
    pub now: u64,
}

impl Message for Heartbeat {
    const NAME: &'static str = "heartbeat";
}

/// A profile in the list of all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProfileView {
    /// The name in URLs.
    pub slug: SmolStr,
    /// The name people read.
    pub name: String,
    /// `built_in` for the profile that URLs without one mean, else `custom`.
    pub kind: &'static str,
    /// File name of a logo.
    pub logo: Option<String>,
    /// How many chains it has.
    pub chains: usize,
    /// How many providers they have.
    pub providers: usize,
}

/// The node that answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeView {
    /// Its name.
    pub id: SmolStr,
    /// Where it is.
    pub region: SmolStr,
    /// The version of the program.
    pub version: &'static str,
    /// When it began to serve.
    pub started: u64,
}

/// What one client may ask of a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Tokens that come back each second.
    pub rps: u32,
    /// Tokens that a full bucket holds.
    pub burst: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::testing::call;

    #[test]
    fn a_message_is_one_line_of_json_under_its_name() {
        let text = Heartbeat { now: 7 }.encode();
        assert_eq!(text, "event: heartbeat\ndata: {\"now\":7}\n\n");
    }

    #[test]
    fn a_batch_leaves_out_what_did_not_change() {
        let events = [EventView { id: 3, kind: call(1, false) }];
        let batch = Batch { seq: 2, now: 9, events: &events, ..Batch::default() };
        let text = String::from_utf8(batch.encode().to_vec()).unwrap();
        let (head, data) = text.split_once("data: ").unwrap();
        assert_eq!(head, "event: batch\n");
        let value: serde_json::Value = serde_json::from_str(data).unwrap();
        let expected = serde_json::json!({
            "seq": 2, "now": 9, "sampled_out": 0, "dropped": 0,
            "events": [{
                "id": 3, "kind": "decision", "ts": 1_000, "request_id": "request-1", "chain": "ethereum",
                "chain_id": 1, "method": "eth_blockNumber", "strategy": "load_balanced", "provider": "one",
                "instance_id": "1:one:000000000000", "transport": "http", "duration_ms": 1.5,
                "upstream_ms": 1.25, "result": "error", "error": {"code": -32_000, "category": "server_error"},
                "origin": "client", "failovers": 0, "node": "local",
            }],
        });
        assert_eq!(value, expected);
        assert!(!batch.is_empty() && Batch { seq: 4, now: 9, ..Batch::default() }.is_empty());
    }
}
