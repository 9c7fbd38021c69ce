//! The body of a response.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::vec;

use bytes::{Bytes, BytesMut};
use http_body::{Frame, SizeHint};

use super::budget::Reservation;
use crate::call::{Body, BoxError, StreamBody};

/// The body of a response: bytes and upstream streams, one after the other.
///
/// It holds the room that was reserved for the request until it is dropped. Dropping it early gives up the
/// upstream connections of its streams.
pub struct ResponseBody {
    current: Option<Part>,
    rest: vec::IntoIter<Part>,
    reservation: Option<Reservation>,
}

/// A piece of a response.
pub(super) enum Part {
    Bytes(Bytes),
    Stream {
        stream: StreamBody,
        /// The brace that opens it is still to be left out.
        headless: bool,
    },
}

impl ResponseBody {
    /// Nothing.
    #[must_use]
    pub fn empty() -> Self {
        Self::from(Vec::new())
    }

    /// A body that comes piece by piece, for a page beside the calls.
    #[must_use]
    pub fn stream(stream: StreamBody) -> Self {
        Self::from(Part::Stream { stream, headless: false })
    }

    /// An array of envelopes. Small ones are gathered, so that not every comma becomes a write of its own; large
    /// ones are passed on and not copied.
    pub(in crate::edge) fn array(elements: impl IntoIterator<Item = Body>) -> Self {
        const SMALL: usize = 4096;
        let mut parts = Vec::new();
        let mut gathered = BytesMut::from(&b"["[..]);
        for (at, element) in elements.into_iter().enumerate() {
            if at > 0 {
                gathered.extend_from_slice(b",");
            }
            match element {
                Body::Full(bytes) if bytes.len() <= SMALL => gathered.extend_from_slice(&bytes),
                element => {
                    parts.push(Part::Bytes(gathered.split().freeze()));
                    parts.push(element.into());
                }
            }
        }
        gathered.extend_from_slice(b"]");
        parts.push(Part::Bytes(gathered.freeze()));
        Self::from(parts)
    }

    /// Holds the room until the response is sent or given up.
    pub(super) fn holding(mut self, reservation: Reservation) -> Self {
        self.reservation = Some(reservation);
        self
    }

    fn advance(&mut self) {
        self.current = self.rest.next();
    }
}

impl From<Bytes> for ResponseBody {
    fn from(bytes: Bytes) -> Self {
        Self::from(Part::Bytes(bytes))
    }
}

impl From<Part> for ResponseBody {
    fn from(part: Part) -> Self {
        Self { current: Some(part), rest: Vec::new().into_iter(), reservation: None }
    }
}

impl From<Vec<Part>> for ResponseBody {
    fn from(parts: Vec<Part>) -> Self {
        let mut rest = parts.into_iter();
        Self { current: rest.next(), rest, reservation: None }
    }
}

impl From<Body> for Part {
    fn from(body: Body) -> Self {
        match body {
            Body::Full(bytes) => Self::Bytes(bytes),
            Body::Stream(stream) => Self::Stream { stream, headless: false },
        }
    }
}

impl http_body::Body for ResponseBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        loop {
            let bytes = match &mut this.current {
                None => return Poll::Ready(None),
                Some(Part::Bytes(bytes)) => {
                    let bytes = std::mem::take(bytes);
                    this.advance();
                    bytes
                }
                Some(Part::Stream { stream, headless }) => match ready!(Pin::new(stream).poll_frame(cx)) {
                    Some(Ok(frame)) => {
                        // Trailers of the upstream are not the client's business.
                        let bytes = frame.into_data().unwrap_or_default();
                        match headless.then(|| without_brace(&bytes)) {
                            None => bytes,
                            Some(Some(rest)) => {
                                *headless = false;
                                rest
                            }
                            // Only space so far.
                            Some(None) => continue,
                        }
                    }
                    Some(Err(error)) => {
                        this.current = None;
                        this.rest = Vec::new().into_iter();
                        return Poll::Ready(Some(Err(error)));
                    }
                    None => {
                        this.advance();
                        continue;
                    }
                },
            };
            if !bytes.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.current.is_none() && self.rest.as_slice().is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let mut sum = SizeHint::with_exact(0);
        for part in self.current.iter().chain(self.rest.as_slice()) {
            let length = match part {
                Part::Bytes(bytes) => Some(bytes.len() as u64),
                // How much space stands before a brace is not known.
                Part::Stream { headless: true, .. } => None,
                Part::Stream { stream, .. } => stream.size_hint().exact(),
            };
            let Some(length) = length else { return SizeHint::default() };
            sum.set_exact(sum.lower() + length);
        }
        sum
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").finish_non_exhaustive()
    }
}

/// What follows the opening brace of an object; `None` when there is none.
fn without_brace(object: &Bytes) -> Option<Bytes> {
    let brace = object.iter().position(|byte| !byte.is_ascii_whitespace())?;
    (object[brace] == b'{').then(|| object.slice(brace + 1..))
}

/// The envelope with one more member, which stands first. An envelope is an object that is not empty; its bytes
/// are passed on and not copied.
pub(super) fn with_member(body: Body, name: &str, value: &[u8]) -> ResponseBody {
    let mut head = BytesMut::with_capacity(name.len() + value.len() + 5);
    head.extend_from_slice(b"{\"");
    head.extend_from_slice(name.as_bytes());
    head.extend_from_slice(b"\":");
    head.extend_from_slice(value);
    head.extend_from_slice(b",");
    let tail = match body {
        Body::Full(bytes) => match without_brace(&bytes) {
            Some(tail) => Part::Bytes(tail),
            None => return ResponseBody::from(bytes),
        },
        Body::Stream(stream) => Part::Stream { stream, headless: true },
    };
    ResponseBody::from(vec![Part::Bytes(head.freeze()), tail])
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use http_body::Body as _;
    use http_body_util::BodyExt;

    use super::*;

    /// Pieces as they come from an upstream.
    struct Pieces(VecDeque<&'static str>);

    impl http_body::Body for Pieces {
        type Data = Bytes;
        type Error = BoxError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
            Poll::Ready(self.0.pop_front().map(|piece| match piece {
                "<broken>" => Err("broken".into()),
                "<trailers>" => Ok(Frame::trailers(http::HeaderMap::new())),
                piece => Ok(Frame::data(Bytes::from_static(piece.as_bytes()))),
            }))
        }
    }

    fn stream(pieces: &[&'static str]) -> Body {
        Body::Stream(StreamBody::new(Pieces(pieces.iter().copied().collect())))
    }

    fn full(text: &'static str) -> Body {
        Body::Full(Bytes::from_static(text.as_bytes()))
    }

    async fn text(body: ResponseBody) -> String {
        let exact = body.size_hint().exact();
        let bytes = body.collect().await.unwrap().to_bytes();
        assert!(exact.is_none_or(|exact| exact == bytes.len() as u64));
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn a_member_is_put_first_in_whole_and_in_streamed_envelopes() {
        let expected = r#"{"lasso_meta":{"a":1},"id":1}"#;
        let envelopes = [
            full(r#" {"id":1}"#),
            stream(&[r#"{"id":1}"#]),
            stream(&["", " \n", " ", "{", "", r#""id""#, ":1}"]),
            stream(&["{\"id\"", "<trailers>", ":1}"]),
        ];
        for envelope in envelopes {
            assert_eq!(text(with_member(envelope, "lasso_meta", br#"{"a":1}"#)).await, expected);
        }
    }

    #[tokio::test]
    async fn an_array_holds_whole_and_streamed_elements_in_order() {
        let large: &'static str = "9".repeat(5000).leak();
        let elements = [full("1"), full("2"), stream(&["[3,", "3]"]), full(large), full("4")];
        assert_eq!(text(ResponseBody::array(elements)).await, format!("[1,2,[3,3],{large},4]"));
        assert_eq!(ResponseBody::array([full("1"), full(large)]).size_hint().exact(), Some(5004));
        assert_eq!(ResponseBody::array([full("1"), stream(&["1"])]).size_hint().exact(), None);
    }

    #[tokio::test]
    async fn a_broken_stream_breaks_the_response() {
        let mut body = ResponseBody::array([full("1"), stream(&["2", "<broken>"]), full("3")]);
        let mut seen = Vec::new();
        while let Some(frame) = body.frame().await {
            seen.push(frame.map(|frame| frame.into_data().unwrap()).map_err(|error| error.to_string()));
        }
        assert_eq!(seen, [Ok("[1,".into()), Ok("2".into()), Err("broken".to_owned())]);
    }

    #[test]
    fn the_end_is_known_without_another_poll() {
        assert!(ResponseBody::empty().is_end_stream());
        let mut body = ResponseBody::from(Bytes::from_static(b"x"));
        assert!(!body.is_end_stream());
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(Pin::new(&mut body).poll_frame(&mut cx).is_ready());
        assert!(body.is_end_stream());
    }
}
