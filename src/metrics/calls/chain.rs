//! What is counted of one chain of one profile.

use std::time::Duration;

use lasso_layers::catalog::{Category, MethodId, Strategy, Transport};
use metrics::{Counter, Label};
use smol_str::SmolStr;

use super::cells::{CATEGORIES, Cells, STATUSES, Status, transport_index};
use super::names::{CANCELLED, DEGRADED_MODE, ERRORS, EXHAUSTION, ROUTE_REQUESTS};
use super::requests::{Requests, Whose};
use crate::metrics::book::{Book, Metric, labels};

/// How clients come: over HTTP, over WebSocket, or from inside the process.
const ENTRANCES: usize = 3;

/// What stands for a name where there is none.
const NONE: &str = "none";

/// The series of one chain; labels as with providers.
#[derive(Debug)]
pub(super) struct ChainSeries {
    profile: SmolStr,
    chain: SmolStr,
    /// Calls that no provider was asked for.
    requests: Requests,
    routes: Cells<Counter, { Strategy::ALL.len() * ENTRANCES * STATUSES }>,
    errors: Cells<Counter, CATEGORIES>,
    rare: Cells<Counter, { Rare::ALL.len() }>,
}

/// What does not happen often.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rare {
    /// The client left.
    Cancelled,
    /// There were only providers on probation.
    DegradedMode,
    /// There was no channel at all.
    Exhaustion,
}

impl Rare {
    const ALL: [Metric; 3] = [CANCELLED, DEGRADED_MODE, EXHAUSTION];
}

impl ChainSeries {
    pub(super) const fn new(profile: SmolStr, chain: SmolStr) -> Self {
        Self {
            profile,
            chain,
            requests: Requests::new(),
            routes: Cells::new(),
            errors: Cells::new(),
            rare: Cells::new(),
        }
    }

    /// For calls to chains or profiles that there are not. What clients call them is not written down.
    pub(super) const fn unknown() -> Self {
        Self::new(SmolStr::new_static("unknown"), SmolStr::new_static("unknown"))
    }

    /// A call that no provider was asked for: answered here, or refused.
    pub(super) fn request(&self, book: &Book, series: (Transport, MethodId, Status), took: Duration) {
        let whose = Whose { profile: &self.profile, chain: &self.chain, provider: NONE };
        self.requests.record(book, whose, series, took);
    }

    /// A call that came in by this way.
    pub(super) fn route(&self, book: &Book, strategy: Strategy, entrance: Option<Transport>, status: Status) {
        let entry = entrance.map_or(ENTRANCES - 1, transport_index);
        let at = (strategy.index() * ENTRANCES + entry) * STATUSES + status.index();
        let names = || {
            self.labels([
                ("strategy", strategy.as_str()),
                ("transport", entrance.map_or(NONE, Transport::as_str)),
                ("status", status.as_str()),
            ])
        };
        self.routes.at(at, || book.counter(ROUTE_REQUESTS, names())).increment(1);
    }

    /// A client got an error.
    pub(super) fn error(&self, book: &Book, category: Category) {
        let names = || self.labels([("category", category.as_str())]);
        self.errors.at(category as usize, || book.counter(ERRORS, names())).increment(1);
    }

    pub(super) fn rare(&self, book: &Book, rare: Rare) {
        let metric = Rare::ALL[rare as usize];
        self.rare.at(rare as usize, || book.counter(metric, self.labels([]))).increment(1);
    }

    fn labels<const N: usize>(&self, more: [(&'static str, &str); N]) -> Vec<Label> {
        let mut all = labels([("profile", &*self.profile), ("chain", &*self.chain)]);
        all.extend(labels(more));
        all
    }
}
