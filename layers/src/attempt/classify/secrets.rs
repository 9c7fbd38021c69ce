//! Keeps our keys out of what upstreams say about them.
//!
//! Some providers repeat the key they refuse, or the address it is part of. What they say goes to clients, so the
//! secrets of the endpoint are struck out of it; everything else stays as it was written.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use memchr::memmem;

use crate::catalog::Endpoint;
use crate::wire::ErrorObject;

/// No shorter word is taken for a secret: it would strike out words that are none.
const SHORTEST: usize = 12;

const STRUCK_OUT: &[u8] = b"***";

/// Strikes every secret of the endpoint out of the error's message and data.
pub(super) fn hide(error: &mut ErrorObject, endpoint: &Endpoint) {
    for secret in secrets(endpoint) {
        if let Some(message) = without(error.message.as_bytes(), secret) {
            error.message = Cow::Owned(String::from_utf8_lossy(&message).into_owned());
        }
        if let Some(data) = error.data.as_deref().and_then(|data| without(data, secret)) {
            error.data = Some(Bytes::from(data));
        }
    }
}

/// The parts of an endpoint that are keys: in the path, in the query, before the host, and in headers.
fn secrets(endpoint: &Endpoint) -> impl Iterator<Item = &str> {
    let uri = &endpoint.uri;
    let path = uri.path().split('/');
    let query = uri.query().unwrap_or_default().split('&');
    let query = query.map(|pair| pair.split_once('=').map_or(pair, |(_, value)| value));
    let user = uri.authority().and_then(|authority| authority.as_str().rsplit_once('@'));
    let user = user.map_or("", |(user, _)| user).split(':');
    let headers = endpoint.headers.iter().filter(|(name, _)| !matches!(**name, CONTENT_TYPE | ACCEPT));
    let headers = headers.filter_map(|(_, value)| value.to_str().ok()?.split(' ').next_back());
    path.chain(query).chain(user).chain(headers).filter(|word| is_secret(word))
}

/// Whether a word looks like a key and not like a name such as `arbitrum-mainnet`, and is no JSON number.
fn is_secret(word: &str) -> bool {
    word.len() >= SHORTEST
        && word.bytes().any(|byte| byte.is_ascii_digit())
        && word.bytes().any(|byte| byte.is_ascii_alphabetic() && byte != b'e' && byte != b'E')
}

/// The text with every occurrence of `secret` struck out; `None` when there is none.
fn without(text: &[u8], secret: &str) -> Option<Vec<u8>> {
    let finder = memmem::Finder::new(secret);
    let mut found = finder.find(text)?;
    let mut rest = text;
    let mut out = Vec::with_capacity(text.len());
    loop {
        out.extend_from_slice(&rest[..found]);
        out.extend_from_slice(STRUCK_OUT);
        rest = &rest[found + secret.len()..];
        match finder.find(rest) {
            Some(next) => found = next,
            None => break,
        }
    }
    out.extend_from_slice(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, Uri};

    use super::*;

    fn endpoint(uri: &'static str) -> Endpoint {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert("authorization", HeaderValue::from_static("Bearer t0ken-of-the-operator"));
        Endpoint { uri: Uri::from_static(uri), headers }
    }

    #[test]
    fn keys_are_struck_out_wherever_they_stand() {
        let endpoint =
            endpoint("https://us3r-name-long:p4ssword-long@node.example/v2/abc123def456?key=q1w2e3r4t5y6");
        let message =
            "no: abc123def456, abc123def456/q1w2e3r4t5y6 t0ken-of-the-operator us3r-name-long p4ssword-long";
        let mut error = ErrorObject::new(-32000, message).with_data(r#"{"key":"q1w2e3r4t5y6"}"#);
        hide(&mut error, &endpoint);
        assert_eq!(error.message, "no: ***, ***/*** *** *** ***");
        assert_eq!(error.data.as_deref(), Some(&br#"{"key":"***"}"#[..]));
    }

    #[test]
    fn what_is_no_key_stays() {
        let endpoint = endpoint("https://node.example/arbitrum-mainnet/v1/123456789012345/1234567890e12");
        let text = "node.example arbitrum-mainnet v1 application/json 123456789012345 Bearer";
        let mut error = ErrorObject::new(-32000, text).with_data("[123456789012345,1234567890e12]");
        let before = error.clone();
        hide(&mut error, &endpoint);
        assert_eq!(error, before);
    }
}
