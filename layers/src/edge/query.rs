//! Reading the query of an address.
//!
//! One rule for all parameters: the last one that means something counts.

use std::borrow::Cow;

use http::{HeaderMap, Uri};
use percent_encoding::percent_decode_str;

use crate::call::MetaMode;

/// The parameters of a query, decoded, in the order in which they were written. What has no `=` is none.
pub(super) fn pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decode_query(name), decode_query(value)))
}

/// How a client wants to see routing metadata, by `?include_meta=` or else `X-Lasso-Include-Meta`. The parameter counts
/// whatever it says: what is not known means not at all.
pub(super) fn meta_mode(uri: &Uri, headers: &HeaderMap) -> MetaMode {
    const NAME: &str = "include_meta";
    let query = uri.query().unwrap_or_default();
    let asked = pairs(query).filter(|(name, _)| name == NAME).last();
    match asked {
        Some((_, mode)) => MetaMode::from_name(&mode),
        None => header(headers, "x-lasso-include-meta").map(MetaMode::from_name).unwrap_or_default(),
    }
}

/// The value of a header that is text, without the space around it.
pub(super) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
}

/// Undoes percent-encoding ([RFC 3986, section 2.1](https://www.rfc-editor.org/rfc/rfc3986#section-2.1)). What is not
/// a valid escape stays as it is; bytes that are not UTF-8 become U+FFFD.
pub(super) fn decode(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

/// The same in a query, where a `+` is the space of HTML forms.
fn decode_query(text: &str) -> Cow<'_, str> {
    if text.contains('+') { Cow::Owned(decode(&text.replace('+', " ")).into_owned()) } else { decode(text) }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn api_case_22_an_invalid_include_meta_in_the_query_beats_the_header() {
        let mut headers = HeaderMap::new();
        headers.insert("x-lasso-include-meta", HeaderValue::from_static("body"));
        let meta = |uri: &str| meta_mode(&uri.parse().unwrap(), &headers);
        assert_eq!(meta("/rpc/eth"), MetaMode::Body);
        assert_eq!(meta("/rpc/eth?include_meta=headers"), MetaMode::Headers);
        assert_eq!(meta("/rpc/eth?include%5Fmeta=head%65rs"), MetaMode::Headers);
        assert_eq!(meta("/rpc/eth?include_meta=none"), MetaMode::None);
        assert_eq!(meta("/rpc/eth?include_meta=bogus"), MetaMode::None);
        assert_eq!(meta("/rpc/eth?include_meta=none&x=1&include_meta=headers"), MetaMode::Headers);
        assert_eq!(meta("/rpc/eth?meta=none"), MetaMode::Body);
        assert_eq!(meta_mode(&"/rpc/eth".parse().unwrap(), &HeaderMap::new()), MetaMode::None);
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(text in any::<String>()) {
            let encoded: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
            prop_assert_eq!(decode(&encoded), text.as_str());
            prop_assert_eq!(decode_query(&encoded), text.as_str());
        }
    }
}
