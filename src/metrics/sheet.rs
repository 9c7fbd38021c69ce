//! Figures that are read off the stores of the process, for one scrape.

use std::collections::HashSet;
use std::fmt::Write;

use metrics::{Label, Recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};

use super::book::{METADATA, Metric};

/// Begins empty at every scrape, so that nothing of what a reload took away is left.
#[derive(Debug)]
pub(super) struct Sheet {
    recorder: PrometheusRecorder,
    described: HashSet<&'static str>,
    /// Counters with fractions, which the recorder does not have.
    fractions: String,
}

impl Sheet {
    pub(super) fn new() -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        Self { recorder, described: HashSet::new(), fractions: String::new() }
    }

    /// A figure that goes up and down.
    pub(super) fn gauge(&mut self, metric: Metric, labels: Vec<Label>, value: impl Figure) {
        if self.described.insert(metric.name) {
            self.recorder.describe_gauge(metric.name.into(), None, metric.help.into());
        }
        self.recorder.register_gauge(&metric.key(labels), &METADATA).set(value.figure());
    }

    /// A figure that only grows, as long as the process lives.
    pub(super) fn counter(&mut self, metric: Metric, labels: Vec<Label>, value: u64) {
        if self.described.insert(metric.name) {
            self.recorder.describe_counter(metric.name.into(), None, metric.help.into());
        }
        self.recorder.register_counter(&metric.key(labels), &METADATA).absolute(value);
    }

    /// Seconds that only grow.
    pub(super) fn seconds(&mut self, Metric { name, help }: Metric, value: f64) {
        let lines = format!("# HELP {name} {help}\n# TYPE {name} counter\n{name} {value}\n\n");
        self.fractions.push_str(&lines);
    }

    /// Writes everything in the text format of Prometheus.
    pub(super) fn render_to(self, text: &mut String) {
        // A text takes whatever is written to it.
        let _ = write!(text, "{}{}", self.recorder.handle().render(), self.fractions);
    }
}

/// A number as Prometheus has them. What is beyond 2^53 loses its last digits.
pub(super) trait Figure {
    fn figure(self) -> f64;
}

impl Figure for f64 {
    fn figure(self) -> f64 {
        self
    }
}

impl Figure for u64 {
    fn figure(self) -> f64 {
        self as f64
    }
}

impl Figure for u32 {
    fn figure(self) -> f64 {
        self.into()
    }
}

impl Figure for usize {
    fn figure(self) -> f64 {
        self as f64
    }
}

/// 1 or 0.
impl Figure for bool {
    fn figure(self) -> f64 {
        u8::from(self).into()
    }
}
