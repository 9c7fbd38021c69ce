//! Reading an HTTP status other than success.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::held::Held;
use crate::call::StatusFailure;
use crate::wire::{lenient_error, retry_after_beside};

/// A status, and its body so far.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    retry_after: Option<Duration>,
    held: Held,
    max: usize,
}

impl Refusal {
    /// Of whose body at most `max` bytes are read.
    pub(super) fn new(status: StatusCode, headers: &HeaderMap, max: usize) -> Self {
        Self { status, retry_after: retry_after(headers), held: Held::default(), max }
    }

    /// Reads the next frame, and tells whether enough was read.
    pub(super) fn feed(&mut self, mut frame: Bytes) -> bool {
        frame.truncate(self.max - self.held.len());
        self.held.push(frame, 0);
        self.held.len() == self.max
    }

    /// What the status and the body say together.
    pub(super) fn finish(self) -> StatusFailure {
        /// Longer texts hold no hint that a shorter one does not.
        const MAX_TEXT: usize = 4096;
        let body = self.held.into_bytes();
        let error = lenient_error(&body);
        let text = match error {
            Some(_) => String::new(),
            None => String::from_utf8_lossy(&body[..body.len().min(MAX_TEXT)]).into_owned(),
        };
        let retry_after = self.retry_after.or_else(|| retry_after_beside(&body));
        StatusFailure { status: self.status, retry_after, error, text }
    }
}

/// When the upstream wants to be asked again, by the headers of its response; "now" says nothing.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "a `Retry-After` date is wall time")]
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers
        .get(RETRY_AFTER)
        .and_then(|value| from_now(value, SystemTime::now()))
        .filter(|wait| !wait.is_zero())
}

/// The `Retry-After` header in either form, seconds or a date, as time from `now`; nothing for a moment that has passed
/// ([RFC 9110, section 10.2.3](https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3)).
fn from_now(value: &HeaderValue, now: SystemTime) -> Option<Duration> {
    let value = value.to_str().ok()?.trim();
    if value.bytes().all(|byte| byte.is_ascii_digit()) {
        return value.parse().ok().map(Duration::from_secs);
    }
    httpdate::parse_http_date(value).ok()?.duration_since(now).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        // 1994-11-06T08:49:07Z, half a minute before the date in the RFC.
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_747);
        for (value, expected) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(30)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(30)),
            ("Sun Nov  6 08:49:37 1994", Some(30)),
            ("Sun, 06 Nov 1994 08:48:00 GMT", None),
            ("-5", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
            ("99999999999999999999999", None),
        ] {
            let outcome = from_now(&HeaderValue::from_static(value), now);
            assert_eq!(outcome, expected.map(Duration::from_secs), "{value}");
        }
    }

    #[test]
    fn no_more_is_read_than_allowed() {
        let mut refusal = Refusal::new(StatusCode::BAD_GATEWAY, &HeaderMap::new(), 5);
        assert!(!refusal.feed(Bytes::from_static(b"abc")));
        assert!(refusal.feed(Bytes::from_static(b"defg")));
        assert_eq!(refusal.finish().text, "abcde");
    }

    #[test]
    fn the_header_beats_the_body() {
        let body = br#"{"error":{"code":-32005,"message":"slow down"},"retry_after":4}"#;
        for (header, expected) in [(Some("9"), 9), (Some("0"), 4), (Some("soon"), 4), (None, 4)] {
            let mut headers = HeaderMap::new();
            headers.extend(header.map(|value| (RETRY_AFTER, HeaderValue::from_static(value))));
            let mut refusal = Refusal::new(StatusCode::TOO_MANY_REQUESTS, &headers, 1000);
            refusal.feed(Bytes::from_static(body));
            assert_eq!(refusal.finish().retry_after, Some(Duration::from_secs(expected)), "{header:?}");
        }
    }

    #[test]
    fn the_text_is_kept_only_where_there_is_no_error() {
        let mut refusal = Refusal::new(StatusCode::BAD_REQUEST, &HeaderMap::new(), 1000);
        refusal.feed(Bytes::from_static(br#"{"error":{"code":-32602,"message":"bad"}}"#));
        let failure = refusal.finish();
        assert_eq!(failure.error, Some((Some(-32602), "bad".to_owned(), None)));
        assert_eq!(failure.text, "");
    }
}
