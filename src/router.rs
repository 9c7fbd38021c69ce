//! The router put together, apart from command line, files and signals.

use std::fmt;
use std::io;
use std::time::Duration;

use lasso_layers::call::{Call, Failure, Reply};
use lasso_layers::catalog::Live;
use lasso_layers::edge::ingress::Ingress;
use lasso_layers::state::Entropy;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tower::util::BoxCloneSyncService;

use crate::config::Settings;
use crate::runtime::Runtime;
use crate::server::{self, Api, ServerPolicy};
use crate::tasks::{
    Asker, HeadPoller, HeadsPolicy, ProbePolicy, Prober, Strangers, expire_benchmarks, keep_timers_near,
    sweep_limits,
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
    ingress: Ingress<BoxCloneSyncService<Call, Reply, Failure>>,
    policy: ServerPolicy,
    /// For what the router asks on its own behalf.
    asker: Asker,
    probe: Option<ProbePolicy>,
    heads: Option<HeadsPolicy>,
    /// How long measurements are kept.
    retention: Duration,
}

impl Router {
    /// Puts a router together for a catalogue.
    ///
    /// # Errors
    ///
    /// If the client for upstreams cannot be made.
    pub fn new(live: Live, settings: &Settings) -> io::Result<Self> {
        let runtime = Runtime::new(live, settings);
        let upstream = HttpUpstream::new(policies::upstream_http(settings))?;
        let asker = Asker::new(upstream.clone());
        let ingress = Ingress::new(stack::stack(&runtime, settings, upstream))
            .policy(policies::ingress(settings))
            .budget(runtime.budget.clone());
        let (probe, heads) = (policies::probe(settings), policies::heads(settings));
        let retention = settings.benchmarks.retention;
        Ok(Self { runtime, ingress, policy: policies::server(settings), asker, probe, heads, retention })
    }

    /// The stores.
    #[must_use]
    pub const fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Serves until `ended` resolves and the requests in flight are answered, or cut off at the drain limit.
    /// Dropping the future ends everything at once.
    pub async fn serve(self, listener: TcpListener, ended: impl Future<Output = ()>) {
        let mut tasks = JoinSet::new();
        tasks.spawn(keep_timers_near());
        tasks.spawn(sweep_limits(self.runtime.limits.clone(), SWEEP));
        tasks.spawn(expire_benchmarks(self.runtime.benchmarks, self.retention, EXPIRE));
        let strangers = Strangers::default();
        if let Some(policy) = self.probe {
            let (runtime, asker) = (self.runtime.clone(), self.asker.clone());
            let prober = Prober::new(runtime, asker, policy, strangers.clone(), Entropy::default());
            tasks.spawn(prober.run());
        }
        if let Some(policy) = self.heads {
            tasks.spawn(HeadPoller::new(self.runtime.clone(), self.asker, policy, strangers).run());
        }
        let api = Api { live: self.runtime.live.clone(), started: Instant::now() };
        let cut = server::serve(listener, self.ingress, api, self.policy, ended).await;
        if cut > 0 {
            tracing::warn!(event = "lasso.drain_limit", connections = cut, "connections were cut off");
        }
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router").field("runtime", &self.runtime).finish_non_exhaustive()
    }
}
