//! What a client sent.

mod envelope;

use std::{borrow::Cow, fmt};

use bytes::Bytes;

pub use self::envelope::parse;
use self::envelope::{Version, request_body};
use super::{number, params::Params, raw::RawJson, scanner::Syntax, span::Span, text};

/// A whole body, read.
#[derive(Clone, Debug)]
pub enum Parsed {
    /// One object.
    One(Request),
    /// An array, in order; it may be empty.
    Batch(Vec<Item>),
    /// A valid array of more items than allowed. Holds their number and none of them.
    Oversized(usize),
    /// A string, number, boolean or `null`.
    Scalar,
}

/// One element of a batch.
#[derive(Clone, Debug)]
pub enum Item {
    /// An object; it may still have a [`Defect`].
    Request(Request),
    /// Anything else. Its answer carries `null` as id.
    Invalid,
}

/// Why an object is not a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Defect {
    /// `method` is missing or not a string.
    MethodMissing,
    /// `jsonrpc` is there and is not `"2.0"`.
    Version,
}

/// What was written for `id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IdKind {
    /// No such member.
    Absent,
    /// `null`, which is an id like any other: the request gets a reply.
    Null,
    /// A string.
    String,
    /// A number without fraction and exponent, of any size.
    Integer,
    /// Anything else; not forwarded, but echoed by local answers.
    Other,
}

/// The id that a request carries upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpstreamId<'a> {
    /// The client's own, byte for byte.
    Client,
    /// Another one: a JSON string or number.
    Private(&'a [u8]),
}

/// One JSON-RPC request object: the client's bytes, and where its members lie in them.
///
/// A clone shares the bytes. Of several members with one name the last counts.
#[derive(Clone)]
pub struct Request {
    /// The object alone, without space around it.
    body: Bytes,
    /// Each span is empty when there is no such member.
    id: Span,
    /// Empty also when the member is not a string.
    method: Span,
    params: Span,
    lasso_meta: Span,
    version: Version,
    /// Whether the bytes are what an upstream may get as they are.
    is_canonical: bool,
}

impl Request {
    /// Builds a request from its parts, for callers that have no client's bytes. `id` and `params` are JSON texts.
    ///
    /// # Errors
    ///
    /// When `id` or `params` is not JSON.
    pub fn new(id: &str, method: &str, params: &str) -> Result<Self, Syntax> {
        let id = RawJson::parse(id.as_bytes())?.bytes();
        let params = RawJson::parse(params.as_bytes())?;
        let mut method_token = Vec::with_capacity(method.len() + 2);
        text::write_string(&mut method_token, method);
        envelope::parse_one(request_body(id, &method_token, Params::new(Some(params))))
    }

    /// Why this is not a valid request, if it is not. Over HTTP `jsonrpc` may be left out; elsewhere ask
    /// [`has_version`](Self::has_version) too.
    #[must_use]
    pub fn defect(&self) -> Option<Defect> {
        if self.method.is_empty() {
            Some(Defect::MethodMissing)
        } else if self.version == Version::Wrong {
            Some(Defect::Version)
        } else {
            None
        }
    }

    /// Whether it says `"jsonrpc":"2.0"`.
    #[must_use]
    pub fn has_version(&self) -> bool {
        self.version == Version::Two
    }

    /// The id as it was written; `None` when there is none.
    #[must_use]
    pub fn id(&self) -> Option<&[u8]> {
        self.token(self.id)
    }

    /// What kind of value the id is.
    #[must_use]
    pub fn id_kind(&self) -> IdKind {
        match self.id() {
            None => IdKind::Absent,
            Some(b"null") => IdKind::Null,
            Some([b'"', ..]) => IdKind::String,
            Some(token) if number::is_integer(token) => IdKind::Integer,
            Some(_) => IdKind::Other,
        }
    }

    /// Whether nobody waits for a reply: a valid request without an id. An id of `null` is an id.
    #[must_use]
    pub fn is_notification(&self) -> bool {
        self.id.is_empty() && self.defect().is_none()
    }

    /// The name of the method, unescaped; empty when it is missing or not a string.
    #[must_use]
    pub fn method(&self) -> Cow<'_, str> {
        self.token(self.method).map_or(Cow::Borrowed(""), text::unescape)
    }

    /// The parameters.
    #[must_use]
    pub fn params(&self) -> Params<'_> {
        Params::new(self.token(self.params).map(RawJson::trusted))
    }

    /// The `lasso_meta` member as it was written. It is meant for us and never goes upstream.
    #[must_use]
    pub fn lasso_meta(&self) -> Option<&[u8]> {
        self.token(self.lasso_meta)
    }

    /// The object as the client wrote it.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// The client's id, when it may travel upstream as it is: a string or an integer, written in at most 32 bytes.
    /// For any other the caller makes a private id.
    #[must_use]
    pub fn upstream_id(&self) -> Option<&[u8]> {
        const MAX_BYTES: usize = 32;
        match self.id_kind() {
            IdKind::String | IdKind::Integer => self.id().filter(|id| id.len() <= MAX_BYTES),
            IdKind::Absent | IdKind::Null | IdKind::Other => None,
        }
    }

    /// The body for the upstream: version, id, method and parameters, and nothing else the client sent. Parameters
    /// are an array afterwards, see [`Params`]; their bytes, and those of the method, stay.
    ///
    /// When the client sent exactly that already and keeps its id, the result shares the client's bytes. Meant for
    /// requests without a [`Defect`].
    #[must_use]
    pub fn upstream_body(&self, id: UpstreamId<'_>) -> Bytes {
        let client_id = self.id().unwrap_or(b"null");
        let id = match id {
            UpstreamId::Client => client_id,
            UpstreamId::Private(id) => id,
        };
        if self.is_canonical && id == client_id {
            return self.body.clone();
        }
        request_body(id, self.token(self.method).unwrap_or(b"\"\""), self.params())
    }

    fn token(&self, span: Span) -> Option<&[u8]> {
        if span.is_empty() { None } else { Some(span.slice(&self.body)) }
    }
}

/// Leaves parameters out: they may be large, and they are the client's business.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method())
            .field("id", &self.id_kind())
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
