//! Who subscribes to what.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use foldhash::HashMap;
use lasso_layers::call::session::{Ending, Subscriber};
use lasso_layers::call::subscribe::{CreationFailure, PinProblem, Subscriptions, Topic};
use lasso_layers::call::{Call, Failure, Plan, Reply};
use lasso_layers::catalog::{Channel, Provider};
use lasso_layers::state::health::HealthRows;
use smol_str::ToSmolStr;
use tokio::sync::{oneshot, watch};
use tokio::task::AbortHandle;
use tower::util::BoxCloneSyncService;

use super::choose::{Chooser, able};
use super::counters::{Counted, StreamCounters};
use super::desk::Desk;
use super::fanout::Fanout;
use super::key::StreamKey;
use super::policy::HubPolicy;
use super::pool::Pool;
use super::record::{Figures, Record, StreamReport};
use super::{pending, stream};
use crate::clock::Moment;
use crate::config::Settings;
use crate::observe::{Event, Observed, Recovery, StreamChange};
use crate::policies;
use crate::runtime::Runtime;

/// Where the subscriptions of clients come from: one stream for all that ask for the same, over upstream subscriptions
/// that streams share. A handle: clones share everything.
///
/// A stream is a task. It begins with its first subscriber and ends with its last; subscribing has to happen within a
/// tokio runtime. What all streams need beside it is done by [`run`](Self::run).
#[derive(Clone)]
pub struct Hub {
    shared: Arc<Shared>,
}

/// What streams share.
pub(super) struct Shared {
    pub(super) chooser: Chooser,
    pub(super) pool: Pool,
    /// For questions of streams.
    pub(super) desk: Desk,
    pub(super) health: HealthRows,
    pub(super) observed: Observed,
    pub(super) counters: StreamCounters,
    pub(super) policy: HubPolicy,
    /// The generation of the catalogue that streams are to follow.
    pub(super) generation: watch::Sender<u64>,
    streams: Mutex<HashMap<Arc<StreamKey>, Arc<Handle>>>,
}

/// A stream, from outside.
#[derive(Debug, Default)]
pub(super) struct Handle {
    pub(super) fanout: Fanout,
    pub(super) record: Record,
    task: OnceLock<AbortHandle>,
}

/// A client's place among the subscribers of a stream. Dropping it takes the client off the stream, and ends the stream
/// if it was the last one.
pub struct Membership {
    shared: Arc<Shared>,
    key: Arc<StreamKey>,
    handle: Arc<Handle>,
    name: u64,
    _counted: Counted,
}

impl Hub {
    /// Over the connections and stores of `runtime`. `calls` answers what streams have to ask on their own behalf:
    /// blocks that are missing, logs that did not come. It is a stack that chooses the channels of a call and sends it,
    /// such as [`own_calls`](crate::stack::own_calls).
    #[must_use]
    pub fn new(
        runtime: &Runtime,
        settings: &Settings,
        calls: BoxCloneSyncService<Call, Reply, Failure>,
    ) -> Self {
        let policy = policies::hub(settings);
        let counters = runtime.streams.clone();
        let chooser = Chooser {
            live: runtime.live.clone(),
            links: runtime.links,
            breakers: runtime.breakers,
            strangers: runtime.strangers,
            heights: runtime.heights,
        };
        let generation = watch::Sender::new(runtime.live.load().generation());
        let shared = Shared {
            chooser,
            pool: Pool::new(
                runtime.links,
                runtime.breakers,
                runtime.heights,
                runtime.strangers,
                runtime.observed.clone(),
                counters.clone(),
                policy.pool,
            ),
            desk: Desk::new(calls),
            health: runtime.health,
            observed: runtime.observed.clone(),
            counters,
            policy,
            generation,
            streams: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Does what is to be done beside the streams: follows the heads of all upstreams for their heights, tells streams of
    /// reloads and of upstreams that became unfit, and ends upstream subscriptions that nobody needs any more.
    ///
    /// It never resolves; dropping the future ends all of that, and no stream. Must be polled within a tokio runtime.
    pub fn run(&self) -> impl Future<Output = ()> + Send + use<> {
        super::upkeep::run(self.shared.clone())
    }

    /// Every stream there is, in no order, as it is now.
    #[must_use]
    pub fn streams(&self) -> Vec<StreamReport> {
        let streams = self.shared.streams();
        streams.iter().map(|(key, handle)| report(key, handle)).collect()
    }

    /// Enters a stream, which begins if there is none.
    fn join(
        &self,
        key: StreamKey,
        plan: &Plan,
        subscriber: &Subscriber,
    ) -> (Membership, oneshot::Receiver<()>) {
        let shared = &self.shared;
        let mut streams = shared.streams();
        let known = streams.get_key_value(&key).and_then(|(key, handle)| {
            let entered = handle.fanout.enter(subscriber)?;
            Some((key.clone(), handle.clone(), entered))
        });
        let (key, handle, entered) = known.unwrap_or_else(|| {
            let (key, handle) = (Arc::new(key), Arc::<Handle>::default());
            let entered = handle.fanout.enter(subscriber).expect("nobody closed a new stream");
            streams.insert(key.clone(), handle.clone());
            let (shared, key_of_task, handle_of_task) = (shared.clone(), key.clone(), handle.clone());
            let task = match key.topic {
                Topic::NewPendingTransactions => {
                    tokio::spawn(pending::run(shared, key_of_task, handle_of_task))
                }
                _ => tokio::spawn(stream::run(shared, key_of_task, handle_of_task, plan.clone())),
            };
            handle.task.set(task.abort_handle()).expect("a stream has one task");
            (key, handle, entered)
        });
        drop(streams);
        let counted = shared.counters.subscriber();
        let membership =
            Membership { shared: shared.clone(), key, handle, name: entered.name, _counted: counted };
        (membership, entered.established)
    }
}

impl Subscriptions for Hub {
    type Guard = Membership;

    async fn subscribe(
        &self,
        call: &Call,
        topic: Topic,
        subscriber: Subscriber,
    ) -> Result<Membership, Failure> {
        let plan = call.plan().ok_or(CreationFailure::NotFound)?;
        let key = StreamKey::new(plan, topic);
        check(plan, &key)?;
        let (membership, established) = self.join(key, plan, &subscriber);
        established.await.map_err(|_| CreationFailure::UpstreamEstablishmentFailed)?;
        Ok(membership)
    }
}

fn report(key: &StreamKey, handle: &Handle) -> StreamReport {
    let Figures { started, state, last_block, failovers, filled_blocks, provider } = handle.record.figures();
    StreamReport {
        profile: key.profile.clone(),
        chain_id: key.chain_id,
        pin: key.pin.clone(),
        topic: key.topic.name(),
        filter: match &key.topic {
            Topic::Logs(filter) => Some(String::from_utf8_lossy(filter.json()).into_owned()),
            Topic::NewHeads | Topic::NewPendingTransactions => None,
        },
        subscribers: handle.fanout.len(),
        state,
        provider,
        last_block,
        failovers,
        filled_blocks,
        started,
    }
}

/// Whether there is anybody who could serve the stream.
fn check(plan: &Plan, key: &StreamKey) -> Result<(), Failure> {
    if let Some(id) = &key.pin {
        let Some((_, provider)) = plan.chain().provider(id) else {
            return Err(PinProblem::NotFound.refusal(id, plan));
        };
        if provider.ws.is_none() {
            return Err(PinProblem::NoWebSocket.refusal(id, plan));
        }
        if key.topic == Topic::NewHeads && !provider.subscribe_new_heads {
            return Err(PinProblem::NoNewHeads.refusal(id, plan));
        }
    }
    let is_able = able(plan, key).next().is_some();
    is_able.then_some(()).ok_or_else(|| CreationFailure::Unavailable.into())
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("counters", &self.shared.counters).finish_non_exhaustive()
    }
}

// === impl Shared ===

impl Shared {
    fn streams(&self) -> MutexGuard<'_, HashMap<Arc<StreamKey>, Arc<Handle>>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a stream that is over off the list, unless another one of the same key is on it by now.
    fn forget(&self, key: &StreamKey, handle: &Arc<Handle>) {
        let mut streams = self.streams();
        if streams.get(key).is_some_and(|known| Arc::ptr_eq(known, handle)) {
            streams.remove(key);
        }
    }
}

// === impl Membership ===

impl Drop for Membership {
    fn drop(&mut self) {
        if self.handle.fanout.leave(self.name) {
            self.shared.forget(&self.key, &self.handle);
            if let Some(task) = self.handle.task.get() {
                task.abort();
            }
        }
    }
}

impl fmt::Debug for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Membership").field("stream", &self.key).finish_non_exhaustive()
    }
}

/// The end of a stream, however its task ends: whoever is still subscribed is told, since there is nobody left to push.
pub(super) struct Finale {
    pub(super) shared: Arc<Shared>,
    pub(super) key: Arc<StreamKey>,
    pub(super) handle: Arc<Handle>,
}

impl Finale {
    /// Tells observers of a change: what it is, of which provider, and why.
    pub(super) fn tell(&self, change: &'static str, channel: Option<&Channel>, detail: &'static str) {
        self.note(self.change(change, channel, detail));
    }

    /// Tells that the stream goes on with another provider.
    pub(super) fn tell_recovered(&self, channel: &Channel, recovery: Recovery) {
        self.note(StreamChange { recovery: Some(recovery), ..self.change("recovered", Some(channel), "") });
    }

    fn note(&self, change: StreamChange) {
        self.shared.observed.note(Event::Stream(change));
    }

    fn change(&self, change: &'static str, channel: Option<&Channel>, detail: &'static str) -> StreamChange {
        let catalog = self.shared.chooser.live.load();
        let chains = catalog.profile(&self.key.profile).map_or(&[][..], |(_, profile)| profile.chains());
        let chain = chains.iter().find(|chain| chain.chain_id == self.key.chain_id);
        let providers = chain.map_or(&[][..], |chain| &chain.providers);
        // The profile may have a name of its own for it.
        let named = |channel: &Channel| {
            let is_its = |provider: &&Provider| provider.channels().any(|it| it.key == channel.key);
            providers.iter().find(is_its).map_or_else(|| channel.known_as.clone(), |it| it.id.clone())
        };
        StreamChange {
            ts_ms: Moment::now().unix_ms(),
            profile: self.key.profile.clone(),
            chain: chain.map_or_else(|| self.key.chain_id.to_smolstr(), |chain| chain.key.clone()),
            chain_id: self.key.chain_id,
            topic: self.key.topic.name(),
            change,
            provider: channel.map(named),
            detail,
            recovery: None,
        }
    }
}

impl Drop for Finale {
    fn drop(&mut self) {
        self.tell("ended", None, "");
        self.shared.forget(&self.key, &self.handle);
        self.handle.fanout.end(Ending::ContinuityExhausted);
    }
}
