//! What a node has seen: counters to assert on and to wait for, and the last calls in detail.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use http::{HeaderMap, Version};
use tokio::sync::watch;

use super::rpc::Call;

/// How something reached a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Transport {
    /// A call in an HTTP request body.
    Http,
    /// A call in a WebSocket message.
    WebSocket,
    /// The HTTP request that opens a WebSocket.
    Handshake,
}

/// Counters of a node. Those marked *now* also fall.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SimStats {
    /// Calls received, items of batches counted one by one.
    pub calls: u64,
    /// HTTP requests and WebSocket messages received and neither answered nor given up by the client, now.
    pub in_flight: u64,
    /// TCP connections accepted.
    pub accepted: u64,
    /// TCP connections open now.
    pub connections: u64,
    /// WebSockets opened.
    pub sockets_opened: u64,
    /// WebSockets open now.
    pub sockets: u64,
    /// Subscriptions made.
    pub subscribed: u64,
    /// Subscriptions in force now.
    pub subscriptions: u64,
}

/// Counters of the subscriptions of one topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopicStats {
    /// Subscriptions made.
    pub subscribed: u64,
    /// Subscriptions ended by `eth_unsubscribe`.
    pub unsubscribed: u64,
    /// Subscriptions in force now.
    pub open: u64,
}

/// One call a node has seen. `Debug` leaves out what may be secret: path, headers and parameters.
#[derive(Clone)]
#[non_exhaustive]
pub struct SeenCall {
    /// Its method; empty for a handshake.
    pub method: String,
    /// Its id, byte for byte; `None` when it has none.
    pub id: Option<String>,
    /// Its parameters, byte for byte; `None` when it has none.
    pub params: Option<String>,
    /// How it arrived.
    pub transport: Transport,
    /// Path and query of the HTTP request or handshake it arrived with.
    pub path: String,
    /// Headers of the HTTP request or handshake it arrived with.
    pub headers: Arc<HeaderMap>,
    /// Version of HTTP it arrived with.
    pub version: Version,
    /// Ordinal of its TCP connection, from 1: equal numbers tell that a connection was used again.
    pub connection: u64,
    /// Number of items of the batch it was part of; `None` outside a batch.
    pub batch: Option<usize>,
}

/// What all calls of one HTTP request or of one WebSocket have in common.
#[derive(Clone)]
pub(crate) struct Origin {
    pub(crate) path: String,
    pub(crate) headers: Arc<HeaderMap>,
    pub(crate) version: Version,
    pub(crate) connection: u64,
}

#[derive(Debug)]
pub(crate) struct Ledger {
    stats: watch::Sender<SimStats>,
    methods: Mutex<HashMap<String, u64>>,
    topics: Mutex<HashMap<&'static str, TopicStats>>,
    seen: Mutex<VecDeque<SeenCall>>,
    capacity: usize,
}

/// A subscription in force: counts one for as long as it lives.
#[derive(Debug)]
pub(crate) struct Subscribed {
    held: Held,
    topic: &'static str,
}

/// The counters that fall.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Gauge {
    InFlight,
    Connections,
    Sockets,
    Subscriptions,
}

/// Counts one in a gauge for as long as it lives.
#[derive(Debug)]
pub(crate) struct Held {
    ledger: Arc<Ledger>,
    gauge: Gauge,
}

// === impl SeenCall ===

impl fmt::Debug for SeenCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeenCall")
            .field("method", &self.method)
            .field("id", &self.id)
            .field("transport", &self.transport)
            .field("version", &self.version)
            .field("connection", &self.connection)
            .field("batch", &self.batch)
            .finish_non_exhaustive()
    }
}

// === impl Ledger ===

impl Ledger {
    /// Remembers the last `capacity` calls in detail.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            stats: watch::Sender::new(SimStats::default()),
            methods: Mutex::default(),
            topics: Mutex::default(),
            seen: Mutex::default(),
            capacity,
        }
    }

    pub(crate) fn call(&self, transport: Transport, origin: &Origin, call: &Call, batch: Option<usize>) {
        let raw =
            |raw: &Option<Box<serde_json::value::RawValue>>| raw.as_ref().map(|raw| raw.get().to_owned());
        *self.methods().entry(call.method.clone()).or_default() += 1;
        self.remember(|| SeenCall {
            method: call.method.clone(),
            id: raw(&call.id),
            params: raw(&call.params),
            transport,
            path: origin.path.clone(),
            headers: origin.headers.clone(),
            version: origin.version,
            connection: origin.connection,
            batch,
        });
        // Last, so that whoever waits for the count finds the details.
        self.stats.send_modify(|stats| stats.calls += 1);
    }

    pub(crate) fn handshake(&self, origin: &Origin) {
        self.remember(|| SeenCall {
            method: String::new(),
            id: None,
            params: None,
            transport: Transport::Handshake,
            path: origin.path.clone(),
            headers: origin.headers.clone(),
            version: origin.version,
            connection: origin.connection,
            batch: None,
        });
    }

    pub(crate) fn hold(self: &Arc<Self>, gauge: Gauge) -> Held {
        self.stats.send_modify(|stats| match gauge {
            Gauge::InFlight => stats.in_flight += 1,
            Gauge::Connections => {
                stats.accepted += 1;
                stats.connections += 1;
            }
            Gauge::Sockets => {
                stats.sockets_opened += 1;
                stats.sockets += 1;
            }
            Gauge::Subscriptions => {
                stats.subscribed += 1;
                stats.subscriptions += 1;
            }
        });
        Held { ledger: self.clone(), gauge }
    }

    /// A subscription to a topic begins.
    pub(crate) fn subscribed(self: &Arc<Self>, topic: &'static str) -> Subscribed {
        // First, so that whoever waits for the count finds the details.
        self.count(topic, |stats| {
            stats.subscribed += 1;
            stats.open += 1;
        });
        Subscribed { held: self.hold(Gauge::Subscriptions), topic }
    }

    pub(crate) fn topic(&self, topic: &str) -> TopicStats {
        self.topics().get(topic).copied().unwrap_or_default()
    }

    pub(crate) fn stats(&self) -> SimStats {
        *self.stats.borrow()
    }

    pub(crate) fn calls(&self, method: &str) -> u64 {
        self.methods().get(method).copied().unwrap_or(0)
    }

    pub(crate) fn seen(&self) -> Vec<SeenCall> {
        self.seen_calls().iter().cloned().collect()
    }

    /// Waits until the counters are as wanted; `false` when `limit` passes first.
    pub(crate) async fn wait(
        &self,
        limit: Duration,
        mut wanted: impl FnMut(&Self, &SimStats) -> bool,
    ) -> bool {
        let mut changes = self.stats.subscribe();
        let waiting = changes.wait_for(|stats| wanted(self, stats));
        tokio::time::timeout(limit, waiting).await.is_ok()
    }

    fn remember(&self, call: impl FnOnce() -> SeenCall) {
        if self.capacity == 0 {
            return;
        }
        let mut seen = self.seen_calls();
        if seen.len() == self.capacity {
            seen.pop_front();
        }
        seen.push_back(call());
    }

    fn count(&self, topic: &'static str, change: impl FnOnce(&mut TopicStats)) {
        change(self.topics().entry(topic).or_default());
    }

    fn topics(&self) -> MutexGuard<'_, HashMap<&'static str, TopicStats>> {
        self.topics.lock().expect("no code panics while it counts")
    }

    fn methods(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.methods.lock().expect("no code panics while it counts")
    }

    fn seen_calls(&self) -> MutexGuard<'_, VecDeque<SeenCall>> {
        self.seen.lock().expect("no code panics while it notes a call")
    }
}

// === impl Subscribed ===

impl Subscribed {
    /// The topic.
    pub(crate) fn topic(&self) -> &'static str {
        self.topic
    }

    /// Ends because the subscriber asked for it.
    pub(crate) fn unsubscribe(self) {
        self.held.ledger.count(self.topic, |stats| stats.unsubscribed += 1);
    }
}

impl Drop for Subscribed {
    fn drop(&mut self) {
        // Before `held` goes, which wakes those who wait.
        self.held.ledger.count(self.topic, |stats| stats.open -= 1);
    }
}

// === impl Held ===

impl Drop for Held {
    fn drop(&mut self) {
        self.ledger.stats.send_modify(|stats| match self.gauge {
            Gauge::InFlight => stats.in_flight -= 1,
            Gauge::Connections => stats.connections -= 1,
            Gauge::Sockets => stats.sockets -= 1,
            Gauge::Subscriptions => stats.subscriptions -= 1,
        });
    }
}
