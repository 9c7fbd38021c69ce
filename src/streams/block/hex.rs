//! Hexadecimal strings as [the execution APIs](https://ethereum.github.io/execution-apis/) write them.

use lasso_layers::wire::RawJson;

use super::{BlockHash, Malformed};

impl BlockHash {
    /// Reads a JSON string of `0x` and 64 hexadecimal digits.
    pub(super) fn read(value: RawJson<'_>) -> Result<Self, Malformed> {
        bytes(value).map(Self)
    }
}

/// Reads a JSON string of `0x` and exactly `N` bytes in hexadecimal digits of either case.
pub(super) fn bytes<const N: usize>(value: RawJson<'_>) -> Result<[u8; N], Malformed> {
    let digits = digits(value)?;
    if digits.len() != 2 * N {
        return Err(Malformed);
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Ok(bytes)
}

/// Reads a JSON string that holds a quantity of at most 64 bits. Leading zeros, which the standard forbids, are borne.
pub(super) fn quantity(value: RawJson<'_>) -> Result<u64, Malformed> {
    let digits = digits(value)?;
    if digits.is_empty() {
        return Err(Malformed);
    }
    digits.iter().try_fold(0_u64, |sum, digit| {
        let shifted = sum.checked_mul(16).ok_or(Malformed)?;
        Ok(shifted | u64::from(nibble(*digit)?))
    })
}

/// Reads the number of a block. Those that no chain ever comes to are refused, so that sums of numbers need no care.
pub(super) fn number(value: RawJson<'_>) -> Result<u64, Malformed> {
    const HIGHEST: u64 = 1 << 62;
    quantity(value).and_then(|number| if number <= HIGHEST { Ok(number) } else { Err(Malformed) })
}

/// What stands between `"0x` and `"`. An escape in it is no hexadecimal digit and is refused by whoever reads them.
fn digits(value: RawJson<'_>) -> Result<&[u8], Malformed> {
    value.bytes().strip_prefix(b"\"0x").and_then(|rest| rest.strip_suffix(b"\"")).ok_or(Malformed)
}

const fn nibble(digit: u8) -> Result<u8, Malformed> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> RawJson<'_> {
        RawJson::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn quantities_fit_into_64_bits_or_are_refused() {
        assert_eq!(quantity(raw(r#""0x0""#)), Ok(0));
        assert_eq!(quantity(raw(r#""0x1fA""#)), Ok(0x1fa));
        assert_eq!(quantity(raw(r#""0xffffffffffffffff""#)), Ok(u64::MAX));
        for wrong in [
            r#""0x10000000000000000""#,
            r#""0x""#,
            r#""12""#,
            r#""0xg""#,
            "12",
            "null",
            "[]",
            r#""\u0030x1""#,
        ] {
            assert_eq!(quantity(raw(wrong)), Err(Malformed), "{wrong}");
        }
    }

    #[test]
    fn numbers_that_no_chain_comes_to_are_refused() {
        assert_eq!(number(raw(r#""0x4000000000000000""#)), Ok(1 << 62));
        assert_eq!(number(raw(r#""0x4000000000000001""#)), Err(Malformed));
        assert_eq!(number(raw(r#""0xffffffffffffffff""#)), Err(Malformed));
    }

    #[test]
    fn bytes_have_their_length() {
        assert_eq!(bytes::<2>(raw(r#""0x0aFf""#)), Ok([0x0a, 0xff]));
        for wrong in [r#""0x0aF""#, r#""0x0aff00""#, r#""0x0agf""#, "null", "\"\""] {
            assert_eq!(bytes::<2>(raw(wrong)), Err(Malformed), "{wrong}");
        }
    }
}
