//! Making a WebSocket connection.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::header::{
    ACCEPT, CONNECTION, CONTENT_TYPE, HOST, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::uri::Scheme;
use http::{HeaderName, Request, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use lasso_layers::call::{BoxError, Dispatch, Failure, TransportFailure, TransportKind};
use lasso_layers::catalog::{Endpoint, Transport};
use lasso_layers::edge::egress::retry_after;
use rustls::pki_types::CertificateDer;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Error};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use tower::ServiceExt;

use super::closing;
use super::line::Line;
use super::policy::LinkPolicy;
use super::status::Tally;
use crate::upstream::tls;

/// How long a TCP connection is silent before the system asks whether the peer is still there.
const TCP_KEEPALIVE: Duration = Duration::from_secs(30);

/// Room for what arrives at once. What is kept of a message keeps the whole of it.
const READ_BUFFER: usize = 32 * 1024;

/// An open WebSocket.
pub(crate) type Socket = WebSocketStream<Line<TokioIo<MaybeHttpsStream<TokioIo<TcpStream>>>>>;

/// Makes connections to WebSocket upstreams: name, TCP, TLS and handshake, within one time limit. A clone shares what it
/// knows of certificates.
#[derive(Clone)]
pub struct Connector {
    connector: HttpsConnector<HttpConnector>,
    limit: Duration,
    max_message: usize,
}

/// No connection was made.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) failure: Failure,
    /// Trying again soon will hardly help.
    pub(super) is_final: bool,
}

impl Connector {
    /// Which trusts the authorities of the system and these.
    ///
    /// # Errors
    ///
    /// When one of `extra_roots` is not a certificate.
    pub fn new(policy: &LinkPolicy, extra_roots: Vec<CertificateDer<'static>>) -> io::Result<Self> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(TCP_KEEPALIVE));
        // Shared among the addresses of a name, so that a dead one leaves time for the others and for the handshakes.
        tcp.set_connect_timeout(Some(policy.handshake_timeout / 2));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls::client_config(extra_roots)?)
            .https_or_http()
            // The handshake is one of HTTP/1.1.
            .enable_http1()
            .wrap_connector(tcp);
        Ok(Self { connector, limit: policy.handshake_timeout, max_message: policy.max_message_bytes })
    }

    /// Makes a connection to this endpoint.
    ///
    /// Cancel safety: dropping the future gives it up.
    pub(crate) async fn connect(&self, endpoint: &Endpoint, tally: Arc<Tally>) -> Result<Socket, Refused> {
        let connecting = async {
            let stream = self.connector.clone().oneshot(secure(&endpoint.uri)?).await?;
            let line = Line::new(TokioIo::new(stream), tally);
            let config = WebSocketConfig::default()
                .read_buffer_size(READ_BUFFER)
                .max_message_size(Some(self.max_message))
                .max_frame_size(Some(self.max_message));
            let (socket, _) = client_async_with_config(handshake(endpoint)?, line, Some(config)).await?;
            Ok::<_, BoxError>(socket)
        };
        match tokio::time::timeout(self.limit, connecting).await {
            Ok(outcome) => outcome.map_err(Refused::of),
            Err(_) => {
                let source = io::Error::new(io::ErrorKind::TimedOut, "connecting took too long");
                Err(Refused::of(source.into()))
            }
        }
    }
}

impl Refused {
    fn of(error: BoxError) -> Self {
        if let Some(Error::Http(response)) = error.downcast_ref() {
            let status = response.status();
            let failure = closing::of_status(status, retry_after(response.headers()));
            return Self { failure, is_final: closing::is_refusal(status) };
        }
        let failure = Failure::Transport(Box::new(TransportFailure {
            kind: TransportKind::Connect,
            dispatch: Dispatch::NotSent,
            transport: Transport::Ws,
            source: Some(error),
        }));
        Self { failure, is_final: false }
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// The address as the TLS connector knows it.
fn secure(uri: &Uri) -> Result<Uri, http::Error> {
    let mut parts = uri.clone().into_parts();
    parts.scheme = Some(if uri.scheme_str() == Some("wss") { Scheme::HTTPS } else { Scheme::HTTP });
    Ok(Uri::from_parts(parts)?)
}

/// The handshake with everything that the channel's requests carry, except what describes a body or is the handshake's
/// own ([RFC 6455, section 4.1](https://www.rfc-editor.org/rfc/rfc6455#section-4.1)).
fn handshake(endpoint: &Endpoint) -> tungstenite::Result<Request<()>> {
    const OWN: [HeaderName; 7] =
        [ACCEPT, CONTENT_TYPE, CONNECTION, HOST, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE];
    let mut request = endpoint.uri.clone().into_client_request()?;
    for (name, value) in &endpoint.headers {
        if !OWN.contains(name) {
            request.headers_mut().append(name, value.clone());
        }
    }
    Ok(request)
}
