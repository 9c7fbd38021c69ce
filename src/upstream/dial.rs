//! Making a connection in time.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use lasso_layers::call::BoxError;
use tokio::net::TcpStream;
use tower::Service;

/// A connector whose time limit covers all of it: the name, TCP and the TLS handshake.
#[derive(Clone)]
pub(super) struct Dial {
    connector: HttpsConnector<HttpConnector>,
    limit: Duration,
}

impl Dial {
    pub(super) const fn new(connector: HttpsConnector<HttpConnector>, limit: Duration) -> Self {
        Self { connector, limit }
    }
}

impl Service<Uri> for Dial {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.connector.call(uri);
        let limit = self.limit;
        // One box for each connection, not for each request.
        Box::pin(async move {
            match tokio::time::timeout(limit, connecting).await {
                Ok(outcome) => outcome,
                Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "connecting took too long").into()),
            }
        })
    }
}
