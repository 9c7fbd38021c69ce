//! Series that are kept from one scrape to the next.

use metrics::{Counter, Histogram, Key, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

/// A name under which figures are published, and what they are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Metric {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
}

impl Metric {
    pub(super) const fn new(name: &'static str, help: &'static str) -> Self {
        Self { name, help }
    }

    pub(super) fn key(self, labels: Vec<Label>) -> Key {
        Key::from_parts(self.name, labels)
    }
}

/// A histogram of milliseconds, with the upper bounds of its buckets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    pub(super) metric: Metric,
    pub(super) bounds: &'static [f64],
}

/// The labels of a series. Values come from the configuration or from the code, never from a request.
pub(super) fn labels<const N: usize>(pairs: [(&'static str, &str); N]) -> Vec<Label> {
    pairs.map(|(name, value)| Label::new(name, value.to_owned())).into()
}

/// What recorders are told of where a metric comes from; these do not care.
pub(super) static METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, None);

/// Counters and histograms that are written to where things happen.
///
/// A recorder of its own, and not the one of the process: embedders have their own plans with that.
#[derive(Debug)]
pub(super) struct Book {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
}

impl Book {
    /// Knows these metrics.
    pub(super) fn new(counters: &[Metric], timings: &[Timing]) -> Self {
        let builder = timings.iter().fold(PrometheusBuilder::new(), |builder, timing| {
            let name = Matcher::Full(timing.metric.name.to_owned());
            builder.set_buckets_for_metric(name, timing.bounds).expect("every histogram has buckets")
        });
        let recorder = builder.build_recorder();
        for Metric { name, help } in counters.iter().copied() {
            recorder.describe_counter(name.into(), None, help.into());
        }
        for Metric { name, help } in timings.iter().map(|timing| timing.metric) {
            recorder.describe_histogram(name.into(), None, help.into());
        }
        let handle = recorder.handle();
        Self { recorder, handle }
    }

    /// The counter with these labels: the same one whenever it is asked for. Hashes them all; keep it where it is used
    /// often.
    pub(super) fn counter(&self, metric: Metric, labels: Vec<Label>) -> Counter {
        self.recorder.register_counter(&metric.key(labels), &METADATA)
    }

    /// As [`counter`](Self::counter).
    pub(super) fn histogram(&self, timing: Timing, labels: Vec<Label>) -> Histogram {
        self.recorder.register_histogram(&timing.metric.key(labels), &METADATA)
    }

    /// Sorts what histograms recorded into their buckets. Until then every sample is kept, so somebody has to do it now
    /// and then, whether or not anybody scrapes. Takes about ten nanoseconds a sample.
    pub(super) fn tidy(&self) {
        self.handle.run_upkeep();
    }

    /// Everything in the text format of Prometheus.
    pub(super) fn render(&self) -> String {
        self.handle.render()
    }
}
