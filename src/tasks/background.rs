//! Everything that runs beside the requests, started together.

use std::future::pending;
use std::time::Duration;

use tokio::task::JoinSet;

use super::{
    Asker, HeadPoller, HeadsPolicy, ProbePolicy, Prober, Upkeep, expire_benchmarks, keep_timers_near,
    sweep_limits,
};
use crate::config::Settings;
use crate::policies;
use crate::runtime::Runtime;
use crate::streams::Hub;
use crate::upstream::ws::Connector;

/// How often idle clients are forgotten.
const SWEEP: Duration = Duration::from_secs(60);
/// How often old measurements are dropped.
const EXPIRE: Duration = Duration::from_secs(3_600);

/// The tasks over the stores of a router.
#[derive(Clone, Debug)]
pub(crate) struct Background {
    runtime: Runtime,
    /// For what the router asks on its own behalf.
    asker: Asker,
    /// What subscriptions need beside their streams.
    hub: Hub,
    /// For links to WebSocket upstreams, where there are any.
    connector: Option<Connector>,
    probe: Option<ProbePolicy>,
    heads: Option<HeadsPolicy>,
    /// How long measurements are kept.
    retention: Duration,
}

impl Background {
    /// Over these stores, asking with `asker`, for the streams of `hub`, and keeping links with `connector`.
    pub(crate) fn new(
        runtime: Runtime,
        settings: &Settings,
        asker: Asker,
        hub: Hub,
        connector: Option<Connector>,
    ) -> Self {
        let (probe, heads) = (policies::probe(settings), policies::heads(settings));
        Self { runtime, asker, hub, connector, probe, heads, retention: settings.benchmarks.retention }
    }

    /// Starts all of them when it is first polled and never resolves; dropping the future ends them.
    pub(crate) fn run(self) -> impl Future<Output = ()> + Send + 'static {
        let Self { runtime, asker, hub, connector, probe, heads, retention } = self;
        // Made before anything is polled: from here on it sees every catalogue.
        let upkeep = Upkeep::new(runtime.clone());
        async move {
            let mut tasks = JoinSet::new();
            tasks.spawn(keep_timers_near());
            tasks.spawn(sweep_limits(runtime.limits.clone(), SWEEP));
            tasks.spawn(expire_benchmarks(runtime.benchmarks, retention, EXPIRE));
            tasks.spawn(upkeep.run());
            tasks.spawn(hub.run());
            if let Some(connector) = connector {
                tasks.spawn(runtime.links.run(connector));
            }
            if let Some(policy) = probe {
                let (runtime, asker, entropy) = (runtime.clone(), asker.clone(), runtime.entropy.clone());
                tasks.spawn(Prober::new(runtime, asker, policy, entropy).run());
            }
            if let Some(policy) = heads {
                tasks.spawn(HeadPoller::new(runtime, asker, policy).run());
            }
            pending().await
        }
    }
}
