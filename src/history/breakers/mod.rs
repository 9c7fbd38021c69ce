//! Changes of circuit breakers, for a time line: the latest ones in memory, all of them in the file.
//!
//! A breaker belongs to an instance, which providers of several profiles may share. When a change is written down, or
//! shown before it is, it is given the names of all providers that use the instance by then. So the file tells what
//! providers were called at the time.

mod codec;
mod log;
mod table;

use std::collections::BTreeMap;

use lasso_layers::attempt::breaker::BreakerState;
use lasso_layers::catalog::Transport;

pub use self::log::BreakerLog;
pub(super) use self::table::{TABLE, insert, pop_oldest, read};

/// The most changes in one answer.
const MAX_CHANGES: usize = 2_000;

/// A change of a breaker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakerEntry {
    /// Who uses the breaker's channel.
    pub places: Vec<Place>,
    /// The channel's protocol.
    pub transport: Transport,
    /// The state before.
    pub from: BreakerState,
    /// The state after.
    pub to: BreakerState,
    /// Why.
    pub reason: String,
    /// The kind of the failure that caused it, if one did.
    pub category: Option<String>,
}

/// A provider of a chain of a profile, by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The profile's slug.
    pub profile: String,
    /// The chain's key in the profile.
    pub chain: String,
    /// The provider's id.
    pub provider: String,
}

/// When a change was, in milliseconds since 1970, and its number in its process. Changes of one process never have the
/// same.
pub(crate) type Stamp = (u64, u64);

/// Changes by time.
pub(crate) type Entries = BTreeMap<Stamp, BreakerEntry>;

/// Which changes are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakerQuery {
    /// The slug of one profile, which need not exist any more.
    pub profile: String,
    /// The key of one chain; every chain where there is none.
    pub chain: Option<String>,
    /// The first moment, in seconds since 1970.
    pub from: u64,
    /// The moment after the last, in seconds since 1970.
    pub to: u64,
}

/// The newest of the changes that a query asks for, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BreakerPage {
    /// When each was, in milliseconds since 1970, and what it was, with the places that are asked for.
    pub entries: Vec<(u64, BreakerEntry)>,
    /// Whether there are older ones that are left out.
    pub truncated: bool,
}

impl BreakerQuery {
    /// The change with the places that are wanted; nothing if none is, or the time is not.
    fn pick(&self, (ts_ms, _): Stamp, mut entry: BreakerEntry) -> Option<BreakerEntry> {
        let is_in_time = (self.from.saturating_mul(1000)..self.to.saturating_mul(1000)).contains(&ts_ms);
        entry.places.retain(|place| {
            place.profile == self.profile && self.chain.as_ref().is_none_or(|chain| *chain == place.chain)
        });
        (is_in_time && !entry.places.is_empty()).then_some(entry)
    }
}

impl BreakerPage {
    /// Of what was found in the file, and of the latest, some of which may have been found there already.
    pub(crate) fn of(query: &BreakerQuery, mut found: Entries, latest: Entries) -> Self {
        for (stamp, entry) in latest {
            if let Some(entry) = query.pick(stamp, entry) {
                found.entry(stamp).or_insert(entry);
            }
        }
        let surplus = found.len().saturating_sub(MAX_CHANGES);
        let kept = found.into_iter().skip(surplus).map(|((ts_ms, _), entry)| (ts_ms, entry));
        Self { entries: kept.collect(), truncated: surplus > 0 }
    }
}

#[cfg(test)]
pub(super) fn entry(places: &[(&str, &str, &str)]) -> BreakerEntry {
    let place = |(profile, chain, provider): &(&str, &str, &str)| Place {
        profile: (*profile).to_owned(),
        chain: (*chain).to_owned(),
        provider: (*provider).to_owned(),
    };
    BreakerEntry {
        places: places.iter().map(place).collect(),
        transport: Transport::Http,
        from: BreakerState::Closed,
        to: BreakerState::Open,
        reason: "failure_threshold_exceeded".to_owned(),
        category: Some("server_error".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query() -> BreakerQuery {
        BreakerQuery { profile: "p".to_owned(), chain: None, from: 1, to: 3 }
    }

    #[test]
    fn a_change_is_shown_once_with_the_places_that_are_asked_for() {
        let shared = entry(&[("p", "c", "a"), ("q", "c", "b"), ("p", "d", "a")]);
        let mine = entry(&[("p", "c", "a"), ("p", "d", "a")]);
        let found = Entries::from([((1_000, 7), mine.clone())]);
        // It has been written down, and the provider has another name since.
        let renamed = entry(&[("p", "c", "z")]);
        let latest = Entries::from([((1_000, 7), renamed), ((2_999, 8), shared)]);
        let page = BreakerPage::of(&query(), found, latest);
        assert_eq!(page.entries, [(1_000, mine.clone()), (2_999, mine)]);
        assert!(!page.truncated);
    }

    #[test]
    fn other_times_profiles_and_chains_are_left_out() {
        let latest = Entries::from([
            ((999, 0), entry(&[("p", "c", "a")])),
            ((1_000, 1), entry(&[("q", "c", "a")])),
            ((2_000, 2), entry(&[("p", "d", "a")])),
            ((3_000, 3), entry(&[("p", "c", "a")])),
        ]);
        assert_eq!(BreakerPage::of(&query(), Entries::new(), latest.clone()).entries.len(), 1);
        let query = BreakerQuery { chain: Some("c".to_owned()), ..query() };
        assert_eq!(BreakerPage::of(&query, Entries::new(), latest), BreakerPage::default());
    }

    #[test]
    fn the_newest_are_kept_of_too_many() {
        let latest = |changes: usize| {
            (0..changes as u64).map(|at| ((1_000 + at / 10, at), entry(&[("p", "c", "a")]))).collect()
        };
        assert!(!BreakerPage::of(&query(), Entries::new(), latest(MAX_CHANGES)).truncated);
        let page = BreakerPage::of(&query(), Entries::new(), latest(MAX_CHANGES + 10));
        assert_eq!((page.entries.len(), page.entries[0].0, page.truncated), (MAX_CHANGES, 1_001, true));
    }
}
