//! What is done to all open WebSockets of a node at once.

use serde_json::Value;
use tokio::sync::broadcast;

use super::fault::Fault;

/// Shocks that a socket may be behind. It takes them as fast as it can write.
const QUEUE: usize = 256;

/// Something that happens to every open WebSocket, whatever it is doing.
#[derive(Clone, Debug)]
pub(crate) enum Shock {
    /// It meets a fault.
    Fault(Fault),
    /// Every subscription of a topic gets this result.
    Push { topic: String, result: Value },
}

/// Where the sockets of a node hear of shocks.
#[derive(Debug)]
pub(crate) struct Shocks(broadcast::Sender<Shock>);

// === impl Shocks ===

impl Shocks {
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Shock> {
        self.0.subscribe()
    }

    pub(crate) fn send(&self, shock: Shock) {
        // An error means that no socket is open.
        let _ = self.0.send(shock);
    }
}

impl Default for Shocks {
    fn default() -> Self {
        Self(broadcast::Sender::new(QUEUE))
    }
}
