//! A client that sees exactly what is on the wire.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{self, Error};
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

/// An HTTP client with a connection pool of its own.
#[derive(Clone)]
pub(crate) struct Client(legacy::Client<HttpConnector, Full<Bytes>>);

/// A response, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// The text of a call with the id 1.
pub(crate) fn request(method: &str, params: &Value) -> String {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string()
}

impl Client {
    pub(crate) fn new() -> Self {
        Self(legacy::Client::builder(TokioExecutor::new()).build_http())
    }

    /// Sends a request and returns when the head of the response is there. Dropping the future, or the body of the
    /// response, hangs up.
    pub(crate) async fn open(
        &self,
        url: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Response<Incoming>, Error> {
        let mut request = Request::post(url).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.0.request(request.body(Full::new(body.into())).unwrap()).await
    }

    /// Fetches a page by `GET` or another method without a body.
    pub(crate) async fn fetch(&self, method: Method, url: &str) -> Result<Response<Incoming>, Error> {
        self.0.request(Request::builder().method(method).uri(url).body(Full::default()).unwrap()).await
    }
}

impl Reply {
    pub(crate) async fn read(response: Response<Incoming>) -> Self {
        let (head, body) = response.into_parts();
        let body = body.collect().await.expect("the body ends cleanly").to_bytes();
        Self { status: head.status, headers: head.headers, body }
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("bodies are text")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The result of a successful call.
    #[track_caller]
    pub(crate) fn result(&self) -> Value {
        let mut json = self.json();
        assert_eq!(self.status, StatusCode::OK, "{json}");
        assert!(json.get("error").is_none(), "{json}");
        json["result"].take()
    }

    /// Code and message of an error.
    #[track_caller]
    pub(crate) fn error(&self) -> (i64, String) {
        let json = self.json();
        let error = &json["error"];
        assert!(error.is_object() && json.get("result").is_none(), "{json}");
        (error["code"].as_i64().unwrap(), error["message"].as_str().unwrap().to_owned())
    }

    /// The name of the node that answered `web3_clientVersion`.
    #[track_caller]
    pub(crate) fn who(&self) -> String {
        let result = self.result();
        let version = result.as_str().unwrap_or_else(|| panic!("no client version: {}", self.text()));
        version.rsplit('/').next().unwrap().to_owned()
    }

    /// The routing metadata in the headers; `null` when there is none.
    pub(crate) fn meta(&self) -> Value {
        let header = self.header("x-lasso-meta");
        if header.is_empty() {
            return Value::Null;
        }
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).expect("base64url without padding")).unwrap()
    }

    /// A header as text; empty when it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}
