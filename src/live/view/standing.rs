//! Figures of the profile, the cluster and the process as a whole.

use serde::Serialize;
use smol_str::SmolStr;

/// What clients of a profile had lately. What the router asks on its own behalf does not count.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Stats {
    /// Calls each second.
    pub rps: f64,
    /// Calls that were answered with a result, in percent.
    pub success_rate: Option<f64>,
    /// Calls.
    pub sampled: u64,
    /// The mean time that a call with a result took.
    pub latency_ms: Option<f64>,
    /// Channels that calls were sent to after their first, each minute.
    pub failovers_per_minute: u64,
}

/// The nodes that take part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClusterView {
    /// `standalone`, `healthy`, `degraded`, `critical` or `offline`.
    pub state: &'static str,
    /// Nodes that answer, this one included.
    pub responding: usize,
    /// Nodes that there should be.
    pub total: usize,
    /// Where they are.
    pub regions: Vec<SmolStr>,
    /// When that was found out.
    pub updated: u64,
}

/// What the process takes and does.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SystemView {
    /// Memory in RAM; `null` where the system does not say.
    pub memory_bytes: Option<u64>,
    /// Processor time since the last look, in percent of one core.
    pub cpu_percent: f64,
    /// Tasks alive.
    pub tasks: usize,
    /// Sockets that are open; `null` where the system does not say.
    pub open_sockets: Option<usize>,
    /// Tasks that wait for a thread.
    pub queue_depth: usize,
    /// Threads that run tasks.
    pub workers: usize,
    /// How busy they were since the last look, in percent.
    pub worker_busy_percent: f64,
    /// WebSockets of clients.
    pub client_websockets: usize,
    /// Subscriptions of clients.
    pub client_subscriptions: u64,
    /// Subscriptions at upstreams.
    pub upstream_subscriptions: u64,
    /// Messages of clients that are under way.
    pub inflight_requests: u64,
    /// Their bytes.
    pub inflight_bytes: u64,
    /// Bytes that wait for clients of WebSockets.
    pub outbox_bytes: usize,
    /// Decisions that can be looked up.
    pub decisions_kept: usize,
    /// Events on their way to pages.
    pub feed_queued: usize,
    /// Events that were lost on that way, because there were too many.
    pub feed_dropped: u64,
}
