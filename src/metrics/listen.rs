//! An address of their own for the figures, so that a firewall can tell them from what clients may see.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::Metrics;

/// The path of the page.
pub(crate) const PATH: &str = "/metrics";

/// Connections at the same time: scrapers are few.
const MAX_CONNECTIONS: usize = 64;
/// How long a request's head may take, and how long a connection may be idle: longer than the usual time between two
/// scrapes.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);
/// How long to wait after a connection could not be accepted.
const PAUSE: Duration = Duration::from_millis(100);

impl Metrics {
    /// Serves the figures, and nothing else, for as long as it is polled. Dropping the future cuts every connection.
    pub(crate) async fn serve(self, listener: TcpListener) {
        let mut connections = JoinSet::new();
        loop {
            // Both may be dropped and polled anew without losing anything.
            tokio::select! {
                Some(_) = connections.join_next() => {}
                accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => {
                    match accepted {
                        Ok((stream, _)) => drop(connections.spawn(self.clone().visit(stream))),
                        Err(error) => pause(&error).await,
                    }
                }
            }
        }
    }

    async fn visit(self, stream: TcpStream) {
        let service = service_fn(move |request| {
            let metrics = self.clone();
            async move { Ok::<_, Infallible>(metrics.answer(&request).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service);
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a scraper's connection ended");
        }
    }

    async fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        if request.uri().path() != PATH {
            return plain(StatusCode::NOT_FOUND, "the figures are at /metrics\n");
        }
        let is_head = request.method() == Method::HEAD;
        if !is_head && request.method() != Method::GET {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "GET or HEAD\n");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        let Some(figures) = self.page().await else {
            return plain(StatusCode::INTERNAL_SERVER_ERROR, "the figures cannot be had\n");
        };
        let length = HeaderValue::from(figures.len());
        let mut response = page(if is_head { Bytes::new() } else { figures });
        response.headers_mut().insert(CONTENT_LENGTH, length);
        response
    }
}

async fn pause(error: &io::Error) {
    tracing::warn!(%error, "cannot accept a scraper's connection, trying again");
    sleep(PAUSE).await;
}

fn page(body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    response.headers_mut().insert(CONTENT_TYPE, super::CONTENT_TYPE);
    response
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = page(Bytes::from_static(text.as_bytes()));
    *response.status_mut() = status;
    response
}
