//! Which status every provider had when it was looked at last.

use foldhash::HashMap;
use lasso_layers::catalog::{Catalog, Provider, ProviderKey};
use lasso_layers::state::health::Status;

/// The last look. Providers that the catalogue no longer has are forgotten at the next one.
#[derive(Debug, Default)]
pub(super) struct Statuses(HashMap<ProviderKey, Status>);

/// A provider has another status than at the look before, or is new.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change<'a> {
    pub(super) profile: &'a str,
    pub(super) chain: &'a str,
    pub(super) provider: &'a str,
    pub(super) status: Status,
}

impl Statuses {
    /// Looks at every provider and tells what changed.
    pub(super) fn look(
        &mut self,
        catalog: &Catalog,
        status_of: impl Fn(&Provider) -> Status,
        mut tell: impl FnMut(Change<'_>),
    ) {
        let before = std::mem::take(&mut self.0);
        for profile in catalog.profiles() {
            for chain in profile.chains() {
                for provider in &chain.providers {
                    let status = status_of(provider);
                    if before.get(&provider.key) != Some(&status) {
                        let (profile, chain) = (profile.slug.as_str(), chain.key.as_str());
                        tell(Change { profile, chain, provider: &provider.id, status });
                    }
                    self.0.insert(provider.key, status);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use lasso_layers::catalog::{ChainSpec, Live, ProfileSpec, ProviderSpec};

    use super::*;

    fn look(statuses: &mut Statuses, live: &Live, status: Status) -> Vec<(String, Status)> {
        let mut told = Vec::new();
        statuses.look(
            &live.load(),
            |_| status,
            |change| told.push((change.provider.to_owned(), change.status)),
        );
        told
    }

    #[test]
    fn a_status_is_told_when_it_is_new() {
        let chain = ChainSpec::new("ethereum", 1).provider(ProviderSpec::http("a", "http://a.example"));
        let live = Live::new(vec![ProfileSpec::new("default").chain(chain)]).unwrap();
        let mut statuses = Statuses::default();
        let healthy = ("a".to_owned(), Status::Healthy);
        assert_eq!(look(&mut statuses, &live, Status::Healthy), [healthy.clone()]);
        assert_eq!(look(&mut statuses, &live, Status::Healthy), []);
        assert_eq!(look(&mut statuses, &live, Status::Unhealthy), [("a".to_owned(), Status::Unhealthy)]);
        live.publish(vec![ProfileSpec::new("default").chain(ChainSpec::new("ethereum", 1))]).unwrap();
        assert_eq!(look(&mut statuses, &live, Status::Unhealthy), []);
        assert!(statuses.0.is_empty(), "a provider that is gone is forgotten");
    }
}
