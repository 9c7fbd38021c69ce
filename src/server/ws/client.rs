//! One client, from the handshake to the close.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use lasso_layers::call::session::{CallSession, Ending, Outgoing, Session};
use lasso_layers::call::{Call, Failure, Reply};
use lasso_layers::edge::socket::{Answer, Socket};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tower::Service;

use super::WebSocketPolicy;
use super::gate::Header;
use super::link::{Link, Received};
use super::liveness::{Liveness, Pulse};
use super::replies::{Replies, Sent};

/// How much may wait in the gate before pushes stay in the session, where a slow reader is noticed.
const PUSHES: usize = 64 * 1024;

/// How much may wait in the gate before nothing more is read from the client.
const READS: usize = 1024 * 1024;

/// How many things are done before what came of them is written.
const BEFORE_WRITE: u32 = 32;

/// A client that is connected.
pub(super) struct Client<S> {
    link: Link,
    socket: Socket<S>,
    session: Session,
    policy: Arc<WebSocketPolicy>,
    replies: Replies,
    liveness: Liveness,
    /// What was written when the client was last asked for a sign of life.
    written: u64,
    since_write: u32,
    /// Whether the server goes.
    stop: watch::Receiver<bool>,
}

/// Why a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The client is gone, or said that it goes.
    Left,
    /// We go.
    Close(u16, &'static str),
}

/// What happens to a connection.
enum Event {
    Text(Bytes),
    /// Some other frame of the client.
    Heard,
    Pong,
    Answer(Answer, CallSession),
    Reply(Sent),
    /// A push is in the gate.
    Pushed,
    Ended(Ending),
    Timer,
    Stop,
    /// Nothing waits in the gate any more, and the connection is about to end.
    Written,
    Failed(Error),
    Unwritable,
}

impl<S> Client<S>
where
    S: Service<Call, Response = Reply> + Clone,
    S::Error: Into<Failure>,
{
    pub(super) fn new(
        link: Link,
        socket: Socket<S>,
        session: Session,
        policy: Arc<WebSocketPolicy>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self {
            replies: Replies::new(policy.session.outbox_bytes),
            liveness: Liveness::new(&policy.liveness, Instant::now()),
            written: 0,
            since_write: 0,
            link,
            socket,
            session,
            policy,
            stop,
        }
    }

    /// Serves the client until one of the two ends it, or until the server goes and what the client asked for is
    /// answered.
    #[expect(
        clippy::manual_async_fn,
        reason = "an async function holds its arguments twice: as what it was given and as what it works with"
    )]
    pub(super) fn run(mut self) -> impl Future<Output = End> {
        async move {
            let end = self.serve().await;
            // Boxed, because it is rare and short, and as large as what it follows.
            Box::pin(self.part(end)).await;
            end
        }
    }

    /// Says goodbye to the client, who has little time for that.
    async fn part(self, end: End) {
        let Self { mut link, session, replies, policy, .. } = self;
        // At once, whatever time the client takes to hear of it.
        drop((session, replies));
        let parting = async {
            match end {
                End::Left => link.finish().await,
                End::Close(code, reason) => link.close(code, reason).await,
            }
        };
        // Who does not hear it is gone.
        let _ = timeout(policy.closing, parting).await;
    }

    async fn serve(&mut self) -> End {
        let mut stop = self.stop.clone();
        // An error says that the server is gone, which is a reason to stop too.
        let mut stop = pin!(stop.wait_for(|stop| *stop));
        let mut timer = pin!(sleep_until(self.liveness.deadline(&self.policy.liveness)));
        // Dropping them drops the calls: nothing is sent for a client that is gone.
        let mut calls = FuturesUnordered::new();
        let mut is_stopping = false;
        loop {
            if is_stopping && calls.is_empty() && self.replies.is_empty() && self.is_written() {
                return End::Close(1001, "Lasso is shutting down");
            }
            let event = poll_fn(|cx| {
                let mut calls = |cx: &mut Context<'_>| match ready!(calls.poll_next_unpin(cx)) {
                    Some((answer, frame)) => Poll::Ready(Event::Answer(answer, frame)),
                    None => Poll::Pending,
                };
                if !is_stopping && stop.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Event::Stop);
                }
                self.poll(&mut calls, timer.as_mut(), is_stopping, cx)
            });
            match event.await {
                Event::Text(text) => {
                    self.liveness.heard(Instant::now());
                    let frame = self.session.for_call();
                    let answer = self.socket.answer(text, frame.clone());
                    calls.push(async move { (answer.await, frame) });
                }
                Event::Heard => self.liveness.heard(Instant::now()),
                Event::Pong => {
                    let now = Instant::now();
                    self.liveness.heard(now);
                    self.liveness.pong(&self.policy.liveness, now);
                }
                Event::Answer(answer, frame) => self.replies.push(answer, frame),
                Event::Reply(Sent::Queued(frame)) => self.session.replied(&frame),
                Event::Reply(Sent::Broken) => return End::Close(1011, "Lasso reply broke off"),
                Event::Pushed | Event::Written => {}
                Event::Ended(ending) => return End::Close(ending.code(), ending.reason()),
                Event::Timer => match self.check(Instant::now()) {
                    Pulse::Wait => {}
                    Pulse::Ping => self.link.ping(),
                    Pulse::Dead => return End::Close(1002, "Heartbeat timeout - no pong responses"),
                    Pulse::Idle => return End::Close(1000, "Idle for too long"),
                },
                Event::Stop => is_stopping = true,
                Event::Failed(error) => return failed(&error),
                Event::Unwritable => return End::Left,
            }
            let deadline = self.liveness.deadline(&self.policy.liveness);
            // Most things that happen move no deadline, and moving one takes a lock.
            if timer.deadline() != deadline {
                timer.as_mut().reset(deadline);
            }
        }
    }

    /// What happens next. Everything that can be done is done before anything is written, so that it goes out together.
    fn poll(
        &mut self,
        calls: &mut impl FnMut(&mut Context<'_>) -> Poll<Event>,
        mut timer: Pin<&mut Sleep>,
        is_stopping: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Event> {
        let is_write_due = self.since_write >= BEFORE_WRITE;
        if !is_write_due && let Poll::Ready(event) = self.poll_inside(calls, timer.as_mut(), is_stopping, cx)
        {
            self.since_write += 1;
            return Poll::Ready(event);
        }
        self.since_write = 0;
        let is_last = is_stopping && !self.is_written();
        let is_held_back = self.waiting() >= PUSHES || self.replies.is_blocking();
        let flushed = self.link.poll_flush(cx);
        match flushed {
            Poll::Ready(Err(_)) => Poll::Ready(Event::Unwritable),
            Poll::Ready(Ok(())) if is_last => Poll::Ready(Event::Written),
            // There is room for what was held back.
            Poll::Ready(Ok(())) if is_held_back => self.poll_inside(calls, timer, is_stopping, cx),
            _ if is_write_due => self.poll_inside(calls, timer, is_stopping, cx),
            _ => Poll::Pending,
        }
    }

    fn poll_inside(
        &mut self,
        calls: &mut impl FnMut(&mut Context<'_>) -> Poll<Event>,
        timer: Pin<&mut Sleep>,
        is_stopping: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Event> {
        if let Poll::Ready(sent) = self.replies.poll(&mut self.link.outlet.lock().gate, cx) {
            return Poll::Ready(Event::Reply(sent));
        }
        // However slowly the client reads: an upstream must not look slow because of that.
        if let Poll::Ready(answer) = calls(cx) {
            return Poll::Ready(answer);
        }
        if let Poll::Ready(event) = self.poll_session(cx) {
            return Poll::Ready(event);
        }
        if !is_stopping && !self.replies.is_full() && self.waiting() < READS {
            match self.link.poll_next(cx) {
                Poll::Pending => {}
                Poll::Ready(Ok(Received::Text(text))) => return Poll::Ready(Event::Text(text)),
                Poll::Ready(Ok(Received::Pong)) => return Poll::Ready(Event::Pong),
                Poll::Ready(Ok(Received::Other)) => return Poll::Ready(Event::Heard),
                Poll::Ready(Err(error)) => return Poll::Ready(Event::Failed(error)),
            }
        }
        timer.poll(cx).map(|()| Event::Timer)
    }

    fn poll_session(&self, cx: &mut Context<'_>) -> Poll<Event> {
        // Until what comes out of the session is in the gate nothing else may be, such as the push that follows it.
        let gate = &mut self.link.outlet.lock().gate;
        if self.replies.is_blocking() || gate.bytes() >= PUSHES {
            return self.session.poll_end(cx).map(Event::Ended);
        }
        self.session.poll_next(cx).map(|outgoing| match outgoing {
            Outgoing::Push { id, delivery } => {
                let head = id.push_head();
                for event in delivery.events() {
                    gate.push(Header::WHOLE, &head, [event.clone()]);
                }
                Event::Pushed
            }
            Outgoing::End(ending) => Event::Ended(ending),
        })
    }

    fn check(&mut self, now: Instant) -> Pulse {
        let gate = &self.link.outlet.lock().gate;
        let is_taking = !gate.is_empty() && gate.written() > self.written;
        let pulse = self.liveness.check(&self.policy.liveness, is_taking, now);
        self.written = gate.written();
        pulse
    }

    /// How many bytes wait in the gate.
    fn waiting(&self) -> usize {
        self.link.outlet.lock().gate.bytes()
    }

    fn is_written(&self) -> bool {
        self.link.outlet.lock().gate.is_empty()
    }
}

/// What is said about what the client sent.
fn failed(error: &Error) -> End {
    match error {
        Error::Capacity(_) => End::Close(1009, "Message too large"),
        Error::Utf8(_) => End::Close(1007, "Text must be UTF-8"),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => End::Left,
        Error::Protocol(_) => End::Close(1002, "Protocol error"),
        _ => End::Left,
    }
}
