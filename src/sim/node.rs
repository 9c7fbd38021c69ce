//! A running simulated node.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{Mutex, oneshot};
use tokio::task::JoinHandle;

use super::chain::SimChain;
use super::connection;
use super::exchange::Core;
use super::fault::{Fault, Rule};
use super::ledger::{Ledger, SeenCall, SimStats, TopicStats};
use super::line::{Ending, Lines};
use super::methods::SimLimits;
use super::script::Script;
use super::shock::{Shock, Shocks};

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// How a node starts. Plain data.
#[derive(Clone, Debug)]
#[must_use]
pub struct SimNodeOptions {
    /// Name of the node, part of what it answers to `web3_clientVersion`.
    pub name: String,
    /// The chain it serves.
    pub chain: SimChain,
    /// Where it listens. The default is a free port of 127.0.0.1.
    pub listen: SocketAddr,
    /// What it refuses.
    pub limits: SimLimits,
    /// Its first rules.
    pub rules: Vec<Rule>,
    /// How many calls it remembers in detail for [`SimNode::seen`]; 0 for none. The default is 1024.
    pub remember: usize,
}

impl SimNodeOptions {
    /// A well-behaved node on a free port.
    pub fn new(name: impl Into<String>, chain: SimChain) -> Self {
        Self {
            name: name.into(),
            chain,
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            limits: SimLimits::default(),
            rules: Vec::new(),
            remember: 1024,
        }
    }
}

/// A handle on a node. Dropping it stops the node.
///
/// Counters, memory and rules outlive [`stop`](Self::stop) and [`restart`](Self::restart).
pub struct SimNode {
    core: Arc<Core>,
    addr: SocketAddr,
    state: Mutex<State>,
}

enum State {
    Running {
        stop: oneshot::Sender<()>,
        task: JoinHandle<()>,
    },
    /// The socket is bound but does not listen: connecting is refused, and the kernel gives the port to nobody who
    /// asks for any free one, be it to listen or to connect.
    Stopped(Option<TcpSocket>),
}

// === impl SimNode ===

impl SimNode {
    /// Starts a node.
    ///
    /// # Errors
    ///
    /// When the address cannot be listened on.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with I/O and time.
    pub async fn start(options: SimNodeOptions) -> io::Result<Self> {
        let listener = bind(options.listen)?.listen(BACKLOG)?;
        let addr = listener.local_addr()?;
        let script = Script::default();
        script.replace(options.rules);
        let core = Arc::new(Core {
            name: options.name,
            chain: options.chain,
            limits: options.limits,
            script,
            ledger: Arc::new(Ledger::new(options.remember)),
            lines: Lines::default(),
            shocks: Shocks::default(),
        });
        let state = Mutex::new(State::running(core.clone(), listener));
        Ok(Self { core, addr, state })
    }

    /// The name it was given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.core.name
    }

    /// The chain it serves.
    #[must_use]
    pub fn chain(&self) -> &SimChain {
        &self.core.chain
    }

    /// Where it listens, or listened before it was stopped.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its URL for JSON-RPC over HTTP. Any path is served.
    #[must_use]
    pub fn http_url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Its URL for JSON-RPC over WebSocket. Any path is served.
    #[must_use]
    pub fn ws_url(&self) -> String {
        format!("ws://{}", self.addr)
    }

    /// Stops listening and closes all connections; when this returns, connecting is refused. Does nothing to a
    /// stopped node.
    ///
    /// Cancel safety: the node stops even if the future is dropped, but its port may then go to somebody else.
    pub async fn stop(&self) {
        let mut state = self.state.lock().await;
        if let State::Running { stop, task } = std::mem::replace(&mut *state, State::Stopped(None)) {
            // An error means that the task is gone already, which is what is wanted.
            let _ = stop.send(());
            let _ = task.await;
            *state = State::Stopped(bind(self.addr).ok());
        }
    }

    /// Listens again on the same port. Does nothing to a running node.
    ///
    /// # Errors
    ///
    /// When the port was lost to somebody else.
    pub async fn restart(&self) -> io::Result<()> {
        let mut state = self.state.lock().await;
        if let State::Stopped(held) = &mut *state {
            let socket = held.take().map_or_else(|| bind(self.addr), Ok)?;
            *state = State::running(self.core.clone(), socket.listen(BACKLOG)?);
        }
        Ok(())
    }

    /// Ends all connections, in use or idle; the node goes on listening.
    pub fn disconnect(&self, ending: Ending) {
        self.core.lines.end_all(ending);
    }

    /// Does this to every WebSocket that is open now: ends it ([`Fault::Reset`], [`Fault::Close`],
    /// [`Fault::CloseFrame`], [`Fault::TornFrame`]), stops serving it while TCP stays ([`Fault::Freeze`], which
    /// leaves it half-open until [`disconnect`](Self::disconnect)), or sends it something made up ([`Fault::Raw`],
    /// [`Fault::Garbage`], [`Fault::Html`]). Other faults do nothing. New sockets are served as always.
    pub fn strike(&self, fault: Fault) {
        self.core.shocks.send(Shock::Fault(fault));
    }

    /// Sends `result` to every open subscription of a topic (`newHeads`, `logs`, `newPendingTransactions`), whatever
    /// its filter and whether it is true or not.
    pub fn push(&self, topic: impl Into<String>, result: Value) {
        self.core.shocks.send(Shock::Push { topic: topic.into(), result });
    }

    /// Replaces all rules. Calls that were planned before follow the old ones.
    pub fn behave(&self, rules: impl IntoIterator<Item = Rule>) {
        self.core.script.replace(rules);
    }

    /// Adds a rule behind those that are in force.
    pub fn add_rule(&self, rule: Rule) {
        self.core.script.add(rule);
    }

    /// Removes all rules.
    pub fn heal(&self) {
        self.behave([]);
    }

    /// Calls of one method so far, items of batches counted one by one.
    #[must_use]
    pub fn calls(&self, method: &str) -> u64 {
        self.core.ledger.calls(method)
    }

    /// Calls of all methods so far.
    #[must_use]
    pub fn total_calls(&self) -> u64 {
        self.stats().calls
    }

    /// All counters.
    #[must_use]
    pub fn stats(&self) -> SimStats {
        self.core.ledger.stats()
    }

    /// Subscriptions of one topic (`newHeads`, `logs`, `newPendingTransactions`).
    #[must_use]
    pub fn topic(&self, topic: &str) -> TopicStats {
        self.core.ledger.topic(topic)
    }

    /// The last calls and handshakes in detail, oldest first.
    #[must_use]
    pub fn seen(&self) -> Vec<SeenCall> {
        self.core.ledger.seen()
    }

    /// Waits until the node has seen `calls` calls; `false` when `limit` passes first.
    ///
    /// Cancel safe.
    pub async fn wait_for_calls(&self, calls: u64, limit: Duration) -> bool {
        self.wait_until(limit, |stats| stats.calls >= calls).await
    }

    /// Waits until the node has seen `calls` calls of a method; `false` when `limit` passes first.
    ///
    /// Cancel safe.
    pub async fn wait_for_method(&self, method: &str, calls: u64, limit: Duration) -> bool {
        self.core.ledger.wait(limit, |ledger, _| ledger.calls(method) >= calls).await
    }

    /// Waits until the counters of a topic are as wanted; `false` when `limit` passes first.
    ///
    /// Cancel safe.
    pub async fn wait_for_topic(
        &self,
        topic: &str,
        limit: Duration,
        mut wanted: impl FnMut(&TopicStats) -> bool,
    ) -> bool {
        self.core.ledger.wait(limit, |ledger, _| wanted(&ledger.topic(topic))).await
    }

    /// Waits until the counters are as wanted; `false` when `limit` passes first.
    ///
    /// Cancel safe.
    pub async fn wait_until(&self, limit: Duration, mut wanted: impl FnMut(&SimStats) -> bool) -> bool {
        self.core.ledger.wait(limit, |_, stats| wanted(stats)).await
    }
}

impl Drop for SimNode {
    fn drop(&mut self) {
        if let State::Running { task, .. } = self.state.get_mut() {
            task.abort();
        }
    }
}

impl fmt::Debug for SimNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimNode")
            .field("name", &self.core.name)
            .field("addr", &self.addr)
            .finish_non_exhaustive()
    }
}

// === impl State ===

impl State {
    fn running(core: Arc<Core>, listener: TcpListener) -> Self {
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(connection::accept(core, listener, stopped));
        Self::Running { stop, task }
    }
}

/// Takes an address that connections of an earlier listener may still linger on.
fn bind(addr: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    Ok(socket)
}
