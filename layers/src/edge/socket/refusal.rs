//! What is said about messages that do not become calls. The words are part of the protocol.

use crate::wire::{ErrorObject, Request, code};

pub(super) const fn not_json() -> ErrorObject {
    error(code::PARSE_ERROR, "Parse error")
}

/// A message that is neither an object nor an array.
pub(super) const fn no_version() -> ErrorObject {
    error(code::INVALID_REQUEST, "Invalid Request: missing jsonrpc field")
}

/// Too many bytes are being answered, on this socket or in this process.
pub(super) const fn no_room() -> ErrorObject {
    error(code::CAPACITY, "Local request capacity unavailable")
}

/// The answer of the upstream does not come to its end.
pub(super) const fn broken() -> ErrorObject {
    error(code::NETWORK, "The upstream broke off in the middle of its answer")
}

pub(super) const fn internal() -> ErrorObject {
    error(code::INTERNAL_ERROR, "Internal error")
}

/// What is wrong with an object that is not a request. Over a socket the version must be there.
pub(super) fn defect(request: &Request) -> Option<ErrorObject> {
    if !request.has_version() {
        return Some(no_version());
    }
    request.defect().map(|_| error(code::INVALID_REQUEST, "Invalid Request: missing required fields"))
}

const fn error(code: i64, message: &'static str) -> ErrorObject {
    ErrorObject { code, message: std::borrow::Cow::Borrowed(message), data: None }
}
