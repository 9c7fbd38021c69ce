//! A stream that loses its provider: how long until the first event of the replacement.
//!
//! Two nodes follow one chain. In every round the one that carries the stream ends its sockets, each time in another
//! way, and a block is mined at once. The time runs from before the node ends them to the arrival of that block at the
//! client. Then the other kind of loss: the node stops telling about blocks and is otherwise well.
//!
//! No other subscription is in the way: the replacement has to be subscribed to within that time.

use std::thread::sleep;
use std::time::Duration;

use clap::Args;
use lasso_rpc::sim::{Fault, NOTIFICATION, Rule, SimNode};

use super::client::{Client, Heard, Scratch, block_number, now};
use super::crowd::source;
use super::scene::{Scene, Setting};
use super::spread::{Spread, millis};
use super::verdict::{Limit, Verdict};
use crate::Outcome;

const SUBSCRIBE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}"#;
/// Only the stream subscribes, nothing is kept for later, and breakers bear as much as they can.
const SETTINGS: &str = "\
block_sync: { enabled: false }
subscriptions: { linger_ms: 0, linger_sweep_ms: 5, release_after_failover_ms: 0 }
circuit_breaker:
  failure_threshold: 255
  category_thresholds: { network_error: 255, server_error: 255, timeout: 255, auth_error: 255 }
";
const BLOCK_TIME: Duration = Duration::from_millis(500);
const HEADS_TIMEOUT: Duration = Duration::from_secs(2);
const LIMIT: Duration = Duration::from_secs(30);
/// The time between two losses: a stream with two providers moves at most five times in five seconds.
const REST: Duration = Duration::from_millis(1300);
/// How a node ends its sockets.
const KINDS: [&str; 5] = ["FIN", "RST", "close frame", "torn frame", "stop"];
/// The time between two looks at the nodes.
const AGAIN: Duration = Duration::from_millis(2);

#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Losses of the connection.
    #[arg(long, default_value_t = 100)]
    rounds: usize,
    /// Providers that fall silent.
    #[arg(long, default_value_t = 5)]
    silences: usize,
    /// Fails when a limit is missed.
    #[arg(long)]
    check: bool,
}

/// The client, which checks that every block comes once and in order.
struct Watcher {
    client: Client,
    scratch: Scratch,
    last: u64,
    /// Blocks that were skipped or came again.
    disorder: u64,
}

pub(crate) async fn measure(options: &Options) -> Outcome<()> {
    let setting = Setting {
        nodes: 2,
        block_time: BLOCK_TIME,
        heads_timeout: HEADS_TIMEOUT,
        settings: SETTINGS,
        ..Setting::default()
    };
    let scene = Scene::start(&setting).await?;
    let mut watcher = Watcher::start(&scene)?;
    let mut losses = Vec::new();
    for round in 0..options.rounds {
        let node = carrier(&scene).await?;
        watcher.until(scene.chain.mine(1))?;
        let start = now();
        let kind = round % KINDS.len();
        match kind {
            0 => node.strike(Fault::Close),
            1 => node.strike(Fault::Reset),
            2 => node.strike(Fault::CloseFrame { code: 1001, reason: "going away".to_owned() }),
            3 => node.strike(Fault::TornFrame),
            _ => node.stop().await,
        }
        losses.push((kind, watcher.until(scene.chain.mine(1))?.saturating_sub(start)));
        node.restart().await?;
    }

    let mining = tokio::spawn({
        let chain = scene.chain.clone();
        async move { chain.run(BLOCK_TIME).await }
    });
    let mut silences = Vec::new();
    for _ in 0..options.silences {
        let node = carrier(&scene).await?;
        let before = watcher.next()?;
        node.behave([Rule::method(NOTIFICATION, Fault::Omit)]);
        // One block may have been on its way.
        let mut last = before;
        let after = loop {
            let at = watcher.next()?;
            if at.saturating_sub(last) > BLOCK_TIME + BLOCK_TIME / 2 {
                break at;
            }
            last = at;
        };
        silences.push(after.saturating_sub(last));
        node.heal();
    }
    mining.abort();

    let of_kind = |wanted: usize| {
        Spread::new(losses.iter().filter(|(kind, _)| *kind == wanted).map(|(_, time)| *time).collect())
    };
    let all = Spread::new(losses.iter().map(|(_, time)| *time).collect());
    let silent = Spread::new(silences);
    let mut verdict = Verdict::new(format!(
        "a stream moved {} times from a lost provider and {} times from a silent one",
        options.rounds, options.silences
    ));
    verdict.row("blocks skipped or repeated", watcher.disorder as f64, Some(Limit::Exactly(0.0)));
    verdict.row("ms from the loss to the next block, p50", millis(all.percentile(50)), None);
    verdict.row("ms, p95", millis(all.percentile(95)), None);
    verdict.row("ms, p99", millis(all.percentile(99)), Some(Limit::AtMost(500.0)));
    verdict.row("ms, max", millis(all.max()), None);
    for (kind, name) in KINDS.iter().enumerate() {
        verdict.row(format!("ms, {name}, max"), millis(of_kind(kind).max()), None);
    }
    let patience = millis(HEADS_TIMEOUT + BLOCK_TIME + BLOCK_TIME / 2);
    verdict.row("ms of silence until the next block, p50", millis(silent.percentile(50)), None);
    verdict.row("ms of silence, max", millis(silent.max()), Some(Limit::AtMost(patience)));
    verdict.conclude(options.check)
}

/// Waits until both nodes are connected and one carries the stream, and for a moment more.
async fn carrier(scene: &Scene) -> Outcome<&SimNode> {
    for node in &scene.nodes {
        if !node.wait_until(LIMIT, |stats| stats.sockets == 1).await {
            return Err(format!("nobody connects to {}", node.name()).into());
        }
    }
    sleep(REST);
    let start = now();
    while now().saturating_sub(start) < LIMIT {
        if let Some(node) = scene.nodes.iter().find(|node| node.topic("newHeads").open > 0) {
            return Ok(node);
        }
        sleep(AGAIN);
    }
    let topics: Vec<_> = scene.nodes.iter().map(|node| node.topic("newHeads")).collect();
    Err(format!("no node carries the stream: {topics:?}").into())
}

// === impl Watcher ===

impl Watcher {
    fn start(scene: &Scene) -> Outcome<Self> {
        let mut scratch = Scratch::new();
        let mut client = Client::open(scene.lasso.address, source(0), scene.lasso.path)?;
        client.ask(&mut scratch, SUBSCRIBE)?;
        Ok(Self { client, scratch, last: scene.chain.height(), disorder: 0 })
    }

    /// Waits for block `number`; when it arrived.
    fn until(&mut self, number: u64) -> Outcome<Duration> {
        loop {
            let at = self.next()?;
            if self.last >= number {
                return Ok(at);
            }
        }
    }

    /// Waits for the next block; when it arrived.
    fn next(&mut self) -> Outcome<Duration> {
        match self.client.hear(&mut self.scratch)? {
            Heard::Text(text, at) => {
                let number = block_number(&text).ok_or("a head without a number")?;
                self.disorder += number.abs_diff(self.last + 1);
                self.last = number;
                Ok(at)
            }
            Heard::End(code) => Err(format!("the client was closed with {code:?}").into()),
        }
    }
}
