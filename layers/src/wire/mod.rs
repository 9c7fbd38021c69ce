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
//! | is this reply ours, and is it valid? | [`parse_reply`], or [`ReplyScanner`] while it is still arriving |
//! | what did the upstream complain about? | [`parse_error`], [`lenient_error`] |
//! | how does the client get its own id back? | [`splice_id`] |
//! | what does an answer of our own look like? | [`ErrorObject`], [`result_body`], [`write_string`] |

mod error;
mod member;
mod nesting;
mod number;
mod params;
mod raw;
mod reply;
mod request;
mod scanner;
mod span;
mod splice;
mod text;
mod utf8;

pub use self::{
    error::{ErrorObject, ErrorParts, code, lenient_error, parse_error, result_body},
    params::{Params, ParamsKind},
    raw::{Elements, Members, RawJson},
    reply::{ReplyDefect, ReplyScanner, ReplyShape, parse_reply},
    request::{Defect, IdKind, Item, Parsed, Request, UpstreamId, parse},
    scanner::Syntax,
    span::Span,
    splice::{prepend_member, splice_id},
    text::write_string,
};
