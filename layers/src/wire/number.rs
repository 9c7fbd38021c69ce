//! The number grammar of RFC 8259, section 6, as a state machine over single bytes.

/// How much of a number has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Number {
    /// `-`
    Minus,
    /// `0`, after which no digit may follow.
    Zero,
    /// Digits before a point.
    Integer,
    /// `.`
    Point,
    /// Digits after the point.
    Fraction,
    /// `e` or `E`
    Exponent,
    /// The sign of the exponent.
    Sign,
    /// Digits of the exponent.
    Power,
}

impl Number {
    /// The state after the first byte, or `None` when no number starts with it.
    #[inline]
    pub(super) const fn start(byte: u8) -> Option<Self> {
        match byte {
            b'-' => Some(Self::Minus),
            b'0' => Some(Self::Zero),
            b'1'..=b'9' => Some(Self::Integer),
            _ => None,
        }
    }

    /// The state after `byte`, or `None` when the number cannot go on with it.
    #[inline]
    pub(super) const fn next(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (Self::Minus, b'0') => Some(Self::Zero),
            (Self::Minus, b'1'..=b'9') | (Self::Integer, b'0'..=b'9') => Some(Self::Integer),
            (Self::Zero | Self::Integer, b'.') => Some(Self::Point),
            (Self::Point | Self::Fraction, b'0'..=b'9') => Some(Self::Fraction),
            (Self::Zero | Self::Integer | Self::Fraction, b'e' | b'E') => Some(Self::Exponent),
            (Self::Exponent, b'+' | b'-') => Some(Self::Sign),
            (Self::Exponent | Self::Sign | Self::Power, b'0'..=b'9') => Some(Self::Power),
            _ => None,
        }
    }

    /// Whether the number may end here.
    #[inline]
    pub(super) const fn is_complete(self) -> bool {
        matches!(self, Self::Zero | Self::Integer | Self::Fraction | Self::Power)
    }
}

/// Whether a valid JSON number is written without fraction and exponent.
pub(super) fn is_integer(token: &[u8]) -> bool {
    token.first().is_some_and(|first| Number::start(*first).is_some())
        && !token.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(text: &str) -> bool {
        let mut bytes = text.bytes();
        let Some(mut state) = bytes.next().and_then(Number::start) else { return false };
        for byte in bytes {
            match state.next(byte) {
                Some(next) => state = next,
                None => return false,
            }
        }
        state.is_complete()
    }

    #[test]
    fn numbers_follow_the_grammar() {
        for text in [
            "0",
            "-0",
            "10",
            "-12.50",
            "0.0",
            "1e5",
            "1E+05",
            "0e-1",
            "1.5e9",
            "123456789012345678901234567890",
        ] {
            assert!(accepts(text), "{text}");
        }
        for text in
            ["", "-", "-.5", "01", "-01", "+1", ".5", "1.", "1.e1", "1e", "1e+", "0x1", "1e1.5", "--1", "1-"]
        {
            assert!(!accepts(text), "{text}");
        }
    }

    #[test]
    fn integers_have_neither_fraction_nor_exponent() {
        for token in [&b"0"[..], b"-0", b"9007199254740993123"] {
            assert!(is_integer(token));
        }
        for token in [&b"1.0"[..], b"1e2", b"1E2", b"\"1\"", b"null", b""] {
            assert!(!is_integer(token));
        }
    }
}
