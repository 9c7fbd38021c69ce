//! Keeps our keys out of what upstreams say about them.
//!
//! Some providers repeat the key they refuse, or the address it is part of. What they say goes to clients, so the
//! secrets of the endpoint are struck out of it; everything else stays as it was written.

use std::borrow::Cow;

use bytes::Bytes;
use http::HeaderName;
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use memchr::memmem;

use crate::catalog::{Endpoint, redact};
use crate::wire::{ErrorObject, RawJson};

/// No shorter part of an address is taken for a secret: it would strike out words that are none.
const SHORTEST_GUESS: usize = 12;

/// What is configured as a credential is one from this length on.
const SHORTEST_CREDENTIAL: usize = 8;

const STRUCK_OUT: &[u8] = b"***";

/// Strikes every secret of the endpoint out of the error's message and data.
pub(super) fn hide(error: &mut ErrorObject, endpoint: &Endpoint) {
    for secret in secrets(endpoint) {
        if let Some(message) = without(error.message.as_bytes(), secret) {
            error.message = Cow::Owned(String::from_utf8_lossy(&message).into_owned());
        }
        if let Some(data) = error.data.as_deref().and_then(|data| without(data, secret)) {
            // A key of digits may have stood there as a number; what is left then is no JSON.
            error.data = RawJson::parse(&data).is_ok().then(|| Bytes::from(data));
        }
    }
}

/// The parts of an endpoint that are keys: by where they stand in headers, before the host and in the query, or by
/// what they look like in the path and the rest of the query.
fn secrets(endpoint: &Endpoint) -> impl Iterator<Item = &str> {
    let uri = &endpoint.uri;
    let user = uri.authority().and_then(|authority| authority.as_str().rsplit_once('@'));
    let user = user.map_or("", |(user, _)| user).split(':');
    let is_ours = |name: &HeaderName| matches!(*name, CONTENT_TYPE | ACCEPT | USER_AGENT);
    let headers = endpoint.headers.iter().filter(move |(name, _)| !is_ours(name));
    let headers = headers.filter_map(|(_, value)| value.to_str().ok());
    // With its scheme and without: `Bearer` is no secret.
    let headers = headers.flat_map(|value| [value, value.rsplit(' ').next().unwrap_or(value)]);
    let query = || uri.query().unwrap_or_default().split('&');
    let named = query().filter_map(|pair| pair.split_once('='));
    let named = named.filter(|(name, _)| redact::is_secret_name(name)).map(|(_, value)| value);
    let credentials = headers.chain(user).chain(named).filter(|word| word.len() >= SHORTEST_CREDENTIAL);
    let rest = query().map(|pair| pair.split_once('=').map_or(pair, |(_, value)| value));
    credentials.chain(uri.path().split('/').chain(rest).filter(|word| looks_like_a_key(word)))
}

/// Whether a word looks like a key and not like a name such as `arbitrum-mainnet`, and is no JSON number.
fn looks_like_a_key(word: &str) -> bool {
    word.len() >= SHORTEST_GUESS
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
    fn a_configured_credential_is_struck_out_whatever_it_looks_like() {
        let mut endpoint = endpoint("https://node.example/v2?apikey=letterssss&chain=arbitrum-one");
        endpoint.headers.insert("authorization", HeaderValue::from_static("Bearer password"));
        endpoint.headers.insert("x-token", HeaderValue::from_static("87654321"));
        endpoint.headers.insert("x-short", HeaderValue::from_static("base"));
        let message = "password or letterssss refused on arbitrum-one, base (87654321, Bearer)";
        let mut error = ErrorObject::new(-32000, message).with_data(r#"{"token":"87654321"}"#);
        hide(&mut error, &endpoint);
        assert_eq!(error.message, "*** or *** refused on arbitrum-one, base (***, Bearer)");
        assert_eq!(error.data.as_deref(), Some(&br#"{"token":"***"}"#[..]));
    }

    #[test]
    fn data_that_repeats_a_key_as_a_number_is_left_out() {
        let mut endpoint = endpoint("https://node.example");
        endpoint.headers.insert("x-token", HeaderValue::from_static("87654321"));
        let mut error = ErrorObject::new(-32000, "no").with_data(r#"{"token":87654321}"#);
        hide(&mut error, &endpoint);
        assert_eq!(error.data, None);
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
