//! One TCP connection of a node, and how it ends.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

use hyper::upgrade::OnUpgrade;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::ledger::Origin;

/// How a node ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// A TCP FIN, as when a process exits.
    Close,
    /// A TCP RST, as when a machine restarts or a load balancer has forgotten the connection.
    Reset,
}

/// The open connections of a node.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    open: Mutex<HashMap<u64, Arc<Line>>>,
    ordinal: std::sync::atomic::AtomicU64,
}

/// A handle on one connection. The task that serves it drops it as soon as an ending is set.
#[derive(Debug)]
pub(crate) struct Line {
    id: u64,
    ending: watch::Sender<Option<Ending>>,
    upgrade: Mutex<Option<Upgrade>>,
}

/// A WebSocket handshake that was answered with 101.
pub(crate) struct Upgrade {
    pub(crate) on: OnUpgrade,
    pub(crate) origin: Origin,
}

/// The socket of a connection. hyper owns it, so it learns from its line how it is to close when it is dropped.
#[derive(Debug)]
pub(crate) struct LineIo {
    stream: TcpStream,
    line: Arc<Line>,
}

// === impl Lines ===

impl Lines {
    pub(crate) fn open(&self) -> Arc<Line> {
        // Only the uniqueness of the numbers matters.
        let id = 1 + self.ordinal.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let line = Arc::new(Line { id, ending: watch::Sender::new(None), upgrade: Mutex::default() });
        self.lines().insert(id, line.clone());
        line
    }

    pub(crate) fn forget(&self, line: &Line) {
        self.lines().remove(&line.id);
    }

    pub(crate) fn end_all(&self, ending: Ending) {
        self.lines().values().for_each(|line| line.end(ending));
    }

    fn lines(&self) -> MutexGuard<'_, HashMap<u64, Arc<Line>>> {
        self.open.lock().expect("no code panics while it holds the connections")
    }
}

// === impl Line ===

impl Line {
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Ends the connection; the first ending counts.
    pub(crate) fn end(&self, ending: Ending) {
        self.ending.send_if_modified(|current| {
            let first = current.is_none();
            current.get_or_insert(ending);
            first
        });
    }

    /// Completes once an ending is set.
    pub(crate) async fn ended(&self) {
        // The sender lives in `self`, so waiting cannot fail.
        let _ = self.ending.subscribe().wait_for(Option::is_some).await;
    }

    pub(crate) fn set_upgrade(&self, upgrade: Upgrade) {
        *self.upgrade() = Some(upgrade);
    }

    pub(crate) fn take_upgrade(&self) -> Option<Upgrade> {
        self.upgrade().take()
    }

    fn upgrade(&self) -> MutexGuard<'_, Option<Upgrade>> {
        self.upgrade.lock().expect("no code panics while it holds the upgrade")
    }
}

impl std::fmt::Debug for Upgrade {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upgrade").finish_non_exhaustive()
    }
}

// === impl LineIo ===

impl LineIo {
    pub(crate) fn new(stream: TcpStream, line: Arc<Line>) -> Self {
        Self { stream, line }
    }
}

impl Drop for LineIo {
    fn drop(&mut self) {
        if *self.line.ending.borrow() == Some(Ending::Reset) {
            // With a linger time of zero the kernel closes with RST. A socket that is already dead needs none.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for LineIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for LineIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }
}
