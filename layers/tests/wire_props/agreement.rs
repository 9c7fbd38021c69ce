//! What `wire` finds in any bytes, held against `serde_json`.
//!
//! Each function takes bytes and panics where the two disagree. The property tests and the fuzz targets share them.

use std::fmt;

use bytes::Bytes;
use lasso_layers::wire::{
    Defect, IdKind, Incoming, Item, Params, ParamsKind, Parsed, Push, RawJson, ReplyDefect, ReplyScanner,
    ReplyShape, Request, Span, UpstreamId, lenient_error, parse, parse_error, parse_push, parse_reply,
    parse_upstream, prepend_member, splice_id,
};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// The text, when it is JSON; without the space around it.
fn json(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    Some(serde_json::from_str::<&RawValue>(text).ok()?.get())
}

/// A name as bytes, since half of a surrogate pair makes it something else than UTF-8.
struct Name(Vec<u8>);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Name;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_bytes<E>(self, name: &[u8]) -> Result<Name, E> {
                Ok(Name(name.to_vec()))
            }
            fn visit_str<E>(self, name: &str) -> Result<Name, E> {
                Ok(Name(name.into()))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

/// The members of an object, all of them, in order.
struct Object<'a>(Vec<(Vec<u8>, &'a str)>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some((Name(name), value)) = map.next_entry::<Name, &'de RawValue>()? {
                    members.push((name, value.get()));
                }
                Ok(Object(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

impl<'a> Object<'a> {
    fn of(text: &'a str) -> Self {
        serde_json::from_str(text).expect("a valid object")
    }

    fn last(&self, name: &str) -> Option<&'a str> {
        self.0.iter().rev().find(|(key, _)| key == name.as_bytes()).map(|(_, value)| *value)
    }

    fn first(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(key, _)| key == name.as_bytes()).map(|(_, value)| *value)
    }

    /// The value of a member that is there once.
    fn only(&self, name: &str) -> Option<&'a str> {
        self.first(name).filter(|_| self.count(name) == 1)
    }

    fn count(&self, name: &str) -> usize {
        self.0.iter().filter(|(key, _)| key == name.as_bytes()).count()
    }
}

/// What a valid string says, as bytes; `None` for other values.
fn said(value: &str) -> Option<Vec<u8>> {
    serde_json::from_str::<Name>(value).ok().map(|Name(bytes)| bytes)
}

fn is_integer(value: &str) -> bool {
    value.starts_with(|first: char| first == '-' || first.is_ascii_digit())
        && !value.contains(['.', 'e', 'E'])
}

const LIMIT: usize = 8;

/// A body of a client.
pub(crate) fn request(bytes: &[u8]) {
    let parsed = parse(Bytes::copy_from_slice(bytes), LIMIT);
    let Some(text) = json(bytes) else {
        assert!(parsed.is_err(), "accepted what is not JSON");
        return;
    };
    match (parsed.expect("refused what is JSON"), &text[..1]) {
        (Parsed::One(request), "{") => same_request(&request, text),
        (parsed @ (Parsed::Batch(_) | Parsed::Oversized(_)), "[") => same_batch(parsed, text),
        (Parsed::Scalar, first) => assert!(!matches!(first, "{" | "[")),
        (parsed, _) => panic!("{text}: {parsed:?}"),
    }
}

/// A body of a client that is to be a batch, whatever the bytes.
pub(crate) fn batch(bytes: &[u8]) {
    request(&[b"[", bytes, b"]"].concat());
}

fn same_batch(parsed: Parsed, text: &str) {
    let elements: Vec<&RawValue> = serde_json::from_str(text).expect("a valid array");
    match parsed {
        Parsed::Oversized(count) => {
            assert!(count > LIMIT);
            assert_eq!(count, elements.len());
        }
        Parsed::Batch(items) => {
            assert!(items.len() <= LIMIT);
            assert_eq!(items.len(), elements.len());
            for (item, element) in items.iter().zip(elements) {
                match item {
                    Item::Request(request) => same_request(request, element.get()),
                    Item::Invalid => assert!(!element.get().starts_with('{')),
                }
            }
        }
        parsed => panic!("{text}: {parsed:?}"),
    }
}

fn same_request(request: &Request, text: &str) {
    let object = Object::of(text);
    let method = object.last("method").filter(|method| method.starts_with('"'));
    let version = object.last("jsonrpc").map(|version| said(version).as_deref() == Some(b"2.0"));
    let id = object.last("id");

    assert_eq!(request.body(), text);
    assert_eq!(request.id(), id.map(str::as_bytes));
    assert_eq!(request.params().raw(), object.last("params").map(str::as_bytes));
    assert_eq!(request.lasso_meta(), object.last("lasso_meta").map(str::as_bytes));
    assert_eq!(request.has_version(), version == Some(true));
    let defect = match (method, version) {
        (None, _) => Some(Defect::MethodMissing),
        (_, Some(false)) => Some(Defect::Version),
        _ => None,
    };
    assert_eq!(request.defect(), defect);
    assert_eq!(request.is_notification(), id.is_none() && defect.is_none());
    let kind = match id {
        None => IdKind::Absent,
        Some("null") => IdKind::Null,
        Some(id) if id.starts_with('"') => IdKind::String,
        Some(id) if is_integer(id) => IdKind::Integer,
        Some(_) => IdKind::Other,
    };
    assert_eq!(request.id_kind(), kind);
    if let Some(name) = method.and_then(|method| serde_json::from_str::<String>(method).ok()) {
        assert_eq!(request.method(), name);
    }
    if let Some(own) = request.upstream_id() {
        assert!(matches!(kind, IdKind::String | IdKind::Integer) && own.len() <= 32);
        assert_eq!(Some(own), request.id());
    }
    if defect.is_none() {
        same_call(&request.upstream_body(UpstreamId::Client), id.unwrap_or("null"), &object);
        same_call(&request.upstream_body(UpstreamId::Private(b"\"lasso-1\"")), "\"lasso-1\"", &object);
    }
}

/// What goes upstream is the same call and holds nothing else.
fn same_call(body: &[u8], id: &str, client: &Object<'_>) {
    let upstream = Object::of(json(body).expect("the upstream gets JSON"));
    assert_eq!(upstream.0.len(), 4);
    assert_eq!(upstream.last("jsonrpc").and_then(said).as_deref(), Some(&b"2.0"[..]));
    assert_eq!(upstream.last("id"), Some(id));
    assert_eq!(upstream.last("method"), client.last("method"));
    let params = match client.last("params") {
        None | Some("null") => "[]".to_owned(),
        Some(array) if array.starts_with('[') => array.to_owned(),
        Some(single) => format!("[{single}]"),
    };
    assert_eq!(upstream.last("params"), Some(params.as_str()));
}

/// The id that [`reply`] and [`splice`] expect.
pub(crate) const EXPECTED_ID: &str = "\"lasso-1\"";

/// A body of an upstream, whole and in pieces of `size` bytes.
pub(crate) fn reply(bytes: &[u8], size: usize) {
    let whole = parse_reply(bytes, EXPECTED_ID.as_bytes());
    match json(bytes) {
        // Defects come in the order of the text, so another one may come before the fault.
        None => assert!(whole.is_err(), "accepted what is not JSON"),
        Some(text) => assert_eq!(whole, expected_reply(bytes, text, Some(EXPECTED_ID))),
    }

    let mut scanner = ReplyScanner::new(EXPECTED_ID.as_bytes());
    let mut passed = Vec::new();
    let fed = bytes.chunks(size.max(1)).try_for_each(|piece| {
        scanner.feed(piece)?;
        let cut = scanner.id_in_chunk().unwrap_or(piece.len()..piece.len());
        passed.extend_from_slice(&piece[..cut.start]);
        if scanner.id_starts_in_chunk() {
            passed.extend_from_slice(b"17");
        }
        passed.extend_from_slice(&piece[cut.end..]);
        Ok(())
    });
    let started = scanner.result_started();
    let in_pieces = fed.and_then(|()| scanner.finish());
    assert_eq!(in_pieces, whole, "in pieces of {size}");
    if let Ok(shape) = whole {
        assert_eq!(passed, splice_id(&Bytes::copy_from_slice(bytes), shape.id(), b"17"));
        if let ReplyShape::Result { .. } = shape {
            assert!(started);
        }
    }
}

/// Where a part of a text lies in the bytes that hold it.
fn span(bytes: &[u8], part: &str) -> Span {
    let start = part.as_ptr().addr() - bytes.as_ptr().addr();
    Span::new(start as u64, (start + part.len()) as u64)
}

fn expected_reply(bytes: &[u8], text: &str, expected_id: Option<&str>) -> Result<ReplyShape, ReplyDefect> {
    use ReplyDefect::{
        IdMismatch, InvalidEnvelope, UnexpectedBatch, UnexpectedNotification, UnsupportedVersion,
    };
    if text.starts_with('[') {
        return Err(UnexpectedBatch);
    }
    if !text.starts_with('{') {
        return Err(InvalidEnvelope);
    }
    let (mut version, mut id, mut result, mut error) = (None, None, None, None);
    for (name, value) in Object::of(text).0 {
        let slot = match name.as_slice() {
            b"method" => return Err(UnexpectedNotification),
            b"jsonrpc" => &mut version,
            b"id" => &mut id,
            b"result" => &mut result,
            b"error" => &mut error,
            _ => continue,
        };
        if slot.replace(value).is_some() {
            return Err(InvalidEnvelope);
        }
        match name.as_slice() {
            b"jsonrpc" if said(value).as_deref() != Some(b"2.0") => return Err(UnsupportedVersion),
            b"id" if expected_id.is_some_and(|id| said(value) != said(id)) => return Err(IdMismatch),
            b"error" if !is_error_object(value) => return Err(InvalidEnvelope),
            _ => {}
        }
        if error.is_some() && result.is_some_and(|result| result != "null") {
            return Err(InvalidEnvelope);
        }
    }
    let (Some(_), Some(id)) = (version, id) else { return Err(InvalidEnvelope) };
    let span = |part: &str| span(bytes, part);
    match (result, error) {
        (_, Some(error)) => Ok(ReplyShape::Error { id: span(id), error: span(error) }),
        (Some(result), None) => Ok(ReplyShape::Result { id: span(id), result: span(result) }),
        (None, None) => Err(InvalidEnvelope),
    }
}

fn is_error_object(value: &str) -> bool {
    let is_valid = value.starts_with('{') && {
        let object = Object::of(value);
        let code = object.last("code").is_some_and(|code| is_integer(code) && code.parse::<i64>().is_ok());
        let message = object.last("message").is_some_and(|message| message.starts_with('"'));
        code && message
            && object.count("code") == 1
            && object.count("message") == 1
            && object.count("data") <= 1
    };
    let parts = parse_error(value.as_bytes());
    assert_eq!(parts.is_some(), is_valid, "{value}");
    if let Some(parts) = parts {
        assert_eq!(parts.data, Object::of(value).last("data").map(str::as_bytes));
    }
    is_valid
}

/// A message over an upstream's socket.
pub(crate) fn upstream(bytes: &[u8]) {
    let (incoming, push) = (parse_upstream(bytes), parse_push(bytes));
    if let Incoming::Defective { id: Some(id), .. } = incoming {
        assert!(RawJson::parse(id.slice(bytes)).is_ok());
    }
    let Some(text) = json(bytes) else {
        assert_eq!(push, None, "accepted what is not JSON");
        assert!(matches!(incoming, Incoming::Defective { .. }), "accepted what is not JSON");
        return;
    };
    let expected = expected_push(bytes, text);
    assert_eq!(push, expected);
    match (incoming, expected) {
        (incoming, Some(push)) => assert_eq!(incoming, Incoming::Push(push)),
        (Incoming::Push(push), None) => panic!("{text}: {push:?}"),
        (Incoming::Reply(shape), None) => assert_eq!(expected_reply(bytes, text, None), Ok(shape)),
        (Incoming::Defective { id, defect }, None) => {
            assert_eq!(expected_reply(bytes, text, None), Err(defect));
            let first = text.starts_with('{').then(|| Object::of(text)).and_then(|object| object.first("id"));
            assert!(id.is_none() || id == first.map(|id| span(bytes, id)));
        }
    }
}

fn expected_push(bytes: &[u8], text: &str) -> Option<Push> {
    let object = text.starts_with('{').then(|| Object::of(text))?;
    let is_reply = ["id", "result", "error"].iter().any(|name| object.count(name) > 0);
    let method = object.only("method").and_then(said)?;
    let params = object.only("params").filter(|params| params.starts_with('{')).map(Object::of)?;
    let subscription = params.only("subscription").filter(|id| id.starts_with('"'))?;
    let result = params.only("result")?;
    let push = Push { subscription: span(bytes, subscription), result: span(bytes, result) };
    (!is_reply && method == b"eth_subscription").then_some(push)
}

/// A body of an upstream that gets another id, and another member.
pub(crate) fn splice(bytes: &[u8]) {
    if let Ok(shape) = parse_reply(bytes, EXPECTED_ID.as_bytes()) {
        let body = Bytes::copy_from_slice(bytes);
        let client_id = b"9007199254740993123";
        let spliced = splice_id(&body, shape.id(), client_id);
        let before = Object::of(json(bytes).expect("a valid reply"));
        let after = Object::of(json(&spliced).expect("still JSON"));
        let old_id = shape.id().slice(bytes);
        assert_eq!(spliced.len(), bytes.len() - old_id.len() + client_id.len());
        assert_eq!(before.0.len(), after.0.len());
        for ((name, old), (same_name, new)) in before.0.iter().zip(&after.0) {
            assert_eq!(name, same_name);
            assert_eq!(*new, if name == b"id" { "9007199254740993123" } else { *old });
        }
        assert!(parse_reply(&spliced, client_id).is_ok());
    }
    let Some(text) = json(bytes) else {
        assert_eq!(lenient_error(bytes), None);
        return;
    };
    let longer = prepend_member(bytes, "lasso_meta", b"{\"a\":[1]}");
    assert_eq!(longer.is_some(), text.starts_with('{'));
    if let Some(longer) = longer {
        let before = Object::of(text);
        let after = Object::of(json(&longer).expect("still JSON"));
        assert_eq!(after.0[0], (b"lasso_meta".to_vec(), "{\"a\":[1]}"));
        assert_eq!(after.0[1..], before.0);
    }
}

/// A value that is looked into.
pub(crate) fn params(bytes: &[u8]) {
    let value = RawJson::parse(bytes);
    let Some(text) = json(bytes) else {
        assert!(value.is_err(), "accepted what is not JSON");
        return;
    };
    let value = value.expect("refused what is JSON");
    assert_eq!(value.bytes(), text.as_bytes());
    let elements: Vec<&RawValue> = serde_json::from_str(text).unwrap_or_default();
    let elements: Vec<&[u8]> = elements.iter().map(|element| element.get().as_bytes()).collect();
    assert_eq!(value.elements().map(RawJson::bytes).collect::<Vec<_>>(), elements);

    assert_eq!(value.is_object(), text.starts_with('{'));
    if value.is_object() {
        let members = Object::of(text).0;
        assert_eq!(value.members().count(), members.len());
        for ((name, found), (raw_name, expected)) in value.members().zip(&members) {
            assert_eq!(found.bytes(), expected.as_bytes());
            if let Ok(expected) = std::str::from_utf8(raw_name) {
                assert_eq!(name, expected);
                let last = Object::of(text).last(expected).map(str::as_bytes);
                // Half a surrogate pair reads as U+FFFD, which may meet a name that was written so.
                if !expected.contains('\u{fffd}') {
                    assert_eq!(value.member(expected).map(RawJson::bytes), last);
                }
            }
        }
    } else {
        assert_eq!(value.members().count(), 0);
    }

    assert_eq!(value.as_u64(), serde_json::from_str::<u64>(text).ok());
    assert_eq!(value.as_bool(), serde_json::from_str::<bool>(text).ok());
    assert_eq!(value.as_str().is_some(), text.starts_with('"'));
    if let Ok(said) = serde_json::from_str::<String>(text) {
        assert_eq!(value.as_str().as_deref(), Some(said.as_str()));
    }
    same_positions(value, text, &elements);
}

fn same_positions(value: RawJson<'_>, text: &str, elements: &[&[u8]]) {
    let params = Params::new(Some(value));
    let (kind, expected) = match &text[..1] {
        "[" => (ParamsKind::Array, elements),
        "n" => (ParamsKind::Null, &[][..]),
        "{" => (ParamsKind::Object, &[text.as_bytes()][..]),
        _ => (ParamsKind::Scalar, &[text.as_bytes()][..]),
    };
    assert_eq!(params.kind(), kind);
    assert_eq!(params.len(), expected.len());
    assert_eq!(params.is_empty(), expected.is_empty());
    assert_eq!(params.last().map(RawJson::bytes), expected.last().copied());
    for position in 0..=expected.len() {
        assert_eq!(params.nth(position).map(RawJson::bytes), expected.get(position).copied());
    }
}
