//! The pages at `/dashboard`, served from the binary.
//!
//! | Path | Answer |
//! |---|---|
//! | `/dashboard`, `/dashboard/:profile` | the shell, which reads the rest of the address itself |
//! | `/dashboard/assets/…` | scripts, style sheets, the icon |
//!
//! What the pages show comes from `/api/…`, mostly from the stream of `/api/live`. A browser keeps what it was sent and
//! asks each time whether it still holds (`no-cache` with an entity tag, RFC 9110 section 13.1.2): a new version is seen
//! at once and nothing is sent twice.

mod assets;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use lasso_layers::edge::ingress::{RequestId, ResponseBody, empty_response, plain_error};

use self::assets::{Asset, SHELL};

/// Scripts, styles and data come from the router alone, nobody may frame the pages, and nothing they link to learns
/// where the visitor came from. Sockets are opened by the request tester.
const SECURITY: [(HeaderName, HeaderValue); 3] = [
    (
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
             connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
    ),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];

/// The answer to a `GET` of `path`, if that is a path of the dashboard.
pub(crate) fn page(path: &str, headers: &HeaderMap, id: &RequestId) -> Option<Response<ResponseBody>> {
    let rest = path.strip_prefix("/dashboard")?;
    let asset = match rest.strip_prefix('/').unwrap_or(rest) {
        // `/dashboards` is somebody else's.
        _ if !(rest.is_empty() || rest.starts_with('/')) => return None,
        name if name.starts_with("assets/") => assets::find(&name["assets/".len()..]),
        profile => (!profile.contains('/')).then_some(&*SHELL),
    };
    let mut response = match asset {
        Some(asset) => answer(asset, headers, id),
        None => plain_error(StatusCode::NOT_FOUND, id),
    };
    response.headers_mut().extend(SECURITY);
    Some(response)
}

fn answer(asset: &Asset, headers: &HeaderMap, id: &RequestId) -> Response<ResponseBody> {
    let known = headers.get_all(IF_NONE_MATCH).iter().any(|tags| asset.is_among(tags));
    let mut response = empty_response(if known { StatusCode::NOT_MODIFIED } else { StatusCode::OK }, id);
    let fields = response.headers_mut();
    fields.insert(ETAG, asset.tag.clone());
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    fields.insert(VARY, HeaderValue::from_static("accept-encoding"));
    if !known {
        fields.insert(CONTENT_TYPE, HeaderValue::from_static(asset.kind));
        let packed = takes_gzip(headers);
        if packed {
            fields.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        let content = if packed { asset.packed.clone() } else { Bytes::from_static(asset.content) };
        *response.body_mut() = content.into();
    }
    response
}

/// Does the client say that it takes gzip (RFC 9110 section 12.5.3)?
fn takes_gzip(headers: &HeaderMap) -> bool {
    let codings = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    codings.flat_map(|value| value.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let refused = weight.trim().strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0_f32));
        name.trim().eq_ignore_ascii_case("gzip") && !refused
    })
}
