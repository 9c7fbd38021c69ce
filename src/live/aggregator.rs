//! One profile that somebody watches: what it looks like, and what is told of it.

use std::sync::Arc;
use std::time::Duration;

use lasso_layers::catalog::{Catalog, DEFAULT_PROFILE, Profile};
use smol_str::SmolStr;
use tokio::time::Instant;

use super::broadcast::{Broadcast, Frame, Scene};
use super::collect::{Collector, Names, Sources, stats};
use super::mailbox::Mailbox;
use super::view::{ClusterView, Limits, NodeView, ProfileView, SystemView};
use crate::clock::Moment;
use crate::observe::Event;

/// How often the stores are looked at. A breaker or a connection that changes has them looked at once.
const LOOK: Duration = Duration::from_millis(250);
/// How old the statistics of clients may be.
const STATS: Duration = Duration::from_secs(1);
/// How old the word on the cluster may be. Pages take one of more than half a minute for lost.
const CLUSTER: u64 = 10_000;
/// Calls of before that a new aggregator has to show.
const KEPT: usize = 100;

/// Looks at a profile for as long as it has viewers, and for a while after that.
#[derive(Debug)]
pub(super) struct Aggregator {
    slug: SmolStr,
    generation: u64,
    names: Names,
    collector: Collector,
    broadcast: Broadcast,
    /// When the stores are looked at again.
    look: Instant,
    /// When the statistics are made again.
    stats: Instant,
}

/// What aggregators of all profiles share.
#[derive(Debug)]
pub(super) struct Surroundings {
    pub(super) sources: Sources,
    pub(super) node: NodeView,
    /// The figures of the process, where they are shown and known.
    pub(super) system: Option<SystemView>,
}

impl Aggregator {
    /// Of a profile of this catalogue; nothing if it has none of that name.
    pub(super) fn new(around: &Surroundings, catalog: &Catalog, slug: &str, now: Moment) -> Option<Self> {
        let (_, profile) = catalog.profile(slug)?;
        let policy = &around.sources.policy;
        let mut collector = Collector::default();
        let views = collector.look(&around.sources, profile, &Default::default(), now);
        let scene = Scene {
            views,
            stats: stats(&around.sources, profile, now.instant),
            cluster: cluster(around, now),
            system: around.system.clone(),
        };
        let mut aggregator = Self {
            slug: profile.slug.clone(),
            generation: catalog.generation(),
            names: Names::of(profile, policy.node.clone()),
            collector,
            broadcast: Broadcast::new(frame(around, catalog, profile), scene, policy, now.instant),
            look: now.instant,
            stats: now.instant + STATS,
        };
        let kept = around.sources.runtime.observed.decisions();
        let mine = kept.newest().filter(|decision| decision.profile == aggregator.slug);
        let last: Vec<_> =
            mine.filter(|it| it.result != crate::observe::Outcome::Cancelled).take(KEPT).collect();
        for decision in last.into_iter().rev() {
            aggregator.hear(&Event::Decision(decision), now.instant);
        }
        Some(aggregator)
    }

    pub(super) fn enter(&mut self, viewer: Arc<Mailbox>) {
        if !self.broadcast.is_watched() {
            // Nobody has looked for a while.
            self.look = self.look.min(Instant::now());
        }
        self.broadcast.enter(viewer);
    }

    /// Takes in what happened, if it is any of the profile's business.
    pub(super) fn hear(&mut self, event: &Event, now: Instant) {
        let Some(kind) = self.names.event(event) else { return };
        if matches!(event, Event::Breaker(_) | Event::Link(_)) {
            self.look = now;
        }
        self.broadcast.hear(kind, now);
    }

    /// Notes events that were lost on their way here.
    pub(super) const fn lost(&mut self, events: u64) {
        self.broadcast.lost(events);
    }

    /// Looks where that is due, and tells what is. Whether there is anything left to do for it.
    pub(super) fn tick(&mut self, around: &Surroundings, catalog: &Catalog, now: Moment) -> bool {
        let Some((_, profile)) = catalog.profile(&self.slug).filter(|_| !self.broadcast.is_over(now.instant))
        else {
            self.broadcast.end();
            return false;
        };
        if self.generation != catalog.generation() {
            self.generation = catalog.generation();
            self.names = Names::of(profile, around.sources.policy.node.clone());
            self.collector = Collector::default();
            let scene = self.scene(around, profile, now);
            self.broadcast.renew(frame(around, catalog, profile), scene);
        } else if self.look <= now.instant && self.broadcast.is_watched() {
            let scene = self.scene(around, profile, now);
            self.broadcast.show(scene);
        }
        self.broadcast.tick(now);
        true
    }

    /// Lets all viewers go.
    pub(super) fn end(&mut self) {
        self.broadcast.end();
    }

    fn scene(&mut self, around: &Surroundings, profile: &Profile, now: Moment) -> Scene {
        self.look = now.instant + LOOK;
        let views = self.collector.look(&around.sources, profile, self.broadcast.last(), now);
        let before = self.broadcast.scene();
        let is_due = self.stats <= now.instant;
        let stats = if is_due { stats(&around.sources, profile, now.instant) } else { before.stats.clone() };
        let is_old = now.unix_ms().saturating_sub(before.cluster.updated) >= CLUSTER;
        let cluster = if is_old { cluster(around, now) } else { before.cluster.clone() };
        if is_due {
            self.stats = now.instant + STATS;
        }
        Scene { views, stats, cluster, system: around.system.clone() }
    }
}

/// This node stands alone.
fn cluster(around: &Surroundings, now: Moment) -> ClusterView {
    ClusterView {
        state: "standalone",
        responding: 1,
        total: 1,
        regions: vec![around.node.region.clone()],
        updated: now.unix_ms(),
    }
}

fn frame(around: &Surroundings, catalog: &Catalog, profile: &Profile) -> Frame {
    let listed = |one: &&Profile| !one.unlisted || one.slug == profile.slug;
    let strategy = profile.routing.default_strategy.unwrap_or(around.sources.policy.default_strategy);
    Frame {
        slug: profile.slug.clone(),
        profiles: catalog.profiles().iter().filter(listed).map(profile_view).collect(),
        node: around.node.clone(),
        limits: Limits { rps: profile.limit.rps, burst: profile.limit.burst },
        default_strategy: strategy.as_str(),
    }
}

fn profile_view(profile: &Profile) -> ProfileView {
    ProfileView {
        slug: profile.slug.clone(),
        name: profile.name.clone(),
        kind: if profile.slug == DEFAULT_PROFILE { "built_in" } else { "custom" },
        logo: profile.logo.clone(),
        chains: profile.chains().len(),
        providers: profile.chains().iter().map(|chain| chain.providers.len()).sum(),
    }
}
