//! The body of a request to an upstream.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::Full;

use crate::attempt::Departure;
use crate::call::BoxError;

/// The body of a request to an upstream: one frame.
///
/// An HTTP client takes it when it has a connection to write it to, and a JSON-RPC request without its body is none. So
/// as long as nobody took it, the request provably did not leave; and once the attempt was given up nobody gets it any
/// more, which is the only way in which it breaks off.
pub struct RequestBody {
    full: Full<Bytes>,
    /// Until the body is taken.
    departure: Option<Departure>,
}

impl RequestBody {
    pub(super) fn new(body: Bytes, departure: Departure) -> Self {
        Self { full: Full::new(body), departure: Some(departure) }
    }
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(departure) = self.departure.take()
            && !departure.may_leave()
        {
            return Poll::Ready(Some(Err("the attempt was given up before its request was sent".into())));
        }
        Pin::new(&mut self.full).poll_frame(cx).map_err(|never: Infallible| match never {})
    }

    fn is_end_stream(&self) -> bool {
        self.full.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.full.size_hint()
    }
}

/// Leaves out what the client wrote.
impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody").field("is_taken", &self.departure.is_none()).finish_non_exhaustive()
    }
}
