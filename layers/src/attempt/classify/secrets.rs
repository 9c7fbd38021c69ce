//! Keeps our keys out of what upstreams say about them.
//!
//! Some providers repeat the key they refuse, or the address it is part of. What they say goes to clients, so the
//! secrets of the endpoint are struck out of it; everything else stays as it was written.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderName;
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use memchr::memmem;
use percent_encoding::percent_decode_str;

use crate::catalog::{Endpoint, redact};
use crate::wire::{ErrorObject, RawJson};

/// No shorter part of an address is taken for a secret: it would strike out words that are none.
const SHORTEST_GUESS: usize = 12;

/// What is configured as a credential is one from this length on.
const SHORTEST_CREDENTIAL: usize = 8;

/// Where nothing but a credential can stand, shorter ones count too. They are struck out only as whole words: `base`
/// must not take the beginning of `baseFee`.
const SHORTEST_WORD: usize = 4;

const STRUCK_OUT: &[u8] = b"***";

/// Strikes every secret of the endpoint out of the error's message and data.
///
/// [`ClassifyLayer`](super::ClassifyLayer) does so with every error that it hands on; this is for what upstreams say
/// outside attempts.
pub fn hide(error: &mut ErrorObject, endpoint: &Endpoint) {
    for secret in secrets(endpoint) {
        if let Some(message) = without(error.message.as_bytes(), &secret) {
            error.message = Cow::Owned(String::from_utf8_lossy(&message).into_owned());
        }
        if let Some(data) = error.data.as_deref().and_then(|data| without(data, &secret)) {
            // A key of digits may have stood there as a number; what is left then is no JSON.
            error.data = RawJson::parse(&data).is_ok().then(|| Bytes::from(data));
        }
    }
}

/// The parts of an endpoint that are keys, in all their spellings, longer ones first: what is left when a part of a
/// secret was struck out is still a part of it.
fn secrets(endpoint: &Endpoint) -> Vec<String> {
    let mut found = Vec::new();
    in_headers(endpoint, &mut found);
    in_address(endpoint, &mut found);
    let mut spelled: Vec<String> = found.iter().flat_map(|secret| spellings(secret)).collect();
    spelled.sort_unstable_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
    spelled.dedup();
    spelled
}

/// Headers that are not part of every request hold credentials.
fn in_headers(endpoint: &Endpoint, found: &mut Vec<String>) {
    for (name, value) in &endpoint.headers {
        let Ok(value) = value.to_str() else { continue };
        if matches!(*name, CONTENT_TYPE | ACCEPT | USER_AGENT) {
            continue;
        }
        let least = if is_for_credentials(name) { SHORTEST_WORD } else { SHORTEST_CREDENTIAL };
        // With its scheme and without: `Bearer` is no secret.
        let (scheme, credential) = value.rsplit_once(' ').unwrap_or(("", value));
        let mut note = |word: &str| found.extend((word.len() >= least).then(|| word.to_owned()));
        note(value);
        note(credential);
        if scheme.eq_ignore_ascii_case("basic")
            && let Ok(decoded) = STANDARD.decode(credential)
            && let Ok(decoded) = String::from_utf8(decoded)
        {
            note(&decoded);
            decoded.splitn(2, ':').for_each(note);
        }
    }
}

/// Addresses hold credentials before the host and in the query under certain names; elsewhere in the path, the query and
/// the labels of the host, what looks like a key is one.
fn in_address(endpoint: &Endpoint, found: &mut Vec<String>) {
    let uri = &endpoint.uri;
    let user = uri.authority().and_then(|authority| authority.as_str().rsplit_once('@'));
    let user = user.map_or("", |(user, _)| user).split(':');
    let query = || uri.query().unwrap_or_default().split('&');
    let named = query().filter_map(|pair| pair.split_once('='));
    let named = named.filter(|(name, _)| redact::is_secret_name(name)).map(|(_, value)| value);
    let credentials = user.chain(named).filter(|word| word.len() >= SHORTEST_WORD);
    let rest = query().map(|pair| pair.split_once('=').map_or(pair, |(_, value)| value));
    // The name that somebody registered is no key.
    let labels = uri.host().unwrap_or_default().rsplit('.').skip(2);
    let guesses = uri.path().split('/').chain(rest).chain(labels).filter(|word| looks_like_a_key(word));
    found.extend(credentials.chain(guesses).map(str::to_owned));
}

/// Whether a header of this name holds a credential and nothing else.
fn is_for_credentials(name: &HeaderName) -> bool {
    ["authorization", "auth", "key", "token", "secret", "password"]
        .iter()
        .any(|end| name.as_str().ends_with(end))
}

/// A secret as it is written in an address and without the escapes of one, each also with the slashes that some write
/// into JSON as `\/`.
fn spellings(secret: &str) -> impl Iterator<Item = String> + use<> {
    let decoded = percent_decode_str(secret).decode_utf8().ok().filter(|decoded| *decoded != secret);
    let plain = [Some(secret.to_owned()), decoded.map(Cow::into_owned)].into_iter().flatten();
    plain.flat_map(|word| {
        let escaped = word.contains('/').then(|| word.replace('/', "\\/"));
        [Some(word), escaped].into_iter().flatten()
    })
}

/// Whether a word looks like a key and not like a name such as `arbitrum-mainnet`, and is no JSON number.
fn looks_like_a_key(word: &str) -> bool {
    word.len() >= SHORTEST_GUESS
        && word.bytes().any(|byte| byte.is_ascii_digit())
        && word.bytes().any(|byte| byte.is_ascii_alphabetic() && byte != b'e' && byte != b'E')
}

/// The text with every occurrence of `secret` struck out; `None` when there is none.
fn without(text: &[u8], secret: &str) -> Option<Vec<u8>> {
    let is_part = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let counts = |at: &usize| {
        let after = at + secret.len();
        let is_in_word =
            is_part(at.checked_sub(1).and_then(|before| text.get(before))) || is_part(text.get(after));
        secret.len() >= SHORTEST_CREDENTIAL || !is_in_word
    };
    let mut found = memmem::find_iter(text, secret).filter(counts).peekable();
    found.peek()?;
    let mut out = Vec::with_capacity(text.len());
    let mut rest = 0;
    for at in found {
        out.extend_from_slice(&text[rest..at]);
        out.extend_from_slice(STRUCK_OUT);
        rest = at + secret.len();
    }
    out.extend_from_slice(&text[rest..]);
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
    fn short_credentials_are_struck_out_as_whole_words_where_nothing_else_can_stand() {
        let mut endpoint = endpoint("https://me:hush@node.example/?key=base");
        endpoint.headers.insert("authorization", HeaderValue::from_static("Bearer s3cr"));
        endpoint.headers.insert("x-api-key", HeaderValue::from_static("q1w2"));
        endpoint.headers.insert("x-network", HeaderValue::from_static("main"));
        let mut error = ErrorObject::new(-32000, "no: s3cr, q1w2 (hush) key=base; me: baseFee on main");
        hide(&mut error, &endpoint);
        assert_eq!(error.message, "no: ***, *** (***) key=***; me: baseFee on main");
    }

    #[test]
    fn other_spellings_of_a_secret_are_struck_out() {
        let mut endpoint = endpoint("https://abc123def456.node.example/v2/k%2Fy-0f-m1ne-a?token=a%2Bb%3Dc");
        // `name:passw0rd`
        endpoint.headers.insert("authorization", HeaderValue::from_static("Basic bmFtZTpwYXNzdzByZA=="));
        let message = "abc123def456.node.example k%2Fy-0f-m1ne-a k/y-0f-m1ne-a a+b=c name:passw0rd passw0rd \
            bmFtZTpwYXNzdzByZA==";
        let mut error = ErrorObject::new(-32000, message).with_data(r#"{"key":"k\/y-0f-m1ne-a"}"#);
        hide(&mut error, &endpoint);
        assert_eq!(error.message, "***.node.example *** *** *** *** *** ***");
        assert_eq!(error.data.as_deref(), Some(&br#"{"key":"***"}"#[..]));
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
