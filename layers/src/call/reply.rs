//! The final answer to a call.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::BoxError;
use crate::catalog::Category;
use crate::wire::ErrorObject;

/// The final answer to a call: what the client is to receive.
#[derive(Debug)]
#[non_exhaustive]
pub enum Reply {
    /// A complete JSON-RPC envelope with a `result` and the client's own id.
    Result(Body),
    /// An error that is the answer, such as a revert.
    Error(Box<ErrorReply>),
}

/// An error that is the answer to the call.
#[derive(Debug)]
pub struct ErrorReply {
    /// What the client sees.
    pub error: ErrorObject,
    /// What kind of error it is.
    pub category: Category,
    /// When the upstream wants to be asked again, if it said so beside the error's code, message and data: in a header,
    /// in another member of the error object, or next to it.
    pub retry_after: Option<Duration>,
}

impl Reply {
    /// An error answer.
    #[must_use]
    pub fn error(error: ErrorObject, category: Category) -> Self {
        Self::Error(Box::new(ErrorReply { error, category, retry_after: None }))
    }
}

/// The bytes of an envelope: whole when it is small, a stream when it is large.
#[derive(Debug)]
pub enum Body {
    /// All of it.
    Full(Bytes),
    /// As it comes from the upstream.
    Stream(StreamBody),
}

impl Body {
    /// The length in bytes, where it is known.
    #[must_use]
    pub fn len_hint(&self) -> Option<u64> {
        match self {
            Self::Full(bytes) => Some(bytes.len() as u64),
            Self::Stream(stream) => http_body::Body::size_hint(stream).exact(),
        }
    }
}

/// An envelope on its way through. Dropping it gives the upstream connection up.
pub struct StreamBody(Pin<Box<dyn http_body::Body<Data = Bytes, Error = BoxError> + Send>>);

impl StreamBody {
    /// Wraps a body of data frames.
    #[must_use]
    pub fn new(body: impl http_body::Body<Data = Bytes, Error = BoxError> + Send + 'static) -> Self {
        Self(Box::pin(body))
    }
}

impl http_body::Body for StreamBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.0.as_mut().poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

impl fmt::Debug for StreamBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamBody").finish_non_exhaustive()
    }
}
