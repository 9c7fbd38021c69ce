//! The two hexadecimal notations of the Ethereum JSON-RPC: quantities and byte strings.

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// A byte string: `0x` and two digits per byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 + 2 * bytes.len());
    text.push_str("0x");
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// A quantity: `0x` and no leading zeros, zero being `0x0`.
pub(crate) fn quantity(value: u64) -> String {
    format!("{value:#x}")
}

/// Reads a byte string of any even number of digits; `None` when it is not one.
pub(crate) fn bytes(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("0x")?.as_bytes();
    if digits.len() % 2 != 0 {
        return None;
    }
    digits.chunks_exact(2).map(|pair| Some(16 * digit(pair[0])? + digit(pair[1])?)).collect()
}

/// Reads a byte string of exactly `N` bytes.
pub(crate) fn array<const N: usize>(text: &str) -> Option<[u8; N]> {
    bytes(text)?.try_into().ok()
}

/// Reads a quantity of at most 64 bits. Leading zeros are let through, as most nodes do.
pub(crate) fn number(text: &str) -> Option<u64> {
    let digits = text.strip_prefix("0x")?;
    // `from_str_radix` would take a sign.
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    u64::from_str_radix(digits, 16).ok()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::{array, bytes, hex, number, quantity};

    #[test]
    fn byte_strings_round_trip_and_reject_what_is_not_one() {
        assert_eq!(bytes(&hex(&[0, 0xab, 0xff])), Some(vec![0, 0xab, 0xff]));
        assert_eq!(bytes("0x"), Some(vec![]));
        for wrong in ["", "00", "0x0", "0xzz", "0x+1", "0xé"] {
            assert_eq!(bytes(wrong), None, "{wrong}");
        }
        assert_eq!(array::<2>("0x0102"), Some([1, 2]));
        assert_eq!(array::<2>("0x01"), None);
    }

    #[test]
    fn quantities_have_no_leading_zeros_and_no_sign() {
        assert_eq!((quantity(0).as_str(), quantity(0x4d2).as_str()), ("0x0", "0x4d2"));
        assert_eq!(number("0x4d2"), Some(0x4d2));
        for wrong in ["", "0x", "12", "0x+1", "0x10000000000000000"] {
            assert_eq!(number(wrong), None, "{wrong}");
        }
    }
}
