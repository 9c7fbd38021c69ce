//! Tallies as bytes.
//!
//! | Part | Form |
//! |---|---|
//! | version | one byte, 2 |
//! | number of providers | number |
//! | … id | text |
//! | … number of its series | number |
//! | … … method | text |
//! | … … transport | one byte: 0 HTTP, 1 WebSocket |
//! | … … successes, failures, latency in µs, last update in ms since 1970 | four numbers |
//! | … … number of buckets with latencies | number, since version 2 |
//! | … … … which bucket, how many latencies | two numbers |
//!
//! Numbers and texts are as in [`bytes`](super::bytes). Most numbers are small, so a series takes about 16 bytes beside its method's name, and three for each
//! bucket: of these it has two to ten.

use lasso_layers::catalog::Transport;
use lasso_layers::state::Histogram;

use super::bytes::{Rest, number, text};
use super::snapshot::{SeriesName, Tallies, Tally};

const VERSION: u8 = 2;

/// The first version, which knew no distributions of latencies. Files of it are read to their end.
const WITHOUT_LATENCIES: u8 = 1;

pub(super) fn encode(tallies: &Tallies) -> Vec<u8> {
    let mut out = vec![VERSION];
    let series: Vec<_> = tallies.iter().collect();
    // The order of the names keeps each provider's series together.
    let providers: Vec<_> =
        series.chunk_by(|(left, _), (right, _)| left.provider == right.provider).collect();
    number(&mut out, providers.len() as u64);
    for series in providers {
        text(&mut out, &series[0].0.provider);
        number(&mut out, series.len() as u64);
        for (name, tally) in series {
            text(&mut out, &name.method);
            out.push(match name.transport {
                Transport::Http => 0,
                Transport::Ws => 1,
            });
            let Tally { successes, failures, latency_micros, updated_ms, latencies } = tally;
            for value in [successes, failures, latency_micros, updated_ms] {
                number(&mut out, *value);
            }
            number(&mut out, latencies.buckets().count() as u64);
            for (bucket, count) in latencies.buckets() {
                number(&mut out, bucket as u64);
                number(&mut out, count);
            }
        }
    }
    out
}

/// Nothing where the bytes are no tallies, or those of a later version.
pub(super) fn decode(bytes: &[u8]) -> Option<Tallies> {
    let mut rest = Rest(bytes);
    let version = rest.byte()?;
    if !(WITHOUT_LATENCIES..=VERSION).contains(&version) {
        return None;
    }
    let mut tallies = Tallies::new();
    for _ in 0..rest.number()? {
        let provider = rest.text()?;
        for _ in 0..rest.number()? {
            let method = rest.text()?;
            let transport = match rest.byte()? {
                0 => Transport::Http,
                1 => Transport::Ws,
                _ => return None,
            };
            let name = SeriesName { provider: provider.to_owned(), method: method.to_owned(), transport };
            let tally = Tally {
                successes: rest.number()?,
                failures: rest.number()?,
                latency_micros: rest.number()?,
                updated_ms: rest.number()?,
                latencies: match version {
                    WITHOUT_LATENCIES => Histogram::default(),
                    _ => histogram(&mut rest)?,
                },
            };
            tallies.insert(name, tally);
        }
    }
    rest.0.is_empty().then_some(tallies)
}

fn histogram(rest: &mut Rest<'_>) -> Option<Histogram> {
    let mut histogram = Histogram::default();
    for _ in 0..rest.number()? {
        let bucket = usize::try_from(rest.number()?).ok()?;
        histogram.count(bucket, rest.number()?)?;
    }
    Some(histogram)
}

/// Written by the first version of this program.
#[cfg(test)]
pub(super) const VERSION_1: &[u8] = b"\x01\x02\x07alchemy\x01\x08eth_call\x00\xc0\x84\x3d\xac\x02\x94\xb4\xe4\xf4\xcb\
\x03\x80\xd0\x95\xff\xbc\x31\x04ankr\x02\x08eth_call\x01\x01\x00\xfa\x01\x05\x05other\x00\x00\x02\x00\x81\xd0\x95\xff\xbc\x31";

#[cfg(test)]
mod tests {
    use lasso_layers::state::LATENCY_BUCKETS;
    use proptest::collection::btree_map;
    use proptest::prelude::*;

    use super::*;

    fn any_tallies() -> impl Strategy<Value = Tallies> {
        let transport = prop_oneof![Just(Transport::Http), Just(Transport::Ws)];
        let name = ("[a-c]{0,2}", "[a-zä_]{0,6}", transport)
            .prop_map(|(provider, method, transport)| SeriesName { provider, method, transport });
        let latencies = btree_map(0..LATENCY_BUCKETS, 1..u64::MAX, 0..4).prop_map(|counts| {
            let mut latencies = Histogram::default();
            counts.into_iter().for_each(|(bucket, count)| latencies.count(bucket, count).unwrap());
            latencies
        });
        let tally = (any::<[u64; 4]>(), latencies).prop_map(
            |([successes, failures, latency_micros, updated_ms], latencies)| Tally {
                successes,
                failures,
                latency_micros,
                updated_ms,
                latencies,
            },
        );
        btree_map(name, tally, 0..12)
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(tallies in any_tallies()) {
            let bytes = encode(&tallies);
            prop_assert_eq!(decode(&bytes), Some(tallies));
            for end in 0..bytes.len() {
                prop_assert_eq!(decode(&bytes[..end]), None, "cut at {}", end);
            }
        }

        #[test]
        fn no_bytes_are_a_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..64), is_version in any::<bool>()) {
            if let Some(first) = bytes.first_mut().filter(|_| is_version) {
                *first = 1 + *first % VERSION;
            }
            decode(&bytes);
        }
    }

    #[test]
    fn a_later_version_is_left_alone() {
        let mut bytes = encode(&Tallies::new());
        for version in [0, VERSION + 1] {
            bytes[0] = version;
            assert_eq!(decode(&bytes), None);
        }
    }

    #[test]
    fn a_histogram_of_more_buckets_is_none_of_ours() {
        let mut tallies = super::super::testing::tallies(&[("a", "m", 1, 0, 1)]);
        tallies.values_mut().next().unwrap().latencies.count(5, 1).unwrap();
        let mut bytes = encode(&tallies);
        let bucket = bytes.len() - 2;
        assert_eq!(bytes[bucket..], [5, 1]);
        assert!(decode(&bytes).is_some());
        bytes[bucket] = LATENCY_BUCKETS as u8;
        assert_eq!(decode(&bytes), None);
    }

    #[test]
    fn what_the_first_version_wrote_is_read() {
        let found = decode(VERSION_1).unwrap();
        let rows: Vec<_> = found
            .iter()
            .map(|(name, tally)| {
                assert_eq!(tally.latencies, Histogram::default());
                let numbers = (tally.successes, tally.failures, tally.latency_micros, tally.updated_ms);
                (name.provider.as_str(), name.method.as_str(), name.transport, numbers)
            })
            .collect();
        let expected = [
            ("alchemy", "eth_call", Transport::Http, (1_000_000, 300, 123_456_789_012, 1_700_000_000_000)),
            ("ankr", "eth_call", Transport::Ws, (1, 0, 250, 5)),
            ("ankr", "other", Transport::Http, (0, 2, 0, 1_700_000_000_001)),
        ];
        assert_eq!(rows, expected);
        assert_eq!(decode(&encode(&found)), Some(found), "and written anew it is the same");
    }
}
