//! What is said to clients whose request does not become a call.

use std::borrow::Cow;

use http::{Response, StatusCode};

use super::{RequestId, ResponseBody, json_response};
use crate::wire::{ErrorObject, code};

/// A request that is answered with one error and does not reach the stack.
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) error: ErrorObject,
}

impl Refusal {
    /// The body is not JSON.
    pub(super) fn invalid_json() -> Self {
        Self::new(StatusCode::BAD_REQUEST, code::PARSE_ERROR, "Parse error: Invalid JSON")
    }

    /// The length of the body is declared wrongly, or the body broke off.
    pub(super) fn framing() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            code::PARSE_ERROR,
            "Parse error: the length of the request body is not the declared one, or is declared wrongly",
        )
    }

    /// The body took too long to arrive.
    pub(super) fn body_timeout() -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            code::PARSE_ERROR,
            "Parse error: the request body did not arrive in time",
        )
    }

    pub(super) fn too_large(limit: u64) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            code::INVALID_REQUEST,
            format!("Invalid Request: the request body is larger than {limit} bytes"),
        )
    }

    /// Too many bytes are under way.
    pub(super) fn no_room() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            code::CAPACITY,
            "Too many requests are being read; try again shortly",
        )
    }

    /// Not JSON, and not said to be.
    pub(super) fn not_json() -> Self {
        Self::new(
            StatusCode::OK,
            code::INVALID_REQUEST,
            "Invalid Request: the body must be a JSON-RPC object or an array of them",
        )
    }

    /// The fields of an HTML form.
    pub(super) fn form() -> Self {
        Self { status: StatusCode::UNSUPPORTED_MEDIA_TYPE, ..Self::not_json() }
    }

    /// A defect of this process.
    pub(super) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, code::INTERNAL_ERROR, "Internal error")
    }

    /// The message was read and is no request.
    pub(super) const fn of(error: ErrorObject) -> Self {
        Self { status: StatusCode::OK, error }
    }

    pub(super) fn response(&self, id: &RequestId) -> Response<ResponseBody> {
        json_response(self.status, id, self.error.body(None))
    }

    fn new(status: StatusCode, code: i64, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, error: ErrorObject::new(code, message) }
    }
}
