//! UTF-8 validation of a text that arrives in pieces.

use std::str;

/// Holds the bytes of a character that the end of a piece has cut in two.
#[derive(Clone, Debug, Default)]
pub(super) struct Utf8 {
    partial: [u8; 4],
    len: usize,
}

impl Utf8 {
    /// Checks the next piece.
    ///
    /// # Errors
    ///
    /// How many bytes of `piece` come before the character that is not UTF-8.
    pub(super) fn feed(&mut self, piece: &[u8]) -> Result<(), usize> {
        let rest = if self.len == 0 { piece } else { &piece[self.complete(piece)?..] };
        let Err(error) = str::from_utf8(rest) else { return Ok(()) };
        let valid = error.valid_up_to();
        if error.error_len().is_some() {
            return Err(piece.len() - rest.len() + valid);
        }
        let cut = &rest[valid..];
        self.partial[..cut.len()].copy_from_slice(cut);
        self.len = cut.len();
        Ok(())
    }

    /// Ends the character that the previous piece began; says how many bytes of `piece` belong to it.
    fn complete(&mut self, piece: &[u8]) -> Result<usize, usize> {
        for (taken, byte) in piece.iter().enumerate() {
            // A partial character has at most three bytes, see `feed`: `from_utf8` calls four bytes whole or wrong.
            self.partial[self.len] = *byte;
            self.len += 1;
            match str::from_utf8(&self.partial[..self.len]) {
                Ok(_) => {
                    self.len = 0;
                    return Ok(taken + 1);
                }
                Err(error) if error.error_len().is_some() => return Err(0),
                Err(_) => {}
            }
        }
        Ok(piece.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn accepts<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> bool {
        let mut utf8 = Utf8::default();
        pieces.into_iter().all(|piece| utf8.feed(piece).is_ok()) && utf8.len == 0
    }

    #[test]
    fn the_valid_part_before_a_fault_is_told() {
        assert_eq!(Utf8::default().feed(b"ab\xffcd"), Err(2));
        let mut utf8 = Utf8::default();
        assert_eq!(utf8.feed(b"a\xe2"), Ok(()));
        assert_eq!(utf8.feed(b"\x82\xac\"\xff"), Err(3));
    }

    proptest! {
        #[test]
        fn any_chunking_agrees_with_the_standard_library(
            text in prop_oneof![
                any::<String>().prop_map(String::into_bytes),
                proptest::collection::vec(prop_oneof![Just(b'a'), 0x80_u8..=0xff], 0..12),
            ],
            size in 1_usize..5,
        ) {
            prop_assert_eq!(accepts(text.chunks(size)), str::from_utf8(&text).is_ok());
        }
    }
}
