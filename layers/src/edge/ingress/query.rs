//! Looking into the query of an address.

use http::Uri;

/// The value of a parameter as it was written; the first of several.
pub(super) fn value<'a>(uri: &'a Uri, name: &str) -> Option<&'a str> {
    let parameters = uri.query()?.split('&');
    parameters.filter_map(|parameter| parameter.split_once('=')).find(|(key, _)| *key == name).map(|(_, v)| v)
}
