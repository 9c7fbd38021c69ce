//! The keys of what operators see and do.

use std::net::SocketAddr;
use std::time::Duration;

use super::keys::{DAY, HOUR, MOST_BYTES, ms};
use super::section::sections;
use super::setting::Secret;
use super::words::{LogFormat, LogLevel};

sections! {
    /// What is said and kept of how calls were routed.
    Observability {
        /// The largest value of the metadata header, in bytes; more is left out.
        "max_meta_header_bytes" => max_meta_header_bytes: usize = 4_096, 0..=1_000_000;
        /// Error messages are cut to this many characters in the log.
        "max_error_message_chars" => max_error_message_chars: usize = 256, 1..=1_000_000;
        /// The latest decisions that can be asked for by their request id; older ones are forgotten.
        "kept_decisions" => kept_decisions: usize = 4_096, 0..=100_000;
    }

    /// Pages that are kept up to date while somebody looks at them.
    Dashboard {
        /// The least time between two messages to a page. With more than fifty viewers it grows, so that all of them
        /// together are sent a thousand messages a second.
        "batch_interval_ms" => batch_interval: Duration = ms(50), 50..=HOUR;
        /// Events in one message.
        "max_batch" => max_batch: usize = 100, 1..=1_000;
        /// The time between two signs of life.
        "heartbeat_ms" => heartbeat: Duration = ms(2_000), 100..=HOUR;
        /// How long a profile is looked at when its last viewer has gone. Also how long a page may leave what it was sent
        /// unread, once it has missed something.
        "idle_stop_ms" => idle_stop: Duration = ms(30_000), 0..=DAY;
        /// Successful calls that are told in detail each second, of each chain and apart for clients and the router's own
        /// calls. Of others it is told how many there were. Failed ones are always told.
        "max_successes_per_second" => max_successes_per_second: u32 = 256, 0..=1_000_000;
        /// What the statistics of clients are about, in whole seconds.
        "stats_window_ms" => stats_window: Duration = ms(60_000), 1_000..=60_000;
        /// Viewers at once; more are refused.
        "max_viewers" => max_viewers: usize = 256, 0..=1_000_000;
        /// Blocks behind the others from which a provider is shown as lagging; 0 is never.
        "lag_threshold_blocks" => lag_threshold: u64 = 2, 0..=1_000_000;
        /// Whether the figures of the process are shown.
        "system" => system: bool = true, ();
    }

    /// The log.
    Log {
        /// The least important messages that are logged.
        "level" => level: LogLevel = LogLevel::Info, ();
        /// One line of text or one JSON object for each message. Also `LOG_FORMAT`.
        "format" => format: LogFormat = LogFormat::Text, ();
        /// Whether requests and what providers do to them are logged. What the process itself does always is.
        "enabled" => enabled: bool = true, ();
        /// Whether upstream answers that take long are logged.
        "log_slow_requests" => log_slow_requests: bool = true, ();
        /// Whether it is logged that requests go from one provider to another, and that there is none left.
        "log_failovers" => log_failovers: bool = true, ();
        /// Whether changes of circuit breakers are logged.
        "log_circuit_breaker" => log_circuit_breaker: bool = true, ();
        /// Whether the addresses of clients are logged with their requests.
        "client_ip" => client_ip: bool = false, ();
        /// The share of successful requests that are logged. Failed ones always are.
        "sampling_rate" => sampling_rate: f64 = 1.0, 0.0..=1.0;
        /// An upstream answer that took longer is noted.
        "slow_info_ms" => slow_info: Duration = ms(1_000), 1..=DAY;
        /// An upstream answer that took longer is a warning.
        "slow_warn_ms" => slow_warn: Duration = ms(2_000), 1..=DAY;
        /// An upstream answer that took longer is an error.
        "very_slow_ms" => very_slow: Duration = ms(4_000), 1..=DAY;
    }

    /// Figures for Prometheus.
    Metrics {
        /// Whether they are kept, and served at `/metrics`.
        "enabled" => enabled: bool = true, ();
        /// An address for them alone. Without one they are served with everything else, to whoever can ask.
        "listen" => listen: Option<SocketAddr> = None, ();
    }

    /// Traces of calls, for builds with the feature `otlp`.
    Traces {
        /// Where spans are sent, in OpenTelemetry's protocol over HTTP, such as `http://127.0.0.1:4318/v1/traces`. Without
        /// one there are no traces. Headers for it are taken from `OTEL_EXPORTER_OTLP_HEADERS`.
        "endpoint" => endpoint: Option<Secret> = None, ();
        /// The share of traces that are recorded, of those that begin here. A client that begins one decides itself.
        "sampling_rate" => sampling_rate: f64 = 1.0, 0.0..=1.0;
        /// Whether providers are told the trace of a call, as `traceparent` and `tracestate`.
        "propagate" => propagate: bool = false, ();
        /// The name of this service in traces.
        "service_name" => service_name: String = "lasso".to_owned(), ();
        /// How long spans are gathered before they are sent.
        "interval_ms" => interval: Duration = ms(1_000), 10..=HOUR;
        /// How long one sending may take.
        "timeout_ms" => timeout: Duration = ms(5_000), 10..=HOUR;
        /// The most spans that wait to be sent; more are dropped and counted.
        "max_queued" => max_queued: usize = 8_192, 1..=1_000_000;
    }

    /// What providers did in the past, kept in a database file.
    History {
        /// Whether anything is kept.
        "enabled" => enabled: bool = true, ();
        /// The folder of the file `history.redb`; it is made if need be. A relative one is looked for in the
        /// working directory. Also `LASSO_SNAPSHOTS_DIR`.
        "dir" => dir: String = "data".to_owned(), ();
        /// The time between two entries, each of which sums up what happened since the one before.
        "interval_ms" => interval: Duration = ms(60_000), 100..=DAY;
        /// Entries older than this are dropped.
        "retention_ms" => retention: Duration = ms(7 * DAY), 1..=3_650 * DAY;
        /// The size of the file, in bytes. The oldest entries are dropped early where it would become larger.
        "max_bytes" => max_bytes: u64 = 268_435_456, 1_048_576..=MOST_BYTES;
    }

    /// How changed profiles are noticed.
    Reload {
        /// Whether changes of profile files are noticed without a signal.
        "watch" => watch: bool = true, ();
        /// How long files must stay unchanged before they are read.
        "debounce_ms" => debounce: Duration = ms(200), 0..=HOUR;
    }

    /// Actions of operators over HTTP.
    Admin {
        /// The bearer token of everything that changes something. Without one there are no such actions.
        "token" => token: Option<Secret> = None, ();
    }

    /// Sharing of measurements between nodes.
    Cluster {
        /// The name of this node, different on each; `local` where it is not set. Also `LASSO_NODE_ID`.
        "node_id" => node_id: Option<String> = None, ();
        /// The address that other nodes connect to. Without one this node stands alone.
        "listen" => listen: Option<SocketAddr> = None, ();
        /// Other nodes to start with, each as host and port; a host name may stand for several.
        "seeds" => seeds: Vec<String> = Vec::new(), ();
        /// What all nodes must know to talk to each other.
        "secret" => secret: Option<Secret> = None, ();
        /// How long measurements are shown, on pages and of other nodes, before new ones are asked for. The old ones are shown
        /// meanwhile. 0 has them made for everybody who asks.
        "cache_ttl_ms" => cache_ttl: Duration = ms(15_000), 0..=DAY;
    }
}
