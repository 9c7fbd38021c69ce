//! Reading a reply until it is known whether it is small, large, an error or nothing of the kind.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};

use super::EgressPolicy;
use super::held::Held;
use super::whole;
use crate::call::Reply;
use crate::wire::{ReplyDefect, ReplyScanner, splice_id};

/// A reply whose beginning is held. Knows bytes only; the future around it knows the connection.
#[derive(Debug)]
pub(super) struct Intake {
    scanner: ReplyScanner,
    held: Held,
    policy: EgressPolicy,
    /// Where the id begins, once it has.
    id_start: Option<usize>,
    /// The length that the upstream announced.
    content_length: Option<u64>,
    /// When the upstream wants to be asked again, by its headers; means something beside an error.
    retry_after: Option<Duration>,
}

/// What follows from a frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// More frames are needed.
    More,
    /// All of it is there.
    Finish,
    /// It is a result, and a large one.
    Stream,
}

/// A large reply at the moment it begins to pass through.
#[derive(Debug)]
pub(super) struct Passing {
    /// What was held, with the client's id as far as the id was in it.
    pub(super) head: Bytes,
    pub(super) scanner: ReplyScanner,
    /// How many bytes of the upstream's body are still to come, where it is known.
    pub(super) upstream_left: Option<u64>,
    /// How many bytes the client gets, head included, where it is known.
    pub(super) client_left: Option<u64>,
}

impl Intake {
    pub(super) fn new(
        scanner: ReplyScanner,
        policy: EgressPolicy,
        content_length: Option<u64>,
        retry_after: Option<Duration>,
    ) -> Self {
        Self { scanner, held: Held::default(), policy, id_start: None, content_length, retry_after }
    }

    /// How many bytes were read.
    pub(super) fn size(&self) -> u64 {
        self.held.len() as u64
    }

    /// Reads the next frame; `is_last` when it is known that no other follows.
    ///
    /// # Errors
    ///
    /// When the reply is not valid, or longer than is held without a result in it.
    pub(super) fn feed(&mut self, frame: Bytes, is_last: bool) -> Result<Step, ReplyDefect> {
        let base = self.held.len();
        let scanned = self.scanner.feed(&frame);
        self.held.push(frame, self.expected_len());
        scanned?;
        if self.id_start.is_none() && self.scanner.id_starts_in_chunk() {
            self.id_start = self.scanner.id_in_chunk().map(|part| base + part.start);
        }
        let len = self.held.len();
        if !self.scanner.is_result() && len > self.policy.max_held {
            return Err(ReplyDefect::InvalidEnvelope);
        }
        Ok(if is_last {
            Step::Finish
        } else if self.scanner.is_result() && len > self.policy.max_buffered {
            Step::Stream
        } else {
            Step::More
        })
    }

    /// The whole reply was read.
    ///
    /// # Errors
    ///
    /// When it is not valid.
    pub(super) fn finish(self, client_id: &[u8]) -> Result<Reply, ReplyDefect> {
        let shape = self.scanner.finish()?;
        whole::settle(shape, self.held.into_bytes(), client_id, self.retry_after)
    }

    /// The rest of the reply passes through.
    pub(super) fn pass(self, client_id: &[u8]) -> Passing {
        let body = self.held.into_bytes();
        let upstream_left = self.content_length.and_then(|length| length.checked_sub(body.len() as u64));
        let mut client_left = None;
        let head = match (self.scanner.id_span(), self.id_start) {
            (Some(id), _) => {
                let head = splice_id(&body, id, client_id);
                client_left = upstream_left.map(|left| left + head.len() as u64);
                head
            }
            // The end of the id is still to come; the stream leaves it out. How long the upstream wrote the id is
            // not known, so neither is the length of what the client gets.
            (None, Some(start)) => {
                let mut head = BytesMut::with_capacity(start + client_id.len());
                head.put_slice(&body[..start]);
                head.put_slice(client_id);
                head.freeze()
            }
            (None, None) => body,
        };
        Passing { head, scanner: self.scanner, upstream_left, client_left }
    }

    /// Room for the whole reply, or for what is held of a large one.
    fn expected_len(&self) -> usize {
        let length = self.content_length.and_then(|length| usize::try_from(length).ok());
        length.unwrap_or_default().min(self.policy.max_buffered)
    }
}
