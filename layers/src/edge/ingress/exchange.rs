//! One HTTP request on its way: from the body to the response.

use std::sync::Arc;

use base64::Engine;
use base64::encoded_len;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{HeaderName, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use tokio::time::timeout_at;
use tower::Service;

use super::body::{self, ResponseBody};
use super::budget::Reservation;
use super::media::Media;
use super::refusal::Refusal;
use super::response::{empty_response, json_response};
use super::{IngressPolicy, RequestId, framing};
use crate::call::{Body, Call, Failure, Journal, MetaMode, Metadata, Rejection, Reply};
use crate::edge::items::{Batch, Message, batch_too_large, empty_batch, envelope, execute, whole_request};
use crate::wire::{Defect, ErrorObject, Item, Parsed, Request, code, parse};

/// What is known about a request before its body is read.
pub(super) struct Exchange {
    pub(super) policy: Arc<IngressPolicy>,
    pub(super) message: Message,
    pub(super) id: RequestId,
    pub(super) media: Media,
    /// The declared length of the body.
    pub(super) length: Option<u64>,
    pub(super) reservation: Reservation,
}

impl Exchange {
    /// Reads the body, runs what is in it and writes the response.
    pub(super) async fn run<S, B>(self, stack: S, body: B) -> Response<ResponseBody>
    where
        S: Service<Call, Response = Reply> + Clone,
        S::Error: Into<Failure>,
        B: http_body::Body<Data = Bytes>,
    {
        let parsed = match self.read(body).await {
            Ok(parsed) => parsed,
            Err(refusal) => return refusal.response(&self.id),
        };
        let response = match parsed {
            Parsed::One(request) => self.single(stack, request).await,
            Parsed::Batch(items) if items.is_empty() => return Refusal::of(empty_batch()).response(&self.id),
            // Boxed: the state of a batch is several times that of a single call, which would pay for it otherwise.
            Parsed::Batch(items) => Box::pin(self.batch(stack, items)).await,
            Parsed::Oversized(size) => {
                let error = batch_too_large(size, self.policy.batch_max_items);
                return Refusal::of(error).response(&self.id);
            }
            Parsed::Scalar => return Refusal::not_json().response(&self.id),
        };
        response.map(|body| body.holding(self.reservation))
    }

    async fn read<B>(&self, body: B) -> Result<Parsed, Refusal>
    where
        B: http_body::Body<Data = Bytes>,
    {
        let limit = self.policy.max_body_bytes;
        let arrival = framing::read(body, self.length, limit);
        let bytes = timeout_at(self.message.received + self.policy.body_timeout, arrival)
            .await
            .map_err(|_| Refusal::body_timeout())??;
        if bytes.is_empty() {
            return Err(Refusal::not_json());
        }
        // Clients that name no type, or whose tool names another, still want to hear that their JSON is broken.
        let is_meant_as_json = matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'['));
        parse(bytes, self.policy.batch_max_items).map_err(|_| match self.media {
            Media::Form | Media::Other if is_meant_as_json => Refusal::invalid_json(),
            Media::Json => Refusal::invalid_json(),
            Media::Form => Refusal::form(),
            Media::Other => Refusal::not_json(),
        })
    }

    async fn single<S>(&self, stack: S, request: Request) -> Response<ResponseBody>
    where
        S: Service<Call, Response = Reply>,
        S::Error: Into<Failure>,
    {
        if let Some(error) = defect(&request) {
            return json_response(StatusCode::OK, &self.id, error.body(request.id()));
        }
        let mut journal = None;
        let call = || {
            let call = self.message.call(request.clone());
            journal = (self.message.origin.meta != MetaMode::None).then(|| call.journal().clone());
            call
        };
        let outcome = execute(stack, call).await;
        if let Some(rejection) = whole_request(&outcome) {
            return self.reject(rejection, Some(&request));
        }
        if request.is_notification() {
            return empty_response(StatusCode::NO_CONTENT, &self.id);
        }
        let body = envelope(outcome, request.id());
        let Some(meta) = journal.as_deref().and_then(Journal::meta) else {
            return json_response(StatusCode::OK, &self.id, ResponseBody::from(body));
        };
        if self.message.origin.meta == MetaMode::Body {
            return json_response(
                StatusCode::OK,
                &self.id,
                body::with_member(body, "lasso_meta", &meta.full),
            );
        }
        let mut response = json_response(StatusCode::OK, &self.id, ResponseBody::from(body));
        self.add_meta_headers(&mut response, meta);
        response
    }

    async fn batch<S>(&self, stack: S, items: Vec<Item>) -> Response<ResponseBody>
    where
        S: Service<Call, Response = Reply> + Clone,
        S::Error: Into<Failure>,
    {
        let concurrency = self.policy.batch_concurrency;
        let batch = Batch { message: &self.message, items: &items, defect, concurrency };
        let answers = match batch.run(stack).await {
            Ok(answers) => answers,
            Err(rejection) => {
                let is_silent = batch.only_notifications();
                let notification = match &items[0] {
                    Item::Request(request) if is_silent => Some(request),
                    _ => None,
                };
                return self.reject(&rejection, notification);
            }
        };
        if batch.only_notifications() {
            return empty_response(StatusCode::NO_CONTENT, &self.id);
        }
        let meta = answers.meta().cloned();
        let mut response = json_response(StatusCode::OK, &self.id, ResponseBody::array(answers.bodies));
        if let Some(meta) = meta {
            self.add_meta_headers(&mut response, &meta);
        }
        response
    }

    /// The answer to everything in the request. `request` is the only item, when it is no batch.
    fn reject(&self, rejection: &Rejection, request: Option<&Request>) -> Response<ResponseBody> {
        let limited = rejection.status == StatusCode::TOO_MANY_REQUESTS;
        let mut response = if limited && request.is_some_and(Request::is_notification) {
            empty_response(rejection.status, &self.id)
        } else {
            // A route that is not there is not there for any id.
            let id = request.filter(|_| limited).and_then(Request::id);
            json_response(rejection.status, &self.id, rejection.error.body(id))
        };
        if let Some(wait) = rejection.retry_after {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        response
    }

    /// Tells the client about the routing in headers: as much as there is room for, and at least the request's name.
    fn add_meta_headers(&self, response: &mut Response<ResponseBody>, meta: &Metadata) {
        const REQUEST_ID: HeaderName = HeaderName::from_static("x-lasso-request-id");
        const META: HeaderName = HeaderName::from_static("x-lasso-meta");
        let headers = response.headers_mut();
        if let Ok(name) = HeaderValue::from_bytes(self.id.name().as_bytes()) {
            headers.insert(REQUEST_ID, name);
        }
        let limit = self.policy.max_meta_header_bytes;
        let fits = |meta: &&Bytes| encoded_len(meta.len(), false).is_some_and(|length| length <= limit);
        if let Some(meta) = [&meta.full, &meta.brief].into_iter().find(fits) {
            let encoded = URL_SAFE_NO_PAD.encode(meta);
            let value = HeaderValue::try_from(encoded).expect("base64 is a valid header value");
            headers.insert(META, value);
        }
    }
}

impl From<Body> for ResponseBody {
    fn from(body: Body) -> Self {
        Self::from(body::Part::from(body))
    }
}

/// What is wrong with an object that is not a request.
fn defect(request: &Request) -> Option<ErrorObject> {
    let message = match request.defect()? {
        Defect::MethodMissing => "Invalid Request: \"method\" must be a string",
        Defect::Version => "Invalid Request: \"jsonrpc\" must be \"2.0\"",
    };
    Some(ErrorObject::new(code::INVALID_REQUEST, message))
}
