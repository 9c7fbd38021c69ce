//! Clients that come and go while blocks are mined: the server's memory has to stay flat.
//!
//! A steady number of clients is connected. Each subscribes, makes calls, and is replaced after a while; it leaves
//! in one of several ways, of which not all are polite.
//!
//! The allocator takes some minutes to have what it needs: of ten minutes, the second half still shows a little of that,
//! of twenty nothing.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;

use super::client::{Client, Scratch};
use super::crowd::source;
use super::files;
use super::scene::{Scene, Setting};
use super::spread::slope;
use super::verdict::{Limit, Verdict};
use crate::Outcome;
use crate::process::Server;

const HEADS: &str = r#"{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}"#;
const LOGS: &str = r#"{"jsonrpc":"2.0","id":2,"method":"eth_subscribe","params":["logs",{}]}"#;
const CALL: &str = r#"{"jsonrpc":"2.0","id":3,"method":"eth_getBalance","params":["0x407d73d8a49eeb85d32cf465507dd71d507100c1","latest"]}"#;
const BLOCK_TIME: Duration = Duration::from_millis(250);
/// Threads that replace clients.
const THREADS: usize = 2;
/// The least time between two replacements by one thread.
const PACE: Duration = Duration::from_millis(10);
const KIBIBYTE: f64 = 1024.0;

#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// How long it lasts.
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// Clients that are connected at any time.
    #[arg(long, default_value_t = 500)]
    clients: usize,
    /// Fails when a limit is missed.
    #[arg(long)]
    check: bool,
}

/// How a client leaves.
#[derive(Clone, Copy, Debug)]
enum Leave {
    /// With a close frame, after reading all there was.
    Politely,
    /// With a FIN.
    Silently,
    /// With a RST, as a process that is killed with unread data.
    Rudely,
    /// Before its call and another subscription are answered.
    Hastily,
}

pub(crate) async fn measure(options: &Options) -> Outcome<()> {
    files::allow(options.clients, options.clients)?;
    let setting = Setting { logs_per_block: 4, block_time: BLOCK_TIME, ..Setting::default() };
    let scene = Scene::start(&setting).await?;
    let mining = tokio::spawn({
        let chain = scene.chain.clone();
        async move { chain.run(BLOCK_TIME).await }
    });
    let (stop, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    let samples = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| scope.spawn(|| replace(&scene.lasso, options.clients / THREADS, &stop, &served)))
            .collect();
        let samples = watch(&scene.lasso, Duration::from_secs_f64(options.minutes * 60.0));
        stop.store(true, Ordering::Relaxed);
        for thread in threads {
            thread.join().map_err(|_| "a thread of clients panicked")??;
        }
        samples
    })?;
    mining.abort();

    let half = &samples[samples.len() / 2..];
    let kibibytes = |sample: Option<&(f64, f64)>| sample.map_or(f64::NAN, |sample| sample.1);
    let mut verdict = Verdict::new(format!(
        "{} clients came and went in {} minutes, {} at a time",
        served.load(Ordering::Relaxed),
        options.minutes,
        options.clients
    ));
    verdict.row("KiB resident at the start", kibibytes(samples.first()), None);
    verdict.row("KiB after a quarter", kibibytes(samples.get(samples.len() / 4)), None);
    verdict.row("KiB at half time", kibibytes(half.first()), None);
    verdict.row("KiB at the end", kibibytes(half.last()), None);
    verdict.row("KiB a minute in the second half", slope(half), Some(Limit::AtMost(256.0)));
    verdict.conclude(options.check)
}

/// The minute and the resident KiB of every second.
fn watch(lasso: &Server, time: Duration) -> Outcome<Vec<(f64, f64)>> {
    let start = Instant::now();
    let mut samples = Vec::new();
    while start.elapsed() < time {
        thread::sleep(Duration::from_secs(1));
        samples.push((start.elapsed().as_secs_f64() / 60.0, lasso.resident()? as f64 / KIBIBYTE));
    }
    Ok(samples)
}

/// Keeps so many clients connected and replaces the oldest one all the time.
fn replace(lasso: &Server, clients: usize, stop: &AtomicBool, served: &AtomicUsize) -> Outcome<()> {
    let mut connected = VecDeque::new();
    let mut scratch = Scratch::new();
    while !stop.load(Ordering::Relaxed) {
        let ordinal = served.fetch_add(1, Ordering::Relaxed);
        connected.push_back(enter(lasso, ordinal, &mut scratch)?);
        if connected.len() > clients {
            let client = connected.pop_front().expect("there are more clients than none");
            let ways = [Leave::Politely, Leave::Silently, Leave::Rudely, Leave::Hastily];
            leave(client, ways[ordinal % ways.len()], &mut scratch)?;
        }
        thread::sleep(PACE);
    }
    Ok(())
}

fn enter(lasso: &Server, ordinal: usize, scratch: &mut Scratch) -> Outcome<Client> {
    let mut client = Client::open(lasso.address, source(ordinal % 20_000), lasso.path)?;
    client.ask(scratch, HEADS)?;
    if ordinal.is_multiple_of(3) {
        client.ask(scratch, LOGS)?;
    }
    client.ask(scratch, CALL)?;
    Ok(client)
}

fn leave(mut client: Client, way: Leave, scratch: &mut Scratch) -> Outcome<()> {
    match way {
        Leave::Politely => {
            client.ask(scratch, CALL)?;
            client.close()?;
            client.until_end(scratch)
        }
        Leave::Silently => Ok(()),
        Leave::Rudely => client.rude(),
        Leave::Hastily => {
            client.send(CALL)?;
            client.send(LOGS)
        }
    }
}
