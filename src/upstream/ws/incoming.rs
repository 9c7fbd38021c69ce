//! What a message of an upstream is.

use std::borrow::Cow;

use bytes::Bytes;
use lasso_layers::wire::{Incoming as Upstream, Push, RawJson, ReplyDefect, parse_upstream};

use super::mux::{ID_PREFIX, PrivateId};

/// How a reply begins where the upstream writes its members in the usual order: up to our id.
const REPLY: &[u8] = br#"{"jsonrpc":"2.0","id":"#;

/// A message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Incoming<'a> {
    /// A reply to one of our requests, or one that looks like it. Nothing else about it is known yet.
    Reply(PrivateId),
    /// An event of a subscription.
    Push {
        /// The subscription's id as it was written.
        subscription: Bytes,
        /// The value of `result`.
        result: Bytes,
    },
    /// An error that belongs to no request.
    Complaint {
        /// The error's code.
        code: Option<i64>,
        /// The error's message.
        message: Cow<'a, str>,
    },
    /// JSON, and nothing for us: a reply with an id that is none of ours, a notification that is no event.
    Foreign,
}

/// The message is not one JSON object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Reads a message. Of a reply no more than it takes to find its id is looked at: whoever asked checks the rest.
pub(super) fn read(message: &Bytes) -> Result<Incoming<'_>, Malformed> {
    if let Some(id) = reply_id(message) {
        return Ok(Incoming::Reply(id));
    }
    let id = match parse_upstream(message) {
        Upstream::Push(Push { subscription, result }) => {
            return Ok(Incoming::Push {
                subscription: message.slice(subscription.range()),
                result: message.slice(result.range()),
            });
        }
        Upstream::Defective { defect: ReplyDefect::InvalidJson, id } => {
            // Whoever asked is told at once that this is no answer.
            let id = id.and_then(|id| PrivateId::parse(id.slice(message)));
            return id.map(Incoming::Reply).ok_or(Malformed);
        }
        Upstream::Defective { id, .. } => id,
        Upstream::Reply(shape) => Some(shape.id()),
    };
    let id = id.map(|id| id.slice(message)).filter(|id| *id != b"null");
    Ok(match id {
        Some(id) => PrivateId::parse(id).map_or(Incoming::Foreign, Incoming::Reply),
        None => without_id(message)?,
    })
}

/// A message that is no event and no reply to anything.
fn without_id(message: &[u8]) -> Result<Incoming<'_>, Malformed> {
    let object = RawJson::parse(message).map_err(|_| Malformed)?;
    if !object.is_object() {
        return Err(Malformed);
    }
    Ok(match object.member("error").filter(|error| error.is_object()) {
        Some(error) => Incoming::Complaint {
            code: error.member("code").and_then(RawJson::as_i64),
            message: error.member("message").and_then(RawJson::as_str).unwrap_or_default(),
        },
        None => Incoming::Foreign,
    })
}

/// The id of a reply in the usual spelling.
fn reply_id(message: &[u8]) -> Option<PrivateId> {
    let id = message.strip_prefix(REPLY).filter(|id| id.starts_with(ID_PREFIX))?;
    let end = id.iter().skip(1).position(|byte| *byte == b'"')? + 2;
    PrivateId::parse(&id[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(message: &'static str, expected: Incoming<'_>) {
        assert_eq!(read(&Bytes::from_static(message.as_bytes())), Ok(expected), "{message}");
    }

    #[test]
    fn replies_are_known_by_their_id_wherever_it_stands() {
        let reply = || Incoming::Reply(PrivateId::new(7));
        reads(r#"{"jsonrpc":"2.0","id":"lasso-7","result":"0x1"}"#, reply());
        reads(r#"{"jsonrpc":"2.0","result":{"id":"lasso-8"},"id":"lasso-7"}"#, reply());
        reads(r#" {"id" : "lasso-7", "error":{"code":1,"message":"no"}}"#, reply());
        // What follows the id is the business of whoever asked.
        reads(r#"{"jsonrpc":"2.0","id":"lasso-7","result":}"#, reply());
        reads(r#"{"id":"lasso-7","jsonrpc":"2.0","result":}"#, reply());
        reads(r#"{"jsonrpc":"2.0","id":7,"result":"0x1"}"#, Incoming::Foreign);
        reads(r#"{"jsonrpc":"2.0","id":"lasso-7x","result":"0x1"}"#, Incoming::Foreign);
    }

    #[test]
    fn events_are_slices_of_their_message() {
        for text in [
            r#"{"jsonrpc":"2.0","method":"eth_subscription","params":{"subscription":"0xab","result":{"number":"0x1"}}}"#,
            r#"{"params":{"result":{"number":"0x1"},"subscription":"0xab"},"method":"eth_subscription"}"#,
        ] {
            let message = Bytes::from_static(text.as_bytes());
            let Ok(Incoming::Push { subscription, result }) = read(&message) else { panic!("{text}") };
            assert_eq!((&subscription[..], &result[..]), (&br#""0xab""#[..], &br#"{"number":"0x1"}"#[..]));
            assert!(message.as_ptr_range().contains(&result.as_ptr()));
        }
        reads(r#"{"method":"eth_subscription","params":["0xab"]}"#, Incoming::Foreign);
        reads(r#"{"method":"eth_other","params":{"subscription":"0xab","result":1}}"#, Incoming::Foreign);
    }

    #[test]
    fn errors_without_an_id_are_complaints() {
        let complaint = |code, message| Incoming::Complaint { code, message: Cow::Borrowed(message) };
        reads(
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32701,"message":"slow"}}"#,
            complaint(Some(-32701), "slow"),
        );
        reads(r#"{"error":{"message":"timeout"}}"#, complaint(None, "timeout"));
        reads(r#"{"error":"what"}"#, Incoming::Foreign);
        reads("{}", Incoming::Foreign);
    }

    #[test]
    fn anything_else_is_malformed() {
        for text in ["", "hello", "[]", "{", "7", r#"{"id":1} {"id":2}"#, "<html>"] {
            assert_eq!(read(&Bytes::from_static(text.as_bytes())), Err(Malformed), "{text}");
        }
    }
}
