//! One client that does not read among many that do, all on one stream of logs.
//!
//! The slow one has to be closed once its outbox is full, the others get every log, and the server's memory stays
//! within what one outbox may hold. The close code is not seen here: there is no room for it in a connection that is full,
//! and the server waits for room a few seconds only.

use std::time::Duration;

use clap::Args;

use super::client::{Client, Heard, quantity};
use super::crowd::{Crowd, source};
use super::files;
use super::scene::{Scene, Setting};
use super::verdict::{Limit, Verdict};
use crate::Outcome;

const SUBSCRIBE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["logs",{}]}"#;
const LIMIT: Duration = Duration::from_secs(20);
/// The least time between two blocks: logs settle in between.
const QUIET: Duration = Duration::from_millis(50);
/// What the slow client's kernel takes for it.
const RECEIVE_BUFFER: usize = 4096;
const MEBIBYTE: f64 = 1_048_576.0;

#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Clients that read.
    #[arg(long, default_value_t = 1000)]
    clients: usize,
    /// Blocks that the slow client does not read. Its kernel and the server's hold about 4 MiB of them.
    #[arg(long, default_value_t = 120)]
    blocks: usize,
    /// Logs in each block.
    #[arg(long, default_value_t = 80)]
    logs: u64,
    /// Fails when a limit is missed.
    #[arg(long)]
    check: bool,
}

pub(crate) async fn measure(options: &Options) -> Outcome<()> {
    let clients = options.clients;
    files::allow(clients + 1, clients + 1)?;
    let scene = Scene::start(&Setting { logs_per_block: options.logs, ..Setting::default() }).await?;
    let lasso = &scene.lasso;
    let mut crowd = Crowd::gather(lasso.address, lasso.path, clients, |_| SUBSCRIBE.to_owned())?;
    let mut slow = Client::open(lasso.address, source(clients), lasso.path)?;
    slow.receive_buffer(RECEIVE_BUFFER)?;
    slow.ask(&mut crowd.scratch, SUBSCRIBE)?;

    let before = lasso.resident()?;
    lasso.forget_peak()?;
    let (mut lost, mut unexpected, mut bytes) = (0, 0, 0);
    for _ in 0..options.blocks {
        let number = scene.chain.mine(1);
        let wave = crowd.collect(QUIET, LIMIT, options.logs as usize, |text| {
            quantity(text, b"\"blockNumber\":\"0x") == Some(number)
        })?;
        lost += wave.missing + wave.ended;
        unexpected += wave.unexpected;
        bytes += wave.text.len() * options.logs as usize;
    }
    let growth = lasso.peak()?.saturating_sub(before) as f64;

    let (end, read) = rest(&mut slow, &mut crowd)?;
    let mut verdict = Verdict::new(format!(
        "one client that does not read among {clients}, {} blocks of {} logs, {:.1} MiB for each",
        options.blocks,
        options.logs,
        bytes as f64 / MEBIBYTE
    ));
    verdict.row("blocks lost by others", lost as f64, Some(Limit::Exactly(0.0)));
    verdict.row("other messages", unexpected as f64, Some(Limit::Exactly(0.0)));
    let cut = end.is_some() && read < bytes;
    verdict.row("slow clients that were closed", f64::from(u8::from(cut)), Some(Limit::Exactly(1.0)));
    verdict.row("MiB that it found when it read at last", read as f64 / MEBIBYTE, None);
    verdict.row("MiB more resident at the most", growth / MEBIBYTE, Some(Limit::AtMost(64.0)));
    verdict.conclude(options.check)
}

/// Reads to the end: how the connection ended, if it did, and the bytes before that.
fn rest(slow: &mut Client, crowd: &mut Crowd) -> Outcome<(Option<Heard>, usize)> {
    let mut read = 0;
    loop {
        match slow.hear(&mut crowd.scratch) {
            Ok(Heard::Text(text, _)) => read += text.len(),
            Ok(end) => return Ok((Some(end), read)),
            // Nothing more comes, and it is not closed.
            Err(_) => return Ok((None, read)),
        }
    }
}
