//! What all viewers of a profile are told, and when. No stores and no tasks: it is told what there is to see.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use foldhash::HashMap;
use smol_str::SmolStr;
use tokio::time::Instant;

use super::batch::{Pace, Pending};
use super::collect::Views;
use super::delta::Delta;
use super::mailbox::Mailbox;
use super::policy::LivePolicy;
use super::view::{
    Batch, ClusterView, DecisionView, EventKind, EventView, Gone, Heartbeat, Limits, Message, NodeView,
    ProfileView, Snapshot, Stats, SystemView,
};
use crate::clock::Moment;

/// Events of a snapshot.
const RECENT: usize = 100;

/// What does not change but with the catalogue.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) slug: SmolStr,
    pub(super) profiles: Vec<ProfileView>,
    pub(super) node: NodeView,
    pub(super) limits: Limits,
    pub(super) default_strategy: &'static str,
}

/// What there is to see.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scene {
    pub(super) views: Views,
    pub(super) stats: Stats,
    pub(super) cluster: ClusterView,
    pub(super) system: Option<SystemView>,
}

/// The viewers of one profile and what they were told.
#[derive(Debug)]
pub(super) struct Broadcast {
    frame: Frame,
    viewers: Vec<Arc<Mailbox>>,
    /// Since when there is nobody.
    deserted: Option<Instant>,
    pending: Pending,
    pace: Pace,
    /// Something waits that is not to wait for long.
    is_urgent: bool,
    /// What there is to see.
    scene: Scene,
    /// What viewers see. A snapshot shows this, so that the next batch is what changed since.
    told: Scene,
    /// The last events that were told, the oldest first.
    recent: VecDeque<EventView>,
    /// The last call of each chain.
    last: HashMap<SmolStr, DecisionView>,
    seq: u64,
    heartbeat: Instant,
    max_batch: usize,
    heartbeat_interval: Duration,
    patience: Duration,
}

impl Broadcast {
    /// Without viewers, with this to be seen.
    pub(super) fn new(frame: Frame, scene: Scene, policy: &LivePolicy, now: Instant) -> Self {
        Self {
            frame,
            viewers: Vec::new(),
            deserted: Some(now),
            pending: Pending::new(policy.max_successes_per_second),
            pace: Pace::new(policy.batch_interval),
            is_urgent: false,
            told: scene.clone(),
            scene,
            recent: VecDeque::new(),
            last: HashMap::default(),
            seq: 0,
            heartbeat: now + policy.heartbeat,
            max_batch: policy.max_batch,
            heartbeat_interval: policy.heartbeat,
            patience: policy.idle_stop,
        }
    }

    /// Lets a viewer in.
    pub(super) fn enter(&mut self, viewer: Arc<Mailbox>) {
        self.viewers.push(viewer);
        self.deserted = None;
    }

    /// Whether somebody watches.
    pub(super) const fn is_watched(&self) -> bool {
        !self.viewers.is_empty()
    }

    /// Whether nobody has watched for so long that nobody is expected.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.deserted.is_some_and(|since| now.saturating_duration_since(since) >= self.patience)
    }

    /// The last call of each chain.
    pub(super) const fn last(&self) -> &HashMap<SmolStr, DecisionView> {
        &self.last
    }

    /// Takes in what happened.
    pub(super) fn hear(&mut self, kind: EventKind, now: Instant) {
        let call = match &kind {
            EventKind::Decision(decision) if !decision.is_own() => Some(decision.clone()),
            _ => None,
        };
        let is_urgent = matches!(kind, EventKind::Breaker { .. } | EventKind::Link { .. });
        if self.pending.offer(kind, now) {
            self.is_urgent |= is_urgent;
            if let Some(call) = call {
                self.last.insert(call.chain.clone(), call);
            }
        }
    }

    /// Notes events that were lost on their way here.
    pub(super) const fn lost(&mut self, events: u64) {
        self.pending.lost(events);
    }

    /// Takes in what there is to see now.
    pub(super) fn show(&mut self, scene: Scene) {
        self.scene = scene;
    }

    /// What there is to see.
    pub(super) const fn scene(&self) -> &Scene {
        &self.scene
    }

    /// Begins anew after a change of the catalogue: everybody gets a snapshot.
    pub(super) fn renew(&mut self, frame: Frame, scene: Scene) {
        self.frame = frame;
        self.scene = scene;
        self.told = self.scene.clone();
        self.viewers.iter().for_each(|viewer| viewer.renew());
    }

    /// Lets all viewers go.
    pub(super) fn end(&mut self) {
        self.viewers.drain(..).for_each(|viewer| viewer.close());
    }

    /// Tells viewers what is due.
    pub(super) fn tick(&mut self, now: Moment) {
        self.forget(now.instant);
        self.tell(now);
        if self.viewers.iter().any(|viewer| viewer.is_fresh()) {
            let snapshot = self.snapshot(now.unix_ms()).encode();
            self.viewers.iter().for_each(|viewer| viewer.welcome(&snapshot, now.instant));
        }
        if self.heartbeat <= now.instant {
            self.heartbeat = now.instant + self.heartbeat_interval;
            let heartbeat = Heartbeat { now: now.unix_ms() }.encode();
            self.viewers.iter().for_each(|viewer| viewer.send(&heartbeat, now.instant));
        }
    }

    /// Lets those go that left, or that have not read for too long.
    fn forget(&mut self, now: Instant) {
        self.viewers.retain(|viewer| {
            let lapsed = viewer.lapsed_since().map(|since| now.saturating_duration_since(since));
            if lapsed.is_some_and(|lapsed| lapsed >= self.patience) {
                viewer.close();
            }
            !viewer.is_closed()
        });
        if self.viewers.is_empty() && self.deserted.is_none() {
            self.deserted = Some(now);
        }
    }

    /// Sends what changed to those who follow. Where nobody does, it only becomes what a snapshot shows.
    fn tell(&mut self, now: Moment) {
        let is_urgent = self.is_urgent || self.pending.waiting() >= self.max_batch;
        if !self.pace.is_due(self.viewers.len(), is_urgent, now.instant) {
            return;
        }
        let followers = self.viewers.iter().any(|viewer| viewer.is_following());
        let most = if followers { self.max_batch } else { usize::MAX };
        let portion = self.pending.take(most);
        let (old, new) = (&self.told.views, &self.scene.views);
        let (chains, providers, streams) = (
            Delta::of(&old.chains, &new.chains),
            Delta::of(&old.providers, &new.providers),
            Delta::of(&old.streams, &new.streams),
        );
        let batch = Batch {
            seq: self.seq + 1,
            now: now.unix_ms(),
            chains: chains.changed,
            providers: providers.changed,
            streams: streams.changed,
            gone: Gone { chains: chains.gone, providers: providers.gone, streams: streams.gone },
            stats: changed(&self.told.stats, &self.scene.stats),
            cluster: changed(&self.told.cluster, &self.scene.cluster),
            system: changed(&self.told.system, &self.scene.system).and_then(Option::as_ref),
            events: &portion.events,
            sampled_out: portion.sampled_out,
            dropped: portion.dropped,
        };
        if followers && !batch.is_empty() {
            let message = batch.encode();
            self.viewers.iter().for_each(|viewer| viewer.send(&message, now.instant));
            self.seq += 1;
            self.pace.told(now.instant);
        }
        if self.told != self.scene {
            self.told = self.scene.clone();
        }
        self.recent.extend(portion.events);
        let surplus = self.recent.len().saturating_sub(RECENT);
        self.recent.drain(..surplus);
        self.is_urgent = false;
    }

    fn snapshot(&mut self, now: u64) -> Snapshot<'_> {
        let (frame, told) = (&self.frame, &self.told);
        Snapshot {
            seq: self.seq,
            now,
            profile: &frame.slug,
            profiles: &frame.profiles,
            node: &frame.node,
            limits: frame.limits,
            default_strategy: frame.default_strategy,
            chains: &told.views.chains,
            providers: &told.views.providers,
            streams: &told.views.streams,
            stats: &told.stats,
            cluster: &told.cluster,
            system: told.system.as_ref(),
            events: self.recent.make_contiguous(),
        }
    }
}

fn changed<'a, T: PartialEq>(old: &T, new: &'a T) -> Option<&'a T> {
    (old != new).then_some(new)
}
