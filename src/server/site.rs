//! Which part answers which path.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use futures_util::future::Either;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;
use lasso_layers::call::{Call, Failure, Reply};
use lasso_layers::edge::ingress::{
    Ingress, RequestId, ResponseBody, ResponseFuture, empty_response, json_response, plain_error,
};
use tower::Service;

use super::heads::Heads;
use super::ws::{self, Accepted, WebSockets};
use super::{Api, api};
use crate::dashboard;
use crate::metrics;

/// Everything that is served.
#[derive(Clone)]
pub(super) struct Site<S> {
    ingress: Ingress<S>,
    sockets: WebSockets<S>,
    api: Arc<Api>,
}

impl<S: Clone> Site<S> {
    pub(super) fn new(ingress: Ingress<S>, sockets: WebSockets<S>, api: Api) -> Self {
        Self { ingress, sockets, api: Arc::new(api) }
    }

    /// The pages.
    pub(super) fn api(&self) -> &Api {
        &self.api
    }

    pub(super) fn for_peer(&self, peer: SocketAddr) -> Self {
        Self {
            ingress: self.ingress.clone().peer(peer),
            sockets: self.sockets.clone().peer(peer),
            api: self.api.clone(),
        }
    }
}

impl<S> Site<S>
where
    S: Service<Call, Response = Reply> + Clone + Send + 'static,
    S::Error: Into<Failure> + Send,
    S::Future: Send,
{
    /// What is answered here and not by the ingress.
    fn page<B>(&self, request: &Request<B>) -> Option<Answer> {
        if !asks_for_page(request) {
            return None;
        }
        let (id, method) = (RequestId::of(request.headers()), request.method());
        let (uri, headers) = (request.uri(), request.headers());
        let response = match uri.path() {
            "/" => {
                let mut response = empty_response(StatusCode::FOUND, &id);
                response.headers_mut().insert(LOCATION, HeaderValue::from_static("/dashboard"));
                response
            }
            "/api/health" => json_response(StatusCode::OK, &id, self.api.health()),
            "/api/live" => self.api.watch(method, &id, uri.query()),
            "/api/ready" => {
                let (status, page) = self.api.ready();
                json_response(status, &id, page)
            }
            "/api/streams" => {
                let (status, page) = self.api.streams(uri.query());
                json_response(status, &id, page)
            }
            "/api/chains" => json_response(StatusCode::OK, &id, self.api.chains()),
            metrics::PATH => {
                let figures = self.api.published()?;
                let method = method.clone();
                return Some(Either::Right(Box::pin(async move {
                    Ok(as_asked(&method, scraped(figures.page().await, &id)))
                })));
            }
            "/api/openapi.json" => {
                json_response(StatusCode::OK, &id, Bytes::from_static(api::DOCUMENT.as_bytes()))
            }
            "/api/history" => {
                let query = uri.query().map(ToOwned::to_owned);
                return Some(later(method, id, self.api.clone().history(query)));
            }
            "/api/breakers" => {
                let query = uri.query().map(ToOwned::to_owned);
                return Some(later(method, id, self.api.clone().breakers(query)));
            }
            "/api/series" => {
                let query = uri.query().map(ToOwned::to_owned);
                return Some(later(method, id, self.api.clone().series(query)));
            }
            "/api/explain" => {
                let page = api::explain(self.ingress.stack().clone(), api::call_of(uri, headers));
                return Some(later(method, id, page));
            }
            "/api/requests" => {
                let (status, page) = self.api.requests(uri.query().unwrap_or_default());
                json_response(status, &id, page)
            }
            path if path.starts_with("/api/requests/") => {
                let named = &path["/api/requests/".len()..];
                let (status, page) = self.api.request(named, uri.query().unwrap_or_default());
                json_response(status, &id, page)
            }
            path if path.starts_with("/dashboard") => dashboard::page(path, headers, &id)?,
            path => {
                let chain = path.strip_prefix("/api/metrics/").filter(|chain| !chain.contains('/'))?;
                let query = uri.query().map(ToOwned::to_owned);
                return Some(later(method, id, self.api.clone().metrics(chain.to_owned(), query)));
            }
        };
        Some(Either::Left(ready(Ok(as_asked(method, response)))))
    }
}

/// A page: there already, or still to be made.
type Answer = Either<
    Ready<Result<Response<ResponseBody>, Infallible>>,
    Pin<Box<dyn Future<Output = Result<Response<ResponseBody>, Infallible>> + Send>>,
>;

fn later(
    method: &Method,
    id: RequestId,
    page: impl Future<Output = (StatusCode, Bytes)> + Send + 'static,
) -> Answer {
    let method = method.clone();
    Either::Right(Box::pin(async move {
        let (status, page) = page.await;
        Ok(as_asked(&method, json_response(status, &id, page)))
    }))
}

/// The figures, or that they cannot be had. Not for scripts of other sites, unlike the pages.
fn scraped(figures: Option<Bytes>, id: &RequestId) -> Response<ResponseBody> {
    let Some(figures) = figures else { return plain_error(StatusCode::INTERNAL_SERVER_ERROR, id) };
    let mut response = Response::new(ResponseBody::from(figures));
    response.headers_mut().insert(CONTENT_TYPE, metrics::CONTENT_TYPE);
    response
}

fn asks_for_page<B>(request: &Request<B>) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD)
}

/// The response without its body if that was not asked for.
fn as_asked(method: &Method, mut response: Response<ResponseBody>) -> Response<ResponseBody> {
    if method == Method::HEAD && !response.body().is_end_stream() {
        let length = response.body().size_hint().lower();
        *response.body_mut() = ResponseBody::empty();
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    response
}

/// The site as one connection sees it.
pub(super) struct Visit<S> {
    site: Site<S>,
    heads: Arc<Heads>,
    /// How many requests came before. Requests of an HTTP/1 connection come one after the other, so a relaxed
    /// count is enough.
    requests: AtomicU64,
    door: Arc<Door<S>>,
}

/// Where a client waits that was let in over a connection, until the connection is done with HTTP.
pub(super) struct Door<S>(Mutex<Option<Accepted<S>>>);

impl<S> Door<S> {
    pub(super) fn take(&self) -> Option<Accepted<S>> {
        self.lock().take()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Accepted<S>>> {
        self.0.lock().expect("nothing panics while it holds the lock")
    }
}

impl<S> Default for Door<S> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<S> Visit<S> {
    pub(super) const fn new(site: Site<S>, heads: Arc<Heads>, door: Arc<Door<S>>) -> Self {
        Self { site, heads, requests: AtomicU64::new(0), door }
    }
}

impl<S> Visit<S>
where
    S: Service<Call, Response = Reply> + Clone + Send + Sync + 'static,
    S::Error: Into<Failure> + Send,
    S::Future: Send,
{
    /// Opens a WebSocket.
    fn open(&self, mut request: Request<Incoming>) -> Answer {
        let (sockets, door) = (self.site.sockets.clone(), self.door.clone());
        Either::Right(Box::pin(async move {
            Ok(match sockets.accept(&mut request).await {
                Ok((response, accepted)) => {
                    *door.lock() = Some(accepted);
                    response
                }
                Err(refusal) => refusal,
            })
        }))
    }
}

impl<S> hyper::service::Service<Request<Incoming>> for Visit<S>
where
    S: Service<Call, Response = Reply> + Clone + Send + Sync + 'static,
    S::Error: Into<Failure> + Send,
    S::Future: Send,
{
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = Either<Answer, ResponseFuture>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let ordinal = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        if self.heads.is_ambiguous(ordinal) {
            // hyper took the length out; the ingress is to see that there was one.
            request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        if request.method() == Method::GET && ws::is_socket_path(request.uri().path()) {
            return Either::Left(self.open(request));
        }
        match self.site.page(&request) {
            Some(answer) => Either::Left(answer),
            None => Either::Right(self.site.ingress.handle(request)),
        }
    }
}
