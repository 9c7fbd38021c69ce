//! One connection, as those see it who send over it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use lasso_layers::attempt::Attempt;
use lasso_layers::attempt::classify::{classify, hide_secrets};
use lasso_layers::call::{Dispatch, ErrorReply, Failure, Reply, TransportKind, UpstreamFailure};
use lasso_layers::catalog::{Channel, Transport};
use lasso_layers::edge::egress::read_whole;
use lasso_layers::wire::{ReplyDefect, ReplyShape, UpstreamId, parse_reply};
use tokio::sync::{Notify, oneshot};

use super::closing::End;
use super::feed::{Delivery, Feed, Feeds};
use super::incoming::{self, Incoming};
use super::mux::{Afterwards, Full, Mux, PrivateId, Taken};
use super::policy::LinkPolicy;
use super::status::{ConnectionId, LinkStatus, Tally};

/// The code with which some providers announce that they are about to close a connection.
const CONNECTION_TIMEOUT: i64 = -32701;

/// One connection. Senders and the task that owns the socket share it; no lock is held for longer than it takes to
/// look something up.
pub(super) struct Connection {
    id: ConnectionId,
    channel: Arc<Channel>,
    tally: Arc<Tally>,
    /// Where private ids come from. Relaxed: only that no two are the same matters.
    sequence: AtomicU64,
    state: Mutex<State>,
    /// Whether there is something to write.
    wake: Notify,
    /// Whether it has lived long enough to count as good. Relaxed: it says everything by itself.
    is_stable: AtomicBool,
}

struct State {
    mux: Mux<Waiter>,
    feeds: Feeds,
    /// Requests for subscriptions among those that wait.
    subscribing: usize,
    is_closed: bool,
}

/// Who waits for a reply.
enum Waiter {
    Call(oneshot::Sender<Result<Bytes, Dispatch>>),
    Subscription(oneshot::Sender<Result<Feed, Failure>>),
}

/// A request that waits for its reply. Dropping it gives the request up.
pub(super) struct Waiting<T> {
    connection: Arc<Connection>,
    id: PrivateId,
    reply: oneshot::Receiver<T>,
    is_over: bool,
}

impl Connection {
    pub(super) fn new(channel: Arc<Channel>, policy: &LinkPolicy, tally: Arc<Tally>) -> Self {
        let (mux, feeds) = (Mux::new(policy.max_pending), Feeds::new(policy.feed_events));
        Self {
            id: ConnectionId::next(),
            channel,
            tally,
            sequence: AtomicU64::new(1),
            state: Mutex::new(State { mux, feeds, subscribing: 0, is_closed: false }),
            wake: Notify::new(),
            is_stable: AtomicBool::new(false),
        }
    }

    // === for senders ===

    /// Takes the request of an attempt on. The reply is the whole message, yet to be checked.
    pub(super) fn call(
        self: &Arc<Self>,
        attempt: &Attempt,
    ) -> Result<Waiting<Result<Bytes, Dispatch>>, Failure> {
        let id = self.next_id();
        let body = attempt.call().request.upstream_body(UpstreamId::Private(id.to_json().as_bytes()));
        let (sender, reply) = oneshot::channel();
        let mut state = self.open_state()?;
        let sent = state.mux.send(id, body, Some(attempt.hold()), Waiter::Call(sender));
        drop(state);
        self.waiting(sent, id, reply)
    }

    /// Takes a request for a subscription on.
    pub(super) fn subscribe(
        self: &Arc<Self>,
        params: &[u8],
    ) -> Result<Waiting<Result<Feed, Failure>>, Failure> {
        let id = self.next_id();
        let body = request(id, "eth_subscribe", params);
        let (sender, reply) = oneshot::channel();
        let mut state = self.open_state()?;
        let sent = state.mux.send(id, body, None, Waiter::Subscription(sender));
        state.subscribing += usize::from(sent.is_ok());
        drop(state);
        self.waiting(sent, id, reply)
    }

    /// Ends a subscription whose feed is gone.
    pub(super) fn unsubscribe(&self, subscription: &Bytes, serial: PrivateId) {
        let mut state = self.state();
        if state.feeds.remove(subscription, serial) {
            self.tell_unsubscribe(&mut state, subscription);
        }
    }

    /// Fills in what there is to see of it.
    pub(super) fn describe(&self, status: &mut LinkStatus) {
        let state = self.state();
        status.connection = Some(self.id);
        status.is_stable = self.is_stable.load(Ordering::Relaxed);
        (status.pending, status.subscriptions) = (state.mux.pending(), state.feeds.len());
    }

    fn waiting<T>(
        self: &Arc<Self>,
        sent: Result<(), Full>,
        id: PrivateId,
        reply: oneshot::Receiver<T>,
    ) -> Result<Waiting<T>, Failure> {
        if sent.is_err() {
            self.tally.refused.count();
            return Err(Failure::transport(TransportKind::Capacity, Dispatch::NotSent, Transport::Ws));
        }
        self.wake();
        Ok(Waiting { connection: self.clone(), id, reply, is_over: false })
    }

    /// Gives a request up, and tells whether it may have left.
    fn cancel(&self, id: PrivateId) -> Option<Dispatch> {
        let mut state = self.state();
        let (waiter, dispatch) = state.mux.cancel(id)?;
        if matches!(waiter, Waiter::Subscription(_)) {
            state.subscribing -= 1;
            if dispatch != Dispatch::NotSent {
                // The upstream may make the subscription all the same.
                state.mux.forsake(id, Afterwards::Unsubscribe);
            }
        }
        self.tally.abandoned.count();
        Some(dispatch)
    }

    // === for the task that owns the socket ===

    /// Waits until there is something to write.
    ///
    /// Cancel safe.
    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Says that there is something to write.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    /// The connection counts as good from now on.
    pub(super) fn set_stable(&self) {
        self.is_stable.store(true, Ordering::Relaxed);
    }

    /// What is to be written next.
    pub(super) fn next_frame(&self) -> Option<Bytes> {
        self.state().mux.next_frame()
    }

    /// Takes a message in, and tells whether the connection is to be ended because of it.
    pub(super) fn receive(self: &Arc<Self>, message: Bytes) -> Option<End> {
        match incoming::read(&message) {
            Ok(Incoming::Reply(id)) => self.reply(id, message),
            Ok(Incoming::Push { subscription, result }) => self.push(subscription, result),
            Ok(Incoming::Complaint { code, message }) => {
                self.tally.complaints.count();
                let is_timeout = code == Some(CONNECTION_TIMEOUT)
                    || message.as_bytes().windows(7).any(|word| word.eq_ignore_ascii_case(b"timeout"));
                tracing::debug!(
                    event = "lasso.upstream_websocket.complaint",
                    provider_id = self.channel.known_as.as_str(),
                    instance_id = %self.channel.instance_id,
                    code,
                    "upstream reports an error outside of any reply",
                );
                return is_timeout.then_some(End::TimedOut);
            }
            Ok(Incoming::Foreign) => self.tally.unmatched.count(),
            Err(incoming::Malformed) => self.tally.malformed.count(),
        }
        None
    }

    /// Ends everything that depends on the connection, and tells how many requests that were.
    pub(super) fn close(&self) -> usize {
        let mut state = self.state();
        state.is_closed = true;
        state.subscribing = 0;
        state.feeds.end();
        let pending = state.mux.drain();
        drop(state);
        let count = pending.len();
        for (waiter, dispatch) in pending {
            // Somebody who has stopped waiting this very moment is not missed.
            match waiter {
                Waiter::Call(sender) => drop(sender.send(Err(dispatch))),
                Waiter::Subscription(sender) => drop(sender.send(Err(closed(dispatch)))),
            }
        }
        count
    }

    fn reply(self: &Arc<Self>, id: PrivateId, message: Bytes) {
        let mut state = self.state();
        match state.mux.take(id) {
            Taken::By(Waiter::Call(sender)) => {
                drop(state);
                self.tally.replies.count();
                let _ = sender.send(Ok(message));
            }
            Taken::By(Waiter::Subscription(sender)) => {
                state.subscribing -= 1;
                // Opened before the next message is looked at, which may be its first event.
                let feed = subscription(id, &message).map(|subscription| {
                    let feed = state.feeds.open(self, subscription.clone(), id);
                    if !state.feeds.has(&subscription) {
                        self.tally.overflows.count();
                        self.tell_unsubscribe(&mut state, &subscription);
                    }
                    feed
                });
                drop(state);
                self.tally.replies.count();
                let outcome = feed.map_err(|defect| self.refusal(id, message, defect));
                // A feed that nobody takes unsubscribes by itself.
                let _ = sender.send(outcome);
            }
            Taken::Forsaken(Afterwards::Unsubscribe) => {
                if let Ok(subscription) = subscription(id, &message) {
                    self.tell_unsubscribe(&mut state, &subscription);
                }
            }
            Taken::Forsaken(Afterwards::Nothing) => {}
            Taken::Unknown => self.tally.unmatched.count(),
        }
    }

    fn push(&self, subscription: Bytes, event: Bytes) {
        self.tally.events.count();
        let mut state = self.state();
        let is_expected = state.subscribing > 0;
        match state.feeds.deliver(subscription.clone(), event, is_expected) {
            Delivery::Done => {}
            Delivery::Unknown { dropped } => self.tally.unknown_subscriptions.add(dropped as u64),
            Delivery::Overflow => {
                self.tally.overflows.count();
                self.tell_unsubscribe(&mut state, &subscription);
            }
        }
    }

    /// Why there is no subscription: the upstream refused, or did not answer with one.
    fn refusal(&self, id: PrivateId, message: Bytes, defect: ReplyDefect) -> Failure {
        let size = message.len() as u64;
        match read_whole(message, id.to_json().as_bytes(), b"null", Transport::Ws) {
            Ok(Reply::Error(reply)) => {
                let ErrorReply { mut error, retry_after, .. } = *reply;
                let (category, _) = classify(error.code, &error.message, error.data.as_deref(), &[]);
                hide_secrets(&mut error, &self.channel.endpoint);
                let transport = Transport::Ws;
                let failure = UpstreamFailure { error, category, retry_after, transport, http: None };
                Failure::Upstream(Box::new(failure))
            }
            Ok(_) => {
                let kind = TransportKind::InvalidReply { defect, size };
                Failure::transport(kind, Dispatch::Answered, Transport::Ws)
            }
            Err(failure) => failure,
        }
    }

    fn tell_unsubscribe(&self, state: &mut State, subscription: &[u8]) {
        if state.is_closed {
            return;
        }
        let params = [b"[", subscription, b"]"].concat();
        let id = self.next_id();
        state.mux.tell(id, request(id, "eth_unsubscribe", &params));
        self.wake();
    }

    fn next_id(&self) -> PrivateId {
        PrivateId::new(self.sequence.fetch_add(1, Ordering::Relaxed))
    }

    /// The state, unless the connection is gone.
    fn open_state(&self) -> Result<MutexGuard<'_, State>, Failure> {
        let state = self.state();
        if state.is_closed { Err(not_connected()) } else { Ok(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that runs under the lock leaves it half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request of our own.
fn request(id: PrivateId, method: &str, params: &[u8]) -> Bytes {
    let id = id.to_json();
    [
        br#"{"jsonrpc":"2.0","id":"#,
        id.as_bytes(),
        br#","method":""#,
        method.as_bytes(),
        br#"","params":"#,
        params,
        b"}",
    ]
    .concat()
    .into()
}

/// The id of the subscription that was made, as it was written.
fn subscription(id: PrivateId, message: &Bytes) -> Result<Bytes, ReplyDefect> {
    match parse_reply(message, id.to_json().as_bytes())? {
        ReplyShape::Result { result, .. } => {
            let token = message.slice(result.range());
            let is_id = token.first().is_some_and(|first| *first == b'"' || first.is_ascii_digit());
            if is_id { Ok(token) } else { Err(ReplyDefect::InvalidEnvelope) }
        }
        ReplyShape::Error { .. } => Err(ReplyDefect::InvalidEnvelope),
    }
}

/// The request cannot be sent.
pub(super) fn not_connected() -> Failure {
    Failure::transport(TransportKind::NotConnected, Dispatch::NotSent, Transport::Ws)
}

/// The connection went away while the reply was waited for.
pub(super) fn closed(dispatch: Dispatch) -> Failure {
    Failure::transport(TransportKind::Broken, dispatch, Transport::Ws)
}

// === impl Waiting ===

impl<T> Waiting<T> {
    /// The id that went upstream.
    pub(super) const fn id(&self) -> PrivateId {
        self.id
    }

    /// Gives the request up, and tells whether it may have left.
    pub(super) fn give_up(mut self) -> Dispatch {
        self.is_over = true;
        // One that has just been answered has left.
        self.connection.cancel(self.id).unwrap_or(Dispatch::Unknown)
    }
}

impl<T> Future for Waiting<T> {
    /// Nothing for a request that was found to be given up when its turn to be written came.
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let reply = ready!(Pin::new(&mut self.reply).poll(cx));
        self.is_over = true;
        Poll::Ready(reply.ok())
    }
}

impl<T> Drop for Waiting<T> {
    fn drop(&mut self) {
        if !self.is_over {
            self.connection.cancel(self.id);
        }
    }
}

impl<T> fmt::Debug for Waiting<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").field("id", &self.id).finish_non_exhaustive()
    }
}
