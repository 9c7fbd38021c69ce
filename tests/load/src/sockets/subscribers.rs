//! Very many clients on `newHeads` of one chain: how far apart they get a block, what a delivery costs, and how
//! much memory each takes.
//!
//! The floor and Lasso write the same bytes to equally many sockets, by turns. Each figure of a block is taken
//! over its clients, and the table shows the median over the blocks.
//!
//! The threads of both are kept on a core each. A scheduler may leave two threads that wake each other on one core for
//! longer than a block takes, and what is measured then is where the threads happened to be.

use std::time::Duration;

use clap::Args;

use super::client::block_number;
use super::crowd::{Crowd, Wave};
use super::floor::Floor;
use super::scene::{Scene, Setting};
use super::spread::{Spread, millis};
use super::verdict::{Limit, Verdict};
use super::{cores, files};
use crate::process::Server;
use crate::{Outcome, median};

const SUBSCRIBE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}"#;
const SMALL: &str = r#"{"jsonrpc":"2.0","id":2,"method":"eth_getBalance","params":["0x407d73d8a49eeb85d32cf465507dd71d507100c1","latest"]}"#;
/// About 14 KiB of logs.
const LARGE: &str =
    r#"{"jsonrpc":"2.0","id":3,"method":"eth_getLogs","params":[{"fromBlock":"0x300","toBlock":"0x309"}]}"#;
/// Calls that are under way at once.
const TOGETHER: usize = 200;
/// Blocks before it counts.
const WARM_UP: usize = 3;
/// How long a server is left alone with a block before anybody looks.
const QUIET: Duration = Duration::from_millis(400);
const LIMIT: Duration = Duration::from_secs(20);
const P99: &str = "ms after the first client, p99";
/// The most that the 99th percentile of the spread may be, in milliseconds.
const SPREAD_LIMIT: f64 = 30.0;
/// Where the bare writes leave no room for that, so many times what they take: two cores need 27 ms for ten thousand.
const SPREAD_RATIO: f64 = 2.0;
const KIBIBYTE: f64 = 1024.0;

#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Clients with a subscription each.
    #[arg(long, default_value_t = 10_000)]
    clients: usize,
    /// Blocks that count.
    #[arg(long, default_value_t = 20)]
    blocks: usize,
    /// How often each client makes a call in the busy part.
    #[arg(long, default_value_t = 3)]
    calls: usize,
    /// Leaves the threads of the servers where the scheduler puts them.
    #[arg(long)]
    unpinned: bool,
    /// Fails when a limit is missed.
    #[arg(long)]
    check: bool,
}

/// What was measured of each block.
#[derive(Debug, Default)]
struct Blocks {
    p50: Vec<f64>,
    p95: Vec<f64>,
    p99: Vec<f64>,
    max: Vec<f64>,
    /// Microseconds of processor time a delivery.
    processor: Vec<f64>,
}

pub(crate) async fn measure(options: &Options) -> Outcome<()> {
    let clients = options.clients;
    // The floor has as many, or as many as are left.
    let behind_floor = files::allow(2 * clients, clients + 1)? - clients;
    let scene = Scene::start(&Setting::default()).await?;
    let mut floor = Floor::start().await?;
    if !options.unpinned {
        cores::spread(&floor.server)?;
        cores::spread(&scene.lasso)?;
    }

    // The stream and whatever belongs to it is not a client's memory.
    let mut first = Crowd::gather(scene.lasso.address, scene.lasso.path, 1, |_| SUBSCRIBE.to_owned())?;
    let text = block(&scene, &mut first)?.text;
    let before = scene.lasso.resident()?;
    let mut behind_lasso =
        Crowd::gather(scene.lasso.address, scene.lasso.path, clients, |_| SUBSCRIBE.to_owned())?;
    let mut of_the_floor =
        Crowd::gather(floor.server.address, floor.server.path, behind_floor, |_| SUBSCRIBE.to_owned())?;
    let connected = scene.lasso.resident()?;

    let (mut of_floor, mut of_lasso) = (Blocks::default(), Blocks::default());
    let (mut lost, mut unexpected) = (0, 0);
    for round in 0..WARM_UP + options.blocks {
        let counts = round >= WARM_UP;
        let spent = floor.server.processor_time()?;
        floor.say(&text)?;
        let wave = of_the_floor.collect(QUIET, LIMIT, 1, |_| true)?;
        of_floor.note(counts, &wave, &floor.server, spent)?;

        let spent = scene.lasso.processor_time()?;
        let wave = block(&scene, &mut behind_lasso)?;
        of_lasso.note(counts, &wave, &scene.lasso, spent)?;
        lost += wave.missing + wave.ended;
        unexpected += wave.unexpected;
    }
    let delivered = scene.lasso.resident()?;

    scene.lasso.forget_peak()?;
    for _ in 0..options.calls {
        for call in [SMALL, LARGE] {
            behind_lasso.ask_all(call, TOGETHER)?;
            let wave = block(&scene, &mut behind_lasso)?;
            lost += wave.missing + wave.ended;
        }
    }
    let (busy, peak) = (scene.lasso.resident()?, scene.lasso.peak()?);

    let each = |resident: u64| resident.saturating_sub(before) as f64 / clients as f64 / KIBIBYTE;
    let mut verdict = Verdict::new(format!(
        "{clients} clients on newHeads of one chain, {behind_floor} of the floor, {} blocks of {} bytes, medians",
        options.blocks,
        text.len()
    ));
    verdict.row("upstream subscriptions", scene.subscribed() as f64, Some(Limit::Exactly(1.0)));
    verdict.row("heads not delivered", lost as f64, Some(Limit::Exactly(0.0)));
    verdict.row("other messages", unexpected as f64, Some(Limit::Exactly(0.0)));
    for (what, floor, lasso) in [
        ("ms after the first client, p50", of_floor.p50, of_lasso.p50),
        ("ms after the first client, p95", of_floor.p95, of_lasso.p95),
        (P99, of_floor.p99, of_lasso.p99),
        ("ms after the first client, max", of_floor.max, of_lasso.max),
        ("us of processor time a delivery", of_floor.processor, of_lasso.processor),
    ] {
        let (floor, lasso) = (median(floor), median(lasso));
        let limit = (what == P99).then(|| Limit::AtMost(SPREAD_LIMIT.max(SPREAD_RATIO * floor)));
        verdict.beside_floor(what, floor, lasso, limit);
    }
    verdict.row("KiB resident a client, connected", each(connected), None);
    verdict.row("KiB resident a client, subscribed", each(delivered), Some(Limit::AtMost(20.0)));
    verdict.row("KiB resident a client, busy", each(busy), Some(Limit::AtMost(40.0)));
    verdict.row("KiB resident a client, busy, peak", each(peak), None);
    verdict.conclude(options.check)
}

/// Mines a block and takes it from every client.
fn block(scene: &Scene, crowd: &mut Crowd) -> Outcome<Wave> {
    let number = scene.chain.mine(1);
    crowd.collect(QUIET, LIMIT, 1, |text| block_number(text) == Some(number))
}

// === impl Blocks ===

impl Blocks {
    fn note(&mut self, counts: bool, wave: &Wave, server: &Server, before: Duration) -> Outcome<()> {
        let spent = server.processor_time()? - before;
        if counts {
            let spread = Spread::after_first(&wave.arrivals);
            self.p50.push(millis(spread.percentile(50)));
            self.p95.push(millis(spread.percentile(95)));
            self.p99.push(millis(spread.percentile(99)));
            self.max.push(millis(spread.max()));
            self.processor.push(spent.as_secs_f64() * 1e6 / wave.arrivals.len() as f64);
        }
        Ok(())
    }
}
