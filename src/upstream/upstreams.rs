//! Attempts over either transport.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use lasso_layers::attempt::Attempt;
use lasso_layers::call::{Failure, Reply};
use lasso_layers::catalog::Transport;
use pin_project::pin_project;
use tower::Service;

use super::http::HttpUpstream;
use super::ws::WsUpstream;

/// Sends each attempt over the transport of its channel.
#[derive(Clone, Debug)]
pub struct Upstreams {
    http: HttpUpstream,
    ws: WsUpstream,
}

impl Upstreams {
    /// Over these two.
    #[must_use]
    pub const fn new(http: HttpUpstream, ws: WsUpstream) -> Self {
        Self { http, ws }
    }
}

impl Service<Attempt> for Upstreams {
    type Response = Reply;
    type Error = Failure;
    type Future = UpstreamFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        // The one over WebSocket is always ready.
        self.http.poll_ready(cx)
    }

    fn call(&mut self, attempt: Attempt) -> UpstreamFuture {
        let either = match attempt.transport() {
            Transport::Http => Either::Http(self.http.call(attempt)),
            Transport::Ws => Either::Ws(self.ws.call(attempt)),
        };
        UpstreamFuture { either }
    }
}

/// The future of [`Upstreams`].
#[pin_project]
#[derive(Debug)]
pub struct UpstreamFuture {
    #[pin]
    either: Either,
}

#[pin_project(project = EitherProj)]
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "most attempts are the large one, and a box would cost each of them"
)]
enum Either {
    Http(#[pin] <HttpUpstream as Service<Attempt>>::Future),
    Ws(#[pin] <WsUpstream as Service<Attempt>>::Future),
}

impl Future for UpstreamFuture {
    type Output = Result<Reply, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().either.project() {
            EitherProj::Http(future) => future.poll(cx),
            EitherProj::Ws(future) => future.poll(cx),
        }
    }
}
