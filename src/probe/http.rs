//! Asking over HTTP.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use lasso_layers::call::Failure;
use lasso_layers::catalog::Endpoint;
use lasso_layers::edge::egress::retry_after;
use serde_json::{Value, json};
use tokio::time::Instant;
use tower::ServiceExt;

use super::answer::{self, Answer, Kind, Trouble};
use crate::upstream::{HttpClient, UpstreamHttpPolicy};

/// The longest reply that is read.
const MAX_REPLY_BYTES: usize = 16 * 1024 * 1024;

/// How often a question is put off because the endpoint asks for fewer of them.
const PATIENCE: usize = 2;

/// How long it is put off when the endpoint does not say.
const PAUSE: Duration = Duration::from_secs(1);

/// The longest pause, whatever the endpoint says.
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// A client of one endpoint over the router's own kind of connections. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Http {
    client: HttpClient<Full<Bytes>>,
    endpoint: Endpoint,
    timeout: Duration,
}

impl Http {
    /// Gives each request so long, connecting included.
    ///
    /// # Errors
    ///
    /// When TLS cannot be set up.
    pub(super) fn new(endpoint: Endpoint, timeout: Duration) -> io::Result<Self> {
        let policy = UpstreamHttpPolicy { connect_timeout: timeout, ..UpstreamHttpPolicy::default() };
        Ok(Self { client: HttpClient::new(policy)?, endpoint, timeout })
    }

    /// Asks once. `params` is a JSON array.
    pub(super) async fn ask(&self, method: &str, params: &str) -> Answer {
        const ID: &str = "1";
        let start = Instant::now();
        let body = format!(r#"{{"jsonrpc":"2.0","id":{ID},"method":"{method}","params":{params}}}"#);
        let outcome = match self.post(body).await {
            Ok(reply) => reply.read(ID, &self.endpoint),
            Err(trouble) => Err(trouble),
        };
        Answer { outcome, latency: start.elapsed() }
    }

    /// Asks again after a while when the endpoint was asked too often: what is to be found out is something else.
    pub(super) async fn ask_patiently(&self, method: &str, params: &str) -> Answer {
        for _ in 0..PATIENCE {
            let answer = self.ask(method, params).await;
            match &answer.outcome {
                Err(trouble) if trouble.is_rate_limit() => {
                    tokio::time::sleep(trouble.retry_after.unwrap_or(PAUSE).min(MAX_PAUSE)).await;
                }
                _ => return answer,
            }
        }
        self.ask(method, params).await
    }

    /// Sends so many calls of a method without parameters as one batch.
    ///
    /// # Errors
    ///
    /// Unless each of them was answered with a result.
    pub(super) async fn batch(&self, method: &str, items: usize) -> Result<(), Trouble> {
        let call = |id| json!({"jsonrpc": "2.0", "id": id, "method": method, "params": []});
        let reply = self.post(Value::from_iter((0..items).map(call)).to_string()).await?;
        let replies: Vec<Value> = match serde_json::from_slice(&reply.body) {
            Ok(replies) if reply.status.is_success() => replies,
            // A refusal of the whole, in whatever shape.
            _ => return Err(reply.read("0", &self.endpoint).err().unwrap_or_else(no_batch)),
        };
        let refused = replies.iter().find_map(|reply| reply.get("error"));
        if let Some(error) = refused {
            let body = json!({"jsonrpc": "2.0", "id": 0, "error": error}).to_string();
            let reply = Reply { body: body.into(), ..reply };
            return Err(reply.read("0", &self.endpoint).err().unwrap_or_else(no_batch));
        }
        let has_result =
            |id: usize| replies.iter().any(|reply| reply["id"] == id && reply.get("result").is_some());
        if replies.len() == items && (0..items).all(has_result) { Ok(()) } else { Err(no_batch()) }
    }

    async fn post(&self, body: String) -> Result<Reply, Trouble> {
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.endpoint.uri.clone();
        *request.headers_mut() = self.endpoint.headers.clone();
        let exchange = async {
            let response = self.client.clone().oneshot(request).await;
            let response = response.map_err(|failure| Trouble::broken(&failure, &self.endpoint))?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, MAX_REPLY_BYTES).collect().await.map_err(|error| {
                if error.is::<LengthLimitError>() {
                    let text = format!("answered more than {} MiB", MAX_REPLY_BYTES >> 20);
                    Trouble::new(Kind::TooLong, text)
                } else {
                    Trouble::broken(&Failure::from(error), &self.endpoint)
                }
            })?;
            let retry_after = retry_after(&head.headers);
            Ok(Reply { status: head.status, body: body.to_bytes(), retry_after })
        };
        tokio::time::timeout(self.timeout, exchange)
            .await
            .unwrap_or_else(|_| Err(Trouble::timeout(self.timeout)))
    }
}

/// An HTTP response, read.
struct Reply {
    status: StatusCode,
    body: Bytes,
    retry_after: Option<Duration>,
}

impl Reply {
    fn read(&self, id: &str, endpoint: &Endpoint) -> Result<Bytes, Trouble> {
        answer::read(self.status, &self.body, id.as_bytes(), endpoint)
            .map_err(|trouble| Trouble { retry_after: self.retry_after, ..trouble })
    }
}

fn no_batch() -> Trouble {
    Trouble::new(Kind::Invalid, "what came back is no answer to a batch")
}
