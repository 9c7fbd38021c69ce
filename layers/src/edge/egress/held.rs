//! The part of a body that is kept until it is known what it is.

use bytes::{Bytes, BytesMut};

/// A body's bytes so far. The first frame is kept as it came, so that a body of one frame is never copied; further
/// frames are copied behind it, so that a body in a thousand small frames holds no more than its bytes.
#[derive(Debug, Default)]
pub(super) struct Held {
    first: Bytes,
    joined: BytesMut,
}

impl Held {
    pub(super) fn len(&self) -> usize {
        if self.joined.is_empty() { self.first.len() } else { self.joined.len() }
    }

    /// Appends a frame. `expected` is how long the body may get to be.
    pub(super) fn push(&mut self, frame: Bytes, expected: usize) {
        if self.len() == 0 {
            self.first = frame;
            return;
        }
        if self.joined.is_empty() {
            self.joined.reserve(expected.max(self.first.len() + frame.len()));
            self.joined.extend_from_slice(&self.first);
            self.first = Bytes::new();
        }
        self.joined.extend_from_slice(&frame);
    }

    pub(super) fn into_bytes(self) -> Bytes {
        if self.joined.is_empty() { self.first } else { self.joined.freeze() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_frame_is_not_copied() {
        let frame = Bytes::from(vec![7; 100]);
        let mut held = Held::default();
        held.push(Bytes::new(), 0);
        held.push(frame.clone(), 0);
        assert_eq!(held.len(), 100);
        assert_eq!(held.into_bytes().as_ptr(), frame.as_ptr());
    }

    #[test]
    fn frames_are_joined_in_order() {
        let mut held = Held::default();
        for frame in ["ab", "", "c", "def"] {
            held.push(Bytes::from_static(frame.as_bytes()), 3);
        }
        assert_eq!(held.len(), 6);
        assert_eq!(held.into_bytes(), "abcdef");
    }
}
