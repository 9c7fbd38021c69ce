//! What is counted of one channel, whatever the number of profiles that use it.

use lasso_layers::catalog::{Catalog, Category, Transport};
use metrics::{Counter, Label};
use smol_str::{SmolStr, ToSmolStr};

use super::cells::Cells;
use super::names::ADMIT;
use crate::metrics::book::{Book, labels};

/// What a breaker says to a channel that was chosen.
#[derive(Clone, Copy, Debug)]
pub(super) enum Decision {
    Admitted,
    Open,
    Busy,
}

impl Decision {
    const ALL: [Self; 3] = [Self::Admitted, Self::Open, Self::Busy];

    /// Of a channel that was skipped for this category; nothing where that was not the breaker's doing.
    pub(super) const fn of_skipped(category: Category) -> Option<Self> {
        match category {
            Category::CircuitOpen => Some(Self::Open),
            Category::HalfOpenBusy => Some(Self::Busy),
            _ => None,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Admitted => "admitted",
            Self::Open => "open",
            Self::Busy => "busy",
        }
    }
}

/// Names of a channel: those that it is known by in the log, so that it has one series in all profiles.
#[derive(Clone, Debug)]
pub(super) struct ChannelName {
    pub(super) chain: SmolStr,
    pub(super) provider: SmolStr,
    pub(super) instance: SmolStr,
    pub(super) transport: Transport,
}

impl ChannelName {
    pub(super) fn labels<const N: usize>(&self, more: [(&'static str, &str); N]) -> Vec<Label> {
        let mut all = labels([
            ("chain", &*self.chain),
            ("provider_id", &*self.provider),
            ("instance_id", &*self.instance),
            ("transport", self.transport.as_str()),
        ]);
        all.extend(labels(more));
        all
    }
}

/// The series of one channel.
#[derive(Debug)]
pub(super) struct ChannelSeries {
    name: ChannelName,
    admits: Cells<Counter, { Decision::ALL.len() }>,
}

impl ChannelSeries {
    pub(super) const fn new(name: ChannelName) -> Self {
        Self { name, admits: Cells::new() }
    }

    pub(super) fn admit(&self, book: &Book, decision: Decision) {
        let names = || self.name.labels([("decision", decision.as_str())]);
        self.admits.at(decision as usize, || book.counter(ADMIT, names())).increment(1);
    }
}

/// What a chain is called where it matters to all profiles: by the first one that has it, or by its number.
pub(in crate::metrics) fn chain_name(catalog: &Catalog, chain_id: u64) -> SmolStr {
    let mut chains = catalog.profiles().iter().flat_map(|profile| profile.chains());
    let found = chains.find(|chain| chain.chain_id == chain_id);
    found.map_or_else(|| chain_id.to_smolstr(), |chain| chain.key.clone())
}
