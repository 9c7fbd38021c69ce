//! An upstream that keeps the bodies it gets, byte for byte.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::value::RawValue;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Answers every call with `true`.
pub(crate) struct Recorder {
    pub(crate) url: String,
    bodies: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

#[derive(serde::Deserialize)]
struct Call<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
}

impl Recorder {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let bodies = Arc::<Mutex<Vec<String>>>::default();
        let kept = bodies.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let kept = kept.clone();
                let answer = service_fn(move |request: Request<Incoming>| {
                    let kept = kept.clone();
                    async move {
                        let body = request.into_body().collect().await?.to_bytes();
                        let text = String::from_utf8(body.to_vec()).unwrap();
                        let call: Call<'_> = serde_json::from_str(&text).unwrap();
                        let reply = format!(r#"{{"jsonrpc":"2.0","id":{},"result":true}}"#, call.id);
                        kept.lock().unwrap().push(text);
                        Ok::<_, hyper::Error>(Response::new(Full::new(Bytes::from(reply))))
                    }
                });
                let serving = hyper::server::conn::http1::Builder::new();
                tokio::spawn(serving.serve_connection(TokioIo::new(stream), answer));
            }
        });
        Self { url, bodies, task }
    }

    /// The bodies since the last look, oldest first.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.bodies.lock().unwrap())
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.task.abort();
    }
}
