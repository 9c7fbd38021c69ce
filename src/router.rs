//! The router put together, apart from command line, files and signals.

use std::fmt;
use std::io;
#[cfg(feature = "otlp")]
use std::sync::Arc;

use lasso_layers::attempt::Attempt;
use lasso_layers::call::{Call, Failure, Reply};
use lasso_layers::catalog::Live;
use lasso_layers::edge::ingress::{Ingress, IngressPolicy};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tower::Service;
use tower::util::BoxCloneSyncService;

use crate::config::Settings;
use crate::history::{History, Recorder};
use crate::live::Broadcasts;
use crate::metrics::Metrics;
use crate::runtime::Runtime;
use crate::server::{self, Api, ServerPolicy, WebSocketPolicy, WebSockets};
use crate::streams::Hub;
use crate::tasks::{Asker, Background};
#[cfg(feature = "otlp")]
use crate::traces::{Exporter, TracePolicy};
use crate::upstream::ws::Connector;
use crate::upstream::{HttpUpstream, Upstreams, WsUpstream};
use crate::{policies, stack};

/// Every store, the stack over them, and what serves it.
///
/// The stores can be looked at and changed through [`runtime`](Self::runtime) while it serves.
pub struct Router {
    runtime: Runtime,
    stack: BoxCloneSyncService<Call, Reply, Failure>,
    ingress: IngressPolicy,
    websocket: WebSocketPolicy,
    policy: ServerPolicy,
    background: Background,
    hub: Hub,
    live: Broadcasts,
    history: Option<History>,
    counts: bool,
    scrapers: Option<TcpListener>,
    #[cfg(feature = "otlp")]
    exporter: Option<Exporter>,
}

impl Router {
    /// Puts a router together for a catalogue, with connections of its own: a pool for HTTP upstreams and a link to
    /// each WebSocket upstream.
    ///
    /// # Errors
    ///
    /// If the clients for upstreams cannot be made.
    pub fn new(live: Live, settings: &Settings) -> io::Result<Self> {
        let runtime = Runtime::new(live, settings);
        let http = HttpUpstream::new(policies::upstream_http(settings))?;
        let connector = Connector::new(&policies::links(settings), Vec::new())?;
        let upstream = Upstreams::new(http, WsUpstream::new(runtime.links));
        Ok(Self::assemble(runtime, settings, upstream, Some(connector)))
    }

    /// Puts a router together over these stores and a service that sends attempts: a client of the embedder's own, or
    /// a made-up world. It is handed what [`Egress`](lasso_layers::edge::egress::Egress) is, and answers as that does.
    ///
    /// Only HTTP channels are used: no links to WebSocket upstreams are kept, and so there are no subscriptions.
    #[must_use]
    pub fn with_upstream<U>(runtime: Runtime, settings: &Settings, upstream: U) -> Self
    where
        U: Service<Attempt, Response = Reply, Error = Failure> + Clone + Send + Sync + 'static,
        U::Future: Send,
    {
        Self::assemble(runtime, settings, upstream, None)
    }

    /// With links to WebSocket upstreams where there is a connector for them.
    fn assemble<U>(runtime: Runtime, settings: &Settings, upstream: U, connector: Option<Connector>) -> Self
    where
        U: Service<Attempt, Response = Reply, Error = Failure> + Clone + Send + Sync + 'static,
        U::Future: Send,
    {
        let hub = Hub::new(&runtime, settings, stack::own_calls(&runtime, settings, upstream.clone()));
        Self {
            background: Background::new(
                runtime.clone(),
                settings,
                Asker::new(upstream.clone()),
                hub.clone(),
                connector,
            ),
            stack: stack::stack(&runtime, settings, upstream, hub.clone()),
            live: Broadcasts::new(&runtime, settings, hub.clone()),
            hub,
            ingress: policies::ingress(settings),
            websocket: policies::websocket(settings),
            policy: policies::server(settings),
            history: None,
            counts: settings.metrics.enabled,
            scrapers: None,
            #[cfg(feature = "otlp")]
            exporter: None,
            runtime,
        }
    }

    /// Writes down what providers do, and shows it. A router does not by itself: it would need a folder.
    #[must_use]
    pub fn history(self, history: History) -> Self {
        Self { history: Some(history), ..self }
    }

    /// Sends traces of calls to a collector while it serves.
    ///
    /// # Errors
    ///
    /// If the policy has no usable address.
    #[cfg(feature = "otlp")]
    pub fn traces(self, policy: TracePolicy) -> Result<Self, crate::traces::Error> {
        let (spans, exporter) = Exporter::new(policy)?;
        self.runtime.observed.listen(Arc::new(spans));
        Ok(Self { exporter: Some(exporter), ..self })
    }

    /// Serves the figures for Prometheus to whoever connects here, and not beside the calls.
    #[must_use]
    pub fn scrapers(self, listener: TcpListener) -> Self {
        Self { scrapers: Some(listener), ..self }
    }

    /// The stores.
    #[must_use]
    pub const fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// The whole stack, for calls from within the process.
    ///
    /// Nothing probes upstreams, asks for their heights or connects to those over WebSocket unless [`background`](Self::background) is polled too.
    #[must_use]
    pub fn service(&self) -> BoxCloneSyncService<Call, Reply, Failure> {
        self.stack.clone()
    }

    /// Where subscriptions come from, for a stack of one's own.
    #[must_use]
    pub const fn hub(&self) -> &Hub {
        &self.hub
    }

    /// What runs beside the calls: links to WebSocket upstreams and what subscriptions need of them, probes, polls of
    /// heights, the upkeep of breakers and measurements. [`serve`](Self::serve) runs it by itself.
    ///
    /// It never resolves; dropping the future ends everything. Must be polled within a tokio runtime.
    pub fn background(&self) -> impl Future<Output = ()> + Send + use<> {
        self.background.clone().run()
    }

    /// Serves until `ended` resolves and the requests in flight are answered, or cut off at the drain limit.
    /// Dropping the future ends everything at once, but for a last entry into the history.
    pub fn serve(
        self,
        listener: TcpListener,
        ended: impl Future<Output = ()> + Send,
    ) -> impl Future<Output = ()> + Send {
        let background = self.background();
        let (requests, outboxes) = (self.runtime.budget.clone(), self.runtime.outboxes.clone());
        let sockets = WebSockets::with(self.stack.clone(), self.websocket, requests, outboxes);
        let ingress = Ingress::new(self.stack).policy(self.ingress).budget(self.runtime.budget.clone());
        let recorder = self.history.clone().map(|history| {
            let Runtime { live, benchmarks, breaker_log, .. } = &self.runtime;
            Recorder::new(history, live.clone(), *benchmarks, breaker_log.clone())
        });
        #[cfg(feature = "otlp")]
        let exporter = self.exporter;
        let metrics = self.counts.then(|| Metrics::new(self.runtime.clone(), sockets.clients()));
        let scrapers = self.scrapers;
        let watching = {
            let sockets = sockets.clone();
            self.live.clone().run(move || sockets.open())
        };
        let mut api = Api::new(self.runtime, self.history, Instant::now()).live(self.live);
        if let Some(metrics) = &metrics {
            api = api.figures(metrics.clone(), scrapers.is_none());
        }
        async move {
            let mut tasks = JoinSet::new();
            tasks.spawn(background);
            tasks.spawn(watching);
            if let Some(metrics) = metrics {
                tasks.spawn(metrics.clone().keep());
                if let Some(listener) = scrapers {
                    tasks.spawn(metrics.serve(listener));
                }
            }
            // Not among the tasks, which end where they are: it has a last thing to write.
            let (serving, end) = oneshot::channel::<()>();
            let recording = recorder.map(|recorder| {
                // The other side says nothing. It goes.
                tokio::spawn(recorder.run(async { end.await.unwrap_or_default() }))
            });
            // As the history, it has something left to send.
            #[cfg(feature = "otlp")]
            let (tracing, traces_end) = oneshot::channel::<()>();
            #[cfg(feature = "otlp")]
            let exporting = exporter
                .map(|exporter| tokio::spawn(exporter.run(async { traces_end.await.unwrap_or_default() })));
            let cut = server::serve(listener, ingress, sockets, api, self.policy, ended).await;
            if cut > 0 {
                tracing::warn!(event = "lasso.drain_limit", connections = cut, "connections were cut off");
            }
            drop(serving);
            if let Some(recording) = recording
                && let Err(error) = recording.await
            {
                tracing::error!(%error, "the history's task panicked");
            }
            #[cfg(feature = "otlp")]
            {
                drop(tracing);
                if let Some(exporting) = exporting
                    && let Err(error) = exporting.await
                {
                    tracing::error!(%error, "the task of traces panicked");
                }
            }
        }
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router").field("runtime", &self.runtime).finish_non_exhaustive()
    }
}
