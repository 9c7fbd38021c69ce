//! What an error code means where no text says more.

use crate::catalog::Category;
use crate::wire::code;

/// The HTTP status that some providers put where a JSON-RPC code belongs.
pub(super) const TOO_MANY_REQUESTS: i64 = 429;

/// The codes whose meaning no message changes.
///
/// [JSON-RPC 2.0, section 5.1](https://www.jsonrpc.org/specification#error_object) defines them; its other two,
/// wrong parameters and internal error, are used by providers for anything.
pub(super) const fn settled(code: i64) -> Option<Category> {
    match code {
        code::PARSE_ERROR => Some(Category::ParseError),
        code::INVALID_REQUEST => Some(Category::InvalidRequest),
        code::METHOD_NOT_FOUND => Some(Category::MethodNotFound),
        _ => None,
    }
}

/// Whether the code alone says that fewer requests are wanted, so that a text can hardly say otherwise.
pub(super) const fn is_rate_limit(code: i64) -> bool {
    matches!(code, code::RATE_LIMITED | TOO_MANY_REQUESTS)
}

/// The meaning of any code.
pub(super) const fn category(code: i64) -> Category {
    if let Some(category) = settled(code) {
        return category;
    }
    match code {
        code::INVALID_PARAMS => Category::InvalidParams,
        code::INTERNAL_ERROR => Category::InternalError,
        code::RATE_LIMITED | TOO_MANY_REQUESTS | 30 | -32046 => Category::RateLimit,
        code::NETWORK | 4901 => Category::NetworkError,
        code::UPSTREAM_CLIENT => Category::ClientError,
        3 | -32010 | -32015 | -32016 => Category::ExecutionRevert,
        code::SERVER_ERROR => Category::UnclassifiedServerError,
        code::UPSTREAM_SERVER | 14 | 23 | -31001 | -31002 | -32099..=-32001 => Category::ServerError,
        26 => Category::BlockNotAvailable,
        35 | -32701 => Category::CapabilityViolation,
        // EIP-1193, "Provider Errors".
        4001 => Category::UserError,
        4100 => Category::AuthError,
        4200 => Category::MethodError,
        4900 => Category::ChainError,
        400..=499 => Category::ClientError,
        500..=599 => Category::ServerError,
        _ => Category::UnknownError,
    }
}
