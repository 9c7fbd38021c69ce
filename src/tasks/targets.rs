//! Which upstreams there are to ask.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use lasso_layers::call::Plan;
use lasso_layers::catalog::{Catalog, ChainSettings, Channel, InstanceKey};

/// An instance with an HTTP address, seen through the first provider that names it.
#[derive(Clone, Debug)]
pub(super) struct Target {
    plan: Plan,
    provider: u16,
    /// What its profiles want.
    pub(super) watch: Watch,
}

/// How an instance is watched: of all profiles that name it, what the most eager one wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Watch {
    /// Time between two questions of one kind.
    pub(super) interval: Duration,
    /// Silence after which a subscription to its heads counts as dead.
    pub(super) heads_timeout: Duration,
    /// Being further behind than so many blocks is worth an alert.
    pub(super) lag_alert: u64,
}

impl Watch {
    const fn of(settings: &ChainSettings) -> Self {
        Self {
            interval: settings.probe_interval,
            heads_timeout: settings.new_heads_timeout,
            lag_alert: settings.lag_alert_threshold_blocks,
        }
    }

    fn and(self, other: Self) -> Self {
        Self {
            interval: self.interval.min(other.interval),
            heads_timeout: self.heads_timeout.min(other.heads_timeout),
            lag_alert: self.lag_alert.min(other.lag_alert),
        }
    }
}

impl Target {
    /// The way to it.
    pub(super) const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The position of the provider in the plan's chain.
    pub(super) const fn provider(&self) -> u16 {
        self.provider
    }

    /// Its HTTP channel.
    pub(super) fn channel(&self) -> &Arc<Channel> {
        self.plan.provider(self.provider).http.as_ref().expect("a target has an HTTP channel")
    }

    /// The instance.
    pub(super) fn instance(&self) -> InstanceKey {
        self.channel().instance
    }

    /// EIP-155 id of its chain.
    pub(super) fn chain_id(&self) -> u64 {
        self.channel().chain_id
    }
}

/// Every instance of a catalogue with an HTTP address, once each, in the order of the catalogue.
pub(super) fn targets(catalog: &Arc<Catalog>) -> Vec<Target> {
    let mut targets: Vec<Target> = Vec::new();
    let mut known: BTreeMap<InstanceKey, usize> = BTreeMap::new();
    for profile in catalog.profiles() {
        for chain in profile.chains() {
            let watch = Watch::of(&chain.settings);
            for (at, provider) in (0_u16..).zip(&chain.providers) {
                let Some(channel) = &provider.http else { continue };
                if let Some(index) = known.get(&channel.instance) {
                    let target = &mut targets[*index];
                    target.watch = target.watch.and(watch);
                    continue;
                }
                let plan = Plan::new(catalog.clone(), &profile.slug, &chain.chain_id.to_string())
                    .expect("the catalogue has its own profiles and chains");
                known.insert(channel.instance, targets.len());
                targets.push(Target { plan, provider: at, watch });
            }
        }
    }
    targets
}

#[cfg(test)]
mod tests {
    use lasso_layers::catalog::{ChainSpec, Live, ProfileSpec, ProviderSpec};

    use super::*;

    fn chain(probe_interval: u64, addresses: &[&str]) -> ChainSpec {
        let mut chain = ChainSpec::new("ethereum", 1);
        chain.settings.probe_interval = Duration::from_millis(probe_interval);
        let providers =
            addresses.iter().map(|address| ProviderSpec::http(*address, format!("http://{address}")));
        chain.providers = providers.collect();
        chain
    }

    #[test]
    fn a_shared_instance_is_asked_as_often_as_the_most_eager_profile_wants() {
        let live = Live::new(vec![
            ProfileSpec::new("a").chain(chain(9_000, &["shared.example", "slow.example"])),
            ProfileSpec::new("default").chain(chain(4_000, &["quick.example", "shared.example"])),
        ])
        .unwrap();
        let seen: Vec<_> = targets(&live.snapshot())
            .iter()
            .map(|target| {
                (target.channel().endpoint.uri.host().unwrap().to_owned(), target.watch.interval.as_secs())
            })
            .collect();
        let expected = [("shared.example", 4), ("slow.example", 9), ("quick.example", 4)];
        assert_eq!(seen, expected.map(|(host, seconds)| (host.to_owned(), seconds)));
    }

    #[test]
    fn of_two_profiles_the_more_eager_wish_counts_in_everything() {
        let settings = |interval, heads_timeout, lag_alert| Watch {
            interval: Duration::from_secs(interval),
            heads_timeout: Duration::from_secs(heads_timeout),
            lag_alert,
        };
        assert_eq!(settings(1, 20, 3).and(settings(2, 10, 5)), settings(1, 10, 3));
    }
}
