//! Where the messages of a client's WebSocket become calls.
//!
//! **What it does.** A [`Socket`] stands for one connected client. It turns the text of a message into one
//! [`Call`], or one for each item of a batch, runs them through the stack and gives back what is to be sent: the
//! [`Answer`]. It is [`Ingress`](super::ingress::Ingress) without HTTP: the same rules for batches, the same errors for
//! routes that do not exist, counted on the same [`ByteBudget`]. It knows no socket: whoever owns one reads messages,
//! runs their answers side by side and writes them as they come.
//!
//! **Where it stands.** Outermost, as the ingress does. A [`Session`](crate::call::session::Session) carries what the calls of a client share, among
//! them its subscriptions.
//!
//! **Messages.** `jsonrpc` has to be there. A message without an id is a notification: it is run, and nothing is said
//! about it, whatever comes of it. A batch has its answers in one array. When the stack refuses a batch as a whole, each
//! item that waits for an answer hears of it.
//!
//! **Routing metadata.** A call with `"lasso_meta":"notify"` (in letters of either case) is followed by a message with
//! the method `lasso_meta`, if an upstream answered it with a result. The items of a batch are not.
//!
//! **Cancel safety.** Dropping the future of an answer drops its calls; nothing is spawned. What was reserved for a
//! message is given back when its [`Answer`], or that future, is dropped.
//!
//! ```
//! use http_body_util::BodyExt;
//! use lasso_layers::call::session::{OutboxBudget, Session, SessionPolicy};
//! use lasso_layers::call::{Body, Call, Failure, Origin, Reply, Route};
//! use lasso_layers::edge::socket::Sockets;
//! use lasso_layers::wire::result_body;
//! use tower::service_fn;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let stack = service_fn(|call: Call| async move {
//!     Ok::<_, Failure>(Reply::Result(Body::Full(result_body(call.request.id(), b"\"0x10\""))))
//! });
//! let sockets = Sockets::new(stack);
//! let mut socket = sockets.connect(Route::to_chain("base"), Origin::default());
//! let session = Session::new(SessionPolicy::default(), OutboxBudget::default());
//!
//! let call = r#"{"jsonrpc":"2.0","id":7,"method":"eth_blockNumber"}"#;
//! let answer = socket.answer(call.into(), session.for_call()).await;
//! let reply = answer.reply.unwrap().collect().await.unwrap().to_bytes();
//! assert_eq!(reply, r#"{"jsonrpc":"2.0","id":7,"result":"0x10"}"#);
//!
//! let answer = socket.answer("{bad".into(), session.for_call()).await;
//! let reply = answer.reply.unwrap().collect().await.unwrap().to_bytes();
//! assert_eq!(reply, r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"}}"#);
//! # });
//! ```

mod frame;
mod policy;
mod refusal;

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use smol_str::{SmolStr, format_smolstr};
use tokio::time::Instant;
use tower::Service;

use self::frame::Frame;
pub use self::policy::SocketPolicy;
use super::ingress::{ByteBudget, Reservation, ResponseBody};
use super::items::{Message, is_admitted};
use crate::call::session::CallSession;
use crate::call::{Call, Failure, MetaMode, Origin, Rejection, Reply, Route};
use crate::catalog::Transport;
use crate::wire::ErrorObject;

/// Messages of this size and less are copied out of the socket's read buffer, which they would keep for as long as
/// their calls wait.
const SMALL: usize = 2048;

/// What all sockets share: the stack and the limits. A clone is a handle.
pub struct Sockets<S>(Arc<Shared<S>>);

struct Shared<S> {
    stack: S,
    policy: SocketPolicy,
    budget: ByteBudget,
}

/// One client; see the [module](self).
pub struct Socket<S> {
    shared: Arc<Shared<S>>,
    route: Route,
    origin: Origin,
    /// The bytes of this client alone.
    budget: ByteBudget,
    id: SmolStr,
    messages: u64,
}

/// What is to be sent for one message.
#[derive(Debug)]
#[must_use]
pub struct Answer {
    /// The reply; `None` when nobody waits for one.
    pub reply: Option<ResponseBody>,
    /// What is to follow the reply, in a message of its own.
    pub notice: Option<Bytes>,
    /// What to say instead when the reply turns out to be a stream that breaks, if none of it was sent.
    pub broken: Option<Bytes>,
    /// Given back when all is sent or given up.
    _room: Option<[Reservation; 2]>,
}

// === impl Sockets ===

impl<S> Sockets<S> {
    /// In front of a stack of call layers.
    pub fn new(stack: S) -> Self {
        Self::with(stack, SocketPolicy::default(), ByteBudget::default())
    }

    /// With these limits, and a budget for the bytes of all clients.
    pub fn with(stack: S, policy: SocketPolicy, budget: ByteBudget) -> Self {
        Self(Arc::new(Shared { stack, policy, budget }))
    }

    /// For a client whose calls all go this way and come from there. Their names begin with the
    /// [id](Socket::id) of the connection.
    pub fn connect(&self, route: Route, origin: Origin) -> Socket<S> {
        let origin =
            Origin { transport: Some(Transport::Ws), meta: MetaMode::None, request_id: None, ..origin };
        Socket {
            shared: self.0.clone(),
            route,
            origin,
            budget: ByteBudget::with_min_charge(self.0.policy.inflight_bytes, 0),
            // A name, not a secret: the fast generator of the thread is good enough.
            id: format_smolstr!("{:016x}", fastrand::u64(..)),
            messages: 0,
        }
    }
}

impl<S> Clone for Sockets<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S> fmt::Debug for Sockets<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sockets").field("policy", &self.0.policy).finish_non_exhaustive()
    }
}

// === impl Socket ===

impl<S> Socket<S> {
    /// The name of the connection in logs: 16 hexadecimal digits.
    #[must_use]
    pub const fn id(&self) -> &SmolStr {
        &self.id
    }
}

impl<S> Socket<S>
where
    S: Service<Call, Response = Reply> + Clone,
    S::Error: Into<Failure>,
{
    /// Whether the route leads anywhere: to be asked before the client is let in. Costs the client no token of a rate
    /// limit.
    ///
    /// # Errors
    ///
    /// What calls of this client would hear, all of them.
    pub async fn is_admitted(&self) -> Result<(), Box<Rejection>> {
        let message = Message {
            route: self.route.clone(),
            origin: Origin { client: None, ..self.origin.clone() },
            received: Instant::now(),
            session: None,
        };
        is_admitted(&message, self.shared.stack.clone()).await
    }

    /// Answers one message.
    pub fn answer(&mut self, text: Bytes, session: CallSession) -> impl Future<Output = Answer> + use<S> {
        // The one look at the clock: all deadlines of the message count from here.
        let received = Instant::now();
        self.messages += 1;
        let name = format_smolstr!("{}-{}", self.id, self.messages);
        let run = self.room(text.len() as u64).map(|room| {
            let text = if text.len() <= SMALL { Bytes::copy_from_slice(&text) } else { text };
            let origin = Origin { request_id: Some(name.clone()), ..self.origin.clone() };
            let message = Message { route: self.route.clone(), origin, received, session: Some(session) };
            let frame = Frame { shared: self.shared.clone(), message };
            // Nothing of a call that panicked is used afterwards.
            (AssertUnwindSafe(frame.run(text)).catch_unwind(), room)
        });
        async move {
            let Some((run, room)) = run else { return Answer::error(&refusal::no_room(), None) };
            let answer = run.await.unwrap_or_else(|_| {
                tracing::error!(request_id = %name, "a message panicked");
                Answer::error(&refusal::internal(), None)
            });
            Answer { _room: Some(room), ..answer }
        }
    }

    fn room(&self, length: u64) -> Option<[Reservation; 2]> {
        Some([self.shared.budget.reserve(Some(length))?, self.budget.reserve(Some(length))?])
    }
}

impl<S> fmt::Debug for Socket<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("id", &self.id).field("route", &self.route).finish_non_exhaustive()
    }
}

// === impl Answer ===

impl Answer {
    const fn nothing() -> Self {
        Self { reply: None, notice: None, broken: None, _room: None }
    }

    fn of(reply: impl Into<ResponseBody>) -> Self {
        Self { reply: Some(reply.into()), ..Self::nothing() }
    }

    fn error(error: &ErrorObject, id: Option<&[u8]>) -> Self {
        Self::of(error.body(id))
    }
}
