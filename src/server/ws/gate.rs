//! What is on its way to a client, in frames.
//!
//! Thousands of clients are sent the same event, so nothing here is copied for one of them but the few bytes that
//! differ: a frame is a list of chunks, of which the large ones are shared, and all of them go out in one vectored
//! write.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use lasso_layers::call::session::Passage;
use smallvec::SmallVec;
use tokio::io::AsyncWrite;

/// Frames in the order in which they are written.
///
/// Two writers put frames in: messages come from us, pongs, pings and closing frames from the protocol's own
/// implementation. The latter go first, as soon as the frames whose place is settled are out: never into another frame,
/// and never behind a long queue.
#[derive(Debug, Default)]
pub(super) struct Gate {
    queue: VecDeque<Chunk>,
    /// How many chunks at the front have their place for good. They are whole frames, but for what was written of the
    /// first.
    settled: usize,
    bytes: usize,
    controls: usize,
    written: u64,
    /// More of the message that came last is to come.
    is_within: bool,
}

#[derive(Debug)]
struct Chunk {
    bytes: Bytes,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// More of the same frame follows.
    Part,
    /// The end of a frame.
    Last,
    /// A control frame, or several, whole.
    Control,
}

/// What a frame is ([RFC 6455, section 5.2](https://www.rfc-editor.org/rfc/rfc6455#section-5.2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// More of the message was in an earlier frame.
    pub(super) is_continuation: bool,
    /// No more of it follows.
    pub(super) is_final: bool,
}

/// The most chunks that one write takes.
const CHUNKS: usize = 16;

/// The most bytes that are settled beyond the first frame: what a pong may have to wait for.
const SETTLED_BYTES: usize = 64 * 1024;

/// The most control frames that wait. Whoever pings and does not read is not answered for ever.
const CONTROLS: usize = 8;

/// The room that is kept for a client that nothing waits for.
const KEPT: usize = 4;

impl Header {
    /// A message in one frame.
    pub(super) const WHOLE: Self = Self { is_continuation: false, is_final: true };

    const LONGEST: usize = 10;

    /// The head of a text frame that is not masked, as those of servers are.
    pub(super) fn of(self, length: usize) -> SmallVec<[u8; Self::LONGEST]> {
        const TEXT: u8 = 1;
        let opcode = if self.is_continuation { 0 } else { TEXT };
        let first = u8::from(self.is_final) << 7 | opcode;
        let mut head = SmallVec::new();
        match length {
            0..126 => head.extend_from_slice(&[first, length as u8]),
            126..=0xffff => {
                head.extend_from_slice(&[first, 126]);
                head.extend_from_slice(&(length as u16).to_be_bytes());
            }
            _ => {
                head.extend_from_slice(&[first, 127]);
                head.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        head
    }
}

impl Gate {
    /// Puts a frame of text in: `head` is this client's own, `tail` is shared.
    pub(super) fn push(&mut self, header: Header, head: &[u8], tail: impl IntoIterator<Item = Bytes>) {
        let at = self.queue.len();
        self.queue.push_back(Chunk { bytes: Bytes::new(), kind: Kind::Part });
        let mut length = head.len();
        for bytes in tail {
            if !bytes.is_empty() {
                length += bytes.len();
                self.queue.push_back(Chunk { bytes, kind: Kind::Part });
            }
        }
        let mut start = Vec::with_capacity(Header::LONGEST + head.len());
        start.extend_from_slice(&header.of(length));
        start.extend_from_slice(head);
        self.bytes += start.len() + length - head.len();
        self.queue[at].bytes = start.into();
        self.queue.back_mut().expect("the head is there").kind = Kind::Last;
        self.is_within = !header.is_final;
    }

    /// Whether a message can go out at once: nothing waits, and none that was begun is to go on.
    pub(super) fn is_clear(&self) -> bool {
        self.queue.is_empty() && !self.is_within
    }

    /// Writes whole frames at once, as [nothing is in their way](Self::is_clear). Of what is begun the rest waits here.
    pub(super) fn pass(&mut self, frames: &[u8], write: impl FnOnce(&[u8]) -> io::Result<usize>) -> Passage {
        // The next one to write learns of an error too, and can say what follows from it.
        let written = write(frames).unwrap_or(0);
        self.written += written as u64;
        match &frames[written..] {
            [] => Passage::Sent,
            _ if written == 0 => Passage::Blocked,
            rest => {
                self.queue.push_back(Chunk { bytes: Bytes::copy_from_slice(rest), kind: Kind::Last });
                self.settled = 1;
                self.bytes += rest.len();
                Passage::Begun
            }
        }
    }

    /// Puts whole control frames in; `false` when too many wait.
    pub(super) fn push_control(&mut self, frames: &[u8]) -> bool {
        if self.controls >= CONTROLS {
            return false;
        }
        let chunk = Chunk { bytes: Bytes::copy_from_slice(frames), kind: Kind::Control };
        self.queue.insert(self.settled, chunk);
        self.settled += 1;
        self.controls += 1;
        self.bytes += frames.len();
        true
    }

    /// Drops what has no place yet: the client will not be waited for.
    pub(super) fn abandon(&mut self) {
        for chunk in self.queue.drain(self.settled..) {
            self.bytes -= chunk.bytes.len();
        }
    }

    /// How many bytes wait.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// How many bytes went out so far.
    pub(super) const fn written(&self) -> u64 {
        self.written
    }

    /// Writes until nothing waits.
    pub(super) fn poll_flush(
        &mut self,
        mut io: Pin<&mut impl AsyncWrite>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.queue.is_empty() {
            self.settle();
            let mut slices = [IoSlice::new(&[]); CHUNKS];
            let mut count = 0;
            for (slice, chunk) in slices.iter_mut().zip(self.queue.iter().take(self.settled)) {
                *slice = IoSlice::new(&chunk.bytes);
                count += 1;
            }
            let written = ready!(io.as_mut().poll_write_vectored(cx, &slices[..count]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(written);
        }
        self.queue.shrink_to(KEPT);
        io.poll_flush(cx)
    }

    /// Gives the next frames their place: one at least, and as many as one write takes.
    fn settle(&mut self) {
        let mut bytes: usize = self.queue.iter().take(self.settled).map(|chunk| chunk.bytes.len()).sum();
        let mut end = self.settled;
        while end < self.queue.len() && (self.settled == 0 || (end < CHUNKS && bytes < SETTLED_BYTES)) {
            let chunk = &self.queue[end];
            bytes += chunk.bytes.len();
            end += 1;
            if chunk.kind != Kind::Part {
                self.settled = end;
            }
        }
    }

    fn advance(&mut self, mut written: usize) {
        self.bytes -= written;
        self.written += written as u64;
        while written > 0 {
            let chunk = self.queue.front_mut().expect("no more is written than was there");
            let taken = written.min(chunk.bytes.len());
            chunk.bytes.advance(taken);
            written -= taken;
            if chunk.bytes.is_empty() {
                self.controls -= usize::from(chunk.kind == Kind::Control);
                self.queue.pop_front();
                self.settled -= 1;
            }
        }
    }
}

#[cfg(test)]
mod tests;
