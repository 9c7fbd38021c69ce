//! A client that speaks WebSocket.

use std::collections::VecDeque;
use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::LIMIT;

/// One connected client. Dropping it hangs up without a word.
pub(crate) struct Socket {
    stream: WebSocketStream<TcpStream>,
    /// Messages that came while a reply was waited for.
    earlier: VecDeque<Value>,
    calls: u64,
}

impl Socket {
    /// Connects to a path of the router.
    ///
    /// # Panics
    ///
    /// If it is not let in.
    pub(crate) async fn connect(address: SocketAddr, path: &str) -> Self {
        match Self::knock(address, path).await {
            Ok(socket) => socket,
            Err((status, body)) => panic!("{path} was refused with {status}: {body}"),
        }
    }

    /// Connects, or says with which status and body it was refused.
    pub(crate) async fn knock(address: SocketAddr, path: &str) -> Result<Self, (u16, Value)> {
        let stream = TcpStream::connect(address).await.expect("the router listens");
        Self::over(stream, &format!("ws://{address}{path}")).await
    }

    /// The same over a connection that exists.
    pub(crate) async fn over(stream: TcpStream, url: &str) -> Result<Self, (u16, Value)> {
        let handshake = timeout(LIMIT, client_async(url, stream)).await.expect("it is answered in time");
        match handshake {
            Ok((stream, _)) => Ok(Self { stream, earlier: VecDeque::new(), calls: 0 }),
            Err(Error::Http(response)) => {
                let body = response.body().as_deref().unwrap_or_default();
                Err((response.status().as_u16(), serde_json::from_slice(body).unwrap_or_default()))
            }
            Err(error) => panic!("no handshake: {error}"),
        }
    }

    /// Sends a message as it is.
    pub(crate) async fn send(&mut self, message: impl Into<Message>) {
        self.stream.send(message.into()).await.expect("the socket is open");
    }

    /// Sends a call and does not wait.
    pub(crate) async fn ask(&mut self, id: &Value, method: &str, params: &Value) {
        let call = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        self.send(call.to_string()).await;
    }

    /// Sends a call and waits for the reply to it. What else comes is kept for [`next`](Self::next).
    pub(crate) async fn call(&mut self, method: &str, params: Value) -> Value {
        self.calls += 1;
        let id = json!(format!("call-{}", self.calls));
        self.ask(&id, method, &params).await;
        loop {
            let message = self.receive().await;
            if message["id"] == id {
                return message;
            }
            self.earlier.push_back(message);
        }
    }

    /// Subscribes and returns the id.
    pub(crate) async fn subscribe(&mut self, params: Value) -> String {
        let reply = self.call("eth_subscribe", params).await;
        reply["result"].as_str().unwrap_or_else(|| panic!("no subscription: {reply}")).to_owned()
    }

    /// The next message.
    pub(crate) async fn next(&mut self) -> Value {
        match self.earlier.pop_front() {
            Some(message) => message,
            None => self.receive().await,
        }
    }

    /// Makes a call and asserts that nothing comes before the reply to it.
    pub(crate) async fn expect_quiet(&mut self) {
        self.call("eth_chainId", json!([])).await;
        assert_eq!(self.earlier.pop_front(), None, "something came unasked");
    }

    /// The next frame, whatever it is.
    pub(crate) async fn frame(&mut self) -> Option<Result<Message, Error>> {
        timeout(LIMIT, self.stream.next()).await.expect("something comes in time")
    }

    /// Waits for the end and returns code and reason; messages before it are dropped.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        loop {
            match self.frame().await {
                Some(Ok(Message::Close(Some(close)))) => {
                    return (close.code.into(), close.reason.as_str().to_owned());
                }
                Some(Ok(Message::Close(None))) => return (1005, String::new()),
                Some(Ok(_)) => {}
                Some(Err(error)) => panic!("it broke off: {error}"),
                None => panic!("it ended without a closing frame"),
            }
        }
    }

    /// Says goodbye.
    pub(crate) async fn close(mut self) {
        self.stream.close(None).await.expect("the socket is open");
        while let Some(Ok(_)) = self.frame().await {}
    }

    /// The connection underneath, for a client that does something else.
    pub(crate) fn stream(&mut self) -> &mut TcpStream {
        self.stream.get_mut()
    }

    async fn receive(&mut self) -> Value {
        loop {
            match self.frame().await {
                Some(Ok(Message::Text(text))) => {
                    return serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("a message was expected: {other:?}"),
            }
        }
    }
}
