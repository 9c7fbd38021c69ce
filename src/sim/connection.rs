//! Accepting connections, and the one task that serves each.

use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::exchange::Core;
use super::ledger::{Gauge, Held};
use super::line::{Ending, Line, LineIo};
use super::{http, ws};

/// Pause after a failure to accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// Serves until `stop` fires or its sender is gone. When this completes or is dropped, the listener and all
/// connections are closed.
pub(crate) async fn accept(core: Arc<Core>, listener: TcpListener, mut stop: oneshot::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        // All branches are cancel safe: accept and join_next by their documentation, a receiver by nature.
        tokio::select! {
            _ = &mut stop => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(core.clone(), stream));
                }
                // Most likely out of descriptors: connections that end free some.
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
        }
    }
    drop(listener);
    connections.shutdown().await;
}

async fn serve(core: Arc<Core>, stream: TcpStream) {
    // Small replies must not wait for an acknowledgement. A socket that is already dead says so when it is read.
    let _ = stream.set_nodelay(true);
    let open = Open::new(core.clone());
    let line = open.line.clone();

    let service = service_fn(|request| http::handle(core.clone(), line.clone(), request));
    let server = auto::Builder::new(StreamExecutor { line: line.clone() });
    let connection =
        server.serve_connection_with_upgrades(TokioIo::new(LineIo::new(stream, line.clone())), service);
    // Whichever branch loses is dropped, and with it the socket. Nothing is to survive an ending.
    tokio::select! {
        () = line.ended() => return,
        _ = connection => {}
    }

    let Some(upgrade) = line.take_upgrade() else { return };
    let Ok(upgraded) = upgrade.on.await else { return };
    tokio::select! {
        () = line.ended() => {}
        () = ws::serve(&core, &line, upgrade.origin, TokioIo::new(upgraded)) => {}
    }
}

/// A connection's entry in the books of its node.
struct Open {
    core: Arc<Core>,
    line: Arc<Line>,
    _counted: Held,
}

impl Open {
    fn new(core: Arc<Core>) -> Self {
        let counted = core.ledger.hold(Gauge::Connections);
        Self { line: core.lines.open(), core, _counted: counted }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        // Ends the tasks of HTTP/2 streams too.
        self.line.end(Ending::Close);
        self.core.lines.forget(&self.line);
    }
}

/// Runs the streams of an HTTP/2 connection, for no longer than the connection itself.
#[derive(Clone)]
struct StreamExecutor {
    line: Arc<Line>,
}

impl<F> hyper::rt::Executor<F> for StreamExecutor
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, stream: F) {
        let line = self.line.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = line.ended() => {}
                _ = stream => {}
            }
        });
    }
}
