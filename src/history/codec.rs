//! Tallies as bytes.
//!
//! | Part | Form |
//! |---|---|
//! | version | one byte, 1 |
//! | number of providers | number |
//! | … id | text |
//! | … number of its series | number |
//! | … … method | text |
//! | … … transport | one byte: 0 HTTP, 1 WebSocket |
//! | … … successes, failures, latency in µs, last update in ms since 1970 | four numbers |
//!
//! A number is [LEB128](https://www.w3.org/TR/wasm-core-1/#integers%E2%91%A4), a text its length in bytes and UTF-8.
//! Most numbers are small, so a series takes about 16 bytes beside its method's name.

use lasso_layers::catalog::Transport;

use super::snapshot::{SeriesName, Tallies, Tally};

const VERSION: u8 = 1;

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
            let Tally { successes, failures, latency_micros, updated_ms } = **tally;
            for value in [successes, failures, latency_micros, updated_ms] {
                number(&mut out, value);
            }
        }
    }
    out
}

/// Nothing where the bytes are no tallies, or those of a later version.
pub(super) fn decode(bytes: &[u8]) -> Option<Tallies> {
    let mut rest = Rest(bytes);
    if rest.byte()? != VERSION {
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
            };
            tallies.insert(name, tally);
        }
    }
    rest.0.is_empty().then_some(tallies)
}

fn text(out: &mut Vec<u8>, text: &str) {
    number(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// What is still to be read.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn number(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit.
            if bits << shift >> shift != bits {
                return None;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = usize::try_from(self.number()?).ok()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::btree_map;
    use proptest::prelude::*;

    use super::*;

    fn any_tallies() -> impl Strategy<Value = Tallies> {
        let transport = prop_oneof![Just(Transport::Http), Just(Transport::Ws)];
        let name = ("[a-c]{0,2}", "[a-zä_]{0,6}", transport)
            .prop_map(|(provider, method, transport)| SeriesName { provider, method, transport });
        let tally = any::<[u64; 4]>().prop_map(|[successes, failures, latency_micros, updated_ms]| Tally {
            successes,
            failures,
            latency_micros,
            updated_ms,
        });
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
                *first = VERSION;
            }
            decode(&bytes);
        }
    }

    #[test]
    fn a_later_version_is_left_alone() {
        let mut bytes = encode(&Tallies::new());
        bytes[0] = VERSION + 1;
        assert_eq!(decode(&bytes), None);
    }
}
