//! Upstream subscriptions, shared.
//!
//! There is one for each channel and topic, whoever asks: streams of all profiles and the tracker of heights. It is
//! opened for its first user and kept for a while after its last. Each user has a queue of its own; one that does not
//! keep up loses the subscription and nobody waits for it.

mod entry;
mod keep;
mod tap;
#[cfg(test)]
pub(super) mod testing;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use foldhash::HashMap;
use lasso_layers::attempt::breaker::Breakers;
use lasso_layers::call::subscribe::Topic;
use lasso_layers::catalog::{Channel, ChannelKey};
use lasso_layers::state::heights::Heights;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use self::entry::Entry;
use self::keep::Subscription;
pub(super) use self::tap::{Seat, Tap};
use super::block::{Header, Log};
use super::coordinator::LossReason;
use super::counters::StreamCounters;
use super::fetch::Fetcher;
use crate::observe::Observed;
use crate::strangers::Strangers;
use crate::upstream::ws::Links;

/// Subscriptions of one channel that are kept without users.
const MAX_IDLE: usize = 64;

/// How upstream subscriptions are kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolPolicy {
    /// How long one without users is kept.
    pub(crate) linger: Duration,
    /// How often that is looked at.
    pub(crate) sweep: Duration,
    /// How long a provider may take to confirm one.
    pub(crate) confirm: Duration,
    /// Updates that may wait for one user.
    pub(crate) capacity: usize,
}

/// What a user of a subscription hears.
#[derive(Clone, Debug)]
pub(super) enum Signal {
    /// The subscription is there: everything that happens from now on will be told. With the newest head, if one is
    /// known.
    Confirmed(Option<Header>),
    /// Something happened.
    Update(Update),
}

/// What a subscription tells.
#[derive(Clone, Debug)]
pub(super) enum Update {
    /// A new head.
    Head(Header),
    /// A log, new or taken back.
    Log(Log),
    /// A transaction, or the hash of one, as the provider wrote it.
    Transaction(Bytes),
}

/// Why a user hears nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gone {
    /// There never was a subscription.
    Refused {
        /// The provider does not do this at all.
        lasting: bool,
    },
    /// There is none any more.
    Lost(LossReason),
}

/// What is subscribed to at a channel.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Flow {
    /// A topic, over the channel.
    Topic(Topic),
    /// The heads of a provider that does not push them: it is asked for its newest block again and again.
    PolledHeads,
}

/// The upstream subscriptions of the process. A handle: clones share them.
#[derive(Clone)]
pub(super) struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    links: Links,
    breakers: Breakers,
    heights: Heights,
    strangers: Strangers,
    observed: Observed,
    counters: StreamCounters,
    policy: PoolPolicy,
    slots: Mutex<HashMap<(ChannelKey, Flow), Slot>>,
    /// Silent ones, which nobody joins any more and which those who are on them keep.
    retired: Mutex<Vec<Slot>>,
}

/// A subscription and the task that keeps it.
struct Slot {
    entry: Arc<Entry>,
    channel: Arc<Channel>,
    task: AbortHandle,
}

impl Pool {
    /// Without any.
    pub(super) fn new(
        links: Links,
        breakers: Breakers,
        heights: Heights,
        strangers: Strangers,
        observed: Observed,
        counters: StreamCounters,
        policy: PoolPolicy,
    ) -> Self {
        let (slots, retired) = (Mutex::default(), Mutex::default());
        let shared =
            Shared { links, breakers, heights, strangers, observed, counters, policy, slots, retired };
        Self { shared: Arc::new(shared) }
    }

    /// Joins the subscription to a topic at a channel, or opens it. Must be called within a runtime.
    pub(super) fn join(&self, channel: &Arc<Channel>, topic: &Topic) -> Tap {
        let Shared { links, breakers, heights, strangers, observed, counters, policy, .. } = &*self.shared;
        let subscription = || Subscription {
            links: *links,
            breakers: *breakers,
            heights: *heights,
            strangers: *strangers,
            observed: observed.clone(),
            counters: counters.clone(),
            channel: channel.clone(),
            topic: topic.clone(),
            limit: policy.confirm,
        };
        self.seat(channel, Flow::Topic(topic.clone()), |entry| subscription().keep(entry))
    }

    /// As [`join`](Self::join), to heads of a provider that does not push them. `fetcher` asks it, each `interval`.
    pub(super) fn poll(&self, channel: &Arc<Channel>, fetcher: Fetcher, interval: Duration) -> Tap {
        self.seat(channel, Flow::PolledHeads, |entry| keep::polled(entry, fetcher, interval))
    }

    /// Lets nobody join the subscription of this user any more: it is silent, and whoever comes gets a new one. Others who
    /// are on it judge for themselves how long they bear that.
    pub(super) fn retire(&self, tap: &Tap) {
        let retired = self.slots().extract_if(|_, slot| Arc::ptr_eq(&slot.entry, &tap.seat.entry)).next();
        self.retired().extend(retired.map(|(_, slot)| slot));
    }

    /// Ends all subscriptions at channels that are not to be used any more.
    pub(super) fn abandon(&self, is_unfit: impl Fn(&Channel) -> bool) {
        let is_fit = |slot: &Slot| {
            let is_unfit = is_unfit(&slot.channel);
            if is_unfit {
                // Before its task goes, which would have another word for it.
                slot.entry.end(Gone::Lost(LossReason::Unhealthy));
            }
            !is_unfit
        };
        self.slots().retain(|_, slot| is_fit(slot));
        self.retired().retain(is_fit);
    }

    /// Ends what nobody has needed for long enough. Never resolves.
    pub(super) async fn sweep(self) {
        let mut beats = tokio::time::interval(self.shared.policy.sweep);
        beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let now = beats.tick().await;
            let linger = self.shared.policy.linger;
            self.slots().retain(|_, slot| !slot.entry.is_due(linger, now));
            self.retired().retain(|slot| !slot.entry.is_due(Duration::ZERO, now));
        }
    }

    fn seat<F>(&self, channel: &Arc<Channel>, flow: Flow, keep: impl FnOnce(Arc<Entry>) -> F) -> Tap
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let capacity = self.shared.policy.capacity;
        let mut slots = self.slots();
        let key = (channel.key, flow);
        if let Some(slot) = slots.get(&key).filter(|slot| !slot.entry.is_over()) {
            return slot.entry.join(capacity);
        }
        let entry = Arc::<Entry>::default();
        let tap = entry.join(capacity);
        let task = tokio::spawn(keep(entry.clone())).abort_handle();
        slots.insert(key, Slot { entry, channel: channel.clone(), task });
        make_room(&mut slots, channel.key);
        tap
    }

    fn retired(&self) -> MutexGuard<'_, Vec<Slot>> {
        self.shared.retired.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<(ChannelKey, Flow), Slot>> {
        self.shared.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the one that nobody has needed for longest where too many of a channel linger: clients that come and go with ever
/// new filters must not pile them up.
fn make_room(slots: &mut HashMap<(ChannelKey, Flow), Slot>, channel: ChannelKey) {
    let idle = slots.iter().filter(|(key, _)| key.0 == channel);
    let mut idle: Vec<_> =
        idle.filter_map(|(key, slot)| Some((slot.entry.idle_since()?, key.1.clone()))).collect();
    if idle.len() > MAX_IDLE {
        idle.sort_unstable_by_key(|(since, _)| *since);
        for (_, flow) in idle.drain(..idle.len() - MAX_IDLE) {
            slots.remove(&(channel, flow));
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("subscriptions", &self.slots().len()).finish_non_exhaustive()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Seat {
    fn left(&self) {
        self.entry.leave(self.name, Instant::now());
    }
}
