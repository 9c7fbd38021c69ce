//! When an upstream wants to be asked again, by what its JSON says.

use std::time::Duration;

use memchr::memmem;

use super::raw::RawJson;

/// The time that an object's members name: `retry_after_ms`, or else `retry_after` in seconds, which may be written as
/// a string of digits. Zero, and what cannot be read, is no time.
#[must_use]
pub fn retry_after(object: RawJson<'_>) -> Option<Duration> {
    let millis = object.member("retry_after_ms").and_then(RawJson::as_u64).filter(|millis| *millis > 0);
    millis.map(Duration::from_millis).or_else(|| {
        let seconds = object.member("retry_after")?;
        let seconds = seconds.as_u64().or_else(|| digits(&seconds.as_str()?))?;
        (seconds > 0).then(|| Duration::from_secs(seconds))
    })
}

/// The time that a reply names beside the code, message and data of its error: in the error object, or next to it.
/// What is no JSON object names none.
///
/// Few replies name one, and looking for the name is much cheaper than reading a large reply. Nobody writes the name
/// with escapes, so one that is written so is not looked for.
#[must_use]
pub fn retry_after_beside(body: &[u8]) -> Option<Duration> {
    // Both names begin so.
    memmem::find(body, b"\"retry_after")?;
    let reply = RawJson::parse(body).ok()?;
    reply.member("error").and_then(retry_after).or_else(|| retry_after(reply))
}

fn digits(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(object: &str) -> Option<Duration> {
        retry_after(RawJson::parse(object.as_bytes()).unwrap())
    }

    #[test]
    fn milliseconds_are_read_before_seconds() {
        assert_eq!(of(r#"{"retry_after":2,"retry_after_ms":1500}"#), Some(Duration::from_millis(1500)));
        assert_eq!(of(r#"{"retry_after_ms":0,"retry_after":7}"#), Some(Duration::from_secs(7)));
        assert_eq!(of(r#"{"retry_after":"12"}"#), Some(Duration::from_secs(12)));
    }

    #[test]
    fn what_names_no_time_is_passed_over() {
        for object in [
            r#"{"retry_after_ms":0}"#,
            r#"{"retry_after_ms":-5}"#,
            r#"{"retry_after_ms":"5"}"#,
            r#"{"retry_after_ms":1.5}"#,
            r#"{"retry_after":0}"#,
            r#"{"retry_after":-1}"#,
            r#"{"retry_after":"-1"}"#,
            r#"{"retry_after":"soon"}"#,
            r#"{"retry_after":""}"#,
            r#"{"retry_after":null}"#,
            r#"[5]"#,
            r#""5""#,
        ] {
            assert_eq!(of(object), None, "{object}");
        }
    }

    #[test]
    fn the_error_object_is_looked_into_before_what_is_next_to_it() {
        let beside = |body: &str| retry_after_beside(body.as_bytes()).map(|time| time.as_secs());
        assert_eq!(beside(r#"{"error":{"code":1,"retry_after":3},"retry_after":9}"#), Some(3));
        assert_eq!(beside(r#"{"error":{"code":1,"retry_after":0},"retry_after":9}"#), Some(9));
        assert_eq!(beside(r#"{"error":"no","retry_after":"9"}"#), Some(9));
        assert_eq!(
            beside(r#"{"error":{"code":1,"data":{"retry_after":3}}}"#),
            None,
            "data is read on its own"
        );
        assert_eq!(beside("<html>retry_after: 9</html>"), None);
        assert_eq!(
            beside(r#"{"error":{"code":1},"retry\u005fafter":9}"#),
            None,
            "nobody escapes the name, so it is not looked for"
        );
    }
}
