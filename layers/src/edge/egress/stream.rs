//! A large reply on its way through.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use pin_project::pin_project;
use tokio::time::{Instant, Sleep};

use super::intake::Passing;
use crate::call::BoxError;
use crate::wire::{ReplyDefect, ReplyScanner};

/// Why a large reply ended before its time.
#[derive(Debug)]
#[non_exhaustive]
pub enum StreamError {
    /// What arrived is not a valid reply, or not all of one.
    Invalid(ReplyDefect),
    /// The connection to the upstream broke.
    Broken(BoxError),
    /// The upstream stopped writing.
    Idle(Duration),
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(defect) => defect.fmt(f),
            Self::Broken(_) => f.write_str("the upstream broke off in the middle of a reply"),
            Self::Idle(limit) => write!(f, "the upstream paused in the middle of a reply for {limit:?}"),
        }
    }
}

impl std::error::Error for StreamError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Invalid(defect) => Some(defect),
            Self::Broken(source) => Some(source.as_ref()),
            Self::Idle(_) => None,
        }
    }
}

/// The body that the client gets: what was held, then what arrives, with the client's id in it.
///
/// It ends cleanly only after the whole of a valid reply. Where the length is announced, the last frame is held back
/// until the reply is known to be valid, because a server stops asking once it has as many bytes as announced.
#[pin_project]
pub(super) struct ReplyStream<B> {
    /// The upstream's body; none once the stream is over.
    upstream: Option<B>,
    scanner: ReplyScanner,
    client_id: Bytes,
    head: Bytes,
    upstream_left: Option<u64>,
    client_left: Option<u64>,
    limit: Duration,
    #[pin]
    idle: Sleep,
    /// Whether `idle` runs: only while we wait for the upstream.
    is_waiting: bool,
}

impl<B> ReplyStream<B> {
    pub(super) fn new(upstream: B, passing: Passing, client_id: &[u8], limit: Duration) -> Self {
        let Passing { head, scanner, upstream_left, client_left } = passing;
        Self {
            upstream: Some(upstream),
            scanner,
            client_id: Bytes::copy_from_slice(client_id),
            head,
            upstream_left,
            client_left,
            limit,
            idle: tokio::time::sleep(limit),
            is_waiting: false,
        }
    }
}

impl<B> ReplyStream<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    /// The next piece for the client; `None` after a valid end.
    fn poll_piece(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, StreamError>>> {
        let mut this = self.project();
        loop {
            let Some(upstream) = this.upstream else { return Poll::Ready(None) };
            let frame = match Pin::new(upstream).poll_frame(cx) {
                Poll::Ready(frame) => frame,
                Poll::Pending => {
                    if !*this.is_waiting {
                        this.idle.as_mut().reset(Instant::now() + *this.limit);
                        *this.is_waiting = true;
                    }
                    ready!(this.idle.poll(cx));
                    return Poll::Ready(Some(Err(StreamError::Idle(*this.limit))));
                }
            };
            *this.is_waiting = false;
            let piece = match frame {
                None => {
                    *this.upstream = None;
                    let end = this.scanner.clone().finish();
                    return Poll::Ready(end.err().map(|defect| Err(StreamError::Invalid(defect))));
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(StreamError::Broken(error.into())))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => data,
                    // Trailers say nothing that a client is to hear.
                    Err(_) => continue,
                },
            };
            let is_last = this.upstream_left.as_mut().is_some_and(|left| {
                *left = left.saturating_sub(piece.len() as u64);
                *left == 0
            });
            let mut valid = this.scanner.feed(&piece);
            if is_last {
                valid = valid.and_then(|()| this.scanner.clone().finish().map(drop));
            }
            if let Err(defect) = valid {
                return Poll::Ready(Some(Err(StreamError::Invalid(defect))));
            }
            if is_last {
                *this.upstream = None;
            }
            let piece = with_client_id(this.scanner, piece, this.client_id);
            if !piece.is_empty() {
                return Poll::Ready(Some(Ok(piece)));
            }
        }
    }
}

impl<B> Body for ReplyStream<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let piece = if self.head.has_remaining() {
            std::mem::take(self.as_mut().project().head)
        } else {
            match ready!(self.as_mut().poll_piece(cx)) {
                Some(Ok(piece)) => piece,
                None => return Poll::Ready(None),
                Some(Err(error)) => {
                    // Gives the connection up; nothing that still comes over it is wanted.
                    *self.project().upstream = None;
                    return Poll::Ready(Some(Err(error.into())));
                }
            }
        };
        if let Some(left) = self.project().client_left {
            *left = left.saturating_sub(piece.len() as u64);
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.upstream.is_none() && self.head.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.client_left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// The piece that the scanner read last, with the client's id in the place of the part of the id that is in it.
fn with_client_id(scanner: &ReplyScanner, piece: Bytes, client_id: &[u8]) -> Bytes {
    let Some(part) = scanner.id_in_chunk() else { return piece };
    let starts_here = scanner.id_starts_in_chunk();
    if starts_here && &piece[part.clone()] == client_id && scanner.id_span().is_some() {
        return piece;
    }
    let mut out = BytesMut::with_capacity(piece.len() + client_id.len());
    out.extend_from_slice(&piece[..part.start]);
    if starts_here {
        out.extend_from_slice(client_id);
    }
    out.extend_from_slice(&piece[part.end..]);
    out.freeze()
}
