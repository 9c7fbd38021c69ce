//! All profiles that somebody watches, and the one task that keeps them up to date.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use foldhash::HashMap;
use http_body::Frame;
use lasso_layers::call::BoxError;
use lasso_layers::catalog::DEFAULT_PROFILE;
use smol_str::SmolStr;
use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::aggregator::{Aggregator, Surroundings};
use super::collect::{Meter, Sources, streams};
use super::mailbox::Mailbox;
use super::policy::LivePolicy;
use super::tally::Tally;
use super::view::{NodeView, StreamView, SystemView};
use crate::clock::Moment;
use crate::config::Settings;
use crate::policies;
use crate::runtime::Runtime;
use crate::streams::Hub;

/// How often the process itself is looked at.
const SYSTEM: Duration = Duration::from_secs(2);

/// Keeps viewers up to date. A handle: clones share everything.
#[derive(Clone)]
pub struct Broadcasts {
    shared: Arc<Shared>,
}

struct Shared {
    sources: Sources,
    node: NodeView,
    /// Viewers that nobody has let in yet, with their profile.
    arrivals: Mutex<Vec<(SmolStr, Arc<Mailbox>)>>,
    arrived: Notify,
    places: Arc<Semaphore>,
    /// Nobody is let in any more.
    is_closed: AtomicBool,
}

/// Why a viewer is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no profile of that name.
    UnknownProfile,
    /// There are as many as there may be.
    Full,
    /// The process is about to end.
    Ending,
}

impl Broadcasts {
    /// Over the stores of `runtime` and the streams of `hub`. From now on the calls of clients are counted; viewers are
    /// told of them once [`run`](Self::run) is polled.
    #[must_use]
    pub fn new(runtime: &Runtime, settings: &Settings, hub: Hub) -> Self {
        let policy: LivePolicy = policies::live(settings);
        let tally = Tally::new();
        runtime.observed.listen(Arc::new(tally));
        let node = NodeView {
            id: policy.node.clone(),
            region: policy.node.clone(),
            version: env!("CARGO_PKG_VERSION"),
            started: Moment::now().unix_ms(),
        };
        let places = Arc::new(Semaphore::new(policy.max_viewers));
        let sources = Sources { runtime: runtime.clone(), hub, tally, policy };
        let shared = Shared {
            sources,
            node,
            arrivals: Mutex::default(),
            arrived: Notify::new(),
            places,
            is_closed: AtomicBool::new(false),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Lets a viewer of a profile in: of the default profile where none is named.
    ///
    /// # Errors
    ///
    /// Why it cannot be let in.
    pub fn join(&self, profile: Option<&str>) -> Result<Viewer, Refusal> {
        let shared = &self.shared;
        if shared.is_closed.load(Ordering::Acquire) {
            return Err(Refusal::Ending);
        }
        let catalog = shared.sources.runtime.live.load();
        let profile = catalog.profile(profile.unwrap_or(DEFAULT_PROFILE));
        let slug = profile.map(|(_, profile)| profile.slug.clone()).ok_or(Refusal::UnknownProfile)?;
        let place = shared.places.clone().try_acquire_owned().map_err(|_| Refusal::Full)?;
        let mailbox = Arc::new(Mailbox::new(place));
        shared.arrivals().push((slug, mailbox.clone()));
        shared.arrived.notify_one();
        Ok(Viewer { mailbox })
    }

    /// The streams of a profile; of the default profile where none is named. Nothing without such a profile.
    #[must_use]
    pub fn streams(&self, profile: Option<&str>) -> Option<Vec<StreamView>> {
        let sources = &self.shared.sources;
        let catalog = sources.runtime.live.snapshot();
        let (_, profile) = catalog.profile(profile.unwrap_or(DEFAULT_PROFILE))?;
        Some(streams(&sources.hub, profile))
    }

    /// Lets all viewers go, and nobody in any more.
    pub fn stop(&self) {
        self.shared.is_closed.store(true, Ordering::Release);
        self.shared.arrived.notify_one();
    }

    /// Keeps viewers up to date for as long as it is polled; dropping the future lets all of them go.
    /// `client_websockets` says how many WebSockets of clients are open.
    ///
    /// Must be polled within a tokio runtime, and by one task at a time.
    pub async fn run(self, client_websockets: impl Fn() -> usize) {
        let mut director = Director::new(self.shared.clone());
        loop {
            // Whoever arrived before is noticed too.
            self.shared.arrived.notified().await;
            let _watch = self.shared.sources.runtime.observed.feed().watch();
            director.dropped = self.shared.sources.runtime.observed.feed().dropped();
            let mut ticks = interval(self.shared.sources.policy.batch_interval);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while director.is_busy() {
                ticks.tick().await;
                director.tick(&client_websockets, Moment::now());
            }
        }
    }
}

impl fmt::Debug for Broadcasts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let free = self.shared.places.available_permits();
        f.debug_struct("Broadcasts").field("free_places", &free).finish_non_exhaustive()
    }
}

impl Shared {
    fn arrivals(&self) -> MutexGuard<'_, Vec<(SmolStr, Arc<Mailbox>)>> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The aggregators of all profiles that are watched.
struct Director {
    shared: Arc<Shared>,
    around: Surroundings,
    profiles: HashMap<SmolStr, Aggregator>,
    events: Vec<crate::observe::Event>,
    /// Events that the feed had lost when it was last asked.
    dropped: u64,
    system: System,
}

impl Director {
    fn new(shared: Arc<Shared>) -> Self {
        let around =
            Surroundings { sources: shared.sources.clone(), node: shared.node.clone(), system: None };
        Self {
            shared,
            around,
            profiles: HashMap::default(),
            events: Vec::new(),
            dropped: 0,
            system: System::Unknown,
        }
    }

    fn is_busy(&self) -> bool {
        !self.profiles.is_empty() || !self.shared.arrivals().is_empty()
    }

    fn tick(&mut self, client_websockets: impl Fn() -> usize, now: Moment) {
        let catalog = self.around.sources.runtime.live.snapshot();
        if self.around.sources.policy.system {
            self.system.look(&mut self.around, client_websockets, now.instant);
        }
        let arrivals = std::mem::take(&mut *self.shared.arrivals());
        for (slug, viewer) in arrivals {
            if !self.profiles.contains_key(&slug) {
                let Some(new) = Aggregator::new(&self.around, &catalog, &slug, now) else {
                    // Its profile went in the meantime.
                    viewer.close();
                    continue;
                };
                self.profiles.insert(slug.clone(), new);
            }
            if let Some(aggregator) = self.profiles.get_mut(&slug) {
                aggregator.enter(viewer);
            }
        }
        self.hear(now.instant);
        let is_closed = self.shared.is_closed.load(Ordering::Acquire);
        self.profiles.retain(|_, aggregator| {
            if is_closed {
                aggregator.end();
            }
            !is_closed && aggregator.tick(&self.around, &catalog, now)
        });
    }

    /// Takes what happened since the last time to those whom it concerns.
    fn hear(&mut self, now: Instant) {
        let feed = self.around.sources.runtime.observed.feed();
        feed.take(&mut self.events);
        let lost = feed.dropped() - std::mem::replace(&mut self.dropped, feed.dropped());
        for aggregator in self.profiles.values_mut() {
            self.events.iter().for_each(|event| aggregator.hear(event, now));
            aggregator.lost(lost);
        }
        self.events.clear();
    }
}

impl Drop for Director {
    fn drop(&mut self) {
        self.profiles.values_mut().for_each(Aggregator::end);
        self.shared.arrivals().drain(..).for_each(|(_, viewer)| viewer.close());
    }
}

/// The look at the process, which reads files and so has a thread of its own.
enum System {
    Unknown,
    Looking(JoinHandle<(Meter, SystemView)>),
    Known { meter: Meter, again: Instant },
}

impl System {
    fn look(&mut self, around: &mut Surroundings, client_websockets: impl Fn() -> usize, now: Instant) {
        let meter = match std::mem::replace(self, Self::Unknown) {
            Self::Unknown => Meter::new(&Handle::current(), now),
            Self::Known { meter, again } if again <= now => meter,
            Self::Looking(looking) if looking.is_finished() => {
                use futures_util::FutureExt;
                match looking.now_or_never() {
                    Some(Ok((meter, view))) => {
                        around.system = Some(view);
                        *self = Self::Known { meter, again: now + SYSTEM };
                    }
                    Some(Err(error)) => tracing::error!(%error, "the look at the process panicked"),
                    None => {}
                }
                return;
            }
            waiting => {
                *self = waiting;
                return;
            }
        };
        let (sources, open) = (around.sources.clone(), client_websockets());
        *self = Self::Looking(tokio::task::spawn_blocking(move || {
            let mut meter = meter;
            let view = meter.look(&sources, open, &Handle::current(), Instant::now());
            (meter, view)
        }));
    }
}

/// One viewer: the body of its response. Dropping it is how a viewer leaves.
#[derive(Debug)]
pub struct Viewer {
    mailbox: Arc<Mailbox>,
}

impl http_body::Body for Viewer {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.mailbox.poll(cx).map(|message| message.map(|message| Ok(Frame::data(message))))
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.mailbox.close();
    }
}
