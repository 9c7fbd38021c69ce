//! What is counted of one provider of one chain of one profile.

use std::time::Duration;

use lasso_layers::catalog::{Category, MethodId, Transport};
use metrics::{Counter, Histogram};
use smol_str::SmolStr;

use super::cells::{CATEGORIES, Cells, METHODS, STATUSES, Status, TRANSPORTS, transport_index};
use super::names::{
    CIRCUIT_OPEN, DEGRADED_SUCCESS, FAST_FAIL, HTTP_LATENCY, WS_LATENCY, WS_REQUEST_DURATION,
};
use super::requests::{Requests, Whose, millis};
use crate::metrics::book::Book;

/// The series of one provider. Labels are those of the catalogue in which it was first met: they stay when a chain gets
/// another key.
#[derive(Debug)]
pub(super) struct ProviderSeries {
    profile: SmolStr,
    chain: SmolStr,
    id: SmolStr,
    requests: Requests,
    latency: Cells<Histogram, { TRANSPORTS * METHODS }>,
    over_websocket: Cells<Histogram, { METHODS * STATUSES }>,
    fast_fail: Cells<Counter, { TRANSPORTS * CATEGORIES }>,
    circuit_open: Cells<Counter, TRANSPORTS>,
    degraded_success: Cells<Counter, TRANSPORTS>,
}

impl ProviderSeries {
    pub(super) const fn new(profile: SmolStr, chain: SmolStr, id: SmolStr) -> Self {
        Self {
            profile,
            chain,
            id,
            requests: Requests::new(),
            latency: Cells::new(),
            over_websocket: Cells::new(),
            fast_fail: Cells::new(),
            circuit_open: Cells::new(),
            degraded_success: Cells::new(),
        }
    }

    /// A call whose answer came from here, or whose last failure did.
    pub(super) fn request(&self, book: &Book, series: (Transport, MethodId, Status), took: Duration) {
        self.requests.record(book, self.whose(), series, took);
    }

    /// Something was sent here. `error` is what came of it, if not an answer.
    pub(super) fn sent(
        &self,
        book: &Book,
        transport: Transport,
        method: MethodId,
        error: Option<Category>,
        took: Duration,
    ) {
        // How long a refused connection takes says nothing about how long answers do. A timeout does: at least so long.
        if matches!(error, None | Some(Category::Timeout)) {
            let at = transport_index(transport) * METHODS + method.index();
            let timing = if transport == Transport::Http { HTTP_LATENCY } else { WS_LATENCY };
            let names = || self.whose().labels([("method", method.name())]);
            self.latency.at(at, || book.histogram(timing, names())).record(millis(took));
        }
        if transport == Transport::Ws {
            let status = Status::of(error);
            let names = || self.whose().labels([("method", method.name()), ("status", status.as_str())]);
            let at = method.index() * STATUSES + status.index();
            let series = self.over_websocket.at(at, || book.histogram(WS_REQUEST_DURATION, names()));
            series.record(millis(took));
        }
    }

    /// An attempt failed, and the call went on.
    pub(super) fn fast_fail(&self, book: &Book, transport: Transport, category: Category) {
        let at = transport_index(transport) * CATEGORIES + category as usize;
        let names = || {
            let more = [("transport", transport.as_str()), ("error_category", category.as_str())];
            self.whose().labels(more)
        };
        self.fast_fail.at(at, || book.counter(FAST_FAIL, names())).increment(1);
    }

    /// The breaker had opened since the channel was chosen.
    pub(super) fn circuit_open(&self, book: &Book, transport: Transport) {
        let names = || self.whose().labels([("transport", transport.as_str())]);
        let series = self.circuit_open.at(transport_index(transport), || book.counter(CIRCUIT_OPEN, names()));
        series.increment(1);
    }

    /// It answered on probation, for want of another.
    pub(super) fn degraded_success(&self, book: &Book, transport: Transport) {
        let names = || self.whose().labels([("transport", transport.as_str())]);
        let at = transport_index(transport);
        self.degraded_success.at(at, || book.counter(DEGRADED_SUCCESS, names())).increment(1);
    }

    fn whose(&self) -> Whose<'_> {
        Whose { profile: &self.profile, chain: &self.chain, provider: &self.id }
    }
}
