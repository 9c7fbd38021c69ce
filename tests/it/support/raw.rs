//! A client that may send anything.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::LIMIT;

/// One TCP connection to the router.
pub(crate) struct Raw {
    stream: TcpStream,
    /// What was read and belongs to the next response.
    rest: Vec<u8>,
}

impl Raw {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), rest: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Says that nothing more will be sent.
    pub(crate) async fn finish(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// Status and body of the next response, which has to say how long it is; the body is `null` if it is no JSON.
    pub(crate) async fn response(&mut self) -> (u16, Value) {
        timeout(LIMIT, self.read_response()).await.expect("a response comes in time")
    }

    /// The connection, for another protocol. All that was sent has to be read.
    pub(crate) fn into_stream(self) -> TcpStream {
        assert!(self.rest.is_empty(), "something is unread");
        self.stream
    }

    /// Whether the router hangs up without another byte.
    pub(crate) async fn is_closed(&mut self) -> bool {
        let mut byte = [0];
        let read =
            timeout(LIMIT, self.stream.read(&mut byte)).await.expect("the connection is closed in time");
        self.rest.is_empty() && !matches!(read, Ok(1))
    }

    async fn read_response(&mut self) -> (u16, Value) {
        let end = loop {
            if let Some(end) = self.rest.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            self.read().await;
        };
        let head = String::from_utf8(self.rest.drain(..end).collect()).unwrap().to_ascii_lowercase();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status line");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.map_or(0, |length| length.parse().unwrap());
        while self.rest.len() < length {
            self.read().await;
        }
        let body: Vec<u8> = self.rest.drain(..length).collect();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    async fn read(&mut self) {
        let read = self.stream.read_buf(&mut self.rest).await.expect("the connection stays");
        assert!(read > 0, "the connection was closed after {:?}", String::from_utf8_lossy(&self.rest));
    }
}
