//! Finding the members of request objects, alone or in a batch.

use bytes::Bytes;

use super::{Item, Parsed, Request};
use crate::wire::{
    member::{self, Name},
    params::Params,
    scanner::{Scanner, Sink, Syntax},
    span::Span,
};

/// Reads a whole body: checks every byte and finds the request, or the requests of a batch of at most `limit`.
///
/// Memory stays within `limit` items whatever the body holds. The requests share the body.
///
/// # Errors
///
/// When the body is not exactly one JSON value; an empty body is none.
pub fn parse(body: Bytes, limit: usize) -> Result<Parsed, Syntax> {
    let mut collector = Collector::new(&body, limit);
    Scanner::scan(&body, &mut collector)?;
    if collector.top == b'[' {
        let is_oversized = collector.count > limit;
        return Ok(if is_oversized {
            Parsed::Oversized(collector.count)
        } else {
            Parsed::Batch(collector.items)
        });
    }
    Ok(collector.single.map_or(Parsed::Scalar, Parsed::One))
}

/// Reads a body that was built here as one object.
pub(super) fn parse_one(body: Bytes) -> Result<Request, Syntax> {
    match parse(body, 0)? {
        Parsed::One(request) => Ok(request),
        _ => unreachable!("the body is an object"),
    }
}

/// `{"jsonrpc":"2.0","id":…,"method":…,"params":[…]}`, with `id` and `method` as JSON values.
pub(super) fn request_body(id: &[u8], method: &[u8], params: Params<'_>) -> Bytes {
    let fixed = br#"{"jsonrpc":"2.0","id":,"method":,"params":[]}"#.len();
    let mut out = Vec::with_capacity(fixed + id.len() + method.len() + params.raw().map_or(0, <[u8]>::len));
    out.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
    out.extend_from_slice(id);
    out.extend_from_slice(br#","method":"#);
    out.extend_from_slice(method);
    out.extend_from_slice(br#","params":"#);
    params.write_array(&mut out);
    out.push(b'}');
    out.into()
}

/// What was written for `jsonrpc`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Version {
    #[default]
    Absent,
    Two,
    Wrong,
}

/// The object that is being read. Spans are those of the whole body.
#[derive(Default)]
struct Envelope {
    start: u64,
    id: Span,
    method: Span,
    params: Span,
    lasso_meta: Span,
    version: Version,
    params_are_array: bool,
    /// How many members there are, of any name.
    members: usize,
}

/// Hears a body and keeps its request objects.
struct Collector<'a> {
    body: &'a Bytes,
    limit: usize,
    /// First byte of the top-level value.
    top: u8,
    /// Number of elements of a batch.
    count: usize,
    items: Vec<Item>,
    /// The object that is the whole body.
    single: Option<Request>,
    /// Depth of the values that are to be requests: 0, or 1 in a batch.
    unit: usize,
    /// The unit that is open, when it is an object and is wanted.
    envelope: Option<Envelope>,
    /// Where the key or member value that is open began.
    start: u64,
    first: u8,
    name: Name,
}

impl<'a> Collector<'a> {
    const fn new(body: &'a Bytes, limit: usize) -> Self {
        Self {
            body,
            limit,
            top: 0,
            count: 0,
            items: Vec::new(),
            single: None,
            unit: 0,
            envelope: None,
            start: 0,
            first: 0,
            name: Name::Other,
        }
    }

    fn begin_element(&mut self, at: u64, first: u8) {
        self.count += 1;
        if self.count > self.limit {
            self.items = Vec::new();
        } else if first == b'{' {
            self.envelope = Some(Envelope::at(at));
        } else {
            self.items.push(Item::Invalid);
        }
    }

    fn end_unit(&mut self, end: u64) {
        let Some(envelope) = self.envelope.take() else { return };
        let request = envelope.into_request(self.body, end);
        match self.unit {
            0 => self.single = Some(request),
            _ => self.items.push(Item::Request(request)),
        }
    }

    fn end_member(&mut self, end: u64) {
        let Some(envelope) = &mut self.envelope else { return };
        let value = Span::new(self.start, end);
        envelope.members += 1;
        match self.name {
            Name::JsonRpc => {
                let two = member::is_version_2(value.slice(self.body));
                envelope.version = if two { Version::Two } else { Version::Wrong };
            }
            Name::Id => envelope.id = value,
            Name::Method => envelope.method = if self.first == b'"' { value } else { Span::default() },
            Name::Params => {
                envelope.params = value;
                envelope.params_are_array = self.first == b'[';
            }
            Name::LassoMeta => envelope.lasso_meta = value,
            _ => {}
        }
    }
}

impl Envelope {
    fn at(start: u64) -> Self {
        Self { start, ..Self::default() }
    }

    /// The request, once the object has ended before `end`.
    fn into_request(self, body: &Bytes, end: u64) -> Request {
        let inside = |span: Span| {
            if span.is_empty() { span } else { Span::new(span.start() - self.start, span.end() - self.start) }
        };
        // Four members, and each of the four names is among them: so each is there once, and no other.
        let is_canonical = self.members == 4
            && self.version == Version::Two
            && !self.id.is_empty()
            && !self.method.is_empty()
            && self.params_are_array;
        Request {
            body: body.slice(Span::new(self.start, end).range()),
            id: inside(self.id),
            method: inside(self.method),
            params: inside(self.params),
            lasso_meta: inside(self.lasso_meta),
            version: self.version,
            is_canonical,
        }
    }
}

impl Sink for Collector<'_> {
    type Stop = Syntax;

    #[inline]
    fn begin(&mut self, at: u64, first: u8, depth: usize) -> Result<(), Syntax> {
        if depth == self.unit + 1 {
            self.start = at;
            self.first = first;
        } else if depth == 0 {
            self.top = first;
            match first {
                b'[' => self.unit = 1,
                b'{' => self.envelope = Some(Envelope::at(at)),
                _ => {}
            }
        } else if depth == self.unit {
            self.begin_element(at, first);
        }
        Ok(())
    }

    #[inline]
    fn end(&mut self, at: u64, depth: usize) -> Result<(), Syntax> {
        if depth == self.unit + 1 {
            self.end_member(at);
        } else if depth == self.unit {
            self.end_unit(at);
        }
        Ok(())
    }

    #[inline]
    fn key_begin(&mut self, at: u64, depth: usize) {
        if depth == self.unit + 1 {
            self.start = at;
        }
    }

    #[inline]
    fn key_end(&mut self, at: u64, depth: usize) -> Result<(), Syntax> {
        if depth == self.unit + 1 && self.envelope.is_some() {
            self.name = Name::of(Span::new(self.start, at).slice(self.body));
        }
        Ok(())
    }
}
