//! What a router tells, as far as it is shown here. What is missing is nothing, and what is new is passed over: the router
//! may be older or younger than this program.

use serde::Deserialize;
use smol_str::SmolStr;

use super::feed::Trouble;

/// Something that was told.
#[derive(Debug)]
pub(super) enum Message {
    /// Everything there is.
    Snapshot(Box<Snapshot>),
    /// What changed.
    Batch(Box<Batch>),
    /// That the router is there, and its clock.
    Heartbeat(Heartbeat),
}

impl Message {
    /// `None` for a kind that is not known here.
    ///
    /// # Errors
    ///
    /// When it is none.
    pub(super) fn read(name: &str, data: &str) -> Result<Option<Self>, Trouble> {
        let message = match name {
            "snapshot" => serde_json::from_str(data).map(|it| Self::Snapshot(Box::new(it))),
            "batch" => serde_json::from_str(data).map(|it| Self::Batch(Box::new(it))),
            "heartbeat" => serde_json::from_str(data).map(Self::Heartbeat),
            _ => return Ok(None),
        };
        message.map(Some).map_err(|error| Trouble::new(format!("it tells what is no {name}: {error}")))
    }
}

/// See [`crate::live::view::Snapshot`].
#[derive(Debug, Deserialize)]
pub(super) struct Snapshot {
    pub(super) now: u64,
    pub(super) profile: SmolStr,
    #[serde(default)]
    pub(super) node: Node,
    pub(super) chains: Vec<Chain>,
    pub(super) providers: Vec<Provider>,
    #[serde(default)]
    pub(super) streams: Vec<Stream>,
    #[serde(default)]
    pub(super) stats: Stats,
    #[serde(default)]
    pub(super) cluster: Cluster,
    #[serde(default)]
    pub(super) events: Vec<Event>,
}

/// See [`crate::live::view::Batch`].
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Batch {
    pub(super) now: u64,
    pub(super) chains: Vec<Chain>,
    pub(super) providers: Vec<Provider>,
    pub(super) streams: Vec<Stream>,
    pub(super) gone: Gone,
    pub(super) stats: Option<Stats>,
    pub(super) cluster: Option<Cluster>,
    pub(super) events: Vec<Event>,
}

/// Keys of what is not there any more.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Gone {
    pub(super) chains: Vec<SmolStr>,
    pub(super) providers: Vec<SmolStr>,
    pub(super) streams: Vec<SmolStr>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Heartbeat {
    pub(super) now: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Node {
    pub(super) id: SmolStr,
    pub(super) version: SmolStr,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Cluster {
    pub(super) state: SmolStr,
    pub(super) responding: u64,
    pub(super) total: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Stats {
    pub(super) rps: f64,
    pub(super) success_rate: Option<f64>,
    pub(super) latency_ms: Option<f64>,
    pub(super) failovers_per_minute: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Chain {
    pub(super) key: SmolStr,
    pub(super) name: String,
    pub(super) chain_id: u64,
    pub(super) status: SmolStr,
    pub(super) height: Option<u64>,
    pub(super) connected: u64,
    pub(super) total: u64,
    pub(super) p50_ms: Option<f64>,
    pub(super) p95_ms: Option<f64>,
    pub(super) success_rate: Option<f64>,
    pub(super) rps: f64,
    pub(super) failovers_per_minute: u64,
    pub(super) shares: Vec<Share>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Share {
    pub(super) provider: SmolStr,
    pub(super) share: f64,
    pub(super) calls: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Provider {
    pub(super) key: SmolStr,
    pub(super) chain: SmolStr,
    pub(super) id: SmolStr,
    pub(super) name: String,
    pub(super) region: SmolStr,
    pub(super) status: SmolStr,
    pub(super) height: Option<u64>,
    pub(super) lag: Option<u64>,
    pub(super) breakers: PerTransport<Breaker>,
    pub(super) link: Option<Link>,
    pub(super) p50_ms: Option<f64>,
    pub(super) p95_ms: Option<f64>,
    pub(super) p99_ms: Option<f64>,
    pub(super) success_rate: Option<f64>,
    pub(super) calls: u64,
    pub(super) rps: f64,
    pub(super) traffic_share: Option<f64>,
    pub(super) issues: Vec<Issue>,
    pub(super) methods: Vec<Method>,
    /// When it was told, by the router's clock: durations that are left count from then.
    #[serde(skip)]
    pub(super) told: u64,
}

#[derive(Debug, Deserialize)]
#[serde(default)]
pub(super) struct PerTransport<T> {
    pub(super) http: Option<T>,
    pub(super) ws: Option<T>,
}

impl<T> Default for PerTransport<T> {
    fn default() -> Self {
        Self { http: None, ws: None }
    }
}

impl<T> PerTransport<T> {
    /// Those that there are, with the names of their protocols.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, &T)> {
        [("http", &self.http), ("ws", &self.ws)]
            .into_iter()
            .filter_map(|(name, it)| Some((name, it.as_ref()?)))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Breaker {
    pub(super) state: SmolStr,
    pub(super) failures: u64,
    pub(super) threshold: u64,
    pub(super) successes: u64,
    pub(super) success_threshold: u64,
    pub(super) retry_after_ms: Option<u64>,
    pub(super) error: Option<BreakerError>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct BreakerError {
    pub(super) category: SmolStr,
    pub(super) code: i64,
    pub(super) message: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Link {
    pub(super) state: SmolStr,
    pub(super) pending: u64,
    pub(super) subscriptions: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Issue {
    pub(super) severity: SmolStr,
    pub(super) text: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Method {
    pub(super) method: SmolStr,
    pub(super) p50_ms: Option<f64>,
    pub(super) success_rate: Option<f64>,
    pub(super) calls: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Stream {
    pub(super) key: SmolStr,
    pub(super) chain: SmolStr,
    pub(super) topic: SmolStr,
    pub(super) subscribers: u64,
    pub(super) state: SmolStr,
    pub(super) provider: Option<SmolStr>,
    pub(super) last_block: Option<u64>,
    pub(super) failovers: u64,
}

/// Something that happened.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Event {
    Decision(Decision),
    Breaker {
        ts: u64,
        chain: SmolStr,
        provider: SmolStr,
        transport: SmolStr,
        from: SmolStr,
        to: SmolStr,
        #[serde(default)]
        category: Option<SmolStr>,
    },
    Link {
        ts: u64,
        chain: SmolStr,
        provider: SmolStr,
        state: SmolStr,
    },
    Stream {
        ts: u64,
        chain: SmolStr,
        topic: SmolStr,
        change: SmolStr,
        #[serde(default)]
        detail: SmolStr,
    },
    Block {
        ts: u64,
        chain: SmolStr,
        height: u64,
        provider: SmolStr,
    },
    /// Of a kind that is not known here.
    #[serde(other)]
    Other,
}

/// What became of one call.
#[derive(Debug, Deserialize)]
pub(super) struct Decision {
    pub(super) ts: u64,
    pub(super) chain: SmolStr,
    pub(super) method: SmolStr,
    #[serde(default)]
    pub(super) provider: Option<SmolStr>,
    pub(super) duration_ms: f64,
    #[serde(default)]
    pub(super) error: Option<CallError>,
    #[serde(default)]
    pub(super) origin: SmolStr,
    #[serde(default)]
    pub(super) failovers: u64,
}

/// What a client got instead of a result.
#[derive(Debug, Deserialize)]
pub(super) struct CallError {
    pub(super) code: i64,
    pub(super) category: SmolStr,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::view::Message as _;

    fn read(name: &str, data: &str) -> Result<Option<Message>, Trouble> {
        Message::read(name, data)
    }

    #[test]
    fn what_is_new_is_passed_over_and_what_is_missing_is_nothing() {
        assert!(read("tomorrow", "{").unwrap().is_none());
        let data = r#"{"seq":1,"now":7,"weather":"fine","events":[{"kind":"rain","id":1,"ts":2},
            {"kind":"block","id":2,"ts":3,"chain":"ethereum","height":9,"provider":"a","new":true}],
            "providers":[{"key":"ethereum/a","breakers":{"http":{"state":"open"},"quic":{}}}]}"#;
        let Some(Message::Batch(batch)) = read("batch", data).unwrap() else { panic!("it is a batch") };
        assert!(matches!(batch.events[..], [Event::Other, Event::Block { height: 9, .. }]));
        assert_eq!(batch.providers[0].breakers.iter().count(), 1);
    }

    #[test]
    fn what_is_none_is_refused_by_its_name() {
        assert!(read("batch", "[").unwrap_err().to_string().contains("no batch"));
        assert!(read("snapshot", r#"{"now":1}"#).unwrap_err().to_string().contains("profile"));
    }

    #[test]
    fn the_routers_own_words_are_understood() {
        let text = String::from_utf8(crate::live::view::Heartbeat { now: 5 }.encode().to_vec()).unwrap();
        let data = text.trim_end().rsplit("data: ").next().unwrap();
        assert!(matches!(read("heartbeat", data), Ok(Some(Message::Heartbeat(Heartbeat { now: 5 })))));
    }
}
