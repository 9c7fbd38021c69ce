//! The log as it is written.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use lasso_rpc::telemetry::{NestedJson, PlainText};
use serde_json::Value;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;

use super::log::Log;

/// What was logged on this thread, as text or as JSON.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    /// Keeps everything that this crate and its layers say at this level, and of others what they say by default, in
    /// both formats.
    pub(crate) fn at(level: LevelFilter) -> (Self, DefaultGuard) {
        // Makes sure that this thread is not the only one with a subscriber.
        drop(Log::at(LevelFilter::OFF));
        let targets = Targets::new()
            .with_default(LevelFilter::WARN)
            .with_target("lasso_rpc", level)
            .with_target("lasso_layers", level);
        let lines = Self::default();
        let (text, json) = (lines.clone(), lines.clone());
        let text = tracing_subscriber::fmt::layer().event_format(PlainText).with_writer(move || text.clone());
        let json =
            tracing_subscriber::fmt::layer().event_format(NestedJson).with_writer(move || json.clone());
        let subscriber = tracing_subscriber::registry().with(targets).with(text).with(json);
        (lines, tracing::subscriber::set_default(subscriber))
    }

    /// All of it.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The events of this name, from their lines of JSON.
    pub(crate) fn events(&self, name: &str) -> Vec<Value> {
        let text = self.text();
        let objects = text.lines().filter(|line| line.starts_with('{'));
        let events = objects.map(|line| serde_json::from_str::<Value>(line).expect("a line is an object"));
        events.filter(|event| event["event"] == name).collect()
    }
}
