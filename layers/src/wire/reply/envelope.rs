//! What has been learnt about a reply so far.

use smallvec::SmallVec;

use super::{ReplyDefect, ReplyShape};
use crate::wire::{
    member::{self, Name},
    raw::RawJson,
    scanner::Sink,
    span::Span,
    text,
};

/// Members seen, and where.
#[derive(Clone, Debug)]
pub(super) struct Envelope {
    /// Without one, any id will do.
    expected_id: Option<SmallVec<[u8; 32]>>,
    /// The top-level member whose value is being read.
    member: Name,
    has_version: bool,
    id_start: Option<u64>,
    id: Option<Span>,
    result_start: Option<u64>,
    result: Option<Span>,
    result_is_null: bool,
    error_start: Option<u64>,
    error: Option<Span>,
    /// The members of the error object.
    error_parts: ErrorMembers,
    token: Token,
}

/// What an error object must have exactly once, or may have once.
#[derive(Clone, Copy, Debug, Default)]
struct ErrorMembers {
    /// The member whose value is being read.
    member: Name,
    has_code: bool,
    has_message: bool,
    has_data: bool,
}

impl Envelope {
    pub(super) fn new(expected_id: Option<&[u8]>) -> Self {
        Self {
            expected_id: expected_id.map(SmallVec::from_slice),
            member: Name::Other,
            has_version: false,
            id_start: None,
            id: None,
            result_start: None,
            result: None,
            result_is_null: false,
            error_start: None,
            error: None,
            error_parts: ErrorMembers::default(),
            token: Token::default(),
        }
    }

    pub(super) const fn result_started(&self) -> bool {
        self.result_start.is_some()
    }

    pub(super) const fn is_result(&self) -> bool {
        self.result_start.is_some() && !self.result_is_null
    }

    pub(super) const fn id_start(&self) -> Option<u64> {
        self.id_start
    }

    pub(super) const fn id(&self) -> Option<Span> {
        self.id
    }

    /// Keeps what the end of a piece cuts off a token that is still being read.
    pub(super) fn keep(&mut self, piece: &[u8], base: u64) {
        self.token.keep(piece, base);
    }

    /// The outcome, after the end of the text.
    pub(super) const fn shape(&self) -> Result<ReplyShape, ReplyDefect> {
        match (self.has_version, self.id, self.result, self.error) {
            (true, Some(id), None, Some(error)) => Ok(ReplyShape::Error { id, error }),
            (true, Some(id), Some(_), Some(error)) if self.result_is_null => {
                Ok(ReplyShape::Error { id, error })
            }
            (true, Some(id), Some(result), None) => Ok(ReplyShape::Result { id, result }),
            _ => Err(ReplyDefect::InvalidEnvelope),
        }
    }

    /// A key at the top has been read.
    fn key(&mut self, name: Name) -> Result<(), ReplyDefect> {
        self.member = name;
        let is_repeated = match name {
            Name::Method => return Err(ReplyDefect::UnexpectedNotification),
            Name::JsonRpc => self.has_version,
            Name::Id => self.id.is_some(),
            Name::Result => self.result.is_some(),
            // A result that is not null excludes an error; a null one next to an error says nothing.
            Name::Error => self.error.is_some() || self.is_result(),
            _ => false,
        };
        refuse_if(is_repeated)
    }

    /// The value of the member at the top begins.
    fn begin_member(&mut self, at: u64, first: u8) -> Result<(), ReplyDefect> {
        match self.member {
            Name::JsonRpc => self.token.open(at),
            Name::Id => {
                self.id_start = Some(at);
                self.token.open(at);
            }
            Name::Result => {
                self.result_start = Some(at);
                self.result_is_null = first == b'n';
                refuse_if(self.error.is_some() && !self.result_is_null)?;
            }
            Name::Error => {
                self.error_start = Some(at);
                refuse_if(first != b'{')?;
            }
            _ => {}
        }
        Ok(())
    }

    /// The value of the member at the top has been read.
    fn end_member(&mut self, at: u64, piece: &[u8], base: u64) -> Result<(), ReplyDefect> {
        let span_from = |start: Option<u64>| start.map(|start| Span::new(start, at));
        match self.member {
            Name::JsonRpc => {
                self.has_version = true;
                if !self.token.close(at, piece, base).is_some_and(member::is_version_2) {
                    return Err(ReplyDefect::UnsupportedVersion);
                }
            }
            Name::Id => {
                self.id = span_from(self.id_start);
                let token = self.token.close(at, piece, base);
                if let Some(expected) = &self.expected_id
                    && !token.is_some_and(|token| is_same_id(token, expected))
                {
                    return Err(ReplyDefect::IdMismatch);
                }
            }
            Name::Result => self.result = span_from(self.result_start),
            Name::Error => {
                self.error = span_from(self.error_start);
                refuse_if(!self.error_parts.has_code || !self.error_parts.has_message)?;
            }
            _ => {}
        }
        Ok(())
    }
}

impl ErrorMembers {
    /// A key of the error object has been read.
    fn key(&mut self, name: Name) -> Result<(), ReplyDefect> {
        self.member = name;
        let seen = match name {
            Name::Code => &mut self.has_code,
            Name::Message => &mut self.has_message,
            Name::Data => &mut self.has_data,
            _ => return Ok(()),
        };
        refuse_if(std::mem::replace(seen, true))
    }
}

/// Whether two JSON values are the same id.
fn is_same_id(token: &[u8], expected: &[u8]) -> bool {
    let are_strings = token.first() == Some(&b'"') && expected.first() == Some(&b'"');
    token == expected || (are_strings && text::unescape(token) == text::unescape(expected))
}

const fn refuse_if(condition: bool) -> Result<(), ReplyDefect> {
    if condition { Err(ReplyDefect::InvalidEnvelope) } else { Ok(()) }
}

/// The bytes of a short token, which pieces may cut.
#[derive(Clone, Debug, Default)]
struct Token {
    /// Where the token begins, while it is being read.
    start: Option<u64>,
    /// What earlier pieces held of it.
    kept: SmallVec<[u8; 64]>,
    is_too_long: bool,
}

impl Token {
    /// No token that is looked at is longer. An id that was sent has at most 128 bytes, and each may come back as a
    /// `\u` escape.
    const MAX: usize = 1024;

    fn open(&mut self, at: u64) {
        self.start = Some(at);
        self.kept.clear();
        self.is_too_long = false;
    }

    fn keep(&mut self, piece: &[u8], base: u64) {
        let Some(start) = self.start else { return };
        let part = &piece[offset_in(piece, base, start)..];
        self.is_too_long |= self.kept.len() + part.len() > Self::MAX;
        if !self.is_too_long {
            self.kept.extend_from_slice(part);
        }
    }

    /// The whole token, which ends before `at`; `None` when it is too long to be looked at.
    fn close<'a>(&'a mut self, at: u64, piece: &'a [u8], base: u64) -> Option<&'a [u8]> {
        let start = self.start.take()?;
        let part = &piece[offset_in(piece, base, start)..offset_in(piece, base, at)];
        if self.is_too_long || self.kept.len() + part.len() > Self::MAX {
            return None;
        }
        if self.kept.is_empty() {
            return Some(part);
        }
        self.kept.extend_from_slice(part);
        Some(&self.kept)
    }
}

/// Where an offset of the whole text lies in a piece that begins at `base`; its edge, when it lies outside.
fn offset_in(piece: &[u8], base: u64, offset: u64) -> usize {
    usize::try_from(offset.saturating_sub(base)).map_or(piece.len(), |offset| offset.min(piece.len()))
}

/// Hears one piece of a reply.
pub(super) struct Listener<'a> {
    envelope: &'a mut Envelope,
    piece: &'a [u8],
    base: u64,
}

impl<'a> Listener<'a> {
    pub(super) const fn new(envelope: &'a mut Envelope, piece: &'a [u8], base: u64) -> Self {
        Self { envelope, piece, base }
    }

    /// Whether the members at this depth are those of the reply or of its error object.
    #[inline]
    fn is_of_interest(&self, depth: usize) -> bool {
        depth == 1 || (depth == 2 && self.envelope.member == Name::Error)
    }

    fn begin_error_member(&mut self, at: u64, first: u8) -> Result<(), ReplyDefect> {
        match self.envelope.error_parts.member {
            Name::Code => {
                self.envelope.token.open(at);
                Ok(())
            }
            Name::Message => refuse_if(first != b'"'),
            _ => Ok(()),
        }
    }

    fn end_error_member(&mut self, at: u64) -> Result<(), ReplyDefect> {
        if self.envelope.error_parts.member != Name::Code {
            return Ok(());
        }
        let token = self.envelope.token.close(at, self.piece, self.base);
        refuse_if(token.and_then(|token| RawJson::trusted(token).as_i64()).is_none())
    }
}

impl Sink for Listener<'_> {
    type Stop = ReplyDefect;

    #[inline]
    fn begin(&mut self, at: u64, first: u8, depth: usize) -> Result<(), ReplyDefect> {
        match depth {
            0 if first == b'[' => Err(ReplyDefect::UnexpectedBatch),
            1 => self.envelope.begin_member(at, first),
            2 if self.envelope.member == Name::Error => self.begin_error_member(at, first),
            _ => Ok(()),
        }
    }

    #[inline]
    fn end(&mut self, at: u64, depth: usize) -> Result<(), ReplyDefect> {
        match depth {
            1 => self.envelope.end_member(at, self.piece, self.base),
            2 if self.envelope.member == Name::Error => self.end_error_member(at),
            _ => Ok(()),
        }
    }

    #[inline]
    fn key_begin(&mut self, at: u64, depth: usize) {
        if self.is_of_interest(depth) {
            self.envelope.token.open(at);
        }
    }

    #[inline]
    fn key_end(&mut self, at: u64, depth: usize) -> Result<(), ReplyDefect> {
        if !self.is_of_interest(depth) {
            return Ok(());
        }
        let name = self.envelope.token.close(at, self.piece, self.base).map_or(Name::Other, Name::of);
        if depth == 1 { self.envelope.key(name) } else { self.envelope.error_parts.key(name) }
    }
}
