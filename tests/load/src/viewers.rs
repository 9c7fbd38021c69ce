//! What it costs to be watched: processor time of Lasso with and without viewers of its live page, under the same
//! moderate traffic, alternating.
//!
//! ```text
//! cargo build --release && cargo run --release -p lasso-load -- viewers
//! ```
//!
//! The simulated nodes, the clients and the viewers live in the measuring process. A viewer reads what it is sent and
//! does nothing with it, so that it never holds the server up.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::Args;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::client::Connection;
use crate::process::Server;
use crate::sockets::scene::{Scene, Setting};
use crate::sockets::verdict::{Limit, Verdict};
use crate::{Outcome, median};

const BLOCK_TIME: Duration = Duration::from_secs(2);
/// Connections that the calls are spread over.
const CONNECTIONS: u32 = 4;
/// After a change, before anything is measured.
const SETTLE: Duration = Duration::from_secs(1);

#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Viewers at once.
    #[arg(long, default_value_t = 200)]
    viewers: usize,
    /// Calls a second.
    #[arg(long, default_value_t = 200)]
    calls: u32,
    /// How often each of the two is measured.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long it is measured, in seconds.
    #[arg(long, default_value_t = 6.0)]
    seconds: f64,
    /// Fails when a limit is missed.
    #[arg(long)]
    check: bool,
}

/// What all viewers were sent.
#[derive(Debug, Default)]
struct Received {
    bytes: AtomicU64,
    batches: AtomicU64,
}

pub(crate) async fn measure(options: &Options) -> Outcome<()> {
    let setting = Setting { nodes: 3, block_time: BLOCK_TIME, ..Setting::default() };
    let scene = Scene::start(&setting).await?;
    let chain = scene.chain.clone();
    let mut traffic = JoinSet::new();
    traffic.spawn(async move {
        chain.run(BLOCK_TIME).await;
        Ok(())
    });
    for _ in 0..CONNECTIONS {
        let connection = Connection::open(scene.lasso.address, "/rpc/ethereum", "eth_getBalance").await?;
        traffic.spawn(call(connection, Duration::from_secs(1) * CONNECTIONS / options.calls));
    }
    let time = Duration::from_secs_f64(options.seconds);
    let (mut alone, mut watched, mut batches, mut kibibytes) = (vec![], vec![], vec![], vec![]);
    for _ in 0..options.rounds {
        alone.push(load(&scene.lasso, time).await?);
        let received = Arc::<Received>::default();
        let mut viewers = JoinSet::new();
        for _ in 0..options.viewers {
            let stream = open(scene.lasso.address).await?;
            viewers.spawn(watch(stream, received.clone()));
        }
        sleep(SETTLE).await;
        let read = |figure: &AtomicU64| figure.load(Ordering::Relaxed) as f64;
        let before = (read(&received.batches), read(&received.bytes));
        watched.push(load(&scene.lasso, time).await?);
        let each = options.viewers as f64 * options.seconds;
        batches.push((read(&received.batches) - before.0) / each);
        kibibytes.push((read(&received.bytes) - before.1) / each / 1024.0);
        if let Some(ended) = viewers.try_join_next() {
            return Err(format!("a viewer was let go: {ended:?}").into());
        }
        viewers.shutdown().await;
        sleep(SETTLE).await;
    }
    if let Some(ended) = traffic.try_join_next() {
        ended??;
        return Err("the traffic ended".into());
    }
    let [alone, watched] = [alone, watched].map(median);
    let mut verdict = Verdict::new(format!(
        "{} viewers while there are {} calls a second, in percent of one core",
        options.viewers, options.calls
    ));
    verdict.row("without viewers", alone, None);
    verdict.row("with viewers", watched, None);
    verdict.row("the viewers", watched - alone, Some(Limit::AtMost(5.0)));
    verdict.row("batches a second and viewer", median(batches), None);
    verdict.row("KiB a second and viewer", median(kibibytes), None);
    verdict.conclude(options.check)
}

/// How busy the server is, in percent of one core.
async fn load(server: &Server, time: Duration) -> Outcome<f64> {
    let before = server.processor_time()?;
    sleep(time).await;
    let spent = server.processor_time()? - before;
    Ok(spent.as_secs_f64() / time.as_secs_f64() * 100.0)
}

/// Makes a call at every beat.
async fn call(mut connection: Connection, beat: Duration) -> Outcome<()> {
    let mut beats = interval(beat);
    beats.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        beats.tick().await;
        connection.exchange().await?;
    }
}

async fn open(server: SocketAddr) -> Outcome<TcpStream> {
    let mut stream = TcpStream::connect(server).await?;
    stream.write_all(format!("GET /api/live HTTP/1.1\r\nhost: {server}\r\n\r\n").as_bytes()).await?;
    Ok(stream)
}

/// Reads until the server ends it.
async fn watch(mut stream: TcpStream, received: Arc<Received>) -> Outcome<()> {
    let mut room = vec![0; 64 * 1024];
    loop {
        let read = stream.read(&mut room).await?;
        if read == 0 {
            return Err("the server closed the connection".into());
        }
        received.bytes.fetch_add(read as u64, Ordering::Relaxed);
        // A name that is torn by two reads is not counted.
        let batches = memchr::memmem::find_iter(&room[..read], b"event: batch").count();
        received.batches.fetch_add(batches as u64, Ordering::Relaxed);
    }
}
