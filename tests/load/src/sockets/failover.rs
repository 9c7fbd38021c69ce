//! A stream that loses its provider: how long until the first event of the replacement.
//!
//! Two nodes follow one chain. In every round the one that carries the stream ends its connections (by turns with
//! a FIN, with a RST, and by stopping to listen) and a block is mined at once. The time runs from before the node
//! ends them to the arrival of that block at the client. Then the other kind of loss: the node stops telling about
//! blocks and is otherwise well.

use std::thread::sleep;
use std::time::Duration;

use clap::Args;
use lasso_rpc::sim::{Ending, Fault, NOTIFICATION, Rule};

use super::client::{Client, Heard, Scratch, block_number, now};
use super::crowd::source;
use super::scene::{Scene, Setting};
use super::spread::{Spread, millis};
use super::verdict::{Limit, Verdict};
use crate::Outcome;

const SUBSCRIBE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}"#;
/// What a loss may do to a stream is measured here, not what losses do to breakers.
const SETTINGS: &str = "circuit_breaker: { failure_threshold: 1000000, category_thresholds: { network_error: 1000000, server_error: 1000000, timeout: 1000000, auth_error: 1000000 } }\n";
const BLOCK_TIME: Duration = Duration::from_millis(500);
const HEADS_TIMEOUT: Duration = Duration::from_secs(2);
const LIMIT: Duration = Duration::from_secs(30);
/// Time for the links to be as after a quiet hour.
const REST: Duration = Duration::from_millis(200);

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
    // The first in priority carries the stream first, and each loss moves it to the other.
    let mut carrier = 0;
    let mut losses = Vec::new();
    for round in 0..options.rounds {
        ready(&scene).await?;
        watcher.until(scene.chain.mine(1))?;
        let node = &scene.nodes[carrier];
        let start = now();
        match round % 3 {
            0 => node.disconnect(Ending::Close),
            1 => node.disconnect(Ending::Reset),
            _ => node.stop().await,
        }
        losses.push(watcher.until(scene.chain.mine(1))?.saturating_sub(start));
        node.restart().await?;
        carrier = 1 - carrier;
    }

    let mining = tokio::spawn({
        let chain = scene.chain.clone();
        async move { chain.run(BLOCK_TIME).await }
    });
    let mut silences = Vec::new();
    for _ in 0..options.silences {
        ready(&scene).await?;
        let before = watcher.next()?;
        scene.nodes[carrier].behave([Rule::method(NOTIFICATION, Fault::Omit)]);
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
        scene.nodes[carrier].heal();
        carrier = 1 - carrier;
    }
    mining.abort();

    let losses = Spread::new(losses);
    let silent = Spread::new(silences);
    let mut verdict = Verdict::new(format!(
        "a stream moved {} times from a lost provider and {} times from a silent one",
        options.rounds, options.silences
    ));
    verdict.row("blocks skipped or repeated", watcher.disorder as f64, Some(Limit::Exactly(0.0)));
    verdict.row("ms from the loss to the next block, p50", millis(losses.percentile(50)), None);
    verdict.row("ms, p95", millis(losses.percentile(95)), None);
    verdict.row("ms, p99", millis(losses.percentile(99)), Some(Limit::AtMost(500.0)));
    verdict.row("ms, max", millis(losses.max()), None);
    let patience = millis(HEADS_TIMEOUT + BLOCK_TIME + BLOCK_TIME / 2);
    verdict.row("ms of silence until the next block, p50", millis(silent.percentile(50)), None);
    verdict.row("ms of silence, max", millis(silent.max()), Some(Limit::AtMost(patience)));
    verdict.conclude(options.check)
}

/// Waits until both nodes are connected, subscribed to, and have been so for a moment.
async fn ready(scene: &Scene) -> Outcome<()> {
    for node in &scene.nodes {
        if !node.wait_until(LIMIT, |stats| stats.sockets > 0 && stats.subscriptions > 0).await {
            return Err(format!("nobody subscribes at {}", node.name()).into());
        }
    }
    sleep(REST);
    Ok(())
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
