//! The reply of an upstream: is it ours, is it valid, and where are its parts.

mod envelope;

use std::{fmt, ops::Range};

use self::envelope::{Envelope, Listener};
use super::{
    scanner::{Scanner, Syntax},
    span::Span,
};

/// Why a reply is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReplyDefect {
    /// Not JSON, not UTF-8, cut off, or followed by something.
    InvalidJson,
    /// `jsonrpc` is not `"2.0"`.
    UnsupportedVersion,
    /// The id is not the one that was sent.
    IdMismatch,
    /// An array.
    UnexpectedBatch,
    /// It has a `method`.
    UnexpectedNotification,
    /// Anything else: a member missing or repeated, `result` and `error` together, a malformed error object.
    InvalidEnvelope,
}

impl ReplyDefect {
    /// A fixed word for logs, metrics and error data.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::InvalidJson => "invalid_json",
            Self::UnsupportedVersion => "unsupported_version",
            Self::IdMismatch => "id_mismatch",
            Self::UnexpectedBatch => "unexpected_batch",
            Self::UnexpectedNotification => "unexpected_notification",
            Self::InvalidEnvelope => "invalid_envelope",
        }
    }
}

impl fmt::Display for ReplyDefect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid upstream reply: {}", self.reason())
    }
}

impl std::error::Error for ReplyDefect {}

impl From<Syntax> for ReplyDefect {
    fn from(_: Syntax) -> Self {
        Self::InvalidJson
    }
}

/// A valid reply, as spans of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyShape {
    /// It has a `result`.
    Result {
        /// The id.
        id: Span,
        /// The value of `result`.
        result: Span,
    },
    /// It has a valid error object, and no `result` but possibly `null`.
    Error {
        /// The id.
        id: Span,
        /// The value of `error`; [`parse_error`](super::parse_error) reads it.
        error: Span,
    },
}

impl ReplyShape {
    /// The span of the id.
    #[must_use]
    pub const fn id(self) -> Span {
        match self {
            Self::Result { id, .. } | Self::Error { id, .. } => id,
        }
    }
}

/// Reads a whole reply. `expected_id` is the id that was sent, as a JSON value.
///
/// # Errors
///
/// The defect that comes first in the text.
pub fn parse_reply(body: &[u8], expected_id: &[u8]) -> Result<ReplyShape, ReplyDefect> {
    let mut scanner = ReplyScanner::new(expected_id);
    scanner.feed(body)?;
    scanner.finish()
}

/// Reads a reply while it arrives.
///
/// However the reply is cut, the outcome is that of [`parse_reply`], and a defect is told as soon as its last byte is
/// there. Memory stays small whatever the reply holds: of its values only the id, the version and the error code are
/// kept, and those in part.
///
/// The id matches when it is the same JSON text as the one that was sent, or a string that says the same with other
/// escapes.
#[derive(Clone, Debug)]
pub struct ReplyScanner {
    scanner: Scanner,
    envelope: Envelope,
    /// Where the piece that was fed last begins.
    piece: u64,
    defect: Option<ReplyDefect>,
}

impl ReplyScanner {
    /// Expects a reply with this id, a JSON value.
    #[must_use]
    pub fn new(expected_id: &[u8]) -> Self {
        Self::of(Some(expected_id.trim_ascii()))
    }

    /// Expects a reply with whatever id.
    pub(super) fn of_any_id() -> Self {
        Self::of(None)
    }

    fn of(expected_id: Option<&[u8]>) -> Self {
        Self { scanner: Scanner::default(), envelope: Envelope::new(expected_id), piece: 0, defect: None }
    }

    /// Reads the next piece.
    ///
    /// # Errors
    ///
    /// The defect that comes first in the text. It stays: later pieces are refused with the same one.
    pub fn feed(&mut self, piece: &[u8]) -> Result<(), ReplyDefect> {
        if let Some(defect) = self.defect {
            return Err(defect);
        }
        self.piece = self.scanner.position();
        let outcome = self.scanner.feed(piece, &mut Listener::new(&mut self.envelope, piece, self.piece));
        self.envelope.keep(piece, self.piece);
        self.defect = outcome.err();
        outcome
    }

    /// Whether the first byte of the `result` value has been read.
    #[must_use]
    pub const fn result_started(&self) -> bool {
        self.envelope.result_started()
    }

    /// Whether the first byte of the `result` value has been read, and the value is not `null`. From then on a valid
    /// reply can only be a result.
    #[must_use]
    pub const fn is_result(&self) -> bool {
        self.envelope.is_result()
    }

    /// Where the id lies in the whole reply, once its end has been read.
    #[must_use]
    pub const fn id_span(&self) -> Option<Span> {
        self.envelope.id()
    }

    /// Whether the id begins in the piece that was fed last. A body that passes through writes the client's id there.
    #[must_use]
    pub fn id_starts_in_chunk(&self) -> bool {
        self.envelope.id_start().is_some_and(|start| start >= self.piece)
    }

    /// The part of the id that lies in the piece that was fed last, as a range into that piece. A body that passes
    /// through leaves it out.
    #[must_use]
    pub fn id_in_chunk(&self) -> Option<Range<usize>> {
        let piece = Span::new(self.piece, self.scanner.position());
        let start = self.envelope.id_start()?.max(piece.start());
        let end = self.envelope.id().unwrap_or(piece).end();
        let part = Span::new(start - piece.start(), end.checked_sub(piece.start())?);
        if part.is_empty() { None } else { Some(part.range()) }
    }

    /// The reply ends here.
    ///
    /// # Errors
    ///
    /// The defect that comes first in the text.
    pub fn finish(mut self) -> Result<ReplyShape, ReplyDefect> {
        if let Some(defect) = self.defect {
            return Err(defect);
        }
        let position = self.scanner.position();
        self.scanner.finish(&mut Listener::new(&mut self.envelope, &[], position))?;
        self.envelope.shape()
    }
}

#[cfg(test)]
mod tests;
