//! What one client's socket shares with the calls it makes.
//!
//! **What it is.** A [`Session`] belongs to the task that owns the socket. Every frame that the client sends gets a
//! [`CallSession`] out of it, which travels with the [`Call`](super::Call)s of the frame: `SubscribeLayer` keeps
//! subscriptions with it, `InflightLayer` counts with it. Streams reach the client through [`Subscriber`]s; the task
//! asks the session for [what is to be written](Session::next) next. No sockets, no tasks.
//!
//! **Order.** Pushes of one subscription stay in order. None of them comes out before the task says that the reply to
//! the frame that asked for the subscription [is on its way](Session::replied), and none after the subscription was
//! given up.
//!
//! **The short way.** A session that has a [`Shortcut`] sends what a stream pushes there and then, as long as nothing
//! waits. The order is the same, and what does not get through waits as it would without.
//!
//! **Limits.** A client that does not read is ended, alone, with [`Ending::SlowConsumer`]: when too many live deliveries
//! wait for one of its subscriptions or too many bytes for all of them, or when the process has no room left and
//! something waits for it. A client's bytes are what it has yet to read; those of the process are memory, in which a
//! delivery exists once, whoever waits for it. Deliveries that fill a gap count for nothing: a gap may be longer than any
//! outbox, and who reads it slowly still reads; of what comes meanwhile the bytes count, and not the number. To a client
//! for which nothing waits any delivery may be pushed.
//!
//! **The end.** The first one wins. At an end everything that waits is dropped, and the subscriptions with it; the same
//! when the session itself is dropped, whatever calls of it are still under way.
//!
//! **What it counts.** Ends and dropped deliveries by their reasons, in the [budget](OutboxBudget) that all sessions
//! share: [`OutboxBudget::counts`].
//!
//! ```
//! use std::sync::Arc;
//! use lasso_layers::call::session::*;
//!
//! let session = Session::new(SessionPolicy::default(), OutboxBudget::default());
//!
//! // The client asks for a subscription.
//! let frame = session.for_call();
//! let slot = frame.reserve(SubscriptionId([7; 16])).unwrap();
//! let subscriber = slot.subscriber();
//! slot.establish(()); // whatever ends the subscription when it is dropped
//!
//! // A stream has news for it, which wait for the reply.
//! let head = Arc::new(Delivery::of(br#"{"number":"0x10"}"#));
//! subscriber.push(&head).unwrap();
//! assert!(session.try_next().is_none());
//! session.replied(&frame);
//!
//! let Some(Outgoing::Push { id, delivery }) = session.try_next() else { panic!("a push") };
//! let push = [&id.push_head()[..], &delivery.events()[0]].concat();
//! assert_eq!(
//!     String::from_utf8(push).unwrap(),
//!     r#"{"jsonrpc":"2.0","method":"eth_subscription","params":{"subscription":"0x07070707070707070707070707070707","result":{"number":"0x10"}}}"#,
//! );
//! ```

mod budget;
mod delivery;
mod ending;
mod id;
mod outbox;
mod permit;
mod shortcut;
mod slot;
mod subscriber;

use std::fmt;
use std::future::poll_fn;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

pub use self::budget::{OutboxBudget, SessionCounts};
pub use self::delivery::Delivery;
pub use self::ending::Ending;
pub use self::id::SubscriptionId;
use self::outbox::{Outbox, Remains};
pub use self::permit::Permit;
pub use self::shortcut::{Passage, Shortcut};
pub use self::slot::{Slot, SlotsTaken};
pub use self::subscriber::{Gone, Subscriber};

/// How much one client may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionPolicy {
    /// Calls that are being forwarded at once.
    pub max_inflight: usize,
    /// Subscriptions, those that are being established included.
    pub max_subscriptions: usize,
    /// Live deliveries that wait for one subscription: one for each head, and for the logs of each block. One head is
    /// as many deliveries to a client as it has subscriptions for it, which says nothing about how it reads.
    pub outbox_messages: usize,
    /// Bytes of live deliveries that wait for all of its subscriptions.
    pub outbox_bytes: usize,
}

impl Default for SessionPolicy {
    /// 32 calls, 128 subscriptions, 32 deliveries, 16 MiB.
    fn default() -> Self {
        Self { max_inflight: 32, max_subscriptions: 128, outbox_messages: 32, outbox_bytes: 16 << 20 }
    }
}

/// One client's socket, as its owner sees it; see the [module](self).
///
/// There is one owner and one reader: of several that wait in [`next`](Self::next), the last one alone is woken.
/// Dropping it ends everything that the client has.
pub struct Session(Arc<Shared>);

/// What a socket and its calls share.
struct Shared {
    policy: SessionPolicy,
    budget: OutboxBudget,
    /// Calls that are being forwarded. Guards no memory.
    inflight: AtomicUsize,
    /// The newest frame. Guards no memory.
    frames: AtomicU64,
    outbox: Mutex<Outbox>,
}

/// What a client is to be sent.
#[derive(Debug)]
pub enum Outgoing {
    /// One push for each event of the delivery.
    Push {
        /// Whose.
        id: SubscriptionId,
        /// What.
        delivery: Arc<Delivery>,
    },
    /// The socket is to be closed. Nothing follows.
    End(Ending),
}

/// The session of a call, and the frame that the call came in: one for a single call, the same for all items of a batch.
#[derive(Clone)]
pub struct CallSession {
    shared: Arc<Shared>,
    frame: NonZeroU64,
}

// === impl Session ===

impl Session {
    /// For a client that has just connected.
    #[must_use]
    pub fn new(policy: SessionPolicy, budget: OutboxBudget) -> Self {
        Self(Arc::new(Shared {
            policy,
            budget,
            inflight: AtomicUsize::new(0),
            frames: AtomicU64::new(0),
            outbox: Mutex::default(),
        }))
    }

    /// Sends what is pushed this way from now on, whenever nothing waits. See [`Shortcut`] for what that asks of the
    /// reader. An end of the session drops it.
    pub fn shorten(&self, shortcut: Arc<dyn Shortcut>) {
        let too_late = self.0.outbox().shorten(shortcut);
        drop(too_late);
    }

    /// For the next frame of the client: a call, or all calls of a batch.
    #[must_use]
    pub fn for_call(&self) -> CallSession {
        let frame = self.0.frames.fetch_add(1, Relaxed) + 1;
        let frame = NonZeroU64::new(frame).expect("a client sends fewer than 2^64 frames");
        CallSession { shared: self.0.clone(), frame }
    }

    /// The reply to this frame stands where nothing that comes out of the session from now on overtakes it: pushes of
    /// the subscriptions it asked for may follow. To be said of every frame, also of one that gets no reply.
    pub fn replied(&self, frame: &CallSession) {
        let reader = self.0.outbox().release(frame.frame);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// What is to be written next. After an [end](Outgoing::End) nothing comes any more.
    ///
    /// Cancel safe: what is not returned stays.
    pub async fn next(&self) -> Outgoing {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// [`next`](Self::next), for futures written by hand.
    pub fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Outgoing> {
        let next = self.0.outbox().take(Some(cx.waker()));
        next.map_or(Poll::Pending, Poll::Ready)
    }

    /// Whether it was ended by this side, for a reader that has no room for [more](Self::poll_next): a client that does
    /// not read is to be closed all the same. Says so once. The reader may be woken for nothing.
    pub fn poll_end(&self, cx: &mut Context<'_>) -> Poll<Ending> {
        let ending = self.0.outbox().take_end(cx.waker());
        ending.map_or(Poll::Pending, Poll::Ready)
    }

    /// What may be written at once.
    #[must_use]
    pub fn try_next(&self) -> Option<Outgoing> {
        self.0.outbox().take(None)
    }

    /// Ends it: its reader is told, and everything that waits is dropped. Of several ends the first one counts.
    pub fn end(&self, ending: Ending) {
        self.0.end(ending);
    }

    /// How many subscriptions the client has, those that are being established included.
    #[must_use]
    pub fn subscriptions(&self) -> usize {
        self.0.outbox().subscriptions()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let remains = self.0.outbox().end(None);
        if let Some(remains) = remains {
            self.0.discard(remains);
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

// === impl Shared ===

impl Shared {
    fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().expect("nothing panics while it holds the lock")
    }

    fn end(&self, ending: Ending) {
        let remains = self.outbox().end(Some(ending));
        self.ended(ending, remains);
    }

    /// What follows an end once the lock is released. An end that came too late left no remains.
    fn ended(&self, ending: Ending, remains: Option<Remains>) {
        if let Some(remains) = remains {
            self.budget.count_end(ending);
            self.discard(remains);
        }
    }

    fn discard(&self, remains: Remains) {
        self.budget.count_dropped_at_end(remains.deliveries());
        remains.discard();
    }

    fn give_up(&self, remains: Option<Remains>) -> bool {
        let Some(remains) = remains else { return false };
        self.budget.count_dropped_unsubscribed(remains.deliveries());
        remains.discard();
        true
    }
}

// === impl CallSession ===

impl CallSession {
    /// Makes room for a subscription with this id, which no other may have.
    ///
    /// # Errors
    ///
    /// When the client has as many as it may have.
    pub fn reserve(&self, id: SubscriptionId) -> Result<Slot, SlotsTaken> {
        let mut outbox = self.shared.outbox();
        if outbox.subscriptions() >= self.shared.policy.max_subscriptions {
            return Err(SlotsTaken);
        }
        // Of a session that is over, the slot is gone before anything comes.
        let serial = if outbox.is_open() { outbox.open(id, self.frame) } else { 0 };
        drop(outbox);
        Ok(Slot::new(self.shared.clone(), id, serial))
    }

    /// Gives up the established subscription with this id, and drops what ends it before it returns. Whether the client
    /// had one. The session hands out no push for it from now on; those it handed out before are to be written before
    /// the client is told.
    #[must_use]
    pub fn unsubscribe(&self, id: SubscriptionId) -> bool {
        let remains = self.shared.outbox().close_id(id);
        self.shared.give_up(remains)
    }

    /// Room for one more call that is forwarded; nothing when there is none.
    #[must_use]
    pub fn permit(&self) -> Option<Permit> {
        Permit::take(&self.shared)
    }
}

impl fmt::Debug for CallSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallSession").field("frame", &self.frame).finish_non_exhaustive()
    }
}
