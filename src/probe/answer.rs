//! What comes back from an endpoint, whatever it came over.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use lasso_layers::attempt::classify::{classify, hide_secrets};
use lasso_layers::call::Failure;
use lasso_layers::catalog::{Category, Endpoint, redact};
use lasso_layers::wire::{ErrorObject, Incoming, ReplyShape, code, lenient_error, parse_error, parse_reply};

/// An answer and how long it took.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// The value of `result`, a JSON value.
    pub(super) outcome: Result<Bytes, Trouble>,
    pub(super) latency: Duration,
}

/// Why there is no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) kind: Kind,
    /// What there is to say about it, fit for everybody's eyes.
    pub(super) text: String,
    /// When the endpoint wants to be asked again.
    pub(super) retry_after: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A JSON-RPC error.
    Refused { code: i64, category: Category },
    /// An HTTP status other than success, without a JSON-RPC error.
    Status(StatusCode),
    /// No answer in time.
    Timeout,
    /// No connection, or one that broke.
    Broken,
    /// No valid reply to what was asked.
    Invalid,
    /// A result, but more of it than anybody wants to hold.
    TooLong,
}

impl Trouble {
    pub(super) fn new(kind: Kind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), retry_after: None }
    }

    pub(super) fn timeout(limit: Duration) -> Self {
        Self::new(Kind::Timeout, format!("no answer within {} ms", limit.as_millis()))
    }

    /// An error that the endpoint answered with.
    pub(super) fn refused(
        status: StatusCode,
        code: i64,
        message: &str,
        data: Option<&[u8]>,
        endpoint: &Endpoint,
    ) -> Self {
        let category = match classify(code, message, data, &[]).0 {
            _ if status == StatusCode::TOO_MANY_REQUESTS => Category::RateLimit,
            category => category,
        };
        let message = harmless(message, endpoint);
        Self::new(Kind::Refused { code, category }, format!("{code}: {message}"))
    }

    /// A failure of the connection.
    pub(super) fn broken(failure: &Failure, endpoint: &Endpoint) -> Self {
        let text = match failure {
            Failure::Upstream(upstream) if let Some(http) = upstream.http => {
                return Self::status(http.status);
            }
            Failure::Transport(transport) => transport.source.as_ref().map(|source| root(&**source)),
            _ => None,
        };
        let text = text.unwrap_or_else(|| failure.error().message.clone().into_owned());
        Self::new(Kind::Broken, harmless(&text, endpoint))
    }

    pub(super) fn status(status: StatusCode) -> Self {
        Self::new(Kind::Status(status), format!("answered HTTP {status}"))
    }

    /// Whether the endpoint asks for fewer requests.
    pub(super) fn is_rate_limit(&self) -> bool {
        matches!(
            self.kind,
            Kind::Refused { category: Category::RateLimit, .. } | Kind::Status(StatusCode::TOO_MANY_REQUESTS)
        )
    }
}

/// Reads the reply to a request that was sent with this id.
pub(super) fn read(
    status: StatusCode,
    body: &Bytes,
    id: &[u8],
    endpoint: &Endpoint,
) -> Result<Bytes, Trouble> {
    match parse_reply(body, id) {
        Ok(ReplyShape::Result { result, .. }) if status.is_success() => Ok(body.slice(result.range())),
        Ok(ReplyShape::Error { error, .. }) => Err(error_of(status, &body[error.range()], endpoint)),
        // What refuses a request before it was read cannot know its id.
        outcome => Err(match (lenient_error(body), outcome) {
            (Some((code, message, data)), _) => {
                let code = code.unwrap_or(code::SERVER_ERROR);
                Trouble::refused(status, code, &message, data.as_deref(), endpoint)
            }
            (None, Err(defect)) if status.is_success() => Trouble::new(Kind::Invalid, defect.to_string()),
            (None, _) => Trouble::status(status),
        }),
    }
}

/// Reads a message as the reply to a request that was sent with this id over a WebSocket; `None` when it is not.
pub(super) fn read_message(
    message: &Bytes,
    id: &[u8],
    endpoint: &Endpoint,
) -> Option<Result<Bytes, Trouble>> {
    match lasso_layers::wire::parse_upstream(message) {
        Incoming::Reply(shape) if shape.id().slice(message) != id => None,
        Incoming::Reply(ReplyShape::Result { result, .. }) => Some(Ok(message.slice(result.range()))),
        Incoming::Reply(ReplyShape::Error { error, .. }) => {
            Some(Err(error_of(StatusCode::OK, &message[error.range()], endpoint)))
        }
        Incoming::Defective { id: Some(span), defect } if span.slice(message) == id => {
            Some(Err(Trouble::new(Kind::Invalid, defect.to_string())))
        }
        Incoming::Defective { .. } | Incoming::Push(_) => None,
    }
}

fn error_of(status: StatusCode, error: &[u8], endpoint: &Endpoint) -> Trouble {
    match parse_error(error) {
        Some(parts) => Trouble::refused(status, parts.code, &parts.message, parts.data, endpoint),
        None => Trouble::new(Kind::Invalid, "an error without code and message"),
    }
}

/// What an endpoint said, in one line without secrets, and without characters that do something to a terminal.
pub(super) fn harmless(text: &str, endpoint: &Endpoint) -> String {
    const MAX_CHARS: usize = 200;
    let mut error = ErrorObject::new(0, text.to_owned());
    hide_secrets(&mut error, endpoint);
    let text = redact::text(&error.message);
    let words: Vec<&str> = text.split(|c: char| c.is_whitespace() || c.is_control()).collect();
    let line = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// The error at the bottom: those above it say that there is one below.
fn root(error: &(dyn Error + 'static)) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::target::Target;

    const KEY: &str = "0123456789abcdef0123456789abcdef";

    fn endpoint() -> Endpoint {
        Target::read(&format!("https://h.example/v2/{KEY}")).unwrap().http
    }

    fn read_as(status: u16, body: &str) -> Result<String, Trouble> {
        let status = StatusCode::from_u16(status).unwrap();
        read(status, &Bytes::copy_from_slice(body.as_bytes()), b"7", &endpoint())
            .map(|result| String::from_utf8(result.to_vec()).unwrap())
    }

    fn kind(status: u16, body: &str) -> Kind {
        read_as(status, body).unwrap_err().kind
    }

    #[test]
    fn a_result_is_the_bytes_that_were_written() {
        let body = r#"{"jsonrpc":"2.0","id":7,"result": {"a" : null} }"#;
        assert_eq!(read_as(200, body).as_deref(), Ok(r#"{"a" : null}"#));
        assert_eq!(read_as(200, r#"{"jsonrpc":"2.0","id":7,"result":null}"#).as_deref(), Ok("null"));
        assert_eq!(kind(500, body), Kind::Status(StatusCode::INTERNAL_SERVER_ERROR));
    }

    #[test]
    fn errors_are_classified_whatever_the_status_and_the_id() {
        let error = r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32601,"message":"no"}}"#;
        let expected = Kind::Refused { code: -32601, category: Category::MethodNotFound };
        assert_eq!(kind(200, error), expected);
        assert_eq!(kind(400, error), expected);
        assert_eq!(kind(200, &error.replace('7', "null")), expected);
        assert!(read_as(429, error).unwrap_err().is_rate_limit());
        let limited = error.replace("-32601", "-32005");
        assert!(read_as(200, &limited).unwrap_err().is_rate_limit());
        assert!(read_as(429, "slow down").unwrap_err().is_rate_limit());
    }

    #[test]
    fn what_is_no_reply_is_named() {
        assert_eq!(kind(200, "<html>"), Kind::Invalid);
        assert_eq!(kind(200, r#"{"jsonrpc":"2.0","id":8,"result":1}"#), Kind::Invalid);
        assert_eq!(kind(401, "<html>"), Kind::Status(StatusCode::UNAUTHORIZED));
        assert_eq!(read_as(401, "").unwrap_err().text, "answered HTTP 401 Unauthorized");
    }

    #[test]
    fn messages_of_a_socket_belong_to_a_request_by_their_id() {
        let read =
            |message: &str| read_message(&Bytes::copy_from_slice(message.as_bytes()), b"7", &endpoint());
        assert_eq!(read(r#"{"jsonrpc":"2.0","id":7,"result":1}"#), Some(Ok(Bytes::from_static(b"1"))));
        assert_eq!(read(r#"{"jsonrpc":"2.0","id":8,"result":1}"#), None);
        let push =
            r#"{"jsonrpc":"2.0","method":"eth_subscription","params":{"subscription":"0x1","result":7}}"#;
        assert_eq!(read(push), None);
        let kind = |message: &str| read(message).unwrap().unwrap_err().kind;
        assert_eq!(kind(r#"{"jsonrpc":"2.0","id":7}"#), Kind::Invalid);
        let error = r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32602,"message":"bad"}}"#;
        assert_eq!(kind(error), Kind::Refused { code: -32602, category: Category::InvalidParams });
    }

    #[test]
    fn what_an_endpoint_says_does_no_harm() {
        let said = format!("bad\x1b[31m key\r\n{KEY} at https://h.example/v2/{KEY} \u{9b}2J");
        let shown = harmless(&said, &endpoint());
        assert!(!shown.contains(KEY) && !shown.chars().any(char::is_control), "{shown:?}");
        assert!(shown.starts_with("bad [31m key *** at https://h.example/v2/"), "{shown:?}");
        assert_eq!(harmless(&"é".repeat(500), &endpoint()).chars().count(), 201);
    }
}
