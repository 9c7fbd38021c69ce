//! Responses, with the headers that every one of them carries.

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, CONTENT_TYPE, HeaderName,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use super::{RequestId, ResponseBody};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
const ANY_ORIGIN: HeaderValue = HeaderValue::from_static("*");
const EXPOSED: HeaderValue =
    HeaderValue::from_static("X-Request-Id,X-Lasso-Request-ID,X-Lasso-Meta,Retry-After");

/// A response with a JSON body, its request's name and the headers that let browsers on any site read it
/// ([CORS protocol](https://fetch.spec.whatwg.org/#http-cors-protocol)).
#[must_use]
pub fn json_response(
    status: StatusCode,
    id: &RequestId,
    body: impl Into<ResponseBody>,
) -> Response<ResponseBody> {
    let mut response = empty_response(status, id);
    *response.body_mut() = body.into();
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

/// The same without a body.
#[must_use]
pub fn empty_response(status: StatusCode, id: &RequestId) -> Response<ResponseBody> {
    // Room for all headers of an answer with metadata, so that the map never grows.
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANY_ORIGIN);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    headers.insert(X_REQUEST_ID, id.header());
    let mut response = Response::new(ResponseBody::empty());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// `{"errors":{"detail":…}}` with the status and its usual name, for what is not JSON-RPC.
#[must_use]
pub fn plain_error(status: StatusCode, id: &RequestId) -> Response<ResponseBody> {
    let detail = match status {
        // The name of the status before RFC 9110.
        StatusCode::PAYLOAD_TOO_LARGE => "Request Entity Too Large",
        status => status.canonical_reason().unwrap_or("Error"),
    };
    json_response(status, id, Bytes::from(format!(r#"{{"errors":{{"detail":"{detail}"}}}}"#)))
}

/// The answer to a browser that asks whether it may send a request.
#[must_use]
pub fn preflight(id: &RequestId) -> Response<ResponseBody> {
    const METHODS: HeaderValue = HeaderValue::from_static("GET,POST,OPTIONS");
    const ACCEPTED: HeaderValue = HeaderValue::from_static(
        "Content-Type,Authorization,X-Requested-With,X-Lasso-Provider,X-Lasso-Transport,\
         X-Lasso-Include-Meta,X-Lasso-Api-Key,X-Request-Id",
    );
    const DAY: HeaderValue = HeaderValue::from_static("86400");
    let mut response = empty_response(StatusCode::NO_CONTENT, id);
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_MAX_AGE, DAY);
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, ACCEPTED);
    response
}
