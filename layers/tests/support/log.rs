//! What was said as tracing events.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex};

use serde_json::{Value, json};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Dispatch, Level, Metadata, Subscriber, span};

/// Wants nothing, and lives as long as the tests. While there is only one dispatcher, `tracing` asks whichever thread
/// meets an event first whether it is wanted, and keeps a no for all threads.
static SECOND: LazyLock<Dispatch> =
    LazyLock::new(|| Dispatch::new(Log { level: LevelFilter::OFF, events: Arc::default() }));

/// Keeps every event of this thread that is at or above a level.
#[derive(Clone)]
pub(crate) struct Log {
    level: LevelFilter,
    pub(crate) events: Arc<Mutex<Vec<Entry>>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) level: Level,
    pub(crate) fields: BTreeMap<&'static str, Value>,
}

impl Log {
    pub(crate) fn at(level: LevelFilter) -> (Self, tracing::subscriber::DefaultGuard) {
        LazyLock::force(&SECOND);
        let log = Self { level, events: Arc::default() };
        let guard = tracing::subscriber::set_default(log.clone());
        (log, guard)
    }

    /// The entries with this value of `event`.
    pub(crate) fn entries(&self, event: &str) -> Vec<Entry> {
        let events = self.events.lock().unwrap();
        events.iter().filter(|entry| entry.fields.get("event") == Some(&json!(event))).cloned().collect()
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.level
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut entry = Entry { level: *event.metadata().level(), fields: BTreeMap::new() };
        event.record(&mut entry);
        self.events.lock().unwrap().push(entry);
    }
}

impl Visit for Entry {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.fields.insert(field.name(), json!(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.insert(field.name(), json!(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.fields.insert(field.name(), json!(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.fields.insert(field.name(), json!(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.fields.insert(field.name(), json!(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.fields.insert(field.name(), json!(value));
    }
}
