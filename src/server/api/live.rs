//! `GET /api/live`, which tells a page what happens, and `GET /api/streams`.
//!
//! `/api/live?profile=slug` is a stream of server-sent events
//! ([HTML, section 9.2](https://html.spec.whatwg.org/multipage/server-sent-events.html)): first a
//! [`snapshot`](crate::live::view::Snapshot), then a [`batch`](crate::live::view::Batch) whenever something changed, and
//! a [`heartbeat`](crate::live::view::Heartbeat) every other second. After a change of the catalogue, and for a viewer
//! that did not read for a while, there is another snapshot. Without a profile the default one is meant.
//!
//! | Status | When |
//! |---|---|
//! | 404 | there is no such profile; the body names those that are listed |
//! | 503 | there are as many viewers as may be, or the process is about to end |

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use http::{HeaderValue, Method, Response, StatusCode};
use lasso_layers::call::StreamBody;
use lasso_layers::edge::ingress::{RequestId, ResponseBody, empty_response, json_response};
use serde_json::json;

use super::parameters::{BadParameter, Parameters};
use super::{Api, page};
use crate::live::{Refusal, Viewer};

const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// Has nginx pass every message on at once.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
/// How long a page that was refused waits before it asks again, in seconds.
const LATER: HeaderValue = HeaderValue::from_static("5");

impl Api {
    /// What happens, for as long as somebody looks.
    pub(in crate::server) fn watch(
        &self,
        method: &Method,
        id: &RequestId,
        query: Option<&str>,
    ) -> Response<ResponseBody> {
        let (status, error) = match self.viewer(query) {
            Ok(viewer) => {
                let mut response = empty_response(StatusCode::OK, id);
                if method != Method::HEAD {
                    *response.body_mut() = ResponseBody::stream(StreamBody::new(viewer));
                }
                let headers = response.headers_mut();
                headers.insert(CONTENT_TYPE, EVENT_STREAM);
                headers.insert(CACHE_CONTROL, NO_STORE);
                headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
                return response;
            }
            Err(refusal) => refusal,
        };
        let mut response = json_response(status, id, error);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, LATER);
        }
        response
    }

    /// The streams that clients of a profile subscribed to.
    pub(in crate::server) fn streams(&self, query: Option<&str>) -> (StatusCode, Bytes) {
        let profile = match profile(query) {
            Ok(profile) => profile,
            Err(refusal) => return refusal,
        };
        let streams =
            self.live.as_ref().map_or_else(|| Some(Vec::new()), |live| live.streams(profile.as_deref()));
        match streams {
            Some(streams) => page(StatusCode::OK, &json!({ "streams": streams })),
            None => self.refused(Refusal::UnknownProfile, profile.as_deref()),
        }
    }

    fn viewer(&self, query: Option<&str>) -> Result<Viewer, (StatusCode, Bytes)> {
        let profile = profile(query)?;
        let joined = self.live.as_ref().ok_or(Refusal::Ending).and_then(|live| live.join(profile.as_deref()));
        joined.map_err(|refusal| self.refused(refusal, profile.as_deref()))
    }

    fn refused(&self, refusal: Refusal, profile: Option<&str>) -> (StatusCode, Bytes) {
        let (status, error) = match refusal {
            Refusal::UnknownProfile => {
                let catalog = self.runtime.live.load();
                let listed = catalog.profiles().iter().filter(|profile| !profile.unlisted);
                let body = json!({
                    "error": "Profile not found",
                    "profile": profile,
                    "available_profiles": listed.map(|profile| profile.slug.as_str()).collect::<Vec<_>>(),
                });
                return page(StatusCode::NOT_FOUND, &body);
            }
            Refusal::Full => (StatusCode::SERVICE_UNAVAILABLE, "there are as many viewers as may be"),
            Refusal::Ending => (StatusCode::SERVICE_UNAVAILABLE, "nobody is told what happens here just now"),
        };
        page(status, &json!({ "error": error }))
    }
}

/// The profile that a page is about, if the query names one.
fn profile(query: Option<&str>) -> Result<Option<String>, (StatusCode, Bytes)> {
    let read = || {
        let mut parameters = Parameters::of(query.unwrap_or_default())?;
        let profile = parameters.take("profile").map(Cow::into_owned);
        parameters.end("profile")?;
        Ok(profile)
    };
    read().map_err(|bad: BadParameter| {
        let error = format!("parameter `{}` {}", bad.name, bad.reason);
        page(StatusCode::BAD_REQUEST, &json!({ "error": error, "parameter": bad.name }))
    })
}
