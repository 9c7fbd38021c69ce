//! One exchange with an upstream as a future.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, Response};
use pin_project::pin_project;

use super::EgressPolicy;
use super::intake::{Intake, Step};
use super::refusal::{Refusal, retry_after};
use super::stream::ReplyStream;
use crate::attempt::Attempt;
use crate::call::{Body, BoxError, Dispatch, Failure, Reply, StreamBody, TransportFailure, TransportKind};
use crate::catalog::Transport;
use crate::wire::{ReplyDefect, ReplyScanner};

/// The future of [`Egress`](super::Egress).
#[pin_project]
pub struct ResponseFuture<F, B> {
    attempt: Attempt,
    policy: EgressPolicy,
    #[pin]
    state: State<F, B>,
}

#[pin_project(project = StateProj)]
enum State<F, B> {
    /// Waiting for the head of the response.
    Sending {
        #[pin]
        future: F,
        scanner: Option<ReplyScanner>,
    },
    /// Reading a body that should be a reply. Empty once the body was handed on.
    Reading(Option<(B, Intake)>),
    /// Reading the body of a status other than success.
    Refused(Option<(B, Refusal)>),
}

impl<F, B> ResponseFuture<F, B> {
    pub(super) fn new(future: F, attempt: Attempt, scanner: ReplyScanner, policy: EgressPolicy) -> Self {
        let state = State::Sending { future, scanner: Some(scanner) };
        Self { attempt, policy, state }
    }
}

impl<F, B, E> Future for ResponseFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<Failure>,
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    type Output = Result<Reply, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProj::Sending { future, scanner } => {
                    let response = ready!(future.poll(cx)).map_err(Into::into)?;
                    let scanner = scanner.take().expect("a response comes once");
                    let state = receive(response, scanner, *this.policy)?;
                    this.state.set(state);
                }
                StateProj::Reading(reading) => {
                    let (body, intake) = reading.as_mut().expect("polled after completion");
                    let step = match ready!(poll_data(body, cx)) {
                        Some(Ok(data)) => {
                            let is_last = body.is_end_stream();
                            intake.feed(data, is_last).map_err(|defect| invalid(defect, intake.size()))?
                        }
                        Some(Err(error)) => return Poll::Ready(Err(broken(error))),
                        None => Step::Finish,
                    };
                    if step == Step::More {
                        continue;
                    }
                    let (body, intake) = reading.take().expect("the body is there until now");
                    let client_id = this.attempt.call().request.id().unwrap_or(b"null");
                    return Poll::Ready(conclude(step, body, intake, client_id, *this.policy));
                }
                StateProj::Refused(refused) => {
                    let (body, refusal) = refused.as_mut().expect("polled after completion");
                    if let Some(Ok(data)) = ready!(poll_data(body, cx))
                        && !refusal.feed(data)
                    {
                        continue;
                    }
                    // A body that breaks off says what it said until then.
                    let (_, refusal) = refused.take().expect("the body is there until now");
                    let kind = TransportKind::Status(refusal.finish());
                    return Poll::Ready(Err(failure(kind, Dispatch::Answered)));
                }
            }
        }
    }
}

/// The head of the response is there.
fn receive<F, B: http_body::Body>(
    response: Response<B>,
    scanner: ReplyScanner,
    policy: EgressPolicy,
) -> Result<State<F, B>, Failure> {
    let (head, body) = response.into_parts();
    if !head.status.is_success() {
        // What is compressed cannot be read; its status still counts.
        let max = if is_plain(&head.headers) { policy.max_refusal } else { 0 };
        return Ok(State::Refused(Some((body, Refusal::new(head.status, &head.headers, max)))));
    }
    if !is_plain(&head.headers) {
        return Err(invalid(ReplyDefect::InvalidJson, 0));
    }
    let content_length = body.size_hint().exact();
    let intake = Intake::new(scanner, policy, content_length, retry_after(&head.headers));
    Ok(State::Reading(Some((body, intake))))
}

/// Enough was read to say what the reply is.
fn conclude<B>(
    step: Step,
    body: B,
    intake: Intake,
    client_id: &[u8],
    policy: EgressPolicy,
) -> Result<Reply, Failure>
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    if step == Step::Stream {
        let stream = ReplyStream::new(body, intake.pass(client_id), client_id, policy.stream_idle);
        return Ok(Reply::Result(Body::Stream(StreamBody::new(stream))));
    }
    let size = intake.size();
    intake.finish(client_id).map_err(|defect| invalid(defect, size))
}

/// The next data of a body; trailers are passed over.
fn poll_data<B>(body: &mut B, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, B::Error>>>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    loop {
        match ready!(Pin::new(&mut *body).poll_frame(cx)) {
            None => return Poll::Ready(None),
            Some(Err(error)) => return Poll::Ready(Some(Err(error))),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Poll::Ready(Some(Ok(data)));
                }
            }
        }
    }
}

/// Whether the body is not compressed; we never ask for compression.
fn is_plain(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(CONTENT_ENCODING).iter();
    codings.all(|coding| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity"))
}

fn failure(kind: TransportKind, dispatch: Dispatch) -> Failure {
    Failure::transport(kind, dispatch, Transport::Http)
}

fn invalid(defect: ReplyDefect, size: u64) -> Failure {
    failure(TransportKind::InvalidReply { defect, size }, Dispatch::Unknown)
}

/// The connection broke in the middle of a body.
fn broken(error: impl Into<BoxError>) -> Failure {
    Failure::Transport(Box::new(TransportFailure {
        kind: TransportKind::Broken,
        dispatch: Dispatch::Unknown,
        transport: Transport::Http,
        source: Some(error.into()),
    }))
}

impl<F, B> fmt::Debug for ResponseFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("attempt", &self.attempt).finish_non_exhaustive()
    }
}
