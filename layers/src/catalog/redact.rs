//! Masking of secrets in URLs, for logs and debug output.

/// Masks what may be a key in a URL: long path segments and secret-looking query values.
#[must_use]
pub fn url(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
            format!("{scheme}://{}/***", host.rsplit('@').next().unwrap_or_default())
        }
        None => "***".to_owned(),
    }
}
