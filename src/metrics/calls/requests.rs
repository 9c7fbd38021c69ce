//! How many calls ended how, and after what time.

use std::time::Duration;

use lasso_layers::catalog::{MethodId, Transport};
use metrics::{Counter, Histogram, Label};

use super::cells::{Cells, METHODS, STATUSES, Status, TRANSPORTS, transport_index};
use super::names::{REQUEST_COUNT, REQUEST_DURATION};
use crate::metrics::book::{Book, labels};

const WIDTH: usize = TRANSPORTS * METHODS * STATUSES;

/// The calls that one provider answered, by method, transport and status; or those of one chain that none was asked
/// for.
#[derive(Debug)]
pub(super) struct Requests(Cells<Series, WIDTH>);

/// Whose calls they are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whose<'a> {
    pub(super) profile: &'a str,
    pub(super) chain: &'a str,
    pub(super) provider: &'a str,
}

#[derive(Debug)]
struct Series {
    count: Counter,
    duration: Histogram,
}

impl Requests {
    pub(super) const fn new() -> Self {
        Self(Cells::new())
    }

    pub(super) fn record(
        &self,
        book: &Book,
        whose: Whose<'_>,
        (transport, method, status): (Transport, MethodId, Status),
        took: Duration,
    ) {
        let at = (transport_index(transport) * METHODS + method.index()) * STATUSES + status.index();
        let series = self.0.at(at, || {
            let names = whose.labels([
                ("method", method.name()),
                ("transport", transport.as_str()),
                ("status", status.as_str()),
            ]);
            Series {
                count: book.counter(REQUEST_COUNT, names.clone()),
                duration: book.histogram(REQUEST_DURATION, names),
            }
        });
        series.count.increment(1);
        series.duration.record(millis(took));
    }
}

impl Whose<'_> {
    /// These labels, and whose the series is.
    pub(super) fn labels<const N: usize>(&self, more: [(&'static str, &str); N]) -> Vec<Label> {
        let Self { profile, chain, provider } = *self;
        let mut all = labels([("profile", profile), ("chain", chain), ("provider_id", provider)]);
        all.extend(labels(more));
        all
    }
}

pub(super) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
