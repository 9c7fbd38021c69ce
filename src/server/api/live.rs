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

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use http::{HeaderValue, Method, Response, StatusCode};
use lasso_layers::call::StreamBody;
use lasso_layers::edge::ingress::{RequestId, ResponseBody, empty_response, json_response};
use serde_json::json;

use super::parameters::Parameters;
use super::{Api, page};
use crate::live::Refusal;

const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// Has nginx pass every message on at once.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
/// How long a page that was refused waits before it asks again, in seconds.
const LATER: HeaderValue = HeaderValue::from_static("5");
