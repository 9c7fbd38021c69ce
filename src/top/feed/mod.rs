//! Listening to a router.

mod follow;
mod sse;

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Incoming;
use lasso_layers::call::Failure;
use serde::Deserialize;
use tokio::time::timeout;
use tower::ServiceExt;

pub(super) use self::follow::{Update, follow};
use self::sse::{Event, Parser};
use super::address::Address;
use super::message::{Message, Snapshot};
use crate::upstream::{HttpClient, UpstreamHttpPolicy};

/// How long it may take until there is something to see.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long nothing may be heard: many heartbeats, however the router is set up short of switching them off.
const SILENCE: Duration = Duration::from_secs(30);

/// How much of a refusal is read.
const LONGEST_REFUSAL: usize = 64 * 1024;

/// Why nothing can be heard, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble(String);

impl Trouble {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A router that can be listened to.
#[derive(Debug)]
pub(super) struct Source {
    client: HttpClient<Empty<Bytes>>,
    address: Address,
}

/// A connection over which a router tells what happens.
#[derive(Debug)]
pub(super) struct Feed {
    body: Incoming,
    parser: Parser,
    /// Heard, but not asked for yet.
    heard: VecDeque<Event>,
}

impl Source {
    /// # Errors
    ///
    /// When TLS cannot be set up.
    pub(super) fn new(address: Address) -> Result<Self, Trouble> {
        let client = HttpClient::new(UpstreamHttpPolicy::default());
        let client = client.map_err(|error| Trouble(format!("cannot set TLS up: {error}")))?;
        Ok(Self { client, address })
    }

    /// Connects and waits for the snapshot.
    ///
    /// # Errors
    ///
    /// When nobody is there, who is there refuses, or is no Lasso.
    pub(super) async fn open(&self) -> Result<(Feed, Snapshot), Trouble> {
        let shown = &self.address.shown;
        match timeout(PATIENCE, self.connect()).await {
            Ok(outcome) => outcome.map_err(|trouble| Trouble(format!("{shown}: {trouble}"))),
            Err(_) => Err(Trouble(format!("{shown}: no answer within {} s", PATIENCE.as_secs()))),
        }
    }

    async fn connect(&self) -> Result<(Feed, Snapshot), Trouble> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = self.address.page.clone();
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        let response = self.client.clone().oneshot(request).await.map_err(|failure| broken(&failure))?;
        if response.status() != StatusCode::OK || !is_event_stream(response.headers()) {
            return Err(self.refusal(response).await);
        }
        let mut feed = Feed { body: response.into_body(), parser: Parser::default(), heard: VecDeque::new() };
        match feed.next().await? {
            Message::Snapshot(snapshot) => Ok((feed, *snapshot)),
            _ => Err(Trouble::new("it tells of changes before it tells what there is")),
        }
    }

    /// What there is to say of a response that is no stream.
    async fn refusal(&self, response: Response<Incoming>) -> Trouble {
        #[derive(Deserialize)]
        struct Refusal {
            error: String,
            #[serde(default)]
            available_profiles: Vec<String>,
        }
        let status = response.status();
        let body = Limited::new(response.into_body(), LONGEST_REFUSAL).collect().await;
        let body = body.map(|body| body.to_bytes()).unwrap_or_default();
        match serde_json::from_slice(&body) {
            Ok(Refusal { available_profiles, .. }) if !available_profiles.is_empty() => {
                let profile = self.address.profile.as_deref().unwrap_or("default");
                Trouble(format!(
                    "there is no profile `{profile}`; there is {}",
                    available_profiles.join(", ")
                ))
            }
            Ok(Refusal { error, .. }) => Trouble(format!("answered HTTP {status}: {error}")),
            Err(_) => {
                Trouble(format!("answered HTTP {status}; it is no Lasso, or one that cannot be watched"))
            }
        }
    }
}

impl Feed {
    /// The next thing that is told.
    ///
    /// **Cancel safety.** What was heard is kept for the next question.
    ///
    /// # Errors
    ///
    /// When the connection broke, is silent, or tells what cannot be understood. Nothing comes after that.
    pub(super) async fn next(&mut self) -> Result<Message, Trouble> {
        loop {
            while let Some(event) = self.heard.pop_front() {
                if let Some(message) = Message::read(&event.name, &event.data)? {
                    return Ok(message);
                }
            }
            let frame =
                timeout(SILENCE, self.body.frame()).await.map_err(|_| Trouble::new("it is silent"))?;
            let frame = frame.ok_or_else(|| Trouble::new("the connection was closed"))?;
            let frame = frame.map_err(|error| Trouble(root(&error)))?;
            if let Some(bytes) = frame.data_ref() {
                let read = self.parser.read(bytes, &mut self.heard);
                read.map_err(|sse::TooLong| Trouble::new("it does not come to an end"))?;
            }
        }
    }
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/event-stream"))
}

/// A failure of the connection.
fn broken(failure: &Failure) -> Trouble {
    match failure {
        Failure::Transport(transport) if let Some(source) = &transport.source => Trouble(root(&**source)),
        _ => Trouble(failure.error().message.clone().into_owned()),
    }
}

/// What an error goes back to, which is what people can do something about.
fn root(error: &(dyn Error + 'static)) -> String {
    let mut root = error;
    while let Some(source) = root.source() {
        root = source;
    }
    root.to_string()
}
