//! Finding requests with two lengths.
//!
//! A request with both `content-length` and `transfer-encoding` is refused
//! ([RFC 9112, section 6.1](https://www.rfc-editor.org/rfc/rfc9112#section-6.1): it may be an attempt to smuggle a
//! second request past a proxy). hyper decides for the encoding and takes the length out of the headers, so the
//! heads are looked at on their way in.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a connection's bytes say before hyper reads them. Shared by the one who reads and the one who serves, in
/// one task, so relaxed loads and stores are enough.
#[derive(Debug, Default)]
pub(super) struct Heads {
    /// The number of the request with two lengths, from 1; 0 for none. There is at most one: it is the last.
    ambiguous: AtomicU64,
}

impl Heads {
    /// Whether the request of that number, from 1, has two lengths.
    pub(super) fn is_ambiguous(&self, request: u64) -> bool {
        self.ambiguous.load(Ordering::Relaxed) == request
    }

    pub(super) fn note(&self, scanner: &mut Scanner, bytes: &[u8]) {
        if let Some(request) = scanner.feed(bytes) {
            self.ambiguous.store(request, Ordering::Relaxed);
        }
    }
}

/// Follows the requests of an HTTP/1 connection just closely enough to know where each head begins.
///
/// It judges nothing: where the bytes are no valid HTTP/1 it stops looking, because hyper will refuse them.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    state: State,
    /// The beginning of a line that is not complete yet.
    line: Vec<u8>,
    head: Head,
    requests: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Before a request line.
    #[default]
    Start,
    /// Among the headers.
    Headers,
    /// This many bytes to the next request.
    Body(u64),
    /// Before the size of a chunk.
    ChunkSize,
    /// This many bytes, the line end included, to the next chunk.
    Chunk(u64),
    /// After the last chunk.
    Trailers,
    /// Not looking any more: the client speaks HTTP/2.
    Http2,
    /// Not looking any more.
    Off,
}

#[derive(Debug, Default)]
struct Head {
    /// What `content-length` says; the inner `None` is not a number.
    length: Option<Option<u64>>,
    is_chunked: bool,
    is_upgrade: bool,
}

/// How much of a line is kept: enough for the name and the value of a length.
const KEPT: usize = 64;

impl Scanner {
    /// Looks at the next bytes. Returns the number of the request that has two lengths, when its head ends
    /// among them.
    fn feed(&mut self, mut bytes: &[u8]) -> Option<u64> {
        while !bytes.is_empty() {
            match &mut self.state {
                State::Http2 | State::Off => return None,
                State::Body(left) | State::Chunk(left) => {
                    let skipped = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                    bytes = &bytes[skipped..];
                    *left -= skipped as u64;
                    self.state = match self.state {
                        State::Body(0) => State::Start,
                        State::Chunk(0) => State::ChunkSize,
                        state => state,
                    };
                }
                State::Start | State::Headers | State::ChunkSize | State::Trailers => {
                    let end = bytes.iter().position(|byte| *byte == b'\n');
                    let piece = &bytes[..end.unwrap_or(bytes.len())];
                    let Some(end) = end else {
                        self.keep(piece);
                        return None;
                    };
                    bytes = &bytes[end + 1..];
                    let ambiguous = if self.line.is_empty() {
                        self.line(piece)
                    } else {
                        self.keep(piece);
                        let mut line = std::mem::take(&mut self.line);
                        let ambiguous = self.line(&line);
                        line.clear();
                        self.line = line;
                        ambiguous
                    };
                    if ambiguous.is_some() {
                        return ambiguous;
                    }
                }
            }
        }
        None
    }

    /// Whether the client may be in the middle of a message.
    pub(super) fn is_inside_message(&self) -> bool {
        !matches!(self.state, State::Start | State::Http2) || !self.line.is_empty()
    }

    fn keep(&mut self, piece: &[u8]) {
        let room = KEPT.saturating_sub(self.line.len());
        self.line.extend_from_slice(&piece[..piece.len().min(room)]);
    }

    fn line(&mut self, line: &[u8]) -> Option<u64> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        self.state = match self.state {
            // Empty lines before a request are skipped (RFC 9112, section 2.2).
            State::Start if line.is_empty() => State::Start,
            State::Start if line == b"PRI * HTTP/2.0" => State::Http2,
            State::Start => {
                self.head = Head::default();
                State::Headers
            }
            State::Headers if line.is_empty() => {
                self.requests += 1;
                if self.head.length.is_some() && self.head.is_chunked {
                    self.state = State::Off;
                    return Some(self.requests);
                }
                self.head.body()
            }
            State::Headers => {
                self.head.read(line);
                State::Headers
            }
            State::ChunkSize => match chunk_size(line) {
                Some(0) => State::Trailers,
                // And the line end after it.
                Some(size) => State::Chunk(size.saturating_add(2)),
                None => State::Off,
            },
            State::Trailers if line.is_empty() => State::Start,
            state => state,
        };
        None
    }
}

impl Head {
    fn read(&mut self, line: &[u8]) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { return };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            self.length = Some(std::str::from_utf8(value).ok().and_then(|value| value.parse().ok()));
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.is_chunked = true;
        } else if name.eq_ignore_ascii_case(b"upgrade") {
            self.is_upgrade = true;
        }
    }

    /// What follows the head.
    const fn body(&self) -> State {
        match self.length {
            // What follows may be another protocol.
            _ if self.is_upgrade => State::Off,
            _ if self.is_chunked => State::ChunkSize,
            None | Some(Some(0)) => State::Start,
            Some(Some(length)) => State::Body(length),
            Some(None) => State::Off,
        }
    }
}

/// A size in hexadecimal; extensions may follow.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|byte| *byte == b';').next()?.trim_ascii();
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab\ncd";
    const CHUNKED: &str = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\na\r\n\r\nA\r\n0123456789\r\n0\r\nT: 1\r\n\r\n";
    const BARE: &str = "\r\nGET / HTTP/1.1\r\n\r\n";
    const TWO_LENGTHS: &str =
        "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\nCONTENT-LENGTH: 2\r\n\r\n0\r\n\r\n";
    const TWO_LENGTHS_SWAPPED: &str =
        "POST / HTTP/1.1\nContent-Length:2\nTransfer-Encoding:  chunked\n\n0\r\n\r\n";

    /// The outcome must not depend on how the bytes are cut.
    fn scan(text: &str) -> Option<u64> {
        let cuts = [1, 2, 3, 7, text.len()];
        let outcomes = cuts.map(|size| {
            let mut scanner = Scanner::default();
            text.as_bytes().chunks(size).find_map(|piece| scanner.feed(piece))
        });
        assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]), "{outcomes:?}");
        outcomes[0]
    }

    #[test]
    fn two_lengths_are_found_wherever_the_request_stands() {
        for text in [TWO_LENGTHS, TWO_LENGTHS_SWAPPED] {
            assert_eq!(scan(text), Some(1));
            assert_eq!(scan(&[PLAIN, text].concat()), Some(2));
            assert_eq!(scan(&[CHUNKED, BARE, PLAIN, text].concat()), Some(4));
        }
    }

    #[test]
    fn bodies_are_not_taken_for_heads() {
        let hidden = format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n{TWO_LENGTHS}", TWO_LENGTHS.len());
        assert_eq!(scan(&hidden), None);
        let hidden = format!(
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{TWO_LENGTHS}\r\n0\r\n\r\n",
            TWO_LENGTHS.len()
        );
        assert_eq!(scan(&hidden), None);
        assert_eq!(scan(&[&hidden, TWO_LENGTHS].concat()), Some(2));
    }

    #[test]
    fn other_protocols_are_left_alone() {
        assert_eq!(scan(&["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", TWO_LENGTHS].concat()), None);
        let upgrade = "GET /ws HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
        assert_eq!(scan(&[upgrade, TWO_LENGTHS].concat()), None);
    }

    #[test]
    fn long_lines_are_kept_in_part_and_still_known() {
        let padded = format!(
            "POST / HTTP/1.1\r\nX: {}\r\nContent-Length: {}1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "y".repeat(500),
            " ".repeat(500),
        );
        assert_eq!(scan(&padded), Some(1));
    }
}
