//! The member names that mean something to us.

use super::text;

/// A member of an envelope or of an error object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Name {
    JsonRpc,
    Id,
    Method,
    Params,
    Result,
    Error,
    LassoMeta,
    Code,
    Message,
    Data,
    Subscription,
    /// Anything else.
    #[default]
    Other,
}

impl Name {
    /// The longest token that can name a member other than [`Name::Other`]: twelve letters, each written as `\u` and
    /// four digits, and the quotes.
    pub(super) const MAX_TOKEN: usize = 12 * 6 + 2;

    /// Reads a key: a valid JSON string with its quotes.
    pub(super) fn of(token: &[u8]) -> Self {
        if token.len() > Self::MAX_TOKEN {
            return Self::Other;
        }
        if token.contains(&b'\\') {
            return Self::plain(text::unescape(token).as_bytes());
        }
        match token {
            [b'"', plain @ .., b'"'] => Self::plain(plain),
            _ => Self::Other,
        }
    }

    fn plain(name: &[u8]) -> Self {
        match name {
            b"jsonrpc" => Self::JsonRpc,
            b"id" => Self::Id,
            b"method" => Self::Method,
            b"params" => Self::Params,
            b"result" => Self::Result,
            b"error" => Self::Error,
            b"lasso_meta" => Self::LassoMeta,
            b"code" => Self::Code,
            b"message" => Self::Message,
            b"data" => Self::Data,
            b"subscription" => Self::Subscription,
            _ => Self::Other,
        }
    }
}

/// Whether a JSON value is the string `2.0`.
pub(super) fn is_version_2(token: &[u8]) -> bool {
    token == br#""2.0""# || (token.first() == Some(&b'"') && text::unescape(token) == "2.0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_however_they_are_written() {
        assert_eq!(Name::of(br#""id""#), Name::Id);
        assert_eq!(Name::of(br#""\u0069d""#), Name::Id);
        assert_eq!(Name::of(br#""\u0069\u0064""#), Name::Id);
        let escaped: String = "subscription".bytes().map(|byte| format!("\\u{byte:04x}")).collect();
        assert_eq!(Name::of(format!("\"{escaped}\"").as_bytes()), Name::Subscription);
        assert_eq!(format!("\"{escaped}\"").len(), Name::MAX_TOKEN);
    }

    #[test]
    fn names_are_exact() {
        for token in [r#""ID""#, r#""id ""#, r#""""#, r#""jsonrpc2""#, r#""\u0049d""#] {
            assert_eq!(Name::of(token.as_bytes()), Name::Other, "{token}");
        }
    }

    #[test]
    fn the_version_is_a_string() {
        assert!(is_version_2(br#""2.0""#));
        assert!(is_version_2(br#""2\u002e0""#));
        for token in ["2.0", "\"2\"", "\"1.0\"", "null", "\"2.0 \""] {
            assert!(!is_version_2(token.as_bytes()), "{token}");
        }
    }
}
