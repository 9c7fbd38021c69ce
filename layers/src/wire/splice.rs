//! Putting bytes into a message without touching the rest of it.

use bytes::{Bytes, BytesMut};

use super::{raw::RawJson, span::Span, text};

/// The message with another id in the place of its own; every other byte stays.
///
/// `id` is the span of the id in `body`, as [`parse_reply`](super::parse_reply) found it, and `client_id` a JSON value.
/// When the bytes are the same already, `body` is shared and not copied.
///
/// # Panics
///
/// When the span does not lie in `body`.
#[must_use]
pub fn splice_id(body: &Bytes, id: Span, client_id: &[u8]) -> Bytes {
    let range = id.range();
    if &body[range.clone()] == client_id {
        return body.clone();
    }
    let mut out = BytesMut::with_capacity(body.len() - range.len() + client_id.len());
    out.extend_from_slice(&body[..range.start]);
    out.extend_from_slice(client_id);
    out.extend_from_slice(&body[range.end..]);
    out.freeze()
}

/// The object with one more member, which stands first. `value` is a JSON value.
///
/// `None` when `body` does not begin with an object; whether the rest of it is valid is not looked at.
#[must_use]
pub fn prepend_member(body: &[u8], name: &str, value: &[u8]) -> Option<Bytes> {
    let object = RawJson::trusted(body);
    let members = object.bytes().strip_prefix(b"{")?;
    let mut out = Vec::with_capacity(body.len() + name.len() + value.len() + 4);
    out.push(b'{');
    text::write_string(&mut out, name);
    out.push(b':');
    out.extend_from_slice(value);
    if RawJson::trusted(members).bytes() != b"}" {
        out.push(b',');
    }
    out.extend_from_slice(members);
    Some(out.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_id_changes() {
        let body = Bytes::from_static(br#"{ "result":"lasso-7", "id" : "lasso-7" }"#);
        let spliced = splice_id(&body, Span::new(29, 38), b"9007199254740993123");
        assert_eq!(&spliced[..], br#"{ "result":"lasso-7", "id" : 9007199254740993123 }"#);
    }

    #[test]
    fn the_same_id_copies_nothing() {
        let body = Bytes::from(br#"{"id":1}"#.to_vec());
        assert_eq!(splice_id(&body, Span::new(6, 7), b"1").as_ptr(), body.as_ptr());
    }

    #[test]
    fn a_member_is_put_first() {
        assert_eq!(
            &prepend_member(b" {\"id\":1} ", "lasso_meta", b"{\"a\":1}").unwrap()[..],
            br#"{"lasso_meta":{"a":1},"id":1}"#
        );
        assert_eq!(&prepend_member(b"{ }", "m", b"1").unwrap()[..], br#"{"m":1 }"#);
        assert_eq!(prepend_member(b"[1]", "m", b"1"), None);
        assert_eq!(prepend_member(b"", "m", b"1"), None);
    }
}
