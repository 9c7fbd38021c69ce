//! The final answer to a call.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use pin_project::pin_project;

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

    /// Has `listener` told how the stream ends: with the end of the envelope or with an error. Of a stream that is
    /// dropped before, it hears nothing.
    #[must_use]
    pub fn on_end(self, listener: impl FnOnce(Result<(), &BoxError>) + Send + 'static) -> Self {
        Self::new(Overheard { stream: self, listener: Some(listener) })
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

/// A stream whose end somebody waits for.
#[pin_project]
struct Overheard<F> {
    stream: StreamBody,
    /// Told once.
    listener: Option<F>,
}

impl<F: FnOnce(Result<(), &BoxError>)> http_body::Body for Overheard<F> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.project();
        let frame = ready!(Pin::new(&mut *this.stream).poll_frame(cx));
        let end = match &frame {
            // Who has as many bytes as were announced does not ask for more.
            Some(Ok(_)) => this.stream.is_end_stream().then_some(Ok(())),
            Some(Err(error)) => Some(Err(error)),
            None => Some(Ok(())),
        };
        if let Some(end) = end
            && let Some(listener) = this.listener.take()
        {
            listener(end);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.stream.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::{Arc, Mutex};
    use std::task::Waker;

    use http_body::Body as _;

    use super::*;

    /// Frames as they come, and whether the last one is known to be the last.
    struct Frames {
        frames: VecDeque<Result<&'static str, &'static str>>,
        knows_its_end: bool,
    }

    impl http_body::Body for Frames {
        type Data = Bytes;
        type Error = BoxError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
            let frame = self.frames.pop_front();
            Poll::Ready(frame.map(|frame| match frame {
                Ok(data) => Ok(Frame::data(Bytes::from_static(data.as_bytes()))),
                Err(error) => Err(error.into()),
            }))
        }

        fn is_end_stream(&self) -> bool {
            self.knows_its_end && self.frames.is_empty()
        }
    }

    /// What is heard of a stream after each of so many frames.
    fn heard(frames: &[Result<&'static str, &'static str>], knows_its_end: bool) -> Vec<Option<String>> {
        let told = Arc::<Mutex<Option<String>>>::default();
        let sink = told.clone();
        let frames = Frames { frames: frames.iter().copied().collect(), knows_its_end };
        let polls = frames.frames.len() + 1;
        let mut stream = StreamBody::new(frames).on_end(move |end| {
            let before =
                sink.lock().unwrap().replace(end.map_or_else(ToString::to_string, |()| "end".into()));
            assert_eq!(before, None);
        });
        let mut cx = Context::from_waker(Waker::noop());
        let polled = (0..polls).map(|_| {
            assert!(Pin::new(&mut stream).poll_frame(&mut cx).is_ready());
            told.lock().unwrap().clone()
        });
        polled.collect()
    }

    #[test]
    fn the_end_of_a_stream_is_told_once_and_as_soon_as_it_is_known() {
        let end = || Some("end".to_owned());
        assert_eq!(heard(&[Ok("1"), Ok("2")], false), [None, None, end()]);
        assert_eq!(heard(&[Ok("1"), Ok("2")], true), [None, end(), end()]);
    }

    #[test]
    fn a_broken_stream_is_told_with_its_error() {
        let broken = || Some("reset".to_owned());
        assert_eq!(heard(&[Ok("1"), Err("reset")], true), [None, broken(), broken()]);
    }

    #[test]
    fn nothing_is_heard_of_a_stream_that_is_dropped() {
        let alive = Arc::new(());
        let held = alive.clone();
        let frames = Frames { frames: [Ok("1"), Ok("2")].into(), knows_its_end: false };
        let mut stream = StreamBody::new(frames).on_end(move |_| {
            let _held = held;
            panic!("it did not end");
        });
        assert!(Pin::new(&mut stream).poll_frame(&mut Context::from_waker(Waker::noop())).is_ready());
        drop(stream);
        assert_eq!(Arc::strong_count(&alive), 1, "who listened is let go");
    }
}
