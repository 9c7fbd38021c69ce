//! The records of all providers.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::time::Instant;

use super::series::Cell;
use super::{Series, Summary};
use crate::catalog::{ChannelKey, MethodId, ProviderKey, Transport};
use crate::state::{CallWindow, LatencyReading, Origin, Percentiles, Shared, Table, WindowCount};

/// How providers did, by method. A handle: clones share the records.
#[derive(Clone, Copy)]
pub struct Benchmarks {
    store: Shared<Store>,
}

struct Store {
    providers: Table<OnceLock<Box<Records>>>,
    /// The last latency of a probe by channel, in nanoseconds; 0 where there was none.
    probes: Table<AtomicU64>,
    origin: Origin,
}

/// The records of one provider. They come into being with the first of each transport.
#[derive(Default)]
struct Records {
    http: OnceLock<Methods>,
    ws: OnceLock<Methods>,
    window: CallWindow,
}

/// By method; a provider is asked for few of them. A record that expires is taken out whole, so that nobody ever
/// sees one that is half cleared.
type Methods = Box<[ArcSwapOption<Cell>]>;

impl Benchmarks {
    /// Nothing recorded.
    #[must_use]
    pub fn new() -> Self {
        let store = Store { providers: Table::new(), probes: Table::new(), origin: Origin::now() };
        Self { store: Shared::new(store) }
    }

    /// Records a success and how long it took.
    pub fn success(&self, series: Series, latency: Duration, now: Instant) {
        self.record(series, false, now, |cell, now| cell.success(latency, now));
    }

    /// Records a failure. Its duration says nothing about how fast the provider is.
    pub fn failure(&self, series: Series, now: Instant) {
        self.record(series, true, now, Cell::failure);
    }

    /// Notes how long a probe of a channel took: a hint for as long as nothing better is known.
    pub fn probed(&self, channel: ChannelKey, latency: Duration) {
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX).max(1);
        self.store.probes.cell(channel.index()).store(nanos, Ordering::Relaxed);
    }

    /// How long the last probe of a channel took.
    #[must_use]
    pub fn probe_latency(&self, channel: ChannelKey) -> Option<Duration> {
        match self.store.probes.cell(channel.index()).load(Ordering::Relaxed) {
            0 => None,
            nanos => Some(Duration::from_nanos(nanos)),
        }
    }

    /// Forgets the last probe of a channel that is no longer used.
    pub fn forget_probe(&self, channel: ChannelKey) {
        self.store.probes.cell(channel.index()).store(0, Ordering::Relaxed);
    }

    /// The record of a series, once it has one.
    #[must_use]
    pub fn read(&self, series: Series) -> Option<Summary> {
        let cell = self.slot(series)?.load();
        cell.as_ref().map(|cell| cell.summary(self.store.origin))
    }

    /// The record of a series as [`read`](Self::read) has it, and how the latencies of all its successes are
    /// distributed: what was between two readings is the [difference](LatencyReading::since).
    #[must_use]
    pub fn reading(&self, series: Series) -> Option<(Summary, LatencyReading)> {
        let cell = self.slot(series)?.load();
        cell.as_ref().map(|cell| (cell.summary(self.store.origin), cell.latencies()))
    }

    /// The latencies of the last successes of a series.
    #[must_use]
    pub fn recent(&self, series: Series) -> Percentiles {
        let cell = self.slot(series).and_then(ArcSwapOption::load_full);
        cell.map(|cell| cell.recent().snapshot()).unwrap_or_default()
    }

    /// The calls of a provider in the last `window`, in whole seconds and at most 64 of them, over all its
    /// methods and transports.
    #[must_use]
    pub fn calls_within(&self, provider: ProviderKey, window: Duration, now: Instant) -> WindowCount {
        let records = self.store.providers.cell(provider.index()).get();
        records
            .map(|records| records.window.last(window.as_secs(), self.store.origin.millis(now) / 1_000))
            .unwrap_or_default()
    }

    /// Drops every series without an outcome for longer than `retention`, and returns how many there were.
    ///
    /// An outcome that is recorded in the same instant may be lost with the series it belongs to.
    pub fn expire(&self, now: Instant, retention: Duration) -> usize {
        let now = self.store.origin.millis(now);
        let providers = self.store.providers.iter().filter_map(OnceLock::get);
        let transports = providers.flat_map(|records| [records.http.get(), records.ws.get()]).flatten();
        transports.flatten().filter(|slot| drop_idle(slot, now, retention)).count()
    }

    /// What is recorded of one provider, HTTP before WebSocket and by method.
    pub(super) fn series_of(
        &self,
        provider: ProviderKey,
    ) -> impl Iterator<Item = (Series, Summary, Percentiles)> {
        let records = self.store.providers.cell(provider.index()).get();
        let transports = [Transport::Http, Transport::Ws].into_iter();
        let methods =
            transports.filter_map(move |transport| Some((transport, records?.methods(transport).get()?)));
        methods.flat_map(move |(transport, methods)| {
            MethodId::all().zip(methods).filter_map(move |(method, slot)| {
                let cell = slot.load_full()?;
                let series = Series { provider, transport, method };
                Some((series, cell.summary(self.store.origin), cell.recent().snapshot()))
            })
        })
    }

    fn record(&self, series: Series, failed: bool, now: Instant, outcome: impl FnOnce(&Cell, u64)) {
        let now = self.store.origin.millis(now);
        let records = self.store.providers.cell(series.provider.index()).get_or_init(Box::default);
        records.window.add(now / 1_000, failed);
        let slots = records.methods(series.transport).get_or_init(no_methods);
        let slot = &slots[series.method.index()];
        let mut cell = slot.load();
        while cell.is_none() {
            // Whoever comes second finds the first one's.
            slot.compare_and_swap(&None::<Arc<Cell>>, Some(Arc::new(Cell::new(now))));
            cell = slot.load();
        }
        outcome(cell.as_ref().expect("there is one now"), now);
    }

    fn slot(&self, series: Series) -> Option<&ArcSwapOption<Cell>> {
        let records = self.store.providers.cell(series.provider.index()).get()?;
        Some(&records.methods(series.transport).get()?[series.method.index()])
    }
}

impl Default for Benchmarks {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Benchmarks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Benchmarks").finish_non_exhaustive()
    }
}

impl Records {
    const fn methods(&self, transport: Transport) -> &OnceLock<Methods> {
        match transport {
            Transport::Http => &self.http,
            Transport::Ws => &self.ws,
        }
    }
}

fn no_methods() -> Methods {
    MethodId::all().map(|_| ArcSwapOption::empty()).collect()
}

/// Empties a slot whose record is idle. Exactly the record that was looked at goes, not one that has taken its place.
fn drop_idle(slot: &ArcSwapOption<Cell>, now: u64, retention: Duration) -> bool {
    let cell = slot.load();
    if !cell.as_ref().is_some_and(|cell| cell.is_idle(now, retention)) {
        return false;
    }
    let found = slot.compare_and_swap(&*cell, None);
    found.as_ref().zip(cell.as_ref()).is_some_and(|(found, idle)| Arc::ptr_eq(found, idle))
}
