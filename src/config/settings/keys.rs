//! The sections of the settings file, and the keys of what happens to calls and streams.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use lasso_layers::catalog::Strategy;
use lasso_layers::edge::ingress::Network;

use super::maps::{CategoryThresholds, MethodTimeouts};
use super::operation::{Admin, Cluster, Dashboard, History, Log, Metrics, Observability, Reload, Traces};
use super::section::sections;
use super::setting::Setting;
use super::words::{ProbeRecovery, TierOrder, VerifyLogs};

/// An hour in milliseconds.
pub(super) const HOUR: u64 = 3_600_000;
/// A day in milliseconds.
pub(super) const DAY: u64 = 24 * HOUR;
/// The most bytes any limit may allow.
pub(super) const MOST_BYTES: u64 = 1 << 40;

/// The most that a breaker counts to.
pub(super) const MOST_COUNTED: u32 = 255;

pub(super) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

sections! {
    /// Every setting of the router, one section for each concern.
    Settings {
        /// The listener, and what clients may send.
        "server" => server: Server = Server::default(), ();
        /// How providers are ranked.
        "routing" => routing: Routing = Routing::default(), ();
        /// Measurements of providers, by method and transport.
        "benchmarks" => benchmarks: Benchmarks = Benchmarks::default(), ();
        /// How often and for how long a call is tried.
        "failover" => failover: Failover = Failover::default(), ();
        /// The total time of a call by method, all attempts together. `default` is for every method that
        /// is not listed; any method can be added under its exact name.
        "timeouts" => timeouts: MethodTimeouts = MethodTimeouts::default(), ();
        /// Which methods are served.
        "methods" => methods: Methods = Methods::default(), ();
        /// Batches of requests.
        "batch" => batch: Batch = Batch::default(), ();
        /// When an upstream gets no more traffic, and when it gets some again. There is one breaker for
        /// each upstream and transport, shared by all profiles.
        "circuit_breaker" => circuit_breaker: CircuitBreaker = CircuitBreaker::default(), ();
        /// Upstreams that ask for fewer requests. They are used last until the time is over.
        "upstream_rate_limit" => upstream_rate_limit: UpstreamRateLimit = UpstreamRateLimit::default(), ();
        /// Upstreams that stopped answering, before their breakers can know. They are used last until they answer.
        "stall" => stall: Stall = Stall::default(), ();
        /// Health probes. How often one upstream is probed is said in the profile, at `monitoring`.
        "probe" => probe: Probe = Probe::default(), ();
        /// Polling of block heights. The interval is said in the profile, at `monitoring`.
        "block_sync" => block_sync: BlockSync = BlockSync::default(), ();
        /// WebSocket connections of clients.
        "websocket" => websocket: Websocket = Websocket::default(), ();
        /// Subscriptions of clients and the upstream streams behind them.
        "subscriptions" => subscriptions: Subscriptions = Subscriptions::default(), ();
        /// WebSocket connections to upstreams.
        "upstream_websocket" => upstream_websocket: UpstreamWebsocket = UpstreamWebsocket::default(), ();
        /// HTTP connections to upstreams.
        "upstream_http" => upstream_http: UpstreamHttp = UpstreamHttp::default(), ();
        /// What is said and kept of how calls were routed.
        "observability" => observability: Observability = Observability::default(), ();
        /// Pages that are kept up to date while somebody looks at them.
        "dashboard" => dashboard: Dashboard = Dashboard::default(), ();
        /// The log.
        "log" => log: Log = Log::default(), ();
        /// Figures for Prometheus.
        "metrics" => metrics: Metrics = Metrics::default(), ();
        /// Traces of calls, sent to a collector. For builds with the feature `otlp`.
        "traces" => traces: Traces = Traces::default(), ();
        /// What providers did in the past, kept in a database file. Routing never depends on it.
        "history" => history: History = History::default(), ();
        /// How changed profiles are noticed. SIGHUP always reloads them.
        "reload" => reload: Reload = Reload::default(), ();
        /// Actions of operators over HTTP.
        "admin" => admin: Admin = Admin::default(), ();
        /// Sharing of measurements between nodes. Routing never depends on it.
        "cluster" => cluster: Cluster = Cluster::default(), ();
    }

    /// The listener, and what clients may send.
    Server {
        /// The address to listen on. `PORT` replaces the port alone, `LASSO_LISTEN` the whole address.
        "listen" => listen: SocketAddr = SocketAddr::from((Ipv4Addr::LOCALHOST, 4000)), ();
        /// Proxies whose `X-Forwarded-For` header is believed. Everybody else is known by the peer address.
        "trusted_proxies" => trusted_proxies: Vec<Network> = Vec::new(), ();
        /// The largest request body, in bytes; a larger one gets HTTP 413.
        "max_body_bytes" => max_body_bytes: u64 = 8_000_000, 1..=MOST_BYTES;
        /// Bytes of requests in flight on the whole node; beyond it new ones are refused.
        "inflight_bytes" => inflight_bytes: u64 = 134_217_728, 1..=MOST_BYTES;
        /// What a request in flight counts for at least, in bytes.
        "inflight_min_charge_bytes" => inflight_min_charge_bytes: u64 = 4_096, 0..=MOST_BYTES;
        /// How long a stopping node waits for requests in flight.
        "drain_ms" => drain: Duration = ms(30_000), 0..=HOUR;
    }

    /// How providers are ranked.
    Routing {
        /// The strategy where neither URL nor profile names one.
        "default_strategy" => default_strategy: Strategy = Strategy::LoadBalanced, ();
        /// What comes after the upstreams in full health: those that asked for fewer requests, or those that
        /// are on probation.
        "tier_order" => tier_order: TierOrder = TierOrder::LimitedFirst, ();
        /// Measurements older than this no longer rank.
        "metric_staleness_ms" => metric_staleness: Duration = ms(600_000), 1..=30 * DAY;
        /// The strategy `fastest`.
        "fastest" => fastest: Fastest = Fastest::default(), ();
        /// The strategy `latency_weighted`.
        "latency_weighted" => latency_weighted: LatencyWeighted = LatencyWeighted::default(), ();
    }

    /// The strategy `fastest`.
    Fastest {
        /// Measured calls of a method before its latency ranks. Also `FASTEST_MIN_CALLS`.
        "min_calls" => min_calls: u64 = 3, 0..=1_000_000;
        /// The share of successful calls below which a provider ranks last. Also `FASTEST_MIN_SUCCESS_RATE`.
        "min_success_rate" => min_success_rate: f64 = 0.9, 0.0..=1.0;
        /// The largest share of calls that try another provider than the best one first, to learn whether it has
        /// become faster; 0 is never.
        "explore" => explore: f64 = 0.03, 0.0..=1.0;
        /// Only providers that were not measured for this long are tried so.
        "recheck_ms" => recheck: Duration = ms(30_000), 0..=DAY;
    }

    /// The strategy `latency_weighted`.
    LatencyWeighted {
        /// How strongly low latency is preferred; 0 is not at all. Also `LW_BETA`.
        "beta" => beta: f64 = 3.0, 0.0..=100.0;
        /// Latencies below this are taken as this, in milliseconds. Also `LW_MS_FLOOR`.
        "floor_ms" => floor: Duration = ms(30), 1..=HOUR;
        /// The least weight, so that slow providers are still tried now and then. Also `LW_EXPLORE_FLOOR`.
        "explore_floor" => explore_floor: f64 = 0.05, 0.0..=1.0;
        /// Measured calls before a latency has its full weight. Also `LW_MIN_CALLS`.
        "min_calls" => min_calls: u64 = 3, 1..=1_000_000;
        /// Success rates below this are taken as this. Also `LW_MIN_SR`.
        "min_success_rate" => min_success_rate: f64 = 0.85, 0.0..=1.0;
    }

    /// Measurements of providers, by method and transport.
    Benchmarks {
        /// Measurements of a method that a provider was not asked for this long are dropped, once an hour.
        "retention_ms" => retention: Duration = ms(DAY), 1..=365 * DAY;
    }

    /// How often and for how long a call is tried.
    Failover {
        /// Attempts of one call, the first one included.
        "max_attempts" => max_attempts: u32 = 10, 1..=1_000;
        /// The share of a call's total time that the first attempt gets while there is a second candidate. Later ones get
        /// the same share of what is left, and the last candidate everything.
        "first_attempt_share" => first_attempt_share: f64 = 0.6, 0.01..=1.0;
        /// The most total time that a client may ask for with `?timeout=`.
        "max_requested_timeout_ms" => max_requested_timeout: Duration = ms(60_000), 1..=HOUR;
        /// With less time left than this no further attempt starts.
        "min_attempt_ms" => min_attempt: Duration = ms(25), 1..=HOUR;
    }

    /// Which methods are served.
    Methods {
        /// Whether filters that live inside one node (`eth_newFilter` and its kin) are forwarded. Safe only
        /// where a chain has one provider.
        "allow_stateful_filters" => allow_stateful_filters: bool = false, ();
    }

    /// Batches of requests.
    Batch {
        /// Requests in one batch; more are refused.
        "max_items" => max_items: usize = 50, 1..=100_000;
        /// Requests of one batch that run at the same time.
        "concurrency" => concurrency: usize = 4, 1..=1_000;
    }

    /// When an upstream gets no more traffic, and when it gets some again.
    CircuitBreaker {
        /// Failures in a row that open the breaker, for categories without a threshold of their own.
        "failure_threshold" => failure_threshold: u32 = 5, 1..=MOST_COUNTED;
        /// Failures in a row that open the breaker, by category of the last one.
        "category_thresholds" => category_thresholds: CategoryThresholds = CategoryThresholds::default(), ();
        /// Successes on probation that close it.
        "success_threshold" => success_threshold: u32 = 2, 1..=MOST_COUNTED;
        /// How long it stays open the first time. Each failed probation doubles it.
        "recovery_timeout_ms" => recovery_timeout: Duration = ms(60_000), 1..=DAY;
        /// The longest it stays open.
        "max_recovery_timeout_ms" => max_recovery_timeout: Duration = ms(600_000), 1..=DAY;
        /// Calls on probation at the same time.
        "half_open_max_inflight" => half_open_max_inflight: u32 = 3, 1..=MOST_COUNTED;
        /// When a good probe starts the probation: at once, or not before the time is over.
        "probe_recovery" => probe_recovery: ProbeRecovery = ProbeRecovery::Immediate, ();
    }

    /// Upstreams that ask for fewer requests.
    UpstreamRateLimit {
        /// For how long, where the upstream does not say.
        "default_ms" => default: Duration = ms(30_000), 1..=DAY;
        /// For how long at most, whatever the upstream says.
        "max_ms" => max: Duration = ms(600_000), 1..=DAY;
    }

    /// Upstreams that stopped answering, before their breakers can know.
    Stall {
        /// Requests that wait for an upstream, with nothing heard of it since the first of them, that make it count as
        /// stalled: it is used last until it answers. 0 is never.
        "waiting" => waiting: u32 = 5, 0..=65_535;
        /// For how long the first of them has to wait, less than `expires_ms`.
        "after_ms" => after: Duration = ms(200), 1..=HOUR;
        /// When silence is forgotten, and the upstream gets another chance.
        "expires_ms" => expires: Duration = ms(10_000), 1..=DAY;
    }

    /// Health probes.
    Probe {
        /// Whether upstreams are probed at all.
        "enabled" => enabled: bool = true, ();
        /// The beat of the prober: at most one probe of a chain starts at each.
        "tick_ms" => tick: Duration = ms(200), 1..=HOUR;
        /// How long a probe may take.
        "timeout_ms" => timeout: Duration = ms(5_000), 1..=HOUR;
    }

    /// Polling of block heights.
    BlockSync {
        /// Whether upstreams are asked for their heights at all. Without, no upstream counts as behind.
        "enabled" => enabled: bool = true, ();
        /// How long a poll may take.
        "poll_timeout_ms" => poll_timeout: Duration = ms(3_000), 1..=HOUR;
    }

    /// WebSocket connections of clients.
    Websocket {
        /// The time between two pings.
        "heartbeat_interval_ms" => heartbeat_interval: Duration = ms(30_000), 1..=DAY;
        /// How long a pong may take.
        "heartbeat_timeout_ms" => heartbeat_timeout: Duration = ms(5_000), 1..=DAY;
        /// Missed pongs in a row that end the connection.
        "max_missed" => max_missed: u32 = 2, 1..=1_000;
        /// How long a client may send nothing at all, pongs included.
        "idle_timeout_ms" => idle_timeout: Duration = ms(7_200_000), 1..=DAY;
        /// Forwarded requests in flight on one connection.
        "max_inflight" => max_inflight: usize = 32, 1..=1_000_000;
        /// Subscriptions of one connection.
        "max_subscriptions" => max_subscriptions: usize = 128, 1..=1_000_000;
        /// Bytes of requests in flight on one connection.
        "inflight_bytes" => inflight_bytes: u64 = 33_554_432, 1..=MOST_BYTES;
        /// The total time of a request over WebSocket, whatever the method.
        "item_deadline_ms" => item_deadline: Duration = ms(10_000), 1..=DAY;
        /// The largest frame, in bytes; a larger one ends the connection with code 1009.
        "max_frame_bytes" => max_frame_bytes: u64 = 33_554_432, 1..=MOST_BYTES;
        /// Messages that wait for a client that does not read; one more ends the connection with code 1011.
        "outbox_messages" => outbox_messages: usize = 32, 1..=1_000_000;
        /// The same in bytes.
        "outbox_bytes" => outbox_bytes: u64 = 16_777_216, 1..=MOST_BYTES;
        /// The same on the whole node, where an event counts once for all clients; beyond it, those that something waits
        /// for are closed.
        "outbox_total_bytes" => outbox_total_bytes: u64 = 134_217_728, 1..=MOST_BYTES;
    }

    /// Subscriptions of clients and the upstream streams behind them.
    Subscriptions {
        /// How long an upstream subscription without clients is kept for the next one.
        "linger_ms" => linger: Duration = ms(60_000), 0..=DAY;
        /// How often lingering subscriptions are looked at.
        "linger_sweep_ms" => linger_sweep: Duration = ms(30_000), 1..=DAY;
        /// How long a provider may take to confirm a subscription.
        "establish_attempt_ms" => establish_attempt: Duration = ms(4_000), 1..=HOUR;
        /// Providers that one stream may ask within five seconds; then it rests. 0 is two for each provider and one more,
        /// eleven at most.
        "failover_attempts" => failover_attempts: u32 = 0, 0..=1_000_000;
        /// How long a stream may take to move to another provider, gap filling included.
        "recovery_deadline_ms" => recovery_deadline: Duration = ms(30_000), 1..=DAY;
        /// When a stream that could not be moved is tried again.
        "retry_after_degraded_ms" => retry_after_degraded: Duration = ms(60_000), 1..=DAY;
        /// How long the old upstream subscription is kept after a stream moved.
        "release_after_failover_ms" => release_after_failover: Duration = ms(5_000), 0..=DAY;
        /// How long further logs of a block are waited for after the last one, before those that came are passed on.
        "logs_settle_ms" => logs_settle: Duration = ms(20), 0..=HOUR;
        /// Which blocks are asked for their logs: those that should have some and of which `missing` came, or `always`
        /// every block that may have some, to find out what a provider left out.
        "verify_logs" => verify_logs: VerifyLogs = VerifyLogs::Missing, ();
        /// Events of one upstream subscription that may wait for one stream.
        "feed_events" => feed_events: usize = 1_024, 1..=1_000_000;
    }

    /// WebSocket connections to upstreams.
    UpstreamWebsocket {
        /// Connections start at a random time within this, so that not all start at once; 0 is at once.
        "connect_jitter_ms" => connect_jitter: Duration = ms(3_000), 0..=HOUR;
        /// How long connecting may take, TLS and the WebSocket handshake included.
        "handshake_timeout_ms" => handshake_timeout: Duration = ms(10_000), 1..=HOUR;
        /// The step by which the delay between two connection attempts grows.
        "reconnect_interval_ms" => reconnect_interval: Duration = ms(5_000), 1..=HOUR;
        /// After so many attempts in a row that came to nothing there is one every five minutes; 0 is never.
        "max_attempts" => max_attempts: u32 = 0, 0..=1_000_000;
        /// A connection that lives as long as this counts as good.
        "stable_after_ms" => stable_after: Duration = ms(5_000), 0..=HOUR;
        /// The time between two pings.
        "ping_interval_ms" => ping_interval: Duration = ms(15_000), 1..=DAY;
        /// How long a pong may take; then the connection is given up.
        "pong_timeout_ms" => pong_timeout: Duration = ms(10_000), 1..=DAY;
        /// Requests in flight on one connection.
        "max_pending" => max_pending: usize = 256, 1..=1_000_000;
        /// The longest message, in bytes; a longer one ends the connection.
        "max_message_bytes" => max_message_bytes: u64 = 134_217_728, 1_024..=MOST_BYTES;
    }

    /// HTTP connections to upstreams.
    UpstreamHttp {
        /// How long connecting may take, TLS included.
        "connect_timeout_ms" => connect_timeout: Duration = ms(5_000), 1..=HOUR;
        /// How long an idle connection is kept.
        "idle_timeout_ms" => idle_timeout: Duration = ms(60_000), 1..=DAY;
        /// Idle connections that are kept for one host. Also `LASSO_HTTP_POOL_SIZE`.
        "max_idle_per_host" => max_idle_per_host: usize = 256, 1..=1_000_000;
        /// A reply larger than this is passed on while it arrives, in bytes.
        "max_buffered_bytes" => max_buffered_bytes: u64 = 65_536, 0..=MOST_BYTES;
    }
}

const HEADER: &str = "\
# The settings of the router. Every key is listed with its default; a key that is left out has it too.
#
# An environment variable beats the file: LASSO__CIRCUIT_BREAKER__RECOVERY_TIMEOUT_MS=500 sets one key. In
# texts ${NAME} is replaced by the variable NAME, from the environment or from a `.env` file in the working
# directory. Unknown keys are errors. `lasso check` prints every problem with its line.

";

/// Writes the reference file.
pub(super) fn write_reference(settings: &Settings, out: &mut String) {
    out.push_str(HEADER);
    let mut tree = String::new();
    settings.write("settings", &[], &(), 0, &mut tree);
    // The sections stand at the margin, with a blank line before each.
    let mut header = true;
    for line in tree.lines().skip(1) {
        let line = line.strip_prefix("  ").unwrap_or(line);
        let starts_comment = line.starts_with('#');
        if starts_comment && !header {
            out.push('\n');
        }
        header = starts_comment;
        out.push_str(line);
        out.push('\n');
    }
}
