//! The latest changes, in memory.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lasso_layers::attempt::breaker::BreakerState;
use lasso_layers::call::observe::{Observer, Report};
use lasso_layers::catalog::{Catalog, Category, InstanceKey, Transport};

use super::{BreakerEntry, Entries, Place};
use crate::observe::{BreakerChange, Event, Listener};

/// How many changes are kept.
const KEPT: usize = 2_000;

/// The latest changes of all breakers. A handle; clones share them.
#[derive(Clone, Debug, Default)]
pub struct BreakerLog(Arc<Mutex<Ring>>);

#[derive(Debug, Default)]
struct Ring {
    kept: VecDeque<Noted>,
    /// How many there ever were, and so the number of the next.
    count: u64,
}

/// A change as it is noted: without names, because nobody waits while they are looked up.
#[derive(Clone, Copy, Debug)]
struct Noted {
    ts_ms: u64,
    number: u64,
    instance: InstanceKey,
    transport: Transport,
    from: BreakerState,
    to: BreakerState,
    reason: &'static str,
    category: Option<Category>,
}

impl BreakerLog {
    /// The changes from this number on that are still kept, with the names that this catalogue has for their
    /// channels. One that it has none for is left out.
    pub(crate) fn since(&self, number: u64, catalog: &Catalog) -> Entries {
        let noted: Vec<Noted> =
            self.ring().kept.iter().copied().filter(|noted| noted.number >= number).collect();
        if noted.is_empty() {
            return Entries::new();
        }
        let places = places(catalog);
        let named = noted.into_iter().filter_map(|noted| {
            let places = places.get(&(noted.instance, noted.transport))?.clone();
            Some(((noted.ts_ms, noted.number), noted.named(places)))
        });
        named.collect()
    }

    /// How many changes there ever were.
    pub(crate) fn count(&self) -> u64 {
        self.ring().count
    }

    fn note(&self, change: &BreakerChange) {
        let mut ring = self.ring();
        if ring.kept.len() == KEPT {
            ring.kept.pop_front();
        }
        let number = ring.count;
        ring.count += 1;
        let BreakerChange { ts_ms, instance, transport, from, to, reason, category, .. } = *change;
        ring.kept.push_back(Noted { ts_ms, number, instance, transport, from, to, reason, category });
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for BreakerLog {
    fn finished(&self, _report: &Report<'_>) {}
}

impl Listener for BreakerLog {
    fn noted(&self, event: &Event) {
        if let Event::Breaker(change) = event {
            self.note(change);
        }
    }
}

impl Noted {
    fn named(self, places: Vec<Place>) -> BreakerEntry {
        BreakerEntry {
            places,
            transport: self.transport,
            from: self.from,
            to: self.to,
            reason: self.reason.to_owned(),
            category: self.category.map(|category| category.to_string()),
        }
    }
}

/// Who uses each channel.
fn places(catalog: &Catalog) -> HashMap<(InstanceKey, Transport), Vec<Place>> {
    let mut places = HashMap::<_, Vec<_>>::new();
    for profile in catalog.profiles() {
        for chain in profile.chains() {
            for provider in &chain.providers {
                for channel in provider.channels() {
                    places.entry((channel.instance, channel.transport)).or_default().push(Place {
                        profile: profile.slug.to_string(),
                        chain: chain.key.to_string(),
                        provider: provider.id.to_string(),
                    });
                }
            }
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use lasso_layers::attempt::breaker::{BreakerPolicy, Breakers};
    use lasso_layers::catalog::{ChainSpec, Live, ProfileSpec, ProviderSpec};
    use tokio::time::Instant;

    use super::*;
    use crate::observe::Observed;

    /// Two profiles that share an upstream and call it by different names.
    fn shared() -> Live {
        let profile = |slug: &str, id: &str| {
            let chain = ChainSpec::new("base", 8453);
            ProfileSpec::new(slug).chain(chain.provider(ProviderSpec::http(id, "http://one.example")))
        };
        Live::new(vec![profile("default", "one"), profile("team", "uno")]).unwrap()
    }

    #[test]
    fn a_change_has_the_names_of_all_who_share_the_channel() {
        let (live, log, observed) = (shared(), BreakerLog::default(), Observed::new(0));
        observed.listen(Arc::new(log.clone()));
        let breakers = Breakers::new(BreakerPolicy::default());
        breakers.observe(move |channel, transition| observed.breaker_changed(channel, transition));
        let catalog = live.snapshot();
        let channel = catalog.profiles()[0].chains()[0].providers[0].http.clone().unwrap();
        breakers.open(&channel, Instant::now());
        breakers.close(&channel);

        let entries: Vec<_> = log.since(0, &catalog).into_values().collect();
        let place = |profile: &str, provider: &str| Place {
            profile: profile.to_owned(),
            chain: "base".to_owned(),
            provider: provider.to_owned(),
        };
        assert_eq!(entries[0].places, [place("default", "one"), place("team", "uno")]);
        let states: Vec<_> = entries.iter().map(|entry| (entry.from, entry.to)).collect();
        use BreakerState::{Closed, Open};
        assert_eq!(states, [(Closed, Open), (Open, Closed)]);
        assert_eq!((log.count(), log.since(1, &catalog).len(), log.since(2, &catalog).len()), (2, 1, 0));

        // Nobody uses it any more.
        let other = ChainSpec::new("base", 8453).provider(ProviderSpec::http("one", "http://two.example"));
        live.publish(vec![ProfileSpec::new("default").chain(other)]).unwrap();
        assert!(log.since(0, &live.snapshot()).is_empty());
    }

    #[test]
    fn only_the_latest_are_kept() {
        let (live, log) = (shared(), BreakerLog::default());
        let catalog = live.snapshot();
        let channel = catalog.profiles()[0].chains()[0].providers[0].http.clone().unwrap();
        let change = BreakerChange {
            ts_ms: 5,
            instance: channel.instance,
            instance_id: channel.instance_id.clone(),
            known_as: channel.known_as.clone(),
            chain_id: channel.chain_id,
            transport: Transport::Http,
            from: BreakerState::Closed,
            to: BreakerState::Open,
            reason: "manual",
            category: None,
            code: None,
            message: None,
            failures: 0,
            openings: 0,
            recovery_timeout: None,
        };
        for _ in 0..KEPT + 3 {
            log.noted(&Event::Breaker(change.clone()));
        }
        let entries = log.since(0, &catalog);
        assert_eq!((entries.len(), entries.keys().next()), (KEPT, Some(&(5, 3))));
    }
}
