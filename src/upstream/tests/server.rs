//! HTTP servers on the loopback, with and without TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::{BodyExt, Either, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// What a server answers with: all at once, or a megabyte after the other for ever.
pub(super) type Answer = Response<
    Either<
        Full<Bytes>,
        StreamBody<futures_util::stream::BoxStream<'static, Result<Frame<Bytes>, hyper::Error>>>,
    >,
>;

/// A server that answers with what a function makes of the request's version and body.
pub(super) struct Server {
    pub(super) addr: SocketAddr,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Server {
    /// Over TLS with `tls`, otherwise plain.
    pub(super) async fn start(
        tls: Option<ServerConfig>,
        answer: impl Fn(Version, Bytes) -> Answer + Clone + Send + Sync + 'static,
    ) -> Self {
        let tls = tls.map(|config| TlsAcceptor::from(Arc::new(config)));
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = connections.clone();
        let (addr, task) = accept(move |socket| {
            counter.fetch_add(1, Ordering::SeqCst);
            let (tls, answer) = (tls.clone(), answer.clone());
            async move {
                match tls {
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(socket).await {
                            serve(stream, answer).await;
                        }
                    }
                    None => serve(socket, answer).await,
                }
            }
        })
        .await;
        Self { addr, connections, task }
    }

    /// How many connections were accepted so far.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    answer: impl Fn(Version, Bytes) -> Answer + Clone + Send + Sync + 'static,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = answer.clone();
        async move {
            let version = request.version();
            let body = request.into_body().collect().await?.to_bytes();
            Ok::<_, hyper::Error>(answer(version, body))
        }
    });
    // A client that goes away in the middle is what some tests are about.
    let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}

/// Hands every connection to `talk`, for ever.
pub(super) async fn accept<F>(talk: impl Fn(TcpStream) -> F + Send + 'static) -> (SocketAddr, JoinHandle<()>)
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(talk(socket));
        }
    });
    (addr, task)
}

/// Reads a request without looking at it, to the end of its body of `{…}`.
pub(super) async fn read_request(socket: &mut TcpStream) {
    let mut read = Vec::new();
    while !read.ends_with(b"}") {
        let mut buffer = [0; 1024];
        match socket.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(len) => read.extend_from_slice(&buffer[..len]),
        }
    }
}

/// An answer with all of its body.
pub(super) fn whole(body: &'static str) -> Answer {
    Response::new(Either::Left(Full::from(body)))
}

/// The beginning of a reply, and then megabytes without end.
pub(super) fn endless(head: &'static str) -> Answer {
    use futures_util::StreamExt;

    let megabyte = Bytes::from(vec![b'f'; 1024 * 1024]);
    let rest = futures_util::stream::repeat(megabyte);
    let frames =
        futures_util::stream::iter([Bytes::from(head)]).chain(rest).map(|data| Ok(Frame::data(data)));
    Response::new(Either::Right(StreamBody::new(frames.boxed())))
}

/// A certificate for `localhost` that signs itself, and a server that shows it and speaks these protocols.
pub(in crate::upstream) fn identity(protocols: &[&str]) -> (ServerConfig, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    (config, certificate)
}
