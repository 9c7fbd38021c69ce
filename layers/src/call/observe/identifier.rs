//! Names that clients choose, made safe to write down.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use smol_str::{SmolStr, SmolStrBuilder};

/// Longer names are written as a digest.
const MAX_BYTES: usize = 128;

/// A name that a client chose, such as a request id, as it appears in logs and metadata: itself, or `sha256:` and a
/// digest when it is longer than 128 bytes or not UTF-8. So a client cannot make entries long or unreadable, and can
/// still find its own.
#[must_use]
pub fn identifier(name: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(name) {
        Ok(text) if text.len() <= MAX_BYTES => Cow::Borrowed(text),
        _ => Cow::Owned(format!("sha256:{}", URL_SAFE_NO_PAD.encode(Sha256::digest(name)))),
    }
}

/// A new request id: 32 lower-case hexadecimal digits.
pub(super) fn generate(rng: &mut fastrand::Rng) -> SmolStr {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let random = rng.u128(..);
    let mut id = SmolStrBuilder::new();
    for shift in (0..32).rev() {
        let digit = DIGITS[(random >> (shift * 4) & 0xf) as usize];
        id.push(char::from(digit));
    }
    id.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_and_unreadable_names_become_digests() {
        let longest = "x".repeat(128);
        assert_eq!(identifier(longest.as_bytes()), longest);
        let digest = identifier(&[b'x'; 129]).into_owned();
        assert_eq!(digest.len(), "sha256:".len() + 43);
        assert_eq!(identifier(b"\xff"), "sha256:qBAK5qoZQNC2Y7sxzUZhQuu9vVGHExuS2TgYmHgy64k");
    }

    #[test]
    fn generated_ids_are_32_hexadecimal_digits() {
        let mut rng = fastrand::Rng::with_seed(1);
        let (first, second) = (generate(&mut rng), generate(&mut rng));
        assert_ne!(first, second);
        for id in [first, second] {
            assert_eq!(id.len(), 32);
            assert!(id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
        }
    }
}
