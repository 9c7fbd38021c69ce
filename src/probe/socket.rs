//! Asking over a WebSocket.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use lasso_layers::catalog::Endpoint;
use lasso_layers::wire::{Incoming, parse_upstream};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{self, Message};

use super::answer::{Answer, Kind, Trouble, harmless, read_message};
use crate::upstream::ws::{Connector, LinkPolicy, Refused, Socket, Tally};

/// The longest message that is read.
const MAX_MESSAGE_BYTES: usize = 16 * 1024 * 1024;

/// How long saying goodbye may take.
const GOODBYE: Duration = Duration::from_millis(500);

/// A WebSocket to an endpoint, on which one thing is done at a time.
pub(super) struct Line {
    socket: Socket,
    endpoint: Endpoint,
    timeout: Duration,
    next_id: u64,
    /// Events that came while something else was waited for.
    early: VecDeque<Event>,
}

/// An event of a subscription.
#[derive(Clone, Debug)]
pub(super) struct Event {
    /// The subscription's id as a JSON value.
    pub(super) subscription: Bytes,
    pub(super) arrived: Instant,
}

impl Line {
    /// Connects; connecting and each request may take so long.
    ///
    /// # Errors
    ///
    /// When there is no WebSocket to be had at this address.
    pub(super) async fn open(endpoint: &Endpoint, timeout: Duration) -> Result<Self, Trouble> {
        let policy = LinkPolicy {
            handshake_timeout: timeout,
            max_message_bytes: MAX_MESSAGE_BYTES,
            ..LinkPolicy::default()
        };
        let connector = Connector::new(&policy, Vec::new())
            .map_err(|error: io::Error| Trouble::new(Kind::Broken, harmless(&error.to_string(), endpoint)))?;
        let socket = connector.connect(endpoint, Arc::new(Tally::default())).await;
        let socket = socket.map_err(|Refused { failure, .. }| Trouble::broken(&failure, endpoint))?;
        Ok(Self { socket, endpoint: endpoint.clone(), timeout, next_id: 1, early: VecDeque::new() })
    }

    /// Asks. `params` is a JSON array.
    pub(super) async fn ask(&mut self, method: &str, params: &str) -> Answer {
        let start = Instant::now();
        let id = self.next_id.to_string();
        self.next_id += 1;
        let request = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#);
        let timeout = self.timeout;
        let outcome = tokio::time::timeout(timeout, self.exchange(request, id.as_bytes())).await;
        let outcome = outcome.unwrap_or_else(|_| Err(Trouble::timeout(timeout)));
        Answer { outcome, latency: start.elapsed() }
    }

    /// The next event of whatever subscription; `None` when there was none until `deadline`.
    ///
    /// # Errors
    ///
    /// When the connection ends.
    pub(super) async fn event(&mut self, deadline: Instant) -> Result<Option<Event>, Trouble> {
        if let Some(event) = self.early.pop_front() {
            return Ok(Some(event));
        }
        let waiting = async {
            loop {
                let message = self.receive().await?;
                if let Some(event) = event_in(&message) {
                    return Ok(event);
                }
            }
        };
        // What is lost when time is up is at most the wait itself: messages are taken whole.
        tokio::time::timeout_at(deadline, waiting).await.map_or(Ok(None), |event| event.map(Some))
    }

    /// Says goodbye, to an endpoint that may not care.
    pub(super) async fn close(mut self) {
        // The report is made; how the connection ends does not change it.
        let _ = tokio::time::timeout(GOODBYE, self.socket.close(None)).await;
    }

    async fn exchange(&mut self, request: String, id: &[u8]) -> Result<Bytes, Trouble> {
        if let Err(error) = self.socket.send(Message::text(request)).await {
            return Err(self.lost(&error));
        }
        loop {
            let message = self.receive().await?;
            if let Some(outcome) = read_message(&message, id, &self.endpoint) {
                return outcome;
            }
            self.early.extend(event_in(&message));
        }
    }

    /// The next message. Pings are answered by the protocol underneath.
    async fn receive(&mut self) -> Result<Bytes, Trouble> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => return Ok(text.into()),
                Some(Ok(Message::Binary(bytes))) => return Ok(bytes),
                Some(Ok(Message::Close(Some(frame)))) => {
                    let text = format!("closed the connection: {} {}", u16::from(frame.code), frame.reason);
                    return Err(Trouble::new(Kind::Broken, harmless(&text, &self.endpoint)));
                }
                Some(Ok(Message::Close(None))) | None => {
                    return Err(Trouble::new(Kind::Broken, "closed the connection"));
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Err(error)) => return Err(self.lost(&error)),
            }
        }
    }

    fn lost(&self, error: &tungstenite::Error) -> Trouble {
        Trouble::new(Kind::Broken, harmless(&error.to_string(), &self.endpoint))
    }
}

fn event_in(message: &Bytes) -> Option<Event> {
    match parse_upstream(message) {
        Incoming::Push(push) => {
            // A copy: events that wait need not keep whole messages.
            let subscription = Bytes::copy_from_slice(push.subscription.slice(message));
            Some(Event { subscription, arrived: Instant::now() })
        }
        Incoming::Reply(_) | Incoming::Defective { .. } => None,
    }
}
