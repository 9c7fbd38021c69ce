//! The JSON pages beside the RPC, one file each.

mod breakers;
mod chains;
mod explain;
mod health;
mod history;
mod live;
mod metrics;
mod openapi;
mod parameters;
mod past;
mod ready;
mod requests;
mod series;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::StatusCode;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::Instant;

pub(super) use self::explain::{call_of, explain};
pub(super) use self::openapi::DOCUMENT;
use crate::history::History;
use crate::live::Broadcasts;
use crate::metrics::Metrics;
use crate::runtime::Runtime;
use crate::usage::Usage;

/// What the pages are made of.
#[derive(Debug)]
pub struct Api {
    runtime: Runtime,
    history: Option<History>,
    started: Instant,
    usage: Usage,
    /// Who may make a page of metrics: one at a time, because it takes a thread.
    metrics_turn: Arc<Semaphore>,
    live: Option<Broadcasts>,
    /// The process is about to end. Relaxed: it says everything by itself.
    is_ending: AtomicBool,
    /// What is counted, where anything is.
    figures: Option<Metrics>,
    /// Whether the figures can be had here.
    publishes: bool,
}

impl Api {
    /// Over these stores, of a process that began to serve at `started`.
    #[must_use]
    pub fn new(runtime: Runtime, history: Option<History>, started: Instant) -> Self {
        let metrics_turn = Arc::new(Semaphore::new(1));
        Self {
            runtime,
            history,
            started,
            usage: Usage::default(),
            metrics_turn,
            live: None,
            is_ending: AtomicBool::new(false),
            figures: None,
            publishes: false,
        }
    }

    /// Counts here how useful the cache is. With `publish` the figures can be had at `/metrics`.
    #[must_use]
    pub fn figures(self, figures: Metrics, publish: bool) -> Self {
        Self { figures: Some(figures), publishes: publish, ..self }
    }

    /// The figures, if they can be had here.
    pub(super) fn published(&self) -> Option<Metrics> {
        self.figures.clone().filter(|_| self.publishes)
    }

    /// Tells pages what happens while it does, and shows streams.
    #[must_use]
    pub fn live(self, live: Broadcasts) -> Self {
        Self { live: Some(live), ..self }
    }

    /// The process is about to end: it is not ready any more, and viewers are let go, who would stay for ever.
    pub(super) fn stop(&self) {
        self.is_ending.store(true, Ordering::Relaxed);
        if let Some(live) = &self.live {
            live.stop();
        }
    }
}

/// Status and body of a page.
fn page(status: StatusCode, body: &Value) -> (StatusCode, Bytes) {
    (status, Bytes::from(body.to_string()))
}

/// A value to so many decimals.
fn round(value: f64, decimals: i32) -> f64 {
    let scale = 10_f64.powi(decimals);
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_rounded_to_their_decimals() {
        for (value, decimals, expected) in [
            (99.96, 1, "100.0"),
            (0.123_45, 4, "0.1235"),
            (12.344, 2, "12.34"),
            (0.0, 2, "0.0"),
            (7.0, 2, "7.0"),
        ] {
            assert_eq!(Value::from(round(value, decimals)).to_string(), expected);
        }
    }
}
