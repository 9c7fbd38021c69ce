//! Whether a chain has grown.

/// A chain that goes back further than this has begun anew.
const DEEPEST: u64 = 256;

/// Takes the height that nodes agree on just now. Says whether the chain is higher than it ever was; what the first of
/// them says is no news, and neither is that one of them fell silent and is back.
pub(super) fn moves(known: &mut Option<u64>, height: u64) -> bool {
    match *known {
        Some(highest) if height <= highest && highest - height <= DEEPEST => false,
        highest => {
            *known = Some(height);
            highest.is_some_and(|highest| highest < height)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_grows_once_at_each_height() {
        let mut known = None;
        let news = [100, 101, 101, 99, 101, 104, 300].map(|height| moves(&mut known, height));
        assert_eq!(news, [false, true, false, false, false, true, true]);
    }

    #[test]
    fn a_chain_that_begins_anew_is_followed() {
        let mut known = Some(1000);
        assert_eq!([743, 744, 745].map(|height| moves(&mut known, height)), [false, true, true]);
    }
}
