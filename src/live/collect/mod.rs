//! From the stores of the process to what pages show.
//!
//! What routing decides by is looked at often, and costs a few loads a provider. Figures over all methods mean sorting
//! hundreds of latencies: they are made once a second, chain by chain, each at its own time.

mod chain;
mod figures;
mod issues;
mod names;
mod provider;
mod streams;
mod system;

use std::time::Duration;

use foldhash::HashMap;
use lasso_layers::catalog::Profile;
use smol_str::SmolStr;
use tokio::time::Instant;

use self::figures::ChainFigures;
pub(super) use self::figures::stats;
pub(super) use self::names::Names;
pub(crate) use self::streams::streams;
pub(super) use self::system::Meter;
use super::policy::LivePolicy;
use super::tally::Tally;
use super::view::{ChainView, DecisionView, ProviderView, StreamView};
use crate::clock::Moment;
use crate::runtime::Runtime;
use crate::streams::Hub;

/// How old the figures of a chain may be.
const FIGURES: Duration = Duration::from_secs(1);

/// Where everything is looked up.
#[derive(Clone, Debug)]
pub(super) struct Sources {
    pub(super) runtime: Runtime,
    pub(super) hub: Hub,
    pub(super) tally: Tally,
    pub(super) policy: LivePolicy,
}

/// What there is to see of a profile.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Views {
    pub(super) chains: Vec<ChainView>,
    pub(super) providers: Vec<ProviderView>,
    pub(super) streams: Vec<StreamView>,
}

/// Looks at one profile again and again.
#[derive(Debug, Default)]
pub(super) struct Collector {
    /// By the chain's key, with the time they are made again.
    figures: HashMap<SmolStr, (Instant, ChainFigures)>,
}

impl Collector {
    /// What there is to see now. `last` are the last calls by chain.
    pub(super) fn look(
        &mut self,
        sources: &Sources,
        profile: &Profile,
        last: &HashMap<SmolStr, DecisionView>,
        now: Moment,
    ) -> Views {
        let mut views = Views::default();
        let chains = profile.chains();
        for (at, chain) in (0_u32..).zip(chains) {
            let spread = FIGURES * at / u32::try_from(chains.len()).unwrap_or(u32::MAX);
            let figures = self.figures(sources, profile, chain, spread, now);
            let first = views.providers.len();
            let providers = chain.providers.iter();
            views.providers.extend(
                providers.map(|provider| provider::view(sources, chain, provider, figures, now.instant)),
            );
            let providers = &views.providers[first..];
            views.chains.push(chain::view(
                sources,
                chain,
                providers,
                figures,
                last.get(&chain.key),
                now.instant,
            ));
        }
        views.streams = streams(&sources.hub, profile);
        views
    }

    /// The figures of a chain, made anew if they are old. The first ones are, and later ones come at times of their own,
    /// so that those of many chains do not come at once.
    fn figures(
        &mut self,
        sources: &Sources,
        profile: &Profile,
        chain: &lasso_layers::catalog::Chain,
        spread: Duration,
        now: Moment,
    ) -> &ChainFigures {
        let make = || ChainFigures::of(sources, profile, chain, now.instant);
        let (due, figures) =
            self.figures.entry(chain.key.clone()).or_insert_with(|| (now.instant + spread, make()));
        if *due <= now.instant {
            (*due, *figures) = (now.instant + FIGURES, make());
        }
        figures
    }
}
