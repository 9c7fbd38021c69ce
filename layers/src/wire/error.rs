//! Error objects: the one place that writes them, and the two ways to read them.

use std::borrow::Cow;

use bytes::Bytes;

use super::{raw::RawJson, text::write_string};

/// Codes that appear on the wire.
///
/// Those from -32768 to -32600 are set by [JSON-RPC 2.0, section 5.1](https://www.jsonrpc.org/specification#error_object);
/// those from -32000 down to -32099 are free for servers, and several have a customary meaning in Ethereum
/// ([EIP-1474](https://eips.ethereum.org/EIPS/eip-1474)).
pub mod code {
    /// The message is not JSON.
    pub const PARSE_ERROR: i64 = -32700;
    /// The message is JSON but not a request.
    pub const INVALID_REQUEST: i64 = -32600;
    /// The method does not exist or is not served here.
    pub const METHOD_NOT_FOUND: i64 = -32601;
    /// The parameters, the id or the route name something that is not there or not allowed.
    pub const INVALID_PARAMS: i64 = -32602;
    /// A fault on our side.
    pub const INTERNAL_ERROR: i64 = -32603;
    /// Anything else; also what a call ends with when no upstream could answer it.
    pub const SERVER_ERROR: i64 = -32000;
    /// An upstream failed.
    pub const UPSTREAM_SERVER: i64 = -32002;
    /// An upstream refused the request.
    pub const UPSTREAM_CLIENT: i64 = -32003;
    /// An upstream could not be reached.
    pub const NETWORK: i64 = -32004;
    /// An upstream is being asked too often, or a call would need too many attempts.
    pub const RATE_LIMITED: i64 = -32005;
    /// A batch item was still queued at its deadline. The same number as [`RATE_LIMITED`].
    pub const DEADLINE: i64 = RATE_LIMITED;
    /// A WebSocket to an upstream could not be opened.
    pub const CONNECT: i64 = -32006;
    /// An upstream did not answer in time.
    pub const TIMEOUT: i64 = -32007;
    /// No room for more work here.
    pub const CAPACITY: i64 = -32008;
}

/// The error of a reply that is written here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorObject {
    /// See [`code`].
    pub code: i64,
    /// What happened and what to do about it.
    pub message: Cow<'static, str>,
    /// More about it: a JSON value. `null` and `false` say nothing and are not written.
    pub data: Option<Bytes>,
}

impl ErrorObject {
    /// An error without data.
    #[must_use]
    pub fn new(code: i64, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    /// Adds data: a JSON value.
    #[must_use]
    pub fn with_data(mut self, data: impl Into<Bytes>) -> Self {
        self.data = Some(data.into());
        self
    }

    /// The error object alone.
    #[must_use]
    pub fn object(&self) -> Bytes {
        let mut out = Vec::with_capacity(self.object_len());
        self.write(&mut out);
        out.into()
    }

    /// The whole reply. `id` is the client's id as it was written; without one it is `null`.
    #[must_use]
    pub fn body(&self, id: Option<&[u8]>) -> Bytes {
        reply(id, "error", self.object_len(), |out| self.write(out))
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"code":"#);
        out.extend_from_slice(self.code.to_string().as_bytes());
        out.extend_from_slice(br#","message":"#);
        write_string(out, &self.message);
        if let Some(data) = self.data.as_deref().filter(|data| !matches!(*data, b"null" | b"false")) {
            out.extend_from_slice(br#","data":"#);
            out.extend_from_slice(data);
        }
        out.push(b'}');
    }

    /// About how long the object gets; exact escapes do not matter for an allocation.
    fn object_len(&self) -> usize {
        const FIXED: usize = 56;
        FIXED + self.message.len() + self.data.as_ref().map_or(0, Bytes::len)
    }
}

/// The reply to a call that is answered here. `result` is a JSON value; `id` is the client's id as it was written, and
/// without one it is `null`.
#[must_use]
pub fn result_body(id: Option<&[u8]>, result: &[u8]) -> Bytes {
    reply(id, "result", result.len(), |out| out.extend_from_slice(result))
}

fn reply(id: Option<&[u8]>, outcome: &str, len: usize, write: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    const FIXED: usize = 40;
    let id = id.unwrap_or(b"null");
    let mut out = Vec::with_capacity(FIXED + id.len() + len);
    out.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
    out.extend_from_slice(id);
    out.push(b',');
    write_string(&mut out, outcome);
    out.push(b':');
    write(&mut out);
    out.push(b'}');
    out.into()
}

/// What an upstream says in an error object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorParts<'a> {
    /// Its code.
    pub code: i64,
    /// Its message, unescaped.
    pub message: Cow<'a, str>,
    /// Its data as it was written.
    pub data: Option<&'a [u8]>,
}

/// Reads the error object of a valid reply, as [`parse_reply`](super::parse_reply) found it.
///
/// `None` unless it is an object with exactly one integer `code` that fits 64 bits, exactly one string `message` and
/// at most one `data` ([JSON-RPC 2.0, section 5.1](https://www.jsonrpc.org/specification#error_object)).
#[must_use]
pub fn parse_error(error: &[u8]) -> Option<ErrorParts<'_>> {
    let (mut code, mut message, mut data) = (None, None, None);
    for (name, value) in RawJson::trusted(error).members() {
        let repeated = match name.as_ref() {
            "code" => code.replace(value.as_i64()?).is_some(),
            "message" => message.replace(value.as_str()?).is_some(),
            "data" => data.replace(value.bytes()).is_some(),
            _ => false,
        };
        if repeated {
            return None;
        }
    }
    Some(ErrorParts { code: code?, message: message?, data })
}

/// Looks for an error in the body of an HTTP reply whose status says that it failed: an object with an `error` object
/// that has a string `message`. The code is there when it is an integer that fits 64 bits.
///
/// Nothing else about the body matters; in particular it need not be JSON.
#[must_use]
pub fn lenient_error(body: &[u8]) -> Option<(Option<i64>, String, Option<Bytes>)> {
    let error = RawJson::parse(body).ok()?.member("error")?;
    let message = error.member("message")?.as_str()?.into_owned();
    let code = error.member("code").and_then(RawJson::as_i64);
    let data = error.member("data").map(|data| Bytes::copy_from_slice(data.bytes()));
    Some((code, message, data))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_reply_has_exactly_these_members() {
        let error = ErrorObject::new(code::METHOD_NOT_FOUND, "no \"such\"\n\u{1}method");
        assert_eq!(
            &error.body(Some(b"\"a\""))[..],
            br#"{"jsonrpc":"2.0","id":"a","error":{"code":-32601,"message":"no \"such\"\n\u0001method"}}"#
        );
        assert_eq!(
            &error.with_data("{\"retry_after_ms\":5}").body(None)[..],
            br#"{"jsonrpc":"2.0","id":null,"error":{"code":-32601,"message":"no \"such\"\n\u0001method","data":{"retry_after_ms":5}}}"#
        );
    }

    #[test]
    fn data_that_says_nothing_is_left_out() {
        for data in ["null", "false"] {
            let error = ErrorObject::new(1, "m").with_data(data);
            assert_eq!(&error.object()[..], br#"{"code":1,"message":"m"}"#);
        }
        for data in ["true", "0", "\"\"", "{}"] {
            let error = ErrorObject::new(1, "m").with_data(data);
            assert_eq!(error.object(), format!(r#"{{"code":1,"message":"m","data":{data}}}"#));
        }
    }

    #[test]
    fn a_local_result_keeps_the_id() {
        assert_eq!(
            &result_body(Some(b"1.5"), b"\"0x1\"")[..],
            br#"{"jsonrpc":"2.0","id":1.5,"result":"0x1"}"#
        );
        assert_eq!(&result_body(None, b"{}")[..], br#"{"jsonrpc":"2.0","id":null,"result":{}}"#);
    }

    #[test]
    fn an_error_object_is_read_with_its_data_untouched() {
        let parts = parse_error(
            br#"{ "message" : "a\u0020b", "data": {"x" : 1.0}, "extra":[], "\u0063ode":-32000 }"#,
        );
        let data = Some(&br#"{"x" : 1.0}"#[..]);
        assert_eq!(parts, Some(ErrorParts { code: -32000, message: "a b".into(), data }));
    }

    #[test]
    fn an_error_object_needs_one_code_and_one_message() {
        for error in [
            r#"{}"#,
            r#""text""#,
            r#"[{"code":1,"message":"m"}]"#,
            r#"{"code":1}"#,
            r#"{"message":"m"}"#,
            r#"{"code":"1","message":"m"}"#,
            r#"{"code":1.0,"message":"m"}"#,
            r#"{"code":9223372036854775808,"message":"m"}"#,
            r#"{"code":1,"message":null}"#,
            r#"{"code":1,"code":1,"message":"m"}"#,
            r#"{"code":1,"message":"m","message":"m"}"#,
            r#"{"code":1,"message":"m","data":1,"data":1}"#,
        ] {
            assert_eq!(parse_error(error.as_bytes()), None, "{error}");
        }
    }

    #[test]
    fn a_failed_reply_is_searched_leniently() {
        let found = lenient_error(br#" {"error":{"code":-32602,"message":"bad","data":[1]}} "#);
        assert_eq!(found, Some((Some(-32602), "bad".to_owned(), Some(Bytes::from_static(b"[1]")))));
        assert_eq!(
            lenient_error(br#"{"error":{"code":"x","message":"m"}}"#),
            Some((None, "m".to_owned(), None))
        );
        for body in [
            "",
            "<html>",
            r#"{"message":"m"}"#,
            r#"{"error":"text"}"#,
            r#"{"error":{"message":1}}"#,
            r#"[{"error":{"message":"m"}}]"#,
            r#"{"error":{"message":"m"}"#,
        ] {
            assert_eq!(lenient_error(body.as_bytes()), None, "{body}");
        }
    }
}
