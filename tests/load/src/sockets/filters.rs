//! Many different log filters on one chain, of which one matches: what a log costs.
//!
//! For each number of streams the same blocks are mined with many logs and with hardly any. The difference of the
//! processor time is the logs'; the rest is what every stream does with every head.

use std::time::Duration;

use clap::Args;
use lasso_rpc::sim::TOKEN_A;

use super::client::quantity;
use super::crowd::Crowd;
use super::scene::{Scene, Setting};
use super::verdict::{Limit, Verdict};
use crate::Outcome;

/// Subscriptions of one socket; the settings allow 128.
const EACH: usize = 100;
const LIMIT: Duration = Duration::from_secs(20);
/// Time for the server to be done with a block.
const QUIET: Duration = Duration::from_millis(100);
const WARM_UP: usize = 2;
/// Half of them are by the contract that the matching stream listens to.
const MANY: u64 = 80;
const FEW: u64 = 2;

#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Streams that do not match.
    #[arg(long, default_values_t = [10, 100, 1000])]
    streams: Vec<usize>,
    /// Blocks that count.
    #[arg(long, default_value_t = 30)]
    blocks: usize,
    /// Fails when a limit is missed.
    #[arg(long)]
    check: bool,
}

pub(crate) async fn measure(options: &Options) -> Outcome<()> {
    let mut verdict =
        Verdict::new(format!("log filters of which one matches, {} blocks of {MANY} logs", options.blocks));
    let mut first = None;
    for &streams in &options.streams {
        let few = block_cost(streams, FEW, options.blocks).await?;
        let many = block_cost(streams, MANY, options.blocks).await?;
        let a_log = (many - few) / ((MANY - FEW) / 2) as f64;
        // What is measured beside the fewest streams is the cost of a log itself, with all that it needs in the
        // processor's caches. A cost that grew with the streams would be a hundred times that beside the most.
        let limit = first.map(|first: f64| Limit::AtMost(3.0 * first));
        first = first.or(Some(a_log));
        verdict.row(format!("{streams} others: us a delivered log"), a_log, limit);
        verdict.row(format!("{streams} others: us a head and stream"), few / (streams + 1) as f64, None);
    }
    verdict.conclude(options.check)
}

/// Microseconds of the server's processor time for a block.
async fn block_cost(streams: usize, logs: u64, blocks: usize) -> Outcome<f64> {
    let scene = Scene::start(&Setting { logs_per_block: logs, ..Setting::default() }).await?;
    let lasso = &scene.lasso;
    let subscribe = |address: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["logs",{{"address":"{address}"}}]}}"#
        )
    };
    let mut matching = Crowd::gather(lasso.address, lasso.path, 1, |_| subscribe(TOKEN_A))?;
    let sockets = streams.div_ceil(EACH);
    let mut others =
        Crowd::gather(lasso.address, lasso.path, sockets, |socket| subscribe(&stranger(socket * EACH)))?;
    for stream in 0..streams {
        if stream % EACH != 0 {
            others.clients[stream / EACH].ask(&mut others.scratch, &subscribe(&stranger(stream)))?;
        }
    }
    let mut spent = Duration::ZERO;
    for round in 0..WARM_UP + blocks {
        let before = lasso.processor_time()?;
        let number = scene.chain.mine(1);
        let wave = matching.collect(QUIET, LIMIT, (logs / 2) as usize, |text| {
            quantity(text, b"\"blockNumber\":\"0x") == Some(number)
        })?;
        if wave.missing + wave.ended + wave.unexpected > 0 {
            return Err(format!("the matching stream is wrong: {wave:?}").into());
        }
        if round >= WARM_UP {
            spent += lasso.processor_time()? - before;
        }
    }
    Ok(spent.as_secs_f64() * 1e6 / blocks as f64)
}

/// A contract that never emits a log.
fn stranger(ordinal: usize) -> String {
    format!("0x{:040x}", 0x1000_0000 + ordinal)
}
