//! Where a value lies in a message.

use std::ops::Range;

/// Half-open range of bytes, counted from the first byte of the message.
///
/// Offsets are 64 bits wide on every target: a reply that streams through may be longer than memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    start: u64,
    end: u64,
}

impl Span {
    /// The range from `start` up to, not including, `end`. An `end` before `start` makes an empty range at `start`.
    #[must_use]
    pub const fn new(start: u64, end: u64) -> Self {
        Self { start, end: if end < start { start } else { end } }
    }

    /// Offset of the first byte.
    #[must_use]
    pub const fn start(self) -> u64 {
        self.start
    }

    /// Offset after the last byte.
    #[must_use]
    pub const fn end(self) -> u64 {
        self.end
    }

    /// Number of bytes.
    #[must_use]
    pub const fn len(self) -> u64 {
        self.end - self.start
    }

    /// Whether it holds no byte. No JSON value is empty, so an empty span stands for "not there".
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// The same range as an index into a message held in memory.
    ///
    /// # Panics
    ///
    /// When an offset does not fit `usize`; a message held in memory has no such offset.
    #[must_use]
    pub fn range(self) -> Range<usize> {
        let index = |offset| usize::try_from(offset).expect("a message in memory is shorter than usize::MAX");
        index(self.start)..index(self.end)
    }

    /// The bytes of `message` in this range.
    ///
    /// # Panics
    ///
    /// When `message` is shorter than the range, which means the span belongs to another message.
    #[must_use]
    pub fn slice(self, message: &[u8]) -> &[u8] {
        &message[self.range()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_cuts_its_bytes_out() {
        let span = Span::new(2, 5);
        assert_eq!(span.slice(b"abcdefg"), b"cde");
        assert_eq!((span.start(), span.end(), span.len()), (2, 5, 3));
        assert_eq!(span.range(), 2..5);
    }

    #[test]
    fn a_reversed_range_is_empty() {
        assert_eq!(Span::new(5, 2), Span::new(5, 5));
        assert!(Span::new(5, 2).is_empty());
        assert!(Span::default().is_empty());
        assert!(!Span::new(0, 1).is_empty());
    }
}
