//! What the headers say about the length of a body, and whether the body keeps to it.

use std::pin::pin;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http_body::Body;
use http_body_util::BodyExt;

use super::refusal::Refusal;

/// The declared length.
///
/// Several equal declarations are one
/// ([RFC 9110, section 8.6](https://www.rfc-editor.org/rfc/rfc9110#section-8.6)). A length beside
/// `transfer-encoding` is how requests are smuggled past proxies
/// ([RFC 9112, section 6.1](https://www.rfc-editor.org/rfc/rfc9112#section-6.1)), so it is refused.
pub(super) fn declared_length(headers: &HeaderMap) -> Result<Option<u64>, Refusal> {
    let mut declared = None;
    for value in headers.get_all(CONTENT_LENGTH) {
        let length = digits(value.as_bytes()).ok_or_else(Refusal::framing)?;
        if declared.replace(length).is_some_and(|earlier| earlier != length) {
            return Err(Refusal::framing());
        }
    }
    if declared.is_some() && headers.contains_key(TRANSFER_ENCODING) {
        return Err(Refusal::framing());
    }
    Ok(declared)
}

/// A number of nothing but digits: no sign, no list. One that does not fit is longer than anything allowed.
fn digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(
        text.iter()
            .fold(0, |number: u64, digit| number.saturating_mul(10).saturating_add(u64::from(digit - b'0'))),
    )
}

/// Bodies of up to this size are copied out of the connection's read buffer.
const SMALL: usize = 2048;

/// Reads a body of at most `limit` bytes. A large one that arrives in one piece is not copied.
///
/// Cancel safe: what was read is dropped.
pub(super) async fn read<B>(body: B, declared: Option<u64>, limit: u64) -> Result<Bytes, Refusal>
where
    B: Body<Data = Bytes>,
{
    let mut body = pin!(body);
    let Some(first) = next(&mut body).await? else {
        return check(Bytes::new(), declared);
    };
    if first.len() as u64 > limit {
        return Err(Refusal::too_large(limit));
    }
    let Some(second) = next(&mut body).await? else {
        // A piece shares the connection's read buffer of several kilobytes, and the call keeps the body for as long
        // as it waits: with thousands of calls waiting, copying a few hundred bytes is the better bargain.
        let body = if first.len() <= SMALL { Bytes::copy_from_slice(&first) } else { first };
        return check(body, declared);
    };
    // The declaration is at most the limit, and room for it was reserved.
    let expected = usize::try_from(declared.unwrap_or(0)).unwrap_or(0);
    let mut whole = BytesMut::with_capacity(expected.max(first.len() + second.len()));
    whole.extend_from_slice(&first);
    let mut piece = Some(second);
    while let Some(bytes) = piece {
        if (whole.len() + bytes.len()) as u64 > limit {
            return Err(Refusal::too_large(limit));
        }
        whole.extend_from_slice(&bytes);
        piece = next(&mut body).await?;
    }
    check(whole.freeze(), declared)
}

/// The next piece with bytes in it.
async fn next<B: Body<Data = Bytes> + Unpin>(body: &mut B) -> Result<Option<Bytes>, Refusal> {
    // A body that knows its length says so when the last byte is there. Asking it for one more frame would make
    // the connection's task wake itself, which costs a wake-up of another thread in every request.
    while !body.is_end_stream() {
        let Some(frame) = body.frame().await else { break };
        // Whatever went wrong, it is the client's connection: the body is not what was announced.
        let frame = frame.map_err(|_| Refusal::framing())?;
        if let Some(bytes) = frame.into_data().ok().filter(|bytes| !bytes.is_empty()) {
            return Ok(Some(bytes));
        }
    }
    Ok(None)
}

fn check(body: Bytes, declared: Option<u64>) -> Result<Bytes, Refusal> {
    if declared.is_some_and(|declared| declared != body.len() as u64) {
        return Err(Refusal::framing());
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, StatusCode};

    use super::*;

    fn declared(values: &[&'static str]) -> Result<Option<u64>, StatusCode> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(CONTENT_LENGTH, HeaderValue::from_static(value));
        }
        declared_length(&headers).map_err(|refusal| refusal.status)
    }

    #[test]
    fn a_length_is_digits_and_said_once_or_always_the_same() {
        assert_eq!(declared(&[]), Ok(None));
        assert_eq!(declared(&["0"]), Ok(Some(0)));
        assert_eq!(declared(&["8000000", "8000000"]), Ok(Some(8_000_000)));
        assert_eq!(declared(&["99999999999999999999999"]), Ok(Some(u64::MAX)));
        for values in [&[""][..], &["+1"], &["-1"], &["1x"], &["1,"], &["1, 1"], &["0x1"], &["1", "2"]] {
            assert_eq!(declared(values), Err(StatusCode::BAD_REQUEST), "{values:?}");
        }
    }

    #[test]
    fn a_length_beside_a_transfer_encoding_is_refused() {
        let mut headers = HeaderMap::new();
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        assert!(declared_length(&headers).is_ok());
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("2"));
        assert!(declared_length(&headers).is_err());
    }
}
