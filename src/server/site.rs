//! Which part answers which path.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::Either;
use http::header::{CONTENT_LENGTH, LOCATION};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;
use lasso_layers::call::{Call, Failure, Reply};
use lasso_layers::edge::ingress::{
    Ingress, RequestId, ResponseBody, ResponseFuture, empty_response, json_response,
};
use tower::Service;

use super::heads::Heads;
use super::{Api, api};

/// Everything that is served.
#[derive(Clone)]
pub(super) struct Site<S> {
    ingress: Ingress<S>,
    api: Arc<Api>,
}

impl<S: Clone> Site<S> {
    pub(super) fn new(ingress: Ingress<S>, api: Api) -> Self {
        Self { ingress, api: Arc::new(api) }
    }

    pub(super) fn for_peer(&self, peer: SocketAddr) -> Self {
        Self { ingress: self.ingress.clone().peer(peer), api: self.api.clone() }
    }
}

impl<S> Site<S> {
    /// What is answered here and not by the ingress.
    fn page<B>(&self, request: &Request<B>) -> Option<Response<ResponseBody>> {
        if !asks_for_page(request) {
            return None;
        }
        let id = || RequestId::of(request.headers());
        let response = match request.uri().path() {
            "/" => {
                let mut response = empty_response(StatusCode::FOUND, &id());
                response.headers_mut().insert(LOCATION, HeaderValue::from_static("/dashboard"));
                response
            }
            "/api/health" => json_response(StatusCode::OK, &id(), self.api.health()),
            "/api/chains" => json_response(StatusCode::OK, &id(), self.api.chains()),
            _ => return None,
        };
        Some(as_asked(request.method(), response))
    }

    /// The page that has to go through the stack.
    fn explanation<B>(&self, request: &Request<B>) -> Option<Explaining>
    where
        S: Service<Call, Response = Reply> + Clone + Send + 'static,
        S::Error: Into<Failure> + Send,
        S::Future: Send,
    {
        if !asks_for_page(request) || request.uri().path() != "/api/explain" {
            return None;
        }
        let (id, method) = (RequestId::of(request.headers()), request.method().clone());
        let page = api::explain(self.ingress.stack().clone(), api::call_of(request.uri(), request.headers()));
        Some(Box::pin(async move {
            let (status, page) = page.await;
            Ok(as_asked(&method, json_response(status, &id, page)))
        }))
    }
}

/// The response with an explanation, once it is there.
type Explaining = Pin<Box<dyn Future<Output = Result<Response<ResponseBody>, Infallible>> + Send>>;

fn asks_for_page<B>(request: &Request<B>) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD)
}

/// The response without its body if that was not asked for.
fn as_asked(method: &Method, mut response: Response<ResponseBody>) -> Response<ResponseBody> {
    if method == Method::HEAD {
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
}

impl<S> Visit<S> {
    pub(super) const fn new(site: Site<S>, heads: Arc<Heads>) -> Self {
        Self { site, heads, requests: AtomicU64::new(0) }
    }
}

impl<S> hyper::service::Service<Request<Incoming>> for Visit<S>
where
    S: Service<Call, Response = Reply> + Clone + Send + 'static,
    S::Error: Into<Failure> + Send,
    S::Future: Send,
{
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future =
        Either<Ready<Result<Response<ResponseBody>, Infallible>>, Either<Explaining, ResponseFuture>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let ordinal = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        if self.heads.is_ambiguous(ordinal) {
            // hyper took the length out; the ingress is to see that there was one.
            request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        if let Some(response) = self.site.page(&request) {
            return Either::Left(ready(Ok(response)));
        }
        Either::Right(match self.site.explanation(&request) {
            Some(explaining) => Either::Left(explaining),
            None => Either::Right(self.site.ingress.handle(request)),
        })
    }
}
