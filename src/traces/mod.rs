//! Traces of calls, sent to a collector in OpenTelemetry's protocol (OTLP over HTTP, protobuf).
//!
//! **How.** Spans are made when a call is over, from what its journal says: one for the call, one for the choice of
//! channels, one for each attempt. So calls pay nothing for traces while they run, and nothing at all where they are
//! not sampled. Ids are there from the beginning ([`Trace`]), so that providers can be told.
//! A stream that leaves its provider gets a span too, from the loss to the first event of the replacement.
//!
//! **What is never in a span:** parameters, results, addresses of providers, keys, the client's address.
//!
//! **Bounds.** Spans wait in a queue of [`TracePolicy::max_queued`] and are sent every
//! [`interval`](TracePolicy::interval) by one task. A full queue and a collector that does not take them drop spans; the
//! log says how many.

mod exporter;
mod span;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lasso_layers::call::Trace;
use lasso_layers::call::observe::{Observer, Report};
use opentelemetry_sdk::trace::SpanData;

pub use self::exporter::{Error, Exporter};
use crate::config::settings::Secret;
use crate::observe::{Event, Listener, StreamChange};

/// Where spans are sent, and how many may wait.
#[derive(Clone, Debug)]
pub struct TracePolicy {
    /// The collector's address, which may hold a key.
    pub endpoint: Secret,
    /// The name of this service.
    pub service_name: String,
    /// How long spans are gathered.
    pub interval: Duration,
    /// How long one sending may take.
    pub timeout: Duration,
    /// The most spans that wait.
    pub max_queued: usize,
    /// The share of traces that are recorded, of those that streams begin.
    pub sampling_rate: f64,
}

/// Makes spans of calls that are over. A handle: clones share the queue.
#[derive(Clone, Debug)]
pub struct Spans(Arc<Queue>);

#[derive(Debug)]
struct Queue {
    most: usize,
    sampling_rate: f64,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    spans: Vec<SpanData>,
    dropped: u64,
}

impl Spans {
    fn new(most: usize, sampling_rate: f64) -> Self {
        Self(Arc::new(Queue { most, sampling_rate, waiting: Mutex::default() }))
    }

    /// Puts the spans of one trace into the queue, all of them or none.
    fn push(&self, spans: impl ExactSizeIterator<Item = SpanData>) {
        let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.spans.len() + spans.len() > self.0.most {
            waiting.dropped += spans.len() as u64;
        } else {
            waiting.spans.extend(spans);
        }
    }

    fn take(&self) -> Waiting {
        std::mem::take(&mut *self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Observer for Spans {
    fn finished(&self, report: &Report<'_>) {
        if let Some(trace) = report.origin().trace.as_ref().filter(|trace| trace.is_sampled()) {
            self.push(span::of_call(report, trace).into_iter());
        }
    }

    fn cancelled(&self, report: &Report<'_>) {
        self.finished(report);
    }
}

impl Listener for Spans {
    fn noted(&self, event: &Event) {
        let Event::Stream(change @ StreamChange { recovery: Some(recovery), .. }) = event else { return };
        let trace = Trace::begin(None, &mut fastrand::Rng::new(), self.0.sampling_rate);
        if trace.is_sampled() {
            self.push(std::iter::once(span::of_recovery(change, *recovery, &trace)));
        }
    }
}
