//! Which upstreams there are to ask.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use lasso_layers::call::Plan;
use lasso_layers::catalog::{Catalog, Channel, InstanceKey};

/// An instance with an HTTP address, seen through the first provider that names it.
#[derive(Clone, Debug)]
pub(super) struct Target {
    plan: Plan,
    provider: u16,
    /// Time between two questions of one kind: the shortest of all profiles that name the instance.
    pub(super) interval: Duration,
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
    let mut known: HashMap<InstanceKey, usize> = HashMap::new();
    for profile in catalog.profiles() {
        for chain in profile.chains() {
            let interval = chain.settings.probe_interval;
            for (at, provider) in (0_u16..).zip(&chain.providers) {
                let Some(channel) = &provider.http else { continue };
                if let Some(index) = known.get(&channel.instance) {
                    let target = &mut targets[*index];
                    target.interval = target.interval.min(interval);
                    continue;
                }
                let plan = Plan::new(catalog.clone(), &profile.slug, &chain.chain_id.to_string())
                    .expect("the catalogue has its own profiles and chains");
                known.insert(channel.instance, targets.len());
                targets.push(Target { plan, provider: at, interval });
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
                (target.channel().endpoint.uri.host().unwrap().to_owned(), target.interval.as_secs())
            })
            .collect();
        let expected = [("shared.example", 4), ("slow.example", 9), ("quick.example", 4)];
        assert_eq!(seen, expected.map(|(host, seconds)| (host.to_owned(), seconds)));
    }
}
