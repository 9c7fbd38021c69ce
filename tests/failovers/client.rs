//! A client socket with some subscriptions, each followed by its oracle.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::ledger::Ledger;
use super::oracle::Oracle;
use super::world::World;

type Socket = WebSocketStream<TcpStream>;

/// Reads until something is wrong or it is told that the chain stands still.
pub(crate) struct Client {
    /// The oldest of what is the newest block of each subscription.
    newest: watch::Receiver<u64>,
    still: watch::Sender<bool>,
    task: JoinHandle<Result<u64, String>>,
}

impl Client {
    /// Connects and makes all subscriptions.
    pub(crate) async fn connect(world: &World, subscriptions: &[Value]) -> Self {
        let stream = TcpStream::connect(world.address).await.expect("the router listens");
        let url = format!("ws://{}/ws/rpc/ethereum", world.address);
        let (mut socket, _) = tokio_tungstenite::client_async(url, stream).await.expect("the socket opens");
        let mut oracles = HashMap::new();
        for params in subscriptions {
            let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": params });
            socket.send(Message::text(call.to_string())).await.expect("the socket stays open");
            // Nothing else can come: the chain stands still.
            let reply = next(&mut socket).await.expect("a reply");
            let id = reply["result"].as_str().unwrap_or_else(|| panic!("{reply}")).to_owned();
            oracles.insert(id, Oracle::new(params, world.ledger.height() + 1));
        }
        let (still, stands_still) = watch::channel(false);
        let (tell, newest) = watch::channel(0);
        let task = tokio::spawn(follow(socket, oracles, world.ledger.clone(), tell, stands_still));
        Self { newest, still, task }
    }

    /// Waits until every subscription was told of something above this height.
    pub(crate) async fn past(&mut self, height: u64, limit: Duration) -> Result<(), String> {
        let waited = timeout(limit, self.newest.wait_for(|newest| *newest > height)).await;
        match waited.map(|outcome| outcome.is_ok()) {
            Ok(true) => Ok(()),
            Ok(false) => {
                Err((&mut self.task).await.expect("it does not panic").expect_err("it went on for ever"))
            }
            Err(_) => {
                Err(format!("nothing was told above {height}, the newest is {}", *self.newest.borrow()))
            }
        }
    }

    /// Waits until all has been told, now that the chain stands still; how many events that were.
    pub(crate) async fn finish(self, limit: Duration) -> Result<u64, String> {
        self.still.send_replace(true);
        let Self { mut task, .. } = self;
        timeout(limit, &mut task)
            .await
            .map_err(|_| "it is never complete".to_owned())?
            .expect("it does not panic")
    }
}

async fn follow(
    mut socket: Socket,
    mut oracles: HashMap<String, Oracle>,
    ledger: Arc<Ledger>,
    tell: watch::Sender<u64>,
    mut still: watch::Receiver<bool>,
) -> Result<u64, String> {
    /// Time in which nothing more may come.
    const QUIET: Duration = Duration::from_millis(500);
    loop {
        let done = *still.borrow() && oracles.values().all(|oracle| oracle.differs(&ledger).is_none());
        let message = tokio::select! {
            message = next(&mut socket) => message?,
            _ = still.changed(), if !*still.borrow() => continue,
            () = tokio::time::sleep(QUIET), if done => {
                return Ok(oracles.values().map(Oracle::events).sum());
            }
        };
        let params = &message["params"];
        let id = params["subscription"].as_str().unwrap_or_default();
        let oracle = oracles.get_mut(id).ok_or_else(|| format!("nobody subscribed to {message}"))?;
        oracle.hear(&params["result"], &ledger)?;
        tell.send_replace(oracles.values().map(Oracle::newest).min().unwrap_or(0));
    }
}

/// The next message. Cancel safe, as reading from the socket is.
async fn next(socket: &mut Socket) -> Result<Value, String> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => {
                return serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"));
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(message)) => return Err(format!("the socket ended with {message:?}")),
            Some(Err(error)) => return Err(format!("the socket broke: {error}")),
            None => return Err("the socket ended".to_owned()),
        }
    }
}
