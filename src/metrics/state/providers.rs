//! The providers and chains of every profile.

use lasso_layers::catalog::{Catalog, Chain, Profile, Provider};
use lasso_layers::state::health::Availability;
use metrics::Label;
use tokio::time::Instant;

use crate::metrics::book::{Metric, labels};
use crate::metrics::sheet::Sheet;
use crate::runtime::Runtime;

const UP: Metric = Metric::new(
    "lasso_provider_up",
    "Whether calls can be sent to a provider: 0 where every breaker is open, or probes and polls find it down.",
);
const STATUS: Metric = Metric::new("lasso_provider_status", "1 for the status that a provider has.");
const HEIGHT: Metric =
    Metric::new("lasso_provider_block_height", "The newest block that a provider told of.");
const LAG: Metric = Metric::new(
    "lasso_provider_block_lag",
    "Blocks that a provider is behind the consensus of its chain, less those it will have made since it was asked; 0 where it is ahead.",
);
const AGE: Metric =
    Metric::new("lasso_provider_block_age_seconds", "Seconds since a provider told of its height.");
const LIMITED: Metric = Metric::new(
    "lasso_provider_rate_limited_seconds",
    "For how much longer a provider that asked for fewer requests is used last; 0 where it did not.",
);
const STALLED: Metric =
    Metric::new("lasso_provider_stalled", "Whether attempts wait for a provider and nothing is heard of it.");
const CHAIN_HEIGHT: Metric =
    Metric::new("lasso_chain_block_height", "The block that the providers of a chain agree on.");
const CHAIN_PROVIDERS: Metric =
    Metric::new("lasso_chain_providers", "The providers that a chain has in a profile.");
const CHAIN_PROVIDERS_UP: Metric =
    Metric::new("lasso_chain_providers_up", "Those among them that calls can be sent to.");

pub(super) fn write(sheet: &mut Sheet, runtime: &Runtime, catalog: &Catalog, now: Instant) {
    for profile in catalog.profiles() {
        for chain in profile.chains() {
            let ups = chain.providers.iter().map(|provider| {
                let names = Names { profile, chain, provider };
                names.write(sheet, runtime, now)
            });
            let up = ups.filter(|up| *up).count();
            let names = || labels([("profile", &*profile.slug), ("chain", &*chain.key)]);
            sheet.gauge(CHAIN_PROVIDERS, names(), chain.providers.len());
            sheet.gauge(CHAIN_PROVIDERS_UP, names(), up);
            if let Some(height) = runtime.heights.consensus(chain.chain_id, now) {
                sheet.gauge(CHAIN_HEIGHT, names(), height);
            }
        }
    }
}

/// A provider and where it is.
#[derive(Clone, Copy)]
struct Names<'a> {
    profile: &'a Profile,
    chain: &'a Chain,
    provider: &'a Provider,
}

impl Names<'_> {
    /// Says whether it is up.
    fn write(self, sheet: &mut Sheet, runtime: &Runtime, now: Instant) -> bool {
        let Self { chain, provider, .. } = self;
        let health = runtime.provider_health(provider, now);
        let is_up = health.availability != Availability::Down;
        sheet.gauge(UP, self.labels([]), is_up);
        sheet.gauge(STATUS, self.labels([("status", health.status.as_str())]), true);
        for channel in &health.routing.channels {
            let names = || self.labels([("transport", channel.transport.as_str())]);
            let limited = channel.limited.unwrap_or_default();
            sheet.gauge(LIMITED, names(), limited.as_secs_f64());
            sheet.gauge(STALLED, names(), channel.stalled);
        }
        let instance = provider.channels().next().map(|channel| channel.instance);
        let standing = instance
            .and_then(|instance| runtime.heights.standing(chain.chain_id, instance, chain.block_time, now));
        if let Some(standing) = standing {
            let observation = standing.observation;
            sheet.gauge(HEIGHT, self.labels([]), observation.height);
            let age = now.saturating_duration_since(observation.at);
            sheet.gauge(AGE, self.labels([]), age.as_secs_f64());
            if let Some(ahead) = standing.optimistic_lag() {
                sheet.gauge(LAG, self.labels([]), ahead.min(0).unsigned_abs());
            }
        }
        is_up
    }

    fn labels<const N: usize>(self, more: [(&'static str, &str); N]) -> Vec<Label> {
        let Self { profile, chain, provider } = self;
        let mut all =
            labels([("profile", &*profile.slug), ("chain", &*chain.key), ("provider_id", &*provider.id)]);
        all.extend(labels(more));
        all
    }
}
