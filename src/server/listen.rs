//! Taking connections, come what may.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

/// A listener whose errors never end the server.
pub(super) struct Listener {
    inner: TcpListener,
    /// How long to wait before the next try, after an error.
    pause: Duration,
}

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

impl Listener {
    pub(super) const fn new(inner: TcpListener) -> Self {
        Self { inner, pause: Duration::ZERO }
    }

    /// The next connection.
    ///
    /// Cancel safe: a connection is taken or stays in the queue.
    pub(super) async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            if !self.pause.is_zero() {
                sleep(self.pause).await;
            }
            match self.inner.accept().await {
                Ok(accepted) => {
                    self.pause = Duration::ZERO;
                    return accepted;
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    // Out of file descriptors or memory: asking again at once would only burn time.
                    self.pause = (self.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
                    tracing::warn!(%error, "cannot accept connections, trying again");
                }
            }
        }
    }

    /// What a connection held is free again: worth a try at once.
    pub(super) const fn connection_ended(&mut self) {
        self.pause = Duration::ZERO;
    }
}

/// Whether the client left before it was accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}
