//! An upstream that does exactly what a test says.

use std::net::Ipv4Addr;

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async};

use super::LIMIT;

/// The other end of links.
pub(super) struct Peer {
    listener: TcpListener,
}

/// The other end of one connection.
pub(super) struct Socket(WebSocketStream<TcpStream>);

impl Peer {
    pub(super) async fn listen() -> Self {
        Self { listener: TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap() }
    }

    pub(super) fn url(&self) -> String {
        format!("ws://{}/", self.listener.local_addr().unwrap())
    }

    pub(super) async fn accept(&self) -> Socket {
        let accepting = async {
            let (stream, _) = self.listener.accept().await.unwrap();
            Socket(accept_async(stream).await.unwrap())
        };
        timeout(LIMIT, accepting).await.expect("a link connects in time")
    }
}

impl Socket {
    /// The next message of any kind.
    pub(super) async fn message(&mut self) -> Message {
        let message = timeout(LIMIT, self.0.next()).await.expect("a message in time");
        message.expect("the socket is open").unwrap()
    }

    /// The next request, as its id with the quotes and the whole of it.
    pub(super) async fn request(&mut self) -> (String, serde_json::Value) {
        let message = self.message().await;
        let request: serde_json::Value = serde_json::from_str(message.to_text().unwrap()).unwrap();
        (request["id"].to_string(), request)
    }

    pub(super) async fn send(&mut self, text: impl Into<String>) {
        self.0.send(Message::text(text.into())).await.unwrap();
    }

    pub(super) async fn ping(&mut self, text: &'static str) {
        self.0.send(Message::Ping(text.into())).await.unwrap();
    }

    /// Sends all of them in one write.
    pub(super) async fn send_all(&mut self, texts: impl IntoIterator<Item = String>) {
        for text in texts {
            self.0.feed(Message::text(text)).await.unwrap();
        }
        self.0.flush().await.unwrap();
    }
}

/// The confirmation of a subscription.
pub(super) fn confirmed(id: &str, subscription: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":"{subscription}"}}"#)
}

/// An event.
pub(super) fn event(subscription: &str, result: u64) -> String {
    let params = format!(r#"{{"subscription":"{subscription}","result":{result}}}"#);
    format!(r#"{{"jsonrpc":"2.0","method":"eth_subscription","params":{params}}}"#)
}
