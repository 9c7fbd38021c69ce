//! Attempts over WebSocket.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use lasso_layers::attempt::Attempt;
use lasso_layers::call::{Dispatch, Failure, Reply};
use lasso_layers::catalog::Transport;
use lasso_layers::edge::egress::read_whole;
use tower::Service;

use super::connection::{Waiting, closed};
use super::links::Links;

/// Sends attempts to WebSocket channels over the connections of [`Links`]. Replies are read and checked as those over
/// HTTP are; the client's id takes the place of the one that travelled.
///
/// **Cancel safety.** Dropping the future gives the request up: it is not written if it was not yet, and its reply is
/// ignored. Others on the connection notice nothing.
#[derive(Clone, Copy, Debug)]
pub struct WsUpstream {
    links: Links,
}

impl WsUpstream {
    /// Over these connections.
    #[must_use]
    pub const fn new(links: Links) -> Self {
        Self { links }
    }
}

impl Service<Attempt> for WsUpstream {
    type Response = Reply;
    type Error = Failure;
    type Future = WsFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, attempt: Attempt) -> WsFuture {
        let state = match self.links.send(&attempt) {
            Ok(waiting) => State::Waiting { waiting, attempt },
            Err(failure) => State::Refused(Some(failure)),
        };
        WsFuture { state }
    }
}

/// The future of [`WsUpstream`].
pub struct WsFuture {
    state: State,
}

enum State {
    /// Nothing was sent; the failure is taken when it is handed out.
    Refused(Option<Failure>),
    /// Waiting for the reply.
    Waiting { waiting: Waiting<Result<Bytes, Dispatch>>, attempt: Attempt },
}

impl Future for WsFuture {
    type Output = Result<Reply, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match &mut self.state {
            State::Refused(failure) => Err(failure.take().expect("a future is not polled after its end")),
            State::Waiting { waiting, attempt } => match ready!(Pin::new(&mut *waiting).poll(cx)) {
                Some(Ok(message)) => {
                    let client_id = attempt.call().request.id().unwrap_or(b"null");
                    read_whole(message, waiting.id().to_json().as_bytes(), client_id, Transport::Ws)
                }
                Some(Err(dispatch)) => Err(closed(dispatch)),
                // It was given up outside, which nobody waits to hear.
                None => Err(closed(Dispatch::NotSent)),
            },
        })
    }
}

impl fmt::Debug for WsFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WsFuture").finish_non_exhaustive()
    }
}
