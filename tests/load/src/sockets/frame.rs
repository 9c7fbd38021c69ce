//! Frames of RFC 6455, as far as clients on loopback need them.

/// The last or only part of a text message has this opcode, or that of a continuation.
pub(crate) const TEXT: u8 = 0x1;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xA;

/// One frame as a server sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) opcode: u8,
    /// Whether it ends a message.
    pub(crate) last: bool,
    pub(crate) payload: &'a [u8],
}

// === impl Frame ===

impl<'a> Frame<'a> {
    /// The frame at the start of `bytes` and its length on the wire; `None` while some of it is missing.
    pub(crate) fn first(bytes: &'a [u8]) -> Option<(Self, usize)> {
        let (&[first, second], rest) = bytes.split_first_chunk()?;
        // Servers do not mask (section 5.1), so the second byte is the length alone.
        let (length, head) = match second {
            126 => (u64::from(u16::from_be_bytes(*rest.first_chunk()?)), 4),
            127 => (u64::from_be_bytes(*rest.first_chunk()?), 10),
            short => (u64::from(short), 2),
        };
        let end = head + usize::try_from(length).ok()?;
        let payload = bytes.get(head..end)?;
        Some((Self { opcode: first & 0x0f, last: first & 0x80 != 0, payload }, end))
    }

    pub(crate) const fn is_control(&self) -> bool {
        self.opcode & 0x8 != 0
    }

    /// The status code of a close frame (section 5.5.1).
    pub(crate) fn close_code(&self) -> Option<u16> {
        let code = self.payload.first_chunk().filter(|_| self.opcode == CLOSE)?;
        Some(u16::from_be_bytes(*code))
    }
}

/// A frame as a server sends it.
pub(crate) fn from_server(opcode: u8, payload: &[u8]) -> Vec<u8> {
    encode(opcode, 0, &[], payload)
}

/// A frame as a client sends it. The masking key is zero, which costs neither side anything and hides nothing.
pub(crate) fn from_client(opcode: u8, payload: &[u8]) -> Vec<u8> {
    encode(opcode, 0x80, &[0; 4], payload)
}

fn encode(opcode: u8, masked: u8, key: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        short @ 0..=125 => frame.push(masked | short as u8),
        middle @ 126..=0xffff => {
            frame.push(masked | 126);
            frame.extend((middle as u16).to_be_bytes());
        }
        long => {
            frame.push(masked | 127);
            frame.extend((long as u64).to_be_bytes());
        }
    }
    frame.extend(key);
    frame.extend(payload);
    frame
}

#[cfg(test)]
mod tests {
    use super::{CLOSE, Frame, PING, TEXT, from_client, from_server};

    #[test]
    fn frames_of_every_length_are_read_once_they_are_complete() {
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            let payload = vec![b'x'; length];
            let mut bytes = from_server(TEXT, &payload);
            let end = bytes.len();
            assert_eq!(Frame::first(&bytes[..end - 1]), None, "{length}");
            bytes.extend(from_server(PING, b""));
            let (frame, read) = Frame::first(&bytes).unwrap();
            assert_eq!((frame.opcode, frame.last, frame.payload, read), (TEXT, true, &payload[..], end));
        }
    }

    #[test]
    fn parts_of_a_message_say_that_more_follows() {
        let bytes = [0x01, 0x01, b'a', 0x80, 0x01, b'b'];
        let (first, read) = Frame::first(&bytes).unwrap();
        let (second, _) = Frame::first(&bytes[read..]).unwrap();
        assert_eq!((first.last, second.last), (false, true));
    }

    #[test]
    fn only_a_close_frame_has_a_code() {
        let close = from_server(CLOSE, &[0x03, 0xf3, b'x']);
        let text = from_server(TEXT, &[0x03, 0xf3]);
        assert_eq!(Frame::first(&close).unwrap().0.close_code(), Some(1011));
        assert_eq!(Frame::first(&text).unwrap().0.close_code(), None);
        assert_eq!(Frame::first(&from_server(CLOSE, b"")).unwrap().0.close_code(), None);
    }

    #[test]
    fn a_client_masks_with_zero() {
        assert_eq!(from_client(TEXT, b"hi"), [0x81, 0x82, 0, 0, 0, 0, b'h', b'i']);
        assert_eq!(from_client(TEXT, &[0; 200])[..4], [0x81, 0xfe, 0, 200]);
    }
}
