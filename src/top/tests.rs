//! Something to look at, and looking at routers over loopback.

use std::net::Ipv4Addr;
use std::time::Duration;

use lasso_layers::catalog::{ChainSpec, Live, ProfileSpec, ProviderSpec};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::address::Address;
use super::feed::{Source, Update, follow};
use super::message::{Event, Message};
use super::model::Model;
use super::plain;
use crate::config::Settings;
use crate::router::Router;
use crate::runtime::Runtime;

/// How long a test waits for something that should happen at once.
const LIMIT: Duration = Duration::from_secs(30);

/// Two chains, one of them in trouble.
const SNAPSHOT: &str = include_str!("testdata/snapshot.json");

/// A message as it is told.
pub(super) fn message(name: &str, data: &str) -> Update {
    Update::Message(Message::read(name, data).unwrap().unwrap())
}

pub(super) fn model() -> Model {
    let Some(Message::Snapshot(snapshot)) = Message::read("snapshot", SNAPSHOT).unwrap() else {
        panic!("it is a snapshot")
    };
    Model::of(*snapshot)
}

/// A router on a port of its own, with one provider that nobody asks.
async fn router() -> (Runtime, String) {
    let mut settings = Settings::default();
    settings.probe.enabled = false;
    settings.block_sync.enabled = false;
    settings.history.enabled = false;
    let mut chain = ChainSpec::new("ethereum", 1);
    chain.providers = vec![ProviderSpec::http("quick", "http://127.0.0.1:9")];
    let live = Live::new(vec![ProfileSpec::new("default").chain(chain)]).unwrap();
    let router = Router::new(live, &settings).unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let runtime = router.runtime().clone();
    tokio::spawn(router.serve(listener, std::future::pending()));
    (runtime, url)
}

fn source(url: &str, profile: Option<&str>) -> Source {
    Source::new(Address::read(url, profile).unwrap()).unwrap()
}

async fn refusal(url: &str, profile: Option<&str>) -> String {
    timeout(LIMIT, source(url, profile).open()).await.unwrap().unwrap_err().to_string()
}

#[tokio::test]
async fn a_router_is_seen_as_it_is_and_as_it_changes() {
    let (runtime, url) = router().await;
    let source = source(&url, Some("default"));
    let (feed, snapshot) = source.open().await.unwrap();
    let mut model = Model::of(snapshot);
    assert_eq!((model.profile.as_str(), model.providers[0].key.as_str()), ("default", "ethereum/quick"));
    assert_ne!(model.providers[0].status, "circuit_open");

    let (sender, mut updates) = mpsc::channel(8);
    tokio::spawn(follow(source, feed, sender));
    let catalog = runtime.live.snapshot();
    let channel = catalog.profiles()[0].chains()[0].providers[0].http.clone().unwrap();
    runtime.breakers.open(&channel, Instant::now());
    let is_told = |model: &Model| {
        let is_breaker = |event: &Event| matches!(event, Event::Breaker { to, .. } if to == "open");
        model.providers[0].status == "circuit_open" && model.events.iter().any(is_breaker)
    };
    let watching = async {
        while !is_told(&model) {
            model.apply(updates.recv().await.unwrap());
        }
    };
    timeout(LIMIT, watching).await.expect("the change is told");
    assert!(plain::page(&model).contains("http open"));
}

#[tokio::test]
async fn an_unknown_profile_is_refused_with_those_that_there_are() {
    let (_, url) = router().await;
    let said = refusal(&url, Some("no such")).await;
    assert!(said.contains("there is no profile `no such`; there is default"), "{said}");
}

/// Answers every connection with these bytes and closes it.
async fn answering(response: &'static [u8]) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = [0; 1024];
            if socket.read(&mut request).await.is_ok() && socket.write_all(response).await.is_ok() {
                drop(socket);
            }
        }
    });
    url
}

#[tokio::test]
async fn what_is_no_lasso_is_told_from_one() {
    for (response, expected) in [
        (&b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 2\r\n\r\nhi"[..], "no Lasso"),
        (b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", "404 Not Found; it is no Lasso"),
        (
            b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 16\r\n\r\n{\"error\":\"full\"}",
            "503 Service Unavailable: full",
        ),
        (
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\nevent: batch\ndata: {}\n\n",
            "before it tells",
        ),
        (b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n: hello\n", "closed"),
        (b"SSH-2.0-server\r\n", "HTTP"),
    ] {
        let url = answering(response).await;
        let said = refusal(&url, None).await;
        assert!(said.starts_with(&url) && said.contains(expected), "{said}");
    }
}

#[tokio::test]
async fn a_connection_that_ends_is_made_again() {
    const SNAPSHOT: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n\
        event: snapshot\ndata: {\"now\":1,\"profile\":\"p\",\"chains\":[],\"providers\":[]}\n\n";
    let source = source(&answering(SNAPSHOT).await, None);
    let (feed, _) = source.open().await.unwrap();
    let (sender, mut updates) = mpsc::channel(8);
    tokio::spawn(follow(source, feed, sender));
    let lost = timeout(LIMIT, updates.recv()).await.unwrap().unwrap();
    assert!(matches!(lost, Update::Lost(_)), "{lost:?}");
    let again = timeout(LIMIT, updates.recv()).await.unwrap().unwrap();
    assert!(matches!(again, Update::Message(Message::Snapshot(_))), "{again:?}");
}

#[tokio::test]
async fn nobody_there_is_told_with_the_address() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let said = refusal(&url, None).await;
    assert!(said.starts_with(&url) && said.contains("refused"), "{said}");
}
