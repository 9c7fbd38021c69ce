//! Figures for Prometheus, in its text format, at `/metrics`.
//!
//! There are two kinds. What happens to calls is counted where it happens, into series that stay
//! (`calls`). What stores know anyway, how high a provider is, what a breaker's state is, how many connections came up,
//! is read off them when somebody asks (`state`), and written behind the rest: a provider that a reload takes away is
//! gone from the next page.
//!
//! | Metric | Kind | Labels beside `profile`, `chain`, `provider_id` |
//! |---|---|---|
//! | `lasso_rpc_request_duration`, `lasso_rpc_request_count` | histogram, counter | `method`, `transport`, `status` |
//! | `lasso_rpc_route_requests_total` | counter of a chain | `strategy`, `transport`, `status` |
//! | `lasso_rpc_errors_total`, `lasso_rpc_cancelled_total` | counters of a chain | `category`; none |
//! | `lasso_http_request_io_latency`, `lasso_ws_request_io_latency` | histograms | `method` |
//! | `lasso_websocket_request_duration` | histogram | `method`, `status` |
//! | `lasso_failover_*_count` | counters, of a provider or a chain | `transport`, `error_category` |
//! | `lasso_error_classification_classified_count` | counter | `category`, `classification_path` |
//! | `lasso_provider_*` | gauges | `status`, `transport` |
//! | `lasso_chain_*` | gauges of a chain | |
//! | `lasso_circuit_breaker_*` | counters and gauges of a channel | `instance_id`, `transport`, `reason`, … |
//! | `lasso_websocket_*` | counters and gauges of a connection | `instance_id`, `unexpected` |
//! | `lasso_stream_*`, `lasso_client_*`, `lasso_upstream_*`, `lasso_inflight_*` | of the node | |
//! | `process_*`, `tokio_*` | of the process | |
//!
//! Durations are milliseconds, where the name does not end with the unit. Calls that the process makes on its own behalf
//! count as attempts, but not as requests. A channel is shared by all profiles, so it has no `profile`, and is called as
//! the first one calls it.
//!
//! **How many series.** As many as there are providers, registered methods and outcomes; a method that is not registered
//! is `other`, and a chain that there is not is `unknown`. Nothing a client writes becomes a label.

mod book;
mod calls;
mod listen;
mod sheet;
mod state;
mod statuses;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, interval};

use self::calls::Calls;
pub(crate) use self::listen::PATH;
use self::sheet::Sheet;
use self::state::{Sources, Started};
use self::statuses::Statuses;
use crate::clock::Moment;
use crate::runtime::Runtime;
use crate::server::OpenSockets;

/// What the page is: [text format 0.0.4](https://prometheus.io/docs/instrumenting/exposition_formats/).
pub const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// How often providers are looked at for changes of their status.
const LOOK: Duration = Duration::from_secs(1);
/// After how many looks the samples of histograms are sorted into their buckets.
const LOOKS_TO_TIDY: u32 = 5;

/// The figures of a process. A handle; clones share them.
#[derive(Clone)]
pub struct Metrics {
    shared: Arc<Shared>,
}

struct Shared {
    calls: Arc<Calls>,
    runtime: Runtime,
    clients: OpenSockets,
    started: Started,
    /// Who may make a page: one at a time, because it takes a thread.
    turn: Arc<Semaphore>,
}

impl Metrics {
    /// Begins to count what happens over these stores, and keeps doing so for as long as they live. `clients` says how
    /// many there are.
    #[must_use]
    pub fn new(runtime: Runtime, clients: OpenSockets) -> Self {
        let calls = Arc::new(Calls::new(runtime.live.clone()));
        runtime.observed.listen(calls.clone());
        runtime.breakers.observe_failures({
            let calls = calls.clone();
            move |channel, state, category| calls.breaker_failure(channel, state, category)
        });
        let (started, turn) = (Started::now(), Arc::new(Semaphore::new(1)));
        Self { shared: Arc::new(Shared { calls, runtime, clients, started, turn }) }
    }

    /// All figures, as of now. Works on a thread for blocking work, because there may be thousands of series, and on one
    /// page at a time. Must be polled within a tokio runtime. Nothing if that panics.
    ///
    /// Cancel safety: a page that has been begun is finished, unread, and keeps the next one waiting.
    pub async fn page(&self) -> Option<Bytes> {
        let turn = self.shared.turn.clone().acquire_owned().await.expect("it is never closed");
        let (shared, workers) = (self.shared.clone(), Handle::current());
        let made = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            shared.render(&workers)
        });
        made.await.inspect_err(|error| tracing::error!(%error, "the page of metrics panicked")).ok()
    }

    /// Counts that a page of the dashboard's metrics was found in its cache, or was not: `hit`, `stale` or `miss`.
    pub(crate) fn dashboard_cache(&self, profile: &str, chain: &str, result: &str) {
        self.shared.calls.dashboard_cache(profile, chain, result);
    }

    /// What has to be done now and then, for as long as it is polled: providers are looked at, and samples are sorted.
    pub(crate) async fn keep(self) {
        let mut ticks = interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut statuses = Statuses::default();
        for look in 1_u32.. {
            ticks.tick().await;
            let is_time_to_tidy = look % LOOKS_TO_TIDY == 0;
            let shared = self.shared.clone();
            let worked = tokio::task::spawn_blocking(move || {
                shared.look(&mut statuses);
                if is_time_to_tidy {
                    shared.calls.book().tidy();
                }
                statuses
            });
            statuses = worked.await.unwrap_or_else(|error| {
                tracing::error!(%error, "the upkeep of metrics panicked");
                Statuses::default()
            });
        }
    }
}

impl Shared {
    fn render(&self, workers: &Handle) -> Bytes {
        let mut text = self.calls.book().render();
        let mut sheet = Sheet::new();
        let Self { runtime, clients, started, .. } = self;
        let sources = Sources { runtime, clients, workers, started: *started };
        sources.write(&mut sheet, Moment::now());
        sheet.render_to(&mut text);
        Bytes::from(text)
    }

    fn look(&self, statuses: &mut Statuses) {
        let catalog = self.runtime.live.snapshot();
        let now = Moment::now().instant;
        statuses.look(
            &catalog,
            |provider| self.runtime.provider_health(provider, now).status,
            |change| {
                self.calls.provider_status(
                    change.profile,
                    change.chain,
                    change.provider,
                    change.status.as_str(),
                );
            },
        );
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}
