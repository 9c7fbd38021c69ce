//! What was written down already, and so what is new.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use lasso_layers::attempt::benchmark::{Benchmarks, Series, Summary};
use lasso_layers::catalog::{Catalog, Chain, MethodId, Profile, Provider, ProviderKey, Transport};
use lasso_layers::state::{Histogram, LatencyReading};

use super::snapshot::{SeriesName, Snapshot, Tallies, Tally};
use crate::clock::Moment;

/// The sums of every series as they were written down.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    written: HashMap<Series, Sums>,
    /// The catalogue of the last difference: a provider that was dropped since may have had calls after it.
    previous: Arc<Catalog>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    successes: u64,
    failures: u64,
    latency: Duration,
    latencies: LatencyReading,
}

/// What was added to the sums of a series.
struct New {
    successes: u64,
    failures: u64,
    latency: Duration,
    latencies: Histogram,
}

/// What happened since the ledger was last brought up to date.
pub(super) struct Difference {
    pub(super) snapshots: Vec<Snapshot>,
    /// The providers that were looked at, and everything that is recorded of them.
    providers: HashSet<ProviderKey>,
    sums: HashMap<Series, Sums>,
    catalog: Arc<Catalog>,
}

impl Ledger {
    /// What the providers of this catalogue, and of the one before, did since.
    pub(super) fn difference(
        &self,
        catalog: Arc<Catalog>,
        benchmarks: &Benchmarks,
        now: Moment,
    ) -> Difference {
        let mut sums = HashMap::new();
        let mut snapshots = BTreeMap::<(&str, &str), Tallies>::new();
        let mut seen = HashSet::new();
        // The newer one first: it says what a provider is called today.
        for (profile, chain, provider) in providers(&catalog).chain(providers(&self.previous)) {
            if !seen.insert(provider.key) {
                continue;
            }
            for series in all_series(provider.key) {
                let Some((summary, latencies)) = benchmarks.reading(series) else { continue };
                let total = Sums::of(&summary, latencies);
                let written = self.written.get(&series).copied().unwrap_or_default();
                let Some(new) = total.since(&written) else {
                    // A latency may be there already whose call is not counted yet: it is new then.
                    sums.insert(series, written);
                    continue;
                };
                sums.insert(series, total);
                let name = SeriesName {
                    provider: provider.id.to_string(),
                    method: series.method.name().to_owned(),
                    transport: series.transport,
                };
                let tally = Tally {
                    successes: new.successes,
                    failures: new.failures,
                    latency_micros: u64::try_from(new.latency.as_micros()).unwrap_or(u64::MAX),
                    updated_ms: now.unix_ms_of(summary.updated),
                    latencies: new.latencies,
                };
                snapshots.entry((&profile.slug, &chain.key)).or_default().insert(name, tally);
            }
        }
        let snapshots = snapshots.into_iter().map(|((profile, chain), tallies)| Snapshot {
            profile: profile.to_owned(),
            chain: chain.to_owned(),
            tallies,
        });
        Difference { snapshots: snapshots.collect(), providers: seen, sums, catalog: catalog.clone() }
    }

    /// The difference is written down.
    pub(super) fn settle(&mut self, difference: Difference) {
        // A record that has expired since begins at nothing when it comes back.
        self.written.retain(|series, _| !difference.providers.contains(&series.provider));
        self.written.extend(difference.sums);
        self.previous = difference.catalog;
    }
}

impl Sums {
    const fn of(summary: &Summary, latencies: LatencyReading) -> Self {
        let Summary { successes, failures, total_latency, .. } = *summary;
        Self { successes, failures, latency: total_latency, latencies }
    }

    /// What was added to earlier sums; nothing if nothing was. Sums that have become smaller began anew.
    fn since(&self, earlier: &Self) -> Option<New> {
        let nothing = Self::default();
        let grown = self.successes >= earlier.successes && self.failures >= earlier.failures;
        let earlier = if grown { earlier } else { &nothing };
        let new = New {
            successes: self.successes - earlier.successes,
            failures: self.failures - earlier.failures,
            latency: self.latency.saturating_sub(earlier.latency),
            latencies: self.latencies.since(&earlier.latencies),
        };
        (new.successes > 0 || new.failures > 0).then_some(new)
    }
}

fn providers(catalog: &Catalog) -> impl Iterator<Item = (&Profile, &Chain, &Provider)> {
    catalog.profiles().iter().flat_map(|profile| {
        let chains = profile.chains().iter();
        chains.flat_map(move |chain| chain.providers.iter().map(move |provider| (profile, chain, provider)))
    })
}

fn all_series(provider: ProviderKey) -> impl Iterator<Item = Series> {
    let transports = [Transport::Http, Transport::Ws].into_iter();
    transports
        .flat_map(move |transport| MethodId::all().map(move |method| Series { provider, transport, method }))
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use lasso_layers::catalog::{ChainSpec, Live, ProfileSpec, ProviderSpec};
    use tokio::time::Instant;

    use super::*;

    const WALL: Duration = Duration::from_secs(1_700_000_000);

    fn profiles(providers: &[&str]) -> Vec<ProfileSpec> {
        let mut chain = ChainSpec::new("base_mainnet", 8453);
        chain.providers =
            providers.iter().map(|id| ProviderSpec::http(*id, format!("http://127.0.0.1/{id}"))).collect();
        vec![ProfileSpec::new("default").chain(chain)]
    }

    struct Bench {
        live: Live,
        benchmarks: Benchmarks,
        ledger: Ledger,
        start: Instant,
    }

    impl Bench {
        fn new(providers: &[&str]) -> Self {
            let live = Live::new(profiles(providers)).unwrap();
            Self { live, benchmarks: Benchmarks::new(), ledger: Ledger::default(), start: Instant::now() }
        }

        fn series(&self, provider: &str) -> Series {
            let catalog = self.live.load();
            let (_, chain) = catalog.profile("default").unwrap().1.chain("8453").unwrap();
            let provider = chain.provider(provider).unwrap().1.key;
            Series { provider, transport: Transport::Http, method: MethodId::of("eth_call") }
        }

        fn difference(&self) -> Difference {
            let now = Moment { wall: UNIX_EPOCH + WALL, instant: self.start + Duration::from_secs(10) };
            self.ledger.difference(self.live.snapshot(), &self.benchmarks, now)
        }

        /// What is new, as provider, successes, failures and microseconds.
        fn settle(&mut self) -> Vec<(String, u64, u64, u64)> {
            let difference = self.difference();
            let tallies = difference.snapshots.iter().flat_map(|snapshot| {
                assert_eq!((snapshot.profile.as_str(), snapshot.chain.as_str()), ("default", "base_mainnet"));
                snapshot.tallies.iter().map(|(name, tally)| {
                    (name.provider.clone(), tally.successes, tally.failures, tally.latency_micros)
                })
            });
            let tallies = tallies.collect();
            self.ledger.settle(difference);
            tallies
        }
    }

    fn one(provider: &str, successes: u64, failures: u64, micros: u64) -> Vec<(String, u64, u64, u64)> {
        vec![(provider.to_owned(), successes, failures, micros)]
    }

    #[test]
    fn only_what_is_new_is_written_once() {
        let mut bench = Bench::new(&["a", "b"]);
        let at = bench.start + Duration::from_secs(4);
        bench.benchmarks.success(bench.series("a"), Duration::from_millis(3), at);
        bench.benchmarks.failure(bench.series("a"), at);
        let tally = bench.difference().snapshots[0].tallies.values().next().unwrap().clone();
        // To the millisecond, which instants are rounded down to.
        assert!((1_699_999_993_999..=1_699_999_994_000).contains(&tally.updated_ms), "{}", tally.updated_ms);
        // Not settled, so it is still new.
        assert_eq!(bench.settle(), one("a", 1, 1, 3_000));
        assert_eq!(bench.settle(), []);
        bench.benchmarks.success(bench.series("a"), Duration::from_millis(5), at);
        assert_eq!(bench.settle(), one("a", 1, 0, 5_000));
    }

    #[test]
    fn the_distribution_is_that_of_the_interval() {
        let mut bench = Bench::new(&["a"]);
        let mut p50 = |millis: u64| {
            for _ in 0..3 {
                bench.benchmarks.success(bench.series("a"), Duration::from_millis(millis), bench.start);
            }
            let difference = bench.difference();
            let tally = difference.snapshots[0].tallies.values().next().unwrap();
            let counted: u64 = tally.latencies.buckets().map(|(_, count)| count).sum();
            let found = tally.latencies.at(0.5).unwrap().as_secs_f64() * 1e3;
            assert!((found / millis as f64 - 1.0).abs() < 0.123, "{found} is not {millis}");
            bench.ledger.settle(difference);
            counted
        };
        // Not over all calls that there ever were.
        assert_eq!([p50(100), p50(5), p50(5), p50(2_000)], [3; 4]);
    }

    #[test]
    fn the_last_calls_of_a_dropped_provider_are_kept() {
        let mut bench = Bench::new(&["a", "b"]);
        let series = bench.series("b");
        bench.settle();
        bench.benchmarks.success(series, Duration::from_millis(1), bench.start);
        bench.live.publish(profiles(&["a"])).unwrap();
        assert_eq!(bench.settle(), one("b", 1, 0, 1_000));
        assert_eq!(bench.settle(), []);
        // It comes back and is the same one.
        bench.live.publish(profiles(&["a", "b"])).unwrap();
        assert_eq!(bench.settle(), []);
    }

    #[test]
    fn a_record_that_expired_begins_anew() {
        let mut bench = Bench::new(&["a"]);
        let series = bench.series("a");
        bench.benchmarks.failure(series, bench.start);
        assert_eq!(bench.settle(), one("a", 0, 1, 0));
        assert_eq!(bench.benchmarks.expire(bench.start + Duration::from_secs(2), Duration::from_secs(1)), 1);
        assert_eq!(bench.settle(), []);
        bench.benchmarks.failure(series, bench.start);
        bench.benchmarks.failure(series, bench.start);
        assert_eq!(bench.settle(), one("a", 0, 2, 0));
    }

    #[test]
    fn sums_that_begin_anew_are_no_loss() {
        let sums = |successes, failures, millis| Sums {
            successes,
            failures,
            latency: Duration::from_millis(millis),
            latencies: LatencyReading::default(),
        };
        let new = sums(2, 0, 7).since(&sums(5, 1, 90)).unwrap();
        assert_eq!((new.successes, new.failures, new.latency), (2, 0, Duration::from_millis(7)));
    }
}
