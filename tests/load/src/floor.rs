//! The floor: a reverse proxy of hyper's server, hyper-util's pooled client, and nothing else.

use std::net::SocketAddr;

use hyper::Request;
use hyper::body::Incoming;
use hyper::http::uri::PathAndQuery;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpListener;

use crate::Outcome;

pub(crate) async fn serve(address: SocketAddr, upstream: SocketAddr) -> Outcome<()> {
    let listener = TcpListener::bind(address).await?;
    let mut connector = hyper_util::client::legacy::connect::HttpConnector::new();
    connector.set_nodelay(true);
    let client =
        Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build::<_, Incoming>(connector);
    let authority: hyper::http::uri::Authority = upstream.to_string().parse()?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let client = client.clone();
        let authority = authority.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            let uri = hyper::Uri::builder()
                .scheme("http")
                .authority(authority.clone())
                .path_and_query(PathAndQuery::from_static("/"))
                .build()
                .expect("the parts are valid");
            *request.uri_mut() = uri;
            request.headers_mut().remove(hyper::header::HOST);
            client.request(request)
        });
        tokio::spawn(async move {
            // A connection that breaks is the generator's business.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}
