//! A client that subscribes.

use std::collections::VecDeque;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::support::{LIMIT, Proxy};

/// Number and hash of a block.
pub(crate) type Seen = (u64, String);

/// A WebSocket to the router, which keeps what is pushed until it is asked for.
pub(crate) struct Viewer {
    socket: WebSocketStream<TcpStream>,
    pushes: VecDeque<Push>,
    next: u64,
}

/// An event of a subscription.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Push {
    pub(crate) subscription: String,
    pub(crate) result: Value,
}

impl Viewer {
    pub(crate) async fn connect(proxy: &Proxy, path: &str) -> Self {
        let stream = TcpStream::connect(proxy.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let url = format!("ws://{}{path}", proxy.address);
        let (socket, _) = client_async(url, stream).await.expect("the router upgrades");
        Self { socket, pushes: VecDeque::new(), next: 1 }
    }

    /// Sends a call and returns its id.
    pub(crate) async fn send(&mut self, method: &str, params: Value) -> u64 {
        let id = self.next;
        self.next += 1;
        let call = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        self.socket.send(Message::text(call.to_string())).await.expect("the socket is open");
        id
    }

    /// The reply to a call that was sent.
    pub(crate) async fn reply(&mut self, id: u64) -> Value {
        loop {
            let message = self.message().await.unwrap_or_else(|end| panic!("closed: {end:?}"));
            if message.get("id").is_some() {
                assert_eq!(message["id"], json!(id), "{message}");
                return message;
            }
            self.keep(&message);
        }
    }

    pub(crate) async fn call(&mut self, method: &str, params: Value) -> Value {
        let id = self.send(method, params).await;
        self.reply(id).await
    }

    /// Subscribes and returns the id.
    pub(crate) async fn subscribe(&mut self, params: Value) -> String {
        let reply = self.call("eth_subscribe", params).await;
        let id = reply["result"].as_str().unwrap_or_else(|| panic!("{reply}")).to_owned();
        assert!(id.starts_with("0x") && id.len() == 34, "{id}");
        id
    }

    pub(crate) async fn unsubscribe(&mut self, id: &str) -> Value {
        self.call("eth_unsubscribe", json!([id])).await["result"].take()
    }

    /// The next event.
    pub(crate) async fn push(&mut self) -> Push {
        while self.pushes.is_empty() {
            let message = self.message().await.unwrap_or_else(|end| panic!("closed: {end:?}"));
            self.keep(&message);
        }
        self.pushes.pop_front().expect("there is one")
    }

    /// What the next event is about.
    pub(crate) async fn event(&mut self) -> Value {
        self.push().await.result
    }

    /// The next heads.
    pub(crate) async fn heads(&mut self, count: usize) -> Vec<Seen> {
        let mut heads = Vec::new();
        for _ in 0..count {
            heads.push(seen(&self.event().await));
        }
        heads
    }

    /// Waits until the router closes the socket, and returns code and reason.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        loop {
            match self.message().await {
                Ok(message) => self.keep(&message),
                Err(end) => return end.expect("a close frame comes first"),
            }
        }
    }

    fn keep(&mut self, message: &Value) {
        assert_eq!(message["method"], "eth_subscription", "{message}");
        let params = &message["params"];
        let subscription = params["subscription"].as_str().expect("a push has an id").to_owned();
        self.pushes.push_back(Push { subscription, result: params["result"].clone() });
    }

    /// The next text, or how the socket ended.
    async fn message(&mut self) -> Result<Value, Option<(u16, String)>> {
        loop {
            let next = timeout(LIMIT, self.socket.next()).await.expect("something comes in time");
            match next {
                Some(Ok(Message::Text(text))) => {
                    return Ok(serde_json::from_str(&text).expect("texts are JSON"));
                }
                Some(Ok(Message::Close(frame))) => {
                    return Err(frame.map(|frame| (frame.code.into(), frame.reason.to_string())));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(None),
            }
        }
    }
}

/// Number and hash of a head.
pub(crate) fn seen(head: &Value) -> Seen {
    (quantity(&head["number"]), head["hash"].as_str().expect("a head has a hash").to_owned())
}

pub(crate) fn quantity(value: &Value) -> u64 {
    let text = value.as_str().unwrap_or_else(|| panic!("no quantity: {value}"));
    u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap()
}
