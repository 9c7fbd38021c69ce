//! JSON-RPC envelopes as spans in bytes.
//!
//! Everything here looks at bytes and nothing else: no tower, no clock, no state that outlives one message.
//! A request or a reply is read once by one push-down scanner, which checks every byte against
//! [RFC 8259](https://www.rfc-editor.org/rfc/rfc8259) and reports where the members of the envelope lie. Ids,
//! methods, params and results stay the bytes they arrived as; none of them passes through a tree of values, so
//! integers of any size, key order, spacing and escapes survive.
//!
//! | Question | Answer |
//! |---|---|
//! | what did the client send? | [`parse`] → [`Parsed`], [`Request`] |
//! | what is in its parameters? | [`Params`], [`RawJson`] |
//! | what goes to the upstream? | [`Request::upstream_body`] |
//! | what came over an upstream's socket? | [`parse_upstream`] → [`Incoming`], [`Push`] |
//! | is this reply ours, and is it valid? | [`parse_reply`], or [`ReplyScanner`] while it is still arriving |
//! | what did the upstream complain about? | [`parse_error`], [`lenient_error`], [`retry_after`] |
//! | how does the client get its own id back? | [`splice_id`] |
//! | what does an answer of our own look like? | [`ErrorObject`], [`result_body`], [`write_string`] |
//!
//! A call through, with nothing but bytes in between:
//!
//! ```
//! use bytes::Bytes;
//! use lasso_layers::wire::{Parsed, UpstreamId, parse, parse_reply, splice_id};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let body = Bytes::from_static(br#"{"id":null,"method":"eth_getBalance","params":["0x0","latest"]}"#);
//! let Parsed::One(request) = parse(body, 50)? else { panic!("one object") };
//! assert_eq!(request.method(), "eth_getBalance");
//! assert_eq!(request.params().last().and_then(|block| block.as_str()).as_deref(), Some("latest"));
//!
//! // `null` does not travel upstream as an id, so a private one does.
//! assert_eq!(request.upstream_id(), None);
//! let private = br#""lasso-1""#;
//! assert_eq!(
//!     &request.upstream_body(UpstreamId::Private(private))[..],
//!     br#"{"jsonrpc":"2.0","id":"lasso-1","method":"eth_getBalance","params":["0x0","latest"]}"#,
//! );
//!
//! let reply = Bytes::from_static(br#"{ "result" : "0x2a", "id" : "lasso-1", "jsonrpc" : "2.0" }"#);
//! let shape = parse_reply(&reply, private)?;
//! let answer = splice_id(&reply, shape.id(), request.id().unwrap_or(b"null"));
//! assert_eq!(&answer[..], br#"{ "result" : "0x2a", "id" : null, "jsonrpc" : "2.0" }"#);
//! # Ok(())
//! # }
//! ```

mod error;
mod member;
mod nesting;
mod number;
mod params;
mod push;
mod raw;
mod reply;
mod request;
mod retry;
mod scanner;
mod span;
mod splice;
mod text;
mod utf8;

pub use self::{
    error::{ErrorObject, ErrorParts, code, lenient_error, parse_error, result_body},
    params::{Params, ParamsKind},
    push::{Incoming, Push, parse_push, parse_upstream},
    raw::{Elements, Members, RawJson},
    reply::{ReplyDefect, ReplyScanner, ReplyShape, parse_reply},
    request::{Defect, IdKind, Item, Parsed, Request, UpstreamId, parse},
    retry::{retry_after, retry_after_beside},
    scanner::Syntax,
    span::Span,
    splice::{prepend_member, splice_id},
    text::write_string,
};
