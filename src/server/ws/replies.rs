//! Replies on their way to the gate.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Body as _;
use lasso_layers::call::session::CallSession;
use lasso_layers::edge::ingress::ResponseBody;
use lasso_layers::edge::socket::Answer;
use smallvec::SmallVec;

use super::gate::{Gate, Header};

/// The replies of one client that are not in its [`Gate`] yet.
///
/// A reply that streams from an upstream is gathered first: a message that was begun has to be ended before the next
/// one, and an upstream that is slow must not hold up everything else that the client waits for. What does not fit into
/// the limit is sent in fragments as it comes, one such reply at a time, at the pace of the client.
#[derive(Debug)]
pub(super) struct Replies {
    /// In no order: the first that is complete goes first.
    gathering: Vec<Gathering>,
    /// How many bytes of replies are held here.
    held: usize,
    limit: usize,
    /// The one that is being sent in fragments; nothing may come between them.
    streaming: Option<Box<Gathering>>,
    /// Complete, and behind the one that is streaming.
    waiting: VecDeque<Gathering>,
}

#[derive(Debug)]
struct Gathering {
    answer: Answer,
    frame: CallSession,
    parts: SmallVec<[Bytes; 1]>,
    bytes: usize,
}

/// What became of a reply.
#[derive(Debug)]
pub(super) enum Sent {
    /// Nothing that is put into the gate from now on overtakes it.
    Queued(CallSession),
    /// Part of it is sent, and the rest will not come.
    Broken,
}

/// How much may wait in the gate while a reply is sent in fragments.
const FRAGMENTS: usize = 64 * 1024;

/// How far a reply came.
enum Step {
    /// All of it is there.
    Whole,
    /// The upstream takes its time, or there is no room.
    Waits,
    /// The upstream broke off.
    Broken,
}

impl Replies {
    /// Gathers up to so many bytes of streams, those that wait in the gate included.
    pub(super) const fn new(limit: usize) -> Self {
        Self { gathering: Vec::new(), held: 0, limit, streaming: None, waiting: VecDeque::new() }
    }

    /// Takes what is to be sent for a message.
    pub(super) fn push(&mut self, answer: Answer, frame: CallSession) {
        self.gathering.push(Gathering { answer, frame, parts: SmallVec::new(), bytes: 0 });
    }

    /// Whether nothing is here.
    pub(super) fn is_empty(&self) -> bool {
        self.gathering.is_empty() && !self.is_blocking()
    }

    /// Whether other messages have to wait.
    pub(super) fn is_blocking(&self) -> bool {
        self.streaming.is_some() || !self.waiting.is_empty()
    }

    /// Whether there is no room for more.
    pub(super) const fn is_full(&self) -> bool {
        self.held >= self.limit
    }

    /// Moves replies on, until one is in the gate or can go no further.
    pub(super) fn poll(&mut self, gate: &mut Gate, cx: &mut Context<'_>) -> Poll<Sent> {
        if let Some(streaming) = &mut self.streaming {
            match streaming.forward(gate, cx) {
                Step::Whole => self.streaming = None,
                Step::Waits => {}
                Step::Broken => return Poll::Ready(Sent::Broken),
            }
        }
        if self.streaming.is_none()
            && let Some(next) = self.waiting.pop_front()
        {
            self.held -= next.bytes;
            return Poll::Ready(Sent::Queued(next.send(gate)));
        }
        // A client that does not read must not have all of its replies gathered for it.
        let limit = self.limit.saturating_sub(gate.bytes());
        for at in 0..self.gathering.len() {
            let gathering = &mut self.gathering[at];
            match gathering.gather(&mut self.held, limit, cx) {
                Step::Whole if self.streaming.is_some() => {
                    let whole = self.gathering.swap_remove(at);
                    self.waiting.push_back(whole);
                    // Another one took its place in the list.
                    return self.poll(gate, cx);
                }
                Step::Whole => {
                    let whole = self.gathering.swap_remove(at);
                    self.held -= whole.bytes;
                    return Poll::Ready(Sent::Queued(whole.send(gate)));
                }
                Step::Waits
                    if self.held >= limit && !gathering.parts.is_empty() && self.streaming.is_none() =>
                {
                    let mut first = self.gathering.swap_remove(at);
                    self.held -= first.bytes;
                    let head = Header { is_continuation: false, is_final: false };
                    gate.push(head, &[], std::mem::take(&mut first.parts));
                    let frame = first.frame.clone();
                    self.streaming = Some(Box::new(first));
                    return Poll::Ready(Sent::Queued(frame));
                }
                Step::Waits => {}
                Step::Broken => match gathering.answer.broken.take() {
                    Some(error) => {
                        self.held -= std::mem::take(&mut gathering.bytes);
                        gathering.parts.clear();
                        gathering.answer.reply = Some(ResponseBody::from(error));
                        return self.poll(gate, cx);
                    }
                    None => return Poll::Ready(Sent::Broken),
                },
            }
        }
        Poll::Pending
    }
}

impl Gathering {
    /// Takes what is there.
    fn gather(&mut self, held: &mut usize, limit: usize, cx: &mut Context<'_>) -> Step {
        let Some(body) = &mut self.answer.reply else { return Step::Whole };
        while !body.is_end_stream() {
            // A whole reply is one part, which there is always room for.
            if *held >= limit && !self.parts.is_empty() {
                return Step::Waits;
            }
            match Pin::new(&mut *body).poll_frame(cx) {
                Poll::Pending => return Step::Waits,
                Poll::Ready(None) => break,
                Poll::Ready(Some(Err(_))) => return Step::Broken,
                Poll::Ready(Some(Ok(frame))) => {
                    let part = frame.into_data().unwrap_or_default();
                    *held += part.len();
                    self.bytes += part.len();
                    self.parts.push(part);
                }
            }
        }
        Step::Whole
    }

    /// Puts what comes into the gate, as long as the client takes it.
    fn forward(&mut self, gate: &mut Gate, cx: &mut Context<'_>) -> Step {
        let Some(body) = &mut self.answer.reply else { return Step::Whole };
        while gate.bytes() < FRAGMENTS {
            let part = match Pin::new(&mut *body).poll_frame(cx) {
                Poll::Pending => return Step::Waits,
                Poll::Ready(None) => None,
                Poll::Ready(Some(Err(_))) => return Step::Broken,
                Poll::Ready(Some(Ok(frame))) => Some(frame.into_data().unwrap_or_default()),
            };
            let is_final = part.is_none() || body.is_end_stream();
            gate.push(Header { is_continuation: true, is_final }, &[], part);
            if is_final {
                self.notify(gate);
                return Step::Whole;
            }
        }
        Step::Waits
    }

    /// Puts it into the gate.
    fn send(mut self, gate: &mut Gate) -> CallSession {
        if self.answer.reply.is_some() {
            gate.push(Header::WHOLE, &[], std::mem::take(&mut self.parts));
            self.notify(gate);
        }
        self.frame
    }

    fn notify(&mut self, gate: &mut Gate) {
        if let Some(notice) = self.answer.notice.take() {
            gate.push(Header::WHOLE, &[], [notice]);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::task::Waker;

    use http_body::Frame;
    use lasso_layers::call::session::{OutboxBudget, Session, SessionPolicy};
    use lasso_layers::call::{Body, BoxError, Call, Failure, Origin, Reply, Route, StreamBody};
    use lasso_layers::edge::socket::Sockets;
    use tower::service_fn;

    use super::*;

    const PART: usize = 64 << 10;
    const PARTS: usize = 16;

    /// A reply that comes in parts, all of which are there.
    struct Parts(VecDeque<Bytes>);

    impl http_body::Body for Parts {
        type Data = Bytes;
        type Error = BoxError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
            Poll::Ready(self.0.pop_front().map(|part| Ok(Frame::data(part))))
        }
    }

    async fn answers(count: usize) -> Vec<(Answer, CallSession)> {
        let stack = service_fn(async |_: Call| {
            let parts = std::iter::repeat_n(Bytes::from_static(&[b' '; PART]), PARTS).collect();
            Ok::<_, Failure>(Reply::Result(Body::Stream(StreamBody::new(Parts(parts)))))
        });
        let mut socket = Sockets::new(stack).connect(Route::to_chain("ethereum"), Origin::default());
        let session = Session::new(SessionPolicy::default(), OutboxBudget::default());
        let mut answers = Vec::new();
        for _ in 0..count {
            let frame = session.for_call();
            let call = r#"{"jsonrpc":"2.0","id":1,"method":"eth_getLogs","params":[]}"#;
            answers.push((socket.answer(call.into(), frame.clone()).await, frame));
        }
        answers
    }

    #[tokio::test]
    async fn a_client_that_reads_nothing_has_no_more_gathered_for_it_than_may_wait() {
        const CALLS: usize = 32;
        const LIMIT: usize = 2 << 20;
        let (mut replies, mut gate) = (Replies::new(LIMIT), Gate::default());
        for (answer, frame) in answers(CALLS).await {
            replies.push(answer, frame);
        }
        let cx = &mut Context::from_waker(Waker::noop());
        while replies.poll(&mut gate, cx).is_ready() {}
        let waits = gate.bytes() + replies.held;
        assert!(waits <= LIMIT + CALLS * PART, "{waits}");

        // Everything comes once it reads.
        let mut read = 0;
        while !replies.is_empty() || !gate.is_empty() {
            let mut client = Vec::new();
            assert!(gate.poll_flush(Pin::new(&mut client), cx).is_ready());
            read += client.len();
            while replies.poll(&mut gate, cx).is_ready() {}
        }
        assert!(read > CALLS * PARTS * PART && read < CALLS * (PARTS * PART + 1000), "{read}");
    }
}
