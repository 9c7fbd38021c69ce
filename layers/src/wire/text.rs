//! JSON strings: finding their end, reading them, writing them.

use std::borrow::Cow;

/// How many leading bytes of `bytes` stand for themselves inside a JSON string: everything before the first quote,
/// backslash or control character.
///
/// Eight bytes at a time, which is what makes long strings cheap.
#[inline]
pub(super) fn plain_len(bytes: &[u8]) -> usize {
    let (words, tail) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let stops = stops(u64::from_le_bytes(*word));
        if stops != 0 {
            return index * 8 + stops.trailing_zeros() as usize / 8;
        }
    }
    let plain = tail.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)).unwrap_or(tail.len());
    words.len() * 8 + plain
}

/// Sets the high bit of the lowest byte that ends a plain run. Bytes above that one may be flagged wrongly, as
/// borrows run upwards; nobody looks at them.
#[inline]
const fn stops(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 0xff;
    const HIGH: u64 = ONES << 7;
    const fn zero(word: u64) -> u64 {
        word.wrapping_sub(ONES) & !word
    }
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    (control | zero(word ^ (ONES * b'"' as u64)) | zero(word ^ (ONES * b'\\' as u64))) & HIGH
}

/// What a JSON string says. `token` is a valid string with its quotes.
///
/// Half of a surrogate pair stands for no character, although RFC 8259, section 8.2, lets it pass: it becomes
/// U+FFFD.
pub(super) fn unescape(token: &[u8]) -> Cow<'_, str> {
    let inner = token.strip_prefix(b"\"").unwrap_or(token);
    let inner = inner.strip_suffix(b"\"").unwrap_or(inner);
    let Some(first) = memchr::memchr(b'\\', inner) else { return String::from_utf8_lossy(inner) };

    let mut text = String::with_capacity(inner.len());
    let (plain, mut rest) = inner.split_at(first);
    text.push_str(&String::from_utf8_lossy(plain));
    while let Some(escaped) = rest.strip_prefix(b"\\") {
        let (character, after) = unescape_one(escaped);
        text.push(character);
        let plain = memchr::memchr(b'\\', after).unwrap_or(after.len());
        text.push_str(&String::from_utf8_lossy(&after[..plain]));
        rest = &after[plain..];
    }
    Cow::Owned(text)
}

/// The character of one escape, and what follows it. `escaped` begins after the backslash.
fn unescape_one(escaped: &[u8]) -> (char, &[u8]) {
    let Some((kind, after)) = escaped.split_first() else { return (char::REPLACEMENT_CHARACTER, escaped) };
    let character = match kind {
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unescape_unicode(after),
        other => char::from(*other),
    };
    (character, after)
}

/// The character of a `\u` escape, or of two that form a surrogate pair. `digits` begins after the `u`.
fn unescape_unicode(digits: &[u8]) -> (char, &[u8]) {
    let Some((unit, after)) = hex(digits) else { return (char::REPLACEMENT_CHARACTER, digits) };
    if let 0xd800..0xdc00 = unit
        && let Some((low @ 0xdc00..0xe000, after)) = after.strip_prefix(b"\\u").and_then(hex)
    {
        let scalar = 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
        return (char::from_u32(scalar).unwrap_or(char::REPLACEMENT_CHARACTER), after);
    }
    (char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER), after)
}

/// Four hexadecimal digits, and what follows them.
fn hex(digits: &[u8]) -> Option<(u32, &[u8])> {
    let (four, after) = digits.split_first_chunk::<4>()?;
    let unit = four.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)?))?;
    Some((unit, after))
}

/// Appends `text` as a JSON string with its quotes.
pub fn write_string(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    out.push(b'"');
    loop {
        let (plain, stopped) = rest.split_at(plain_len(rest));
        out.extend_from_slice(plain);
        let Some((byte, after)) = stopped.split_first() else { break };
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            control => {
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                let digit = |nibble: u8| DIGITS[usize::from(nibble & 0xf)];
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(control >> 4), digit(*control)]);
            }
        }
        rest = after;
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_escape_is_read() {
        assert_eq!(unescape(br#""a\"\\\/\b\f\n\r\tz""#), "a\"\\/\u{8}\u{c}\n\r\tz");
        assert_eq!(unescape(br#""\u0069d \u20AC \ud83d\ude00""#), "id € 😀");
        assert!(matches!(unescape(b"\"plain\""), Cow::Borrowed("plain")));
    }

    #[test]
    fn half_a_surrogate_pair_is_replaced() {
        assert_eq!(unescape(br#""\ud83d""#), "\u{fffd}");
        assert_eq!(unescape(br#""\ud83dx""#), "\u{fffd}x");
        assert_eq!(unescape(br#""\ude00\ud83d""#), "\u{fffd}\u{fffd}");
        assert_eq!(unescape(br#""\ud83d\u0041""#), "\u{fffd}A");
    }

    #[test]
    fn broken_tokens_do_not_panic() {
        for token in [&b""[..], b"\"", b"\"\\", b"\"\\u", b"\"\\u12", b"\"\\uzzzz\"", b"\\\"", b"\xff\\n\xff"]
        {
            let _ = unescape(token);
        }
    }

    proptest! {
        #[test]
        fn writing_and_reading_are_inverse_and_agree_with_serde_json(text in any::<String>()) {
            let mut token = Vec::new();
            write_string(&mut token, &text);
            prop_assert_eq!(unescape(&token), text.as_str());
            prop_assert_eq!(serde_json::from_slice::<String>(&token).unwrap(), text.as_str());
            let theirs = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(unescape(theirs.as_bytes()), text);
        }

        #[test]
        fn a_plain_run_ends_at_the_first_byte_that_matters(bytes in proptest::collection::vec(
            prop_oneof![8 => any::<u8>(), 1 => Just(b'"'), 1 => Just(b'\\'), 1 => 0_u8..0x21], 0..64,
        )) {
            let expected = bytes.iter().position(|b| *b == b'"' || *b == b'\\' || *b < 0x20).unwrap_or(bytes.len());
            prop_assert_eq!(plain_len(&bytes), expected);
        }

        #[test]
        fn a_long_plain_run_is_taken_whole(bytes in proptest::collection::vec(0x23_u8..0x5b, 0..64)) {
            prop_assert_eq!(plain_len(&bytes), bytes.len());
        }
    }
}
