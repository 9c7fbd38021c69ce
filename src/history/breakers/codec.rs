//! A change as bytes.
//!
//! | Part | Form |
//! |---|---|
//! | version | one byte, 1 |
//! | transport | one byte: 0 HTTP, 1 WebSocket |
//! | state before, state after | one byte each: 0 closed, 1 half-open, 2 open |
//! | reason, category | two texts; an empty one where there is no category |
//! | number of places | number |
//! | … profile, chain, provider | three texts |

use lasso_layers::attempt::breaker::BreakerState;
use lasso_layers::catalog::Transport;

use super::super::bytes::{Rest, number, text};
use super::{BreakerEntry, Place};

const VERSION: u8 = 1;

pub(super) fn encode(entry: &BreakerEntry) -> Vec<u8> {
    let transport = match entry.transport {
        Transport::Http => 0,
        Transport::Ws => 1,
    };
    let mut out = vec![VERSION, transport, code(entry.from), code(entry.to)];
    text(&mut out, &entry.reason);
    text(&mut out, entry.category.as_deref().unwrap_or_default());
    number(&mut out, entry.places.len() as u64);
    for Place { profile, chain, provider } in &entry.places {
        text(&mut out, profile);
        text(&mut out, chain);
        text(&mut out, provider);
    }
    out
}

/// Nothing where the bytes are no change, or one of a later version.
pub(super) fn decode(bytes: &[u8]) -> Option<BreakerEntry> {
    let mut rest = Rest(bytes);
    if rest.byte()? != VERSION {
        return None;
    }
    let transport = match rest.byte()? {
        0 => Transport::Http,
        1 => Transport::Ws,
        _ => return None,
    };
    let (from, to) = (state(rest.byte()?)?, state(rest.byte()?)?);
    let (reason, category) = (rest.text()?.to_owned(), rest.text()?);
    let category = (!category.is_empty()).then(|| category.to_owned());
    let mut places = Vec::new();
    for _ in 0..rest.number()? {
        let (profile, chain, provider) = (rest.text()?, rest.text()?, rest.text()?);
        places.push(Place {
            profile: profile.to_owned(),
            chain: chain.to_owned(),
            provider: provider.to_owned(),
        });
    }
    rest.0.is_empty().then_some(BreakerEntry { places, transport, from, to, reason, category })
}

const fn code(state: BreakerState) -> u8 {
    match state {
        BreakerState::Closed => 0,
        BreakerState::HalfOpen => 1,
        BreakerState::Open => 2,
    }
}

const fn state(code: u8) -> Option<BreakerState> {
    match code {
        0 => Some(BreakerState::Closed),
        1 => Some(BreakerState::HalfOpen),
        2 => Some(BreakerState::Open),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry;
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        use BreakerState::{Closed, HalfOpen, Open};
        for (from, to, transport) in [
            (Closed, Open, Transport::Http),
            (Open, HalfOpen, Transport::Ws),
            (HalfOpen, Closed, Transport::Http),
        ] {
            for category in [None, Some("timeout".to_owned())] {
                let places = entry(&[("team_a", "main_net", "p_1"), ("default", "ä", "")]);
                let entry = BreakerEntry { from, to, transport, category, ..places };
                let bytes = encode(&entry);
                assert_eq!(decode(&bytes), Some(entry));
                for end in 0..bytes.len() {
                    assert_eq!(decode(&bytes[..end]), None, "cut at {end}");
                }
            }
        }
    }

    #[test]
    fn what_is_none_of_ours_is_left_alone() {
        let good = encode(&entry(&[("p", "c", "a")]));
        for (at, byte) in [(0, 0), (0, VERSION + 1), (1, 2), (2, 3), (3, 3)] {
            let mut bytes = good.clone();
            bytes[at] = byte;
            assert_eq!(decode(&bytes), None, "byte {at} is {byte}");
        }
    }
}
