//! The smallest HTTP/1.1 client that can keep a connection alive: the generator must cost next to nothing.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Outcome;

/// One keep-alive connection.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    request: Vec<u8>,
}

impl Connection {
    /// Connects, and prepares a POST of one JSON-RPC call of `method`.
    pub(crate) async fn open(address: SocketAddr, path: &str, method: &str) -> Outcome<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let address_param = "0x407d73d8a49eeb85d32cf465507dd71d507100c1";
        let body = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"{method}\",\"params\":[\"{address_param}\",\"latest\"]}}"
        );
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        Ok(Self { stream, buffer: vec![0; 64 * 1024], request: request.into_bytes() })
    }

    /// Sends the prepared call without waiting for the answer.
    pub(crate) async fn send(&mut self) -> Outcome<()> {
        Ok(self.stream.write_all(&self.request).await?)
    }

    /// Waits for the first bytes of the answer.
    pub(crate) async fn first_bytes(&mut self) -> Outcome<usize> {
        match self.stream.read(&mut self.buffer).await? {
            0 => Err("the connection was closed".into()),
            read => Ok(read),
        }
    }

    /// Sends the call and reads the whole, small answer.
    pub(crate) async fn exchange(&mut self) -> Outcome<()> {
        self.send().await?;
        let mut filled = 0;
        loop {
            let read = self.stream.read(&mut self.buffer[filled..]).await?;
            if read == 0 {
                return Err("the connection was closed".into());
            }
            filled += read;
            if let Some(end) = complete(&self.buffer[..filled])? {
                return if end == filled { Ok(()) } else { Err("more bytes than one answer".into()) };
            }
        }
    }
}

/// The length of the answer, once all of it is there.
fn complete(bytes: &[u8]) -> Outcome<Option<usize>> {
    let Some(head) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let text = std::str::from_utf8(&bytes[..head])?;
    if !text.starts_with("HTTP/1.1 200") {
        return Err(format!("unexpected answer: {text}").into());
    }
    let length = text
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .ok_or("the answer has no content-length")?;
    let total = head + 4 + length.1.trim().parse::<usize>()?;
    if bytes.len() < total {
        return Ok(None);
    }
    let body = &bytes[head + 4..total];
    if body.windows(8).any(|window| window == b"\"result\"") {
        Ok(Some(total))
    } else {
        Err(format!("not a result: {}", String::from_utf8_lossy(body)).into())
    }
}
