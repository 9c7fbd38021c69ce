//! All connections to WebSocket upstreams.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use lasso_layers::attempt::Attempt;
use lasso_layers::attempt::breaker::Breakers;
use lasso_layers::attempt::pace::Paces;
use lasso_layers::call::{Dispatch, Failure, Filter, Subject, TransportKind, Verdict};
use lasso_layers::catalog::{Channel, ChannelKey, InstanceKey, Live, Transport};
use lasso_layers::state::{Entropy, Shared, Table};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::connect::Connector;
use super::connection::{Connection, Waiting, not_connected};
use super::driver::Driver;
use super::feed::Feed;
use super::policy::LinkPolicy;
use super::status::{LinkCounters, LinkState, LinkStatus, Tally};
use crate::observe::Observed;
use crate::strangers::Strangers;

/// How soon a new catalogue is noticed.
const BEAT: Duration = Duration::from_millis(100);

/// The connections to all WebSocket upstreams, one for each channel, whatever the number of profiles that name it. A
/// handle: clones share them.
#[derive(Clone, Copy)]
pub struct Links {
    store: Shared<Store>,
}

struct Store {
    policy: LinkPolicy,
    live: Live,
    breakers: Breakers,
    paces: Paces,
    strangers: Strangers,
    entropy: Entropy,
    observed: Observed,
    cells: Table<Cell>,
    /// Counts the changes.
    changes: watch::Sender<u64>,
}

/// What is known of one link.
#[derive(Default)]
struct Cell {
    connection: ArcSwapOption<Connection>,
    /// A [`LinkState`], or [`NO_LINK`]. Relaxed: the connection is found, or not found, by itself.
    state: AtomicU8,
    attempts: AtomicU32,
    tally: Arc<Tally>,
    /// Somebody waits for the connection.
    wanted: Notify,
}

/// The state of a channel without a link.
const NO_LINK: u8 = 0;

impl Links {
    /// For the channels of this catalogue; `observed` is told of every change. Nothing is connected before [`run`](Self::run) is polled.
    #[must_use]
    pub fn new(
        policy: LinkPolicy,
        live: Live,
        breakers: Breakers,
        paces: Paces,
        strangers: Strangers,
        entropy: Entropy,
        observed: Observed,
    ) -> Self {
        let (cells, changes) = (Table::new(), watch::Sender::new(0));
        let store = Store { policy, live, breakers, paces, strangers, entropy, observed, cells, changes };
        Self { store: Shared::new(store) }
    }

    /// Keeps a connection to every WebSocket channel of the catalogue in force, for as long as it is polled. Dropping
    /// the future ends all of them.
    ///
    /// Must be polled within a tokio runtime, and by one task at a time.
    pub async fn run(self, connector: Connector) {
        // A set of one each, so that a link can be waited for after it was ended.
        let mut drivers = HashMap::<ChannelKey, JoinSet<()>>::new();
        let mut generation = None;
        let mut beats = interval(BEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            beats.tick().await;
            for driver in drivers.values_mut() {
                // A driver ends in no other way.
                if let Some(Err(error)) = driver.try_join_next() {
                    tracing::error!(%error, "the task of a websocket link panicked");
                    generation = None;
                }
            }
            let catalog = self.store.live.snapshot();
            if generation.replace(catalog.generation()) == Some(catalog.generation()) {
                continue;
            }
            let gone = drivers.extract_if(|key, driver| driver.is_empty() || catalog.channel(*key).is_none());
            for mut driver in gone.map(|(_, driver)| driver).collect::<Vec<_>>() {
                // Before the same channel can have another one.
                driver.shutdown().await;
            }
            for channel in catalog.channels().filter(|channel| channel.transport == Transport::Ws) {
                drivers.entry(channel.key).or_insert_with(|| {
                    let driver = Driver::new(self, channel.clone(), connector.clone());
                    let mut tasks = JoinSet::new();
                    tasks.spawn(driver.run());
                    tasks
                });
            }
        }
    }

    /// Whether requests can be sent over the channel.
    #[must_use]
    pub fn is_up(&self, key: ChannelKey) -> bool {
        self.state(key) == Some(LinkState::Connected)
    }

    /// Says that somebody waits for the connection. If it is down and the next attempt is only a matter of growing
    /// delays, that attempt is made soon, and no sooner than two seconds after the last. Where the upstream asked for
    /// fewer requests or refused us, nothing changes.
    pub fn hurry(&self, key: ChannelKey) {
        self.cell(key).wanted.notify_one();
    }

    /// What there is to see of a link.
    #[must_use]
    pub fn status(&self, key: ChannelKey) -> LinkStatus {
        let cell = self.cell(key);
        let mut status = LinkStatus {
            state: self.state(key).unwrap_or_default(),
            reconnect_attempts: cell.attempts.load(Ordering::Relaxed),
            ..LinkStatus::default()
        };
        if let Some(connection) = cell.connection.load().as_ref() {
            connection.describe(&mut status);
        }
        status
    }

    /// The state of a link; nothing where the channel has none, as in a process that keeps no links.
    #[must_use]
    pub fn state(&self, key: ChannelKey) -> Option<LinkState> {
        LinkState::from_word(self.cell(key).state.load(Ordering::Relaxed))
    }

    /// What happened on a link so far.
    #[must_use]
    pub fn counters(&self, key: ChannelKey) -> LinkCounters {
        self.cell(key).tally.read()
    }

    /// Changes whenever a connection comes up or goes down.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.store.changes.subscribe()
    }

    /// Subscribes over a channel. `params` are those of `eth_subscribe`, a JSON array such as `["newHeads"]`; `limit`
    /// is how long the answer may take.
    ///
    /// Cancel safety: dropping the future gives the subscription up, even if the upstream makes it afterwards.
    ///
    /// # Errors
    ///
    /// When there is no connection or no room for a request, when the upstream refuses, and when it does not answer in
    /// time. A refusal is [classified](lasso_layers::attempt::classify::classify).
    pub async fn subscribe(&self, key: ChannelKey, params: Bytes, limit: Duration) -> Result<Feed, Failure> {
        let connection = self.connection(key)?;
        let mut waiting = connection.subscribe(&params)?;
        match timeout(limit, &mut waiting).await {
            Ok(outcome) => outcome.unwrap_or_else(|| Err(not_connected())),
            Err(_) => Err(Failure::transport(TransportKind::Timeout, waiting.give_up(), Transport::Ws)),
        }
    }

    /// Sends the request of an attempt over its channel.
    pub(super) fn send(&self, attempt: &Attempt) -> Result<Waiting<Result<Bytes, Dispatch>>, Failure> {
        self.connection(attempt.key())?.call(attempt)
    }

    // === for the drivers ===

    pub(super) fn policy(&self) -> &LinkPolicy {
        &self.store.policy
    }

    pub(super) fn breakers(&self) -> &Breakers {
        &self.store.breakers
    }

    pub(super) fn paces(&self) -> &Paces {
        &self.store.paces
    }

    pub(super) fn rng(&self) -> fastrand::Rng {
        self.store.entropy.rng()
    }

    pub(super) fn tally(&self, key: ChannelKey) -> Arc<Tally> {
        self.cell(key).tally.clone()
    }

    /// For how much longer an instance wants fewer requests, over whichever transport it said so.
    pub(super) fn limited(&self, instance: InstanceKey, now: Instant) -> Option<Duration> {
        let catalog = self.store.live.load();
        let channels = catalog.channels().filter(|channel| channel.instance == instance);
        channels.filter_map(|channel| self.store.paces.remaining(channel.key, now)).max()
    }

    /// A connection has lived long enough: that it could be made is a sign of recovery. A node of another chain gives
    /// none.
    pub(super) fn stable(&self, channel: &Channel, now: Instant) {
        self.cell(channel.key).attempts.store(0, Ordering::Relaxed);
        if !self.store.strangers.contains(channel.instance) {
            self.store.breakers.probe_succeeded(channel, now);
        }
    }

    fn connection(&self, key: ChannelKey) -> Result<Arc<Connection>, Failure> {
        self.cell(key).connection.load_full().ok_or_else(not_connected)
    }

    fn cell(&self, key: ChannelKey) -> &Cell {
        self.store.cells.cell(key.index())
    }

    fn tick(&self) {
        self.store.changes.send_modify(|changes| *changes = changes.wrapping_add(1));
    }
}

/// [`Stage::Liveness`](lasso_layers::call::Stage): a WebSocket channel counts while its connection is up.
impl Filter for Links {
    fn check(&self, subject: &Subject<'_>) -> Verdict {
        let channel = subject.channel;
        match channel.transport {
            Transport::Ws if !self.is_up(channel.key) => Verdict::exclude("ws_not_live"),
            Transport::Http | Transport::Ws => Verdict::Keep,
        }
    }
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Links").field("policy", &self.store.policy).finish_non_exhaustive()
    }
}

// === impl LinkState ===

impl LinkState {
    const fn word(self) -> u8 {
        match self {
            Self::Connected => 1,
            Self::Reconnecting => 2,
            Self::Disconnected => 3,
        }
    }

    const fn from_word(word: u8) -> Option<Self> {
        match word {
            1 => Some(Self::Connected),
            2 => Some(Self::Reconnecting),
            3 => Some(Self::Disconnected),
            _ => None,
        }
    }
}

// === impl Presence ===

/// What others see of a link, as long as there is one.
pub(super) struct Presence {
    links: Links,
    channel: Arc<Channel>,
    /// The last state that observers were told. Relaxed: only the driver uses it.
    told: AtomicU8,
}

/// A connection that others can use. Dropping it takes it from them and ends what depends on it.
pub(super) struct Online<'a> {
    presence: &'a Presence,
    connection: Arc<Connection>,
}

impl Presence {
    pub(super) fn new(links: Links, channel: Arc<Channel>) -> Self {
        let told = AtomicU8::new(LinkState::Reconnecting.word());
        let presence = Self { links, channel, told };
        presence.set(LinkState::Reconnecting);
        presence
    }

    pub(super) fn set(&self, state: LinkState) {
        self.cell().state.store(state.word(), Ordering::Relaxed);
    }

    /// Tells observers of a state, unless it is the one they know.
    pub(super) fn tell(&self, state: LinkState, unexpected: bool) {
        if self.told.swap(state.word(), Ordering::Relaxed) != state.word() {
            self.links.store.observed.link_changed(&self.channel, state, unexpected);
        }
    }

    pub(super) fn attempts(&self, attempts: u32) {
        self.cell().attempts.store(attempts, Ordering::Relaxed);
    }

    /// Resolves once somebody [waits](Links::hurry) for the connection, or did so since it was asked last. Cancel safe.
    pub(super) async fn wanted(&self) {
        self.cell().wanted.notified().await;
    }

    /// Lets others use a connection.
    pub(super) fn online(&self, connection: Arc<Connection>) -> Online<'_> {
        self.cell().connection.store(Some(connection.clone()));
        self.set(LinkState::Connected);
        self.links.tick();
        self.tell(LinkState::Connected, false);
        Online { presence: self, connection }
    }

    fn cell(&self) -> &Cell {
        self.links.cell(self.channel.key)
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.attempts(0);
        self.cell().state.store(NO_LINK, Ordering::Relaxed);
    }
}

impl Online<'_> {
    /// Takes the connection back, and tells how many requests that ended.
    pub(super) fn end(self) -> usize {
        self.take_back()
    }

    fn take_back(&self) -> usize {
        self.presence.set(LinkState::Reconnecting);
        self.presence.cell().connection.store(None);
        let pending = self.connection.close();
        self.presence.links.tick();
        pending
    }
}

impl Drop for Online<'_> {
    fn drop(&mut self) {
        // A second time finds nothing to end.
        self.take_back();
    }
}
