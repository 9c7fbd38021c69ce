//! Attempts over WebSocket.

use std::future::{Ready, ready};
use std::task::{Context, Poll};

use lasso_layers::attempt::Attempt;
use lasso_layers::call::{Dispatch, Failure, Reply, TransportKind};
use lasso_layers::catalog::Transport;
use tower::Service;

use super::links::Links;

/// Sends attempts to WebSocket channels over the connections of [`Links`].
#[derive(Clone, Debug)]
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
    type Future = Ready<Result<Reply, Failure>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Attempt) -> Self::Future {
        let _ = self.links;
        ready(Err(Failure::transport(TransportKind::NotConnected, Dispatch::NotSent, Transport::Ws)))
    }
}
