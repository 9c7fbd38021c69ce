//! HTTP requests to a simulated node.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{
    ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, RETRY_AFTER, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::exchange::{Core, Exchange};
use super::fault::{Fault, HugeResult};
use super::ledger::{Gauge, Held, Origin, Transport};
use super::line::{Ending, Line, Upgrade};
use super::pieces::{self, HugeReply, Pieces};

/// The largest request body a node takes.
const MAX_BODY: usize = 32 << 20;

/// Bytes of one of the headers that make a reply's headers large.
const HEADER_PIECE: usize = 4096;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A body that fits its fault.
pub(crate) enum Body {
    Whole(Option<Bytes>),
    /// Keeps the exchange in flight for as long as the body is being sent.
    Pieces(Pieces, Option<Held>),
}

pub(crate) async fn handle(
    core: Arc<Core>,
    line: Arc<Line>,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let origin = Origin {
        path: request.uri().path_and_query().map_or_else(String::new, ToString::to_string),
        headers: Arc::new(std::mem::take(request.headers_mut())),
        version: request.version(),
        connection: line.id(),
    };
    if has_token(&origin.headers, &UPGRADE, "websocket") {
        return Ok(handshake(&core, &line, origin, request).await);
    }
    if request.method() != Method::POST {
        let mut response =
            plain(StatusCode::METHOD_NOT_ALLOWED, "use POST, or GET with a WebSocket upgrade\n");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return Ok(response);
    }
    let content_type = origin.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = content_type.and_then(|value| value.split(';').next()).unwrap_or("").trim();
    if !media_type.eq_ignore_ascii_case("application/json") {
        let complaint = "invalid content type, only application/json is supported\n";
        return Ok(plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, complaint));
    }
    // An announced length is refused before the first byte is read. A client that leaves half-way hears nothing.
    let too_large = || plain(StatusCode::PAYLOAD_TOO_LARGE, "the request body is too large\n");
    if request.body().size_hint().lower() > MAX_BODY as u64 {
        return Ok(too_large());
    }
    let Ok(body) = Limited::new(request.into_body(), MAX_BODY).collect().await else {
        return Ok(too_large());
    };
    let body = body.to_bytes();
    Ok(match core.read(Transport::Http, &origin, &body) {
        Err(reply) => json(reply.into()),
        Ok(exchange) => answer(&core, &line, exchange).await,
    })
}

/// Plays out the plan of an exchange.
async fn answer(core: &Core, line: &Line, exchange: Exchange) -> Response<Body> {
    if !exchange.plan.delay.is_zero() {
        tokio::time::sleep(exchange.plan.delay).await;
    }
    let Some(fault) = exchange.plan.delivery.clone() else {
        return json(body(core, &exchange));
    };
    if let Some(response) = made_up(&fault, line).await {
        return response;
    }
    let reply = || body(core, &exchange);
    match &fault {
        Fault::HangAfterHeaders => {
            let length = reply().len();
            in_pieces(Some(length as u64), pieces::never(), exchange)
        }
        Fault::HalfBody | Fault::TornFrame => {
            let reply = reply();
            in_pieces(Some(reply.len() as u64), pieces::half(&reply), exchange)
        }
        Fault::SlowBody { chunk, pause } => {
            let reply = reply();
            in_pieces(Some(reply.len() as u64), pieces::slow(reply, *chunk, *pause), exchange)
        }
        Fault::Stream(shape) => {
            let (length, pieces) = huge(shape, exchange.id());
            in_pieces(length, pieces, exchange)
        }
        Fault::LargeHeaders(bytes) => {
            let mut response = json(reply());
            pad(response.headers_mut(), *bytes);
            response
        }
        // What is left concerns the order within a batch, which the body has.
        _ => json(reply()),
    }
}

/// The response of a fault that needs no reply, or none at all where the fault says so. `None` for other faults.
async fn made_up(fault: &Fault, line: &Line) -> Option<Response<Body>> {
    Some(match fault {
        Fault::Hang | Fault::Freeze => pending().await,
        Fault::Reset => {
            line.end(Ending::Reset);
            pending().await
        }
        Fault::Close | Fault::CloseFrame { .. } => {
            line.end(Ending::Close);
            pending().await
        }
        Fault::Garbage => json(Bytes::from_static(GARBAGE)),
        Fault::Raw(bytes) => json(bytes.clone()),
        Fault::Html(status) => {
            let mut response = plain(*status, html(*status));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
            response
        }
        Fault::Status { status, headers, body } => {
            let mut response = Response::new(Body::Whole(Some(body.clone())));
            *response.status_mut() = *status;
            *response.headers_mut() = headers.clone();
            response
        }
        Fault::RateLimited { retry_after } => {
            let mut response = plain(StatusCode::TOO_MANY_REQUESTS, "too many requests\n");
            if let Some(value) = retry_after {
                response.headers_mut().insert(RETRY_AFTER, value.clone());
            }
            response
        }
        Fault::Redirect(location) => {
            let mut response = plain(StatusCode::TEMPORARY_REDIRECT, "");
            response.headers_mut().insert(LOCATION, location.clone());
            response
        }
        _ => return None,
    })
}

/// Answers a WebSocket handshake (RFC 6455, section 4.2) and leaves the upgrade to the connection's task.
async fn handshake(core: &Core, line: &Line, origin: Origin, request: Request<Incoming>) -> Response<Body> {
    core.ledger.handshake(&origin);
    let _in_flight = core.ledger.hold(Gauge::InFlight);
    let plan = core.script.plan(Transport::Handshake, "", None);
    if !plan.delay.is_zero() {
        tokio::time::sleep(plan.delay).await;
    }
    if let Some(fault) = &plan.delivery
        && let Some(response) = made_up(fault, line).await
    {
        return response;
    }

    let headers = &origin.headers;
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        let mut response = plain(StatusCode::UPGRADE_REQUIRED, "only WebSocket version 13 is supported\n");
        response.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        return response;
    }
    let key = headers.get(SEC_WEBSOCKET_KEY);
    let (Some(key), true) =
        (key, request.method() == Method::GET && has_token(headers, &CONNECTION, "upgrade"))
    else {
        return plain(StatusCode::BAD_REQUEST, "malformed WebSocket handshake\n");
    };
    let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes())).expect("base64 is a header value");
    line.set_upgrade(Upgrade { on: hyper::upgrade::on(request), origin });

    let mut response = Response::new(Body::Whole(None));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    response
}

/// Bytes that are neither JSON nor UTF-8.
pub(crate) const GARBAGE: &[u8] = b"\xff\xfe{{ not json \x00";

/// The page of a proxy that has no node to ask.
pub(crate) fn html(status: StatusCode) -> String {
    format!(
        "<html>\r\n<head><title>{status}</title></head>\r\n<body>\r\n<h1>{status}</h1>\r\n</body>\r\n</html>\r\n"
    )
}

/// Length, if it is to be announced, and pieces of a huge reply.
pub(crate) fn huge(shape: &HugeResult, id: &str) -> (Option<u64>, Pieces) {
    let length = shape.known_length.then(|| HugeReply::length(shape, id));
    (length, pieces::huge(shape, id))
}

fn body(core: &Core, exchange: &Exchange) -> Bytes {
    exchange.replies(core, None).into_iter().next().map_or_else(Bytes::new, Bytes::from)
}

fn json(body: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::Whole(Some(body)));
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

fn plain(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::Whole(Some(body.into())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

fn in_pieces(length: Option<u64>, pieces: Pieces, exchange: Exchange) -> Response<Body> {
    let mut response = Response::new(Body::Pieces(pieces, Some(exchange.into_held())));
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    if let Some(length) = length {
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    response
}

fn pad(headers: &mut HeaderMap, mut bytes: usize) {
    let name = HeaderName::from_static("x-padding");
    while bytes > 0 {
        let piece = bytes.min(HEADER_PIECE);
        headers.append(&name, HeaderValue::try_from("x".repeat(piece)).expect("letters are a header value"));
        bytes -= piece;
    }
}

/// Whether a comma-separated header has this token, in any case.
fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|value| value.trim().eq_ignore_ascii_case(token))
}

// === impl Body ===

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut *self {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Pieces(pieces, held) => {
                let piece = ready!(pieces.as_mut().poll_next(cx));
                if piece.is_none() {
                    held.take();
                }
                Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Pieces(..) => SizeHint::default(),
        }
    }
}
