//! What is left of an HTTP connection once it is upgraded.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::upgrade::{Parts, Upgraded};
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::server::tapped::Tapped;

/// Where a client's bytes come from, without anything that HTTP needed.
pub(super) enum Reader {
    /// The socket itself, so that hyper's buffers are gone.
    Tcp(OwnedReadHalf),
    /// Somebody else's connection, such as one under TLS.
    Other(ReadHalf<Box<dyn Stream>>),
}

/// Where a client's bytes go.
pub(super) enum Writer {
    /// The socket itself, so that it can take several pieces at once, from whoever has them.
    Tcp(OwnedWriteHalf),
    /// Of somebody else's connection.
    Other(WriteHalf<Box<dyn Stream>>),
}

/// A stream of bytes in both directions.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Both directions of the connection, and what was read of it already.
pub(super) fn split(upgraded: Upgraded) -> (Reader, Writer, Bytes) {
    let upgraded = match upgraded.downcast::<TokioIo<Tapped>>() {
        Ok(Parts { io, read_buf, .. }) => return split_tcp(io.into_inner().into_stream(), read_buf),
        Err(upgraded) => upgraded,
    };
    let upgraded = match upgraded.downcast::<TokioIo<TcpStream>>() {
        Ok(Parts { io, read_buf, .. }) => return split_tcp(io.into_inner(), read_buf),
        Err(upgraded) => upgraded,
    };
    // What axum serves with.
    match auto::upgrade::downcast::<TokioIo<TcpStream>>(upgraded) {
        Ok(auto::upgrade::Parts { io, read_buf, .. }) => split_tcp(io.into_inner(), read_buf),
        Err(upgraded) => {
            let stream: Box<dyn Stream> = Box::new(TokioIo::new(upgraded));
            let (reader, writer) = tokio::io::split(stream);
            (Reader::Other(reader), Writer::Other(writer), Bytes::new())
        }
    }
}

fn split_tcp(stream: TcpStream, read: Bytes) -> (Reader, Writer, Bytes) {
    let (reader, writer) = stream.into_split();
    (Reader::Tcp(reader), Writer::Tcp(writer), read)
}

// === impl Reader ===

impl AsyncRead for Reader {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Other(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp(_) => "Tcp",
            Self::Other(_) => "Other",
        })
    }
}

// === impl Writer ===

impl AsyncWrite for Writer {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Other(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Other(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            Self::Other(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Other(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Other(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp(_) => "Tcp",
            Self::Other(_) => "Other",
        })
    }
}
