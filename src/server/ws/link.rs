//! The WebSocket protocol over a client's connection.

use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, ReadBuf};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig, WebSocketContext};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::io::{Reader, Writer};
use super::outlet::Outlet;

/// One end of a WebSocket: what comes in is read by `tungstenite`, which also answers pings and the client's close;
/// what goes out passes the gate of the [`Outlet`].
///
/// Messages are put into that gate as frames, and never handed to `tungstenite`: it would copy them.
pub(super) struct Link {
    reader: Reader,
    context: WebSocketContext,
    pub(super) outlet: Arc<Outlet>,
    /// What the client sends cannot be read as frames any more.
    is_broken: bool,
}

/// What a client sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// A message that is to be read as JSON; also if it came as bytes.
    Text(Bytes),
    Pong,
    /// Nothing that needs an answer from us.
    Other,
}

/// How much is read at once, which is also what an idle client costs.
const READ_BUFFER: usize = 4096;

/// The most that the answers to pings may take while the client reads none of them.
const UNREAD_CONTROLS: usize = 1024;

impl Link {
    /// After the handshake, of which `read` is what came behind it.
    pub(super) fn new(reader: Reader, writer: Writer, read: Bytes, max_message: usize) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_write_buffer_size(UNREAD_CONTROLS)
            .max_message_size(Some(max_message))
            .max_frame_size(Some(max_message));
        let context = if read.is_empty() {
            WebSocketContext::new(Role::Server, Some(config))
        } else {
            WebSocketContext::from_partially_read(read.into(), Role::Server, Some(config))
        };
        Self { reader, context, outlet: Outlet::new(writer), is_broken: false }
    }

    /// What comes next. An error ends the connection; what is still to be said is in the gate.
    ///
    /// Cancel safe: a message that is there in part stays.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Received, Error>> {
        let received = self.context.read(&mut Pipe { reader: &mut self.reader, outlet: &self.outlet, cx });
        Poll::Ready(match received {
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
            Err(error) => {
                self.is_broken = true;
                Err(error)
            }
            Ok(Message::Text(text)) => Ok(Received::Text(text.into())),
            // web3.py sends its calls as bytes.
            Ok(Message::Binary(bytes)) if looks_like_json(&bytes) => Ok(Received::Text(bytes)),
            Ok(Message::Pong(_)) => Ok(Received::Pong),
            Ok(_) => Ok(Received::Other),
        })
    }

    /// Writes what waits.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outlet.lock().poll_flush(cx)
    }

    /// Asks for a sign of life. When too many control frames wait there is no need for another.
    pub(super) fn ping(&mut self) {
        const EMPTY_PING: [u8; 2] = [0x89, 0];
        let _ = self.outlet.lock().gate.push_control(&EMPTY_PING);
    }

    /// Says that this is the end, after the frames whose place is settled, and waits until the client has heard it: until
    /// it says so too, or hangs up.
    pub(super) async fn close(&mut self, code: u16, reason: &'static str) {
        self.outlet.lock().gate.abandon();
        let mut frame = Some(CloseFrame { code: CloseCode::from(code), reason: reason.into() });
        let said = poll_fn(|cx| {
            let mut pipe = Pipe { reader: &mut self.reader, outlet: &self.outlet, cx };
            let said = match frame.take() {
                Some(frame) => self.context.close(&mut pipe, Some(frame)),
                None => self.context.flush(&mut pipe),
            };
            let is_queued =
                !matches!(&said, Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock);
            // Room for it comes with what is written.
            ready!(self.outlet.lock().poll_flush(cx))?;
            if is_queued {
                return Poll::Ready(Ok::<_, io::Error>(()));
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        });
        if said.await.is_ok() {
            self.linger().await;
        }
    }

    /// Waits until the client hangs up, or says that it will. Closing a socket with unread bytes in it resets the
    /// connection, and what was said last would be lost with it.
    async fn linger(&mut self) {
        while !self.is_broken {
            // Whatever it says now comes too late.
            let _ = poll_fn(|cx| self.poll_next(cx)).await;
        }
        let mut discarded = [0; 512];
        self.shutdown().await;
        let is_over = |read: io::Result<usize>| read.map_or(true, |read| read == 0);
        while !is_over(poll_fn(|cx| read(&mut self.reader, cx, &mut discarded)).await) {}
    }

    /// Writes what is left, which the protocol put there.
    pub(super) async fn finish(&mut self) {
        self.outlet.lock().gate.abandon();
        if poll_fn(|cx| self.poll_flush(cx)).await.is_ok() {
            self.shutdown().await;
        }
    }

    async fn shutdown(&mut self) {
        // Who is gone need not be told.
        let _ = poll_fn(|cx| self.outlet.lock().poll_shutdown(cx)).await;
    }
}

/// Whether this begins like a call or a batch.
fn looks_like_json(bytes: &[u8]) -> bool {
    matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'['))
}

fn read(reader: &mut Reader, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
    let mut buf = ReadBuf::new(into);
    ready!(Pin::new(reader).poll_read(cx, &mut buf))?;
    Poll::Ready(Ok(buf.filled().len()))
}

/// The connection as `tungstenite` wants it: what would have to be waited for is an error, and comes again.
struct Pipe<'a, 'b> {
    reader: &'a mut Reader,
    outlet: &'a Outlet,
    cx: &'a mut Context<'b>,
}

impl Read for Pipe<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match read(self.reader, self.cx, into) {
            Poll::Ready(read) => read,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

/// Nothing but whole control frames is written here.
impl Write for Pipe<'_, '_> {
    fn write(&mut self, frames: &[u8]) -> io::Result<usize> {
        let is_taken = self.outlet.lock().gate.push_control(frames);
        if is_taken { Ok(frames.len()) } else { Err(io::ErrorKind::WouldBlock.into()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
