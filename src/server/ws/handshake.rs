//! Letting a client in ([RFC 6455, section 4.2](https://www.rfc-editor.org/rfc/rfc6455#section-4.2)).

use bytes::Bytes;
use http::header::{
    CONNECTION, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use lasso_layers::edge::ingress::{RequestId, ResponseBody, empty_response, json_response};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");
const VERSION: HeaderValue = HeaderValue::from_static("13");

/// Why a request does not open a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It came over HTTP/2, or a version before 1.1.
    Protocol,
    /// It does not ask for one.
    NoUpgrade,
    /// It asks for another version of the protocol.
    WrongVersion,
    /// There is no key, or it is none.
    BadKey,
}

impl Refusal {
    pub(super) fn response(self, id: &RequestId) -> Response<ResponseBody> {
        let (status, detail) = match self {
            // Where a connection cannot be upgraded, no status may ask for it.
            Self::Protocol => (StatusCode::BAD_REQUEST, "WebSockets are served over HTTP/1.1 alone"),
            Self::NoUpgrade => (StatusCode::UPGRADE_REQUIRED, "This path serves WebSockets alone"),
            Self::WrongVersion => (StatusCode::UPGRADE_REQUIRED, "The version of WebSockets served is 13"),
            Self::BadKey => (StatusCode::BAD_REQUEST, "Sec-WebSocket-Key must be 16 bytes in base64"),
        };
        let body = Bytes::from(format!(r#"{{"errors":{{"detail":"{detail}"}}}}"#));
        let mut response = json_response(status, id, body);
        if status == StatusCode::UPGRADE_REQUIRED {
            let headers = response.headers_mut();
            headers.insert(UPGRADE, WEBSOCKET);
            headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(SEC_WEBSOCKET_VERSION, VERSION);
        }
        response
    }
}

/// The response that switches protocols: no subprotocol and no extension, whatever was offered.
pub(super) fn accept<B>(request: &Request<B>, id: &RequestId) -> Result<Response<ResponseBody>, Refusal> {
    if request.version() != Version::HTTP_11 {
        return Err(Refusal::Protocol);
    }
    let headers = request.headers();
    if request.method() != Method::GET
        || !lists(headers, CONNECTION, "upgrade")
        || !lists(headers, UPGRADE, "websocket")
    {
        return Err(Refusal::NoUpgrade);
    }
    if headers.get(SEC_WEBSOCKET_VERSION) != Some(&VERSION) {
        return Err(Refusal::WrongVersion);
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes).ok_or(Refusal::BadKey)?;
    if !is_key(key) {
        return Err(Refusal::BadKey);
    }
    let accept = HeaderValue::try_from(derive_accept_key(key)).expect("base64 is a valid header value");
    let mut response = empty_response(StatusCode::SWITCHING_PROTOCOLS, id);
    let headers = response.headers_mut();
    headers.insert(UPGRADE, WEBSOCKET);
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    Ok(response)
}

/// Whether it is what 16 bytes are in base64.
fn is_key(key: &[u8]) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    key.len() == 24 && key.strip_suffix(b"==").is_some_and(|digits| digits.iter().all(is_digit))
}

/// Whether a word is among those of a header, in whatever letters.
fn lists(headers: &HeaderMap, name: HeaderName, word: &str) -> bool {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|listed| listed.trim().eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(change: impl FnOnce(&mut Request<()>)) -> Result<String, Refusal> {
        let mut request = Request::get("/ws/rpc/ethereum")
            .header(CONNECTION, "keep-alive, Upgrade")
            .header(UPGRADE, "WebSocket")
            .header(SEC_WEBSOCKET_VERSION, "13")
            .header(SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ==")
            .body(())
            .unwrap();
        change(&mut request);
        let response = accept(&request, &RequestId::of(request.headers()))?;
        assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
        Ok(response.headers()[SEC_WEBSOCKET_ACCEPT].to_str().unwrap().to_owned())
    }

    #[test]
    fn a_handshake_is_answered_as_in_the_standard() {
        assert_eq!(answer(|_| {}).as_deref(), Ok("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    }

    #[test]
    fn nothing_that_was_offered_is_taken_up() {
        let mut request = Request::get("/ws/rpc/ethereum").body(()).unwrap();
        for (name, value) in [
            ("connection", "upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-protocol", "json-rpc"),
            ("sec-websocket-extensions", "permessage-deflate"),
        ] {
            request.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        let response = accept(&request, &RequestId::of(request.headers())).unwrap();
        assert!(!response.headers().contains_key("sec-websocket-protocol"));
        assert!(!response.headers().contains_key("sec-websocket-extensions"));
    }

    #[test]
    fn what_is_no_handshake_is_refused_and_says_why() {
        let without = |name| move |request: &mut Request<()>| drop(request.headers_mut().remove(name));
        let with = |name, value| {
            move |request: &mut Request<()>| {
                request.headers_mut().insert(name, HeaderValue::from_static(value));
            }
        };
        assert_eq!(answer(|request| *request.version_mut() = Version::HTTP_2), Err(Refusal::Protocol));
        assert_eq!(answer(|request| *request.version_mut() = Version::HTTP_10), Err(Refusal::Protocol));
        assert_eq!(answer(without(CONNECTION)), Err(Refusal::NoUpgrade));
        assert_eq!(answer(without(UPGRADE)), Err(Refusal::NoUpgrade));
        assert_eq!(answer(with(UPGRADE, "h2c")), Err(Refusal::NoUpgrade));
        assert_eq!(answer(with(SEC_WEBSOCKET_VERSION, "8")), Err(Refusal::WrongVersion));
        assert_eq!(answer(without(SEC_WEBSOCKET_VERSION)), Err(Refusal::WrongVersion));
        assert_eq!(answer(without(SEC_WEBSOCKET_KEY)), Err(Refusal::BadKey));
        assert_eq!(answer(with(SEC_WEBSOCKET_KEY, "c2hvcnQ=")), Err(Refusal::BadKey));
        assert_eq!(answer(with(SEC_WEBSOCKET_KEY, "not base64")), Err(Refusal::BadKey));

        let id = RequestId::of(&HeaderMap::new());
        assert_eq!(Refusal::NoUpgrade.response(&id).headers()[UPGRADE], WEBSOCKET);
        assert_eq!(Refusal::WrongVersion.response(&id).headers()[SEC_WEBSOCKET_VERSION], VERSION);
        assert!(!Refusal::Protocol.response(&id).headers().contains_key(UPGRADE));
    }
}
