//! Masking of secrets in URLs, for logs, pages and debug output.
//!
//! Providers put keys into paths and queries. What is likely to be one is cut to its first four characters
//! and `***`: enough to tell two keys apart, not enough to use one. Masking a masked text changes nothing.

use std::borrow::Cow;

/// Path segments up to this length are words of an API, not keys.
const SEGMENT_MAX: usize = 8;
/// Query values up to this length are shown unless their name says that they are secret.
const VALUE_MAX: usize = 4;
/// How much of a secret stays readable.
const SHOWN: usize = 4;
const MASK: &str = "***";
const SECRET_NAMES: [&str; 12] = [
    "key",
    "apikey",
    "api_key",
    "api-key",
    "access_token",
    "accesstoken",
    "auth",
    "authorization",
    "token",
    "secret",
    "pass",
    "password",
];

/// Masks what may be a secret in a URL. Scheme and host stay, user names and passwords go; a text without a
/// scheme is returned as it is.
#[must_use]
pub fn url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (rest, fragment) = split_before(rest, '#');
    let (path, query) = split_before(rest, '?');

    let host = authority.rsplit('@').next().unwrap_or_default();
    let mut masked = format!("{scheme}://{host}");
    join(&mut masked, path.split('/').map(segment), '/');
    if let Some(query) = query.strip_prefix('?') {
        masked.push('?');
        join(&mut masked, query.split('&').map(parameter), '&');
    }
    if let Some(fragment) = fragment.strip_prefix('#') {
        masked.push('#');
        masked.push_str(&segment(fragment));
    }
    masked
}

/// Masks every `http`, `https`, `ws` and `wss` URL in a text.
#[must_use]
pub fn text(text: &str) -> Cow<'_, str> {
    let Some(mut at) = next_url(text) else { return Cow::Borrowed(text) };
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    loop {
        let (before, from) = rest.split_at(at);
        let (address, after) = from.split_at(url_length(from));
        masked.push_str(before);
        masked.push_str(&url(address));
        rest = after;
        match next_url(rest) {
            Some(next) => at = next,
            None => break,
        }
    }
    masked.push_str(rest);
    Cow::Owned(masked)
}

fn segment(segment: &str) -> Cow<'_, str> {
    let key_like = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if segment.len() > SEGMENT_MAX && segment.bytes().all(key_like) { mask(segment) } else { segment.into() }
}

fn parameter(parameter: &str) -> Cow<'_, str> {
    // A parameter without a value may be a bare key.
    let Some((name, value)) = parameter.split_once('=') else { return segment(parameter) };
    if value.is_empty() || !(is_secret_name(name) || value.chars().count() > VALUE_MAX) {
        return parameter.into();
    }
    format!("{name}={}", mask(value)).into()
}

/// Whether a query parameter of this name is a credential.
pub(crate) fn is_secret_name(name: &str) -> bool {
    SECRET_NAMES.iter().any(|known| name.eq_ignore_ascii_case(known))
}

fn mask(secret: &str) -> Cow<'_, str> {
    let shown = secret.char_indices().nth(SHOWN).map_or(secret.len(), |(at, _)| at);
    let masked_before = secret.strip_suffix(MASK).is_some_and(|rest| rest.len() <= shown);
    if masked_before { secret.into() } else { format!("{}{MASK}", &secret[..shown]).into() }
}

fn split_before(text: &str, mark: char) -> (&str, &str) {
    text.split_at(text.find(mark).unwrap_or(text.len()))
}

fn join<'a>(into: &mut String, parts: impl Iterator<Item = Cow<'a, str>>, separator: char) {
    for (at, part) in parts.enumerate() {
        if at > 0 {
            into.push(separator);
        }
        into.push_str(&part);
    }
}

/// Where the next URL of a text starts.
fn next_url(text: &str) -> Option<usize> {
    let mut from = 0;
    while let Some(found) = text[from..].find("://") {
        let colon = from + found;
        let scheme = ["https", "http", "wss", "ws"].into_iter().find(|scheme| {
            let start = colon.checked_sub(scheme.len());
            start
                .and_then(|start| text.get(start..colon))
                .is_some_and(|word| word.eq_ignore_ascii_case(scheme))
        });
        if let Some(scheme) = scheme {
            return Some(colon - scheme.len());
        }
        from = colon + 3;
    }
    None
}

/// How much of a text that starts with a URL belongs to it: up to white space, a quote or the next URL, and
/// without the punctuation of the sentence around it, which would make a key look like something else.
fn url_length(text: &str) -> usize {
    let scheme = text.find("://").map_or(0, |at| at + 3);
    let rest = &text[scheme..];
    let stop = |c: char| c.is_whitespace() || c.is_control() || "\"'`<>\\|^{}".contains(c);
    let rest = &rest[..rest.find(stop).unwrap_or(rest.len())];
    let rest = &rest[..next_url(rest).unwrap_or(rest.len())];
    scheme + rest.trim_end_matches(|c: char| ".,;:!?)]}".contains(c)).len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_in_path_and_query_is_cut() {
        // Edge case 43.
        assert_eq!(url("https://h.example/v2/abcdefghijk?key=zz"), "https://h.example/v2/abcd***?key=zz***");
    }

    #[test]
    fn what_is_no_secret_stays() {
        for plain in [
            "https://eth.drpc.org",
            "https://eth.drpc.org/",
            "https://h:8545/v1/rpc/public",
            "https://h/12345678",
            "https://h/long.segment.with.dots",
            "https://h/?key=&chain=base&n=1",
            "no scheme abcdefghijk?key=secret",
            "",
        ] {
            assert_eq!(url(plain), plain);
        }
    }

    #[test]
    fn every_part_that_may_hold_a_secret_is_masked() {
        let cases = [
            ("wss://user:pa55word@h.example/x", "wss://h.example/x"),
            ("https://h/123456789/x", "https://h/1234***/x"),
            ("https://h/?aCCessToken=ab", "https://h/?aCCessToken=ab***"),
            ("https://h?other=12345&n=1234", "https://h?other=1234***&n=1234"),
            ("https://h/?0123456789abcdef", "https://h/?0123***"),
            ("https://h/#0123456789abcdef", "https://h/#0123***"),
            ("https://h/?token=äöüßé", "https://h/?token=äöüß***"),
        ];
        for (address, masked) in cases {
            assert_eq!(url(address), masked);
        }
    }

    #[test]
    fn urls_are_found_in_free_text() {
        let cases = [
            (
                "GET https://h/0123456789, then (WSS://g/0123456789).",
                "GET https://h/0123***, then (WSS://g/0123***).",
            ),
            (r#"{"url":"http://h/0123456789"}"#, r#"{"url":"http://h/0123***"}"#),
            ("https://h/0123456789,https://g/0123456789", "https://h/0123***,https://g/0123***"),
            ("ftp://h/0123456789 and nothing", "ftp://h/0123456789 and nothing"),
        ];
        for (plain, masked) in cases {
            assert_eq!(text(plain), masked);
        }
        assert!(matches!(text("nothing to mask"), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn masking_twice_is_masking_once(plain in "(https?|wss?)://[ -~]{0,60}", any in ".{0,80}") {
            for plain in [plain, any] {
                let masked = url(&plain);
                prop_assert_eq!(url(&masked), masked);
                let masked = text(&plain).into_owned();
                prop_assert_eq!(text(&masked), &*masked);
            }
        }

        #[test]
        fn a_long_key_never_survives(key in "[A-Za-z0-9_-]{9,40}", name in "[a-z]{1,8}") {
            let plain = format!("failed: https://h.example/v3/{key}?{name}={key}: refused");
            prop_assert!(!text(&plain).contains(&key));
        }
    }
}
