//! What the client sends and what it takes, by its headers.

use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE};

/// What the body is said to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Media {
    Json,
    /// An HTML form.
    Form,
    /// Anything else, or nothing said.
    Other,
}

impl Media {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map_or("", essence);
        if kind.eq_ignore_ascii_case("application/json") || has_json_suffix(kind) {
            Self::Json
        } else if kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
            || kind.get(..10).is_some_and(|kind| kind.eq_ignore_ascii_case("multipart/"))
        {
            Self::Form
        } else {
            Self::Other
        }
    }
}

/// Whether the client takes JSON. One that does not say takes anything
/// ([RFC 9110, section 12.5.1](https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1)).
pub(super) fn accepts_json(headers: &HeaderMap) -> bool {
    let mut ranges = headers
        .get_all(ACCEPT)
        .into_iter()
        .flat_map(|value| value.to_str().unwrap_or_default().split(','))
        .map(essence)
        .filter(|range| !range.is_empty())
        .peekable();
    if ranges.peek().is_none() {
        return true;
    }
    ranges.any(|range| {
        range == "*/*"
            || range.eq_ignore_ascii_case("application/json")
            || range.eq_ignore_ascii_case("application/*")
            || has_json_suffix(range)
    })
}

/// The type without its parameters.
fn essence(media: &str) -> &str {
    media.split(';').next().unwrap_or_default().trim()
}

fn has_json_suffix(kind: &str) -> bool {
    kind.len() > 5 && kind.as_bytes()[kind.len() - 5..].eq_ignore_ascii_case(b"+json")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::HeaderName;

    use super::*;

    fn headers(name: HeaderName, values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn the_kind_of_body_is_read_without_its_parameters() {
        for (value, media) in [
            ("application/json", Media::Json),
            ("Application/JSON; charset=utf-8", Media::Json),
            ("application/vnd.api+json", Media::Json),
            ("application/x-www-form-urlencoded", Media::Form),
            ("multipart/form-data; boundary=x", Media::Form),
            ("text/plain", Media::Other),
            ("+json", Media::Other),
            ("", Media::Other),
        ] {
            assert_eq!(Media::of(&headers(CONTENT_TYPE, &[value])), media, "{value}");
        }
        assert_eq!(Media::of(&HeaderMap::new()), Media::Other);
    }

    #[test]
    fn json_is_taken_when_it_is_named_or_nothing_is() {
        let accepts = |values: &[&'static str]| {
            accepts_json(&values.iter().map(|v| (ACCEPT, HeaderValue::from_static(v))).collect())
        };
        for values in [
            &[][..],
            &[""],
            &["*/*"],
            &["text/html, */*;q=0.1"],
            &["application/json"],
            &["text/html", "application/JSON;q=0.5"],
            &["application/*"],
            &["application/problem+json"],
        ] {
            assert!(accepts(values), "{values:?}");
        }
        for values in [&["text/html"][..], &["text/*, image/png"], &["application/xml"]] {
            assert!(!accepts(values), "{values:?}");
        }
    }
}
