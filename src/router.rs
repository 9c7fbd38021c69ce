//! The router put together, apart from command line, files and signals.

use std::fmt;
use std::future::pending;
use std::io;
use std::time::Duration;

use lasso_layers::attempt::Attempt;
use lasso_layers::call::{Call, Failure, Reply};
use lasso_layers::catalog::Live;
use lasso_layers::edge::ingress::{Ingress, IngressPolicy};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tower::Service;
use tower::util::BoxCloneSyncService;

use crate::config::Settings;
use crate::runtime::Runtime;
use crate::server::{self, Api, ServerPolicy};
use crate::tasks::{
    Asker, HeadPoller, HeadsPolicy, ProbePolicy, Prober, Strangers, Upkeep, expire_benchmarks,
    keep_timers_near, sweep_limits,
};
use crate::upstream::HttpUpstream;
use crate::{policies, stack};

/// How often idle clients are forgotten.
const SWEEP: Duration = Duration::from_secs(60);
/// How often old measurements are dropped.
const EXPIRE: Duration = Duration::from_secs(3_600);

/// Every store, the stack over them, and what serves it.
///
/// The stores can be looked at and changed through [`runtime`](Self::runtime) while it serves.
pub struct Router {
    runtime: Runtime,
    stack: BoxCloneSyncService<Call, Reply, Failure>,
    ingress: IngressPolicy,
    policy: ServerPolicy,
    /// For what the router asks on its own behalf.
    asker: Asker,
    probe: Option<ProbePolicy>,
    heads: Option<HeadsPolicy>,
    /// How long measurements are kept.
    retention: Duration,
}

impl Router {
    /// Puts a router together for a catalogue, with a connection pool of its own.
    ///
    /// # Errors
    ///
    /// If the client for upstreams cannot be made.
    pub fn new(live: Live, settings: &Settings) -> io::Result<Self> {
        let upstream = HttpUpstream::new(policies::upstream_http(settings))?;
        Ok(Self::with_upstream(Runtime::new(live, settings), settings, upstream))
    }

    /// Puts a router together over these stores and a service that sends attempts: a client of the embedder's own, or
    /// a made-up world. It is handed what [`Egress`](lasso_layers::edge::egress::Egress) is, and answers as that does.
    #[must_use]
    pub fn with_upstream<U>(runtime: Runtime, settings: &Settings, upstream: U) -> Self
    where
        U: Service<Attempt, Response = Reply, Error = Failure> + Clone + Send + Sync + 'static,
        U::Future: Send,
    {
        Self {
            asker: Asker::new(upstream.clone()),
            stack: stack::stack(&runtime, settings, upstream),
            ingress: policies::ingress(settings),
            policy: policies::server(settings),
            probe: policies::probe(settings),
            heads: policies::heads(settings),
            retention: settings.benchmarks.retention,
            runtime,
        }
    }

    /// The stores.
    #[must_use]
    pub const fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// The whole stack, for calls from within the process.
    ///
    /// Nothing probes upstreams or asks for their heights unless [`background`](Self::background) is polled too.
    #[must_use]
    pub fn service(&self) -> BoxCloneSyncService<Call, Reply, Failure> {
        self.stack.clone()
    }

    /// What runs beside the calls: probes, polls of heights, sweeping. [`serve`](Self::serve) runs it by itself.
    ///
    /// It never resolves; dropping the future ends everything. Must be polled within a tokio runtime.
    pub fn background(&self) -> impl Future<Output = ()> + Send + use<> {
        let (runtime, asker) = (self.runtime.clone(), self.asker.clone());
        let (probe, heads, retention) = (self.probe, self.heads, self.retention);
        // Made before anything is polled, so that no catalogue is in force that it has not seen.
        let upkeep = Upkeep::new(runtime.clone());
        async move {
            let mut tasks = JoinSet::new();
            tasks.spawn(keep_timers_near());
            tasks.spawn(sweep_limits(runtime.limits.clone(), SWEEP));
            tasks.spawn(expire_benchmarks(runtime.benchmarks, retention, EXPIRE));
            tasks.spawn(upkeep.run());
            let strangers = Strangers::default();
            if let Some(policy) = probe {
                let (runtime, asker, entropy) = (runtime.clone(), asker.clone(), runtime.entropy.clone());
                tasks.spawn(Prober::new(runtime, asker, policy, strangers.clone(), entropy).run());
            }
            if let Some(policy) = heads {
                tasks.spawn(HeadPoller::new(runtime, asker, policy, strangers).run());
            }
            pending().await
        }
    }

    /// Serves until `ended` resolves and the requests in flight are answered, or cut off at the drain limit.
    /// Dropping the future ends everything at once.
    pub fn serve(
        self,
        listener: TcpListener,
        ended: impl Future<Output = ()> + Send,
    ) -> impl Future<Output = ()> + Send {
        let background = self.background();
        let ingress = Ingress::new(self.stack).policy(self.ingress).budget(self.runtime.budget.clone());
        let api = Api { live: self.runtime.live.clone(), started: Instant::now() };
        async move {
            let mut tasks = JoinSet::new();
            tasks.spawn(background);
            let cut = server::serve(listener, ingress, api, self.policy, ended).await;
            if cut > 0 {
                tracing::warn!(event = "lasso.drain_limit", connections = cut, "connections were cut off");
            }
        }
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router").field("runtime", &self.runtime).finish_non_exhaustive()
    }
}
