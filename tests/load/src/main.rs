//! Measures Lasso: calls against a bare reverse proxy, subscriptions against bare writes to sockets, in one run and
//! alternating.
//!
//! ```text
//! cargo build --release && cargo run --release -p lasso-load
//! ```
//!
//! Without a subcommand the program starts three more processes on loopback: an upstream that answers at once, the
//! floor (a reverse proxy of hyper's server and client and nothing else) and `lasso`. It prints every figure as a
//! ratio to the floor's. The machine may be busy with other things: only the ratios mean anything.
//!
//! The subcommands measure WebSockets, see [`sockets`], and the live page, see [`viewers`].

mod client;
mod cpu;
mod floor;
mod large;
mod latency;
mod observed;
mod process;
#[cfg(target_os = "linux")]
mod sockets;
mod upstream;
#[cfg(target_os = "linux")]
mod viewers;
mod waiting;

use std::error::Error;
use std::net::SocketAddr;

use clap::{Parser, Subcommand, ValueEnum};

use crate::process::Stage;

/// Any error ends the measurement.
type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Measures Lasso on this machine.
#[derive(Debug, Parser)]
struct Arguments {
    /// What to measure of calls over HTTP; all of it when nothing is named.
    parts: Vec<Part>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Part {
    Latency,
    Cpu,
    Large,
    Waiting,
    Observed,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Many clients of one newHeads stream.
    #[cfg(target_os = "linux")]
    Subscribers(sockets::subscribers::Options),
    /// Many different log filters on one chain.
    #[cfg(target_os = "linux")]
    Filters(sockets::filters::Options),
    /// Streams that lose their provider.
    #[cfg(target_os = "linux")]
    Failover(sockets::failover::Options),
    /// Clients that come and go.
    #[cfg(target_os = "linux")]
    Churn(sockets::churn::Options),
    /// One client that does not read among many that do.
    #[cfg(target_os = "linux")]
    SlowReader(sockets::slow_reader::Options),
    /// Viewers of the live page.
    #[cfg(target_os = "linux")]
    Viewers(viewers::Options),
    /// An upstream that answers at once.
    #[command(hide = true)]
    Upstream { address: SocketAddr },
    /// A bare reverse proxy.
    #[command(hide = true)]
    Floor { address: SocketAddr, upstream: SocketAddr },
    /// A server that writes to all its sockets.
    #[cfg(target_os = "linux")]
    #[command(hide = true)]
    SocketFloor { address: SocketAddr },
}

fn main() -> Outcome<()> {
    let arguments = Arguments::parse();
    let threads = if matches!(arguments.command, Some(Command::Floor { .. })) { 2 } else { 1 };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
    runtime.block_on(async {
        match arguments.command {
            None => all(&arguments.parts).await,
            #[cfg(target_os = "linux")]
            Some(Command::Subscribers(options)) => sockets::subscribers::measure(&options).await,
            #[cfg(target_os = "linux")]
            Some(Command::Filters(options)) => sockets::filters::measure(&options).await,
            #[cfg(target_os = "linux")]
            Some(Command::Failover(options)) => sockets::failover::measure(&options).await,
            #[cfg(target_os = "linux")]
            Some(Command::Churn(options)) => sockets::churn::measure(&options).await,
            #[cfg(target_os = "linux")]
            Some(Command::SlowReader(options)) => sockets::slow_reader::measure(&options).await,
            #[cfg(target_os = "linux")]
            Some(Command::Viewers(options)) => viewers::measure(&options).await,
            Some(Command::Upstream { address }) => upstream::serve(address).await,
            Some(Command::Floor { address, upstream }) => floor::serve(address, upstream).await,
            #[cfg(target_os = "linux")]
            Some(Command::SocketFloor { address }) => sockets::floor::serve(address),
        }
    })
}

async fn all(parts: &[Part]) -> Outcome<()> {
    let parts = if parts.is_empty() { Part::value_variants() } else { parts };
    let stage = Stage::start().await?;
    for part in parts {
        match part {
            Part::Latency => latency::measure(&stage).await?,
            Part::Cpu => cpu::measure(&stage).await?,
            Part::Large => large::measure(&stage).await?,
            Part::Waiting => waiting::measure(&stage).await?,
            Part::Observed => observed::measure(&stage).await?,
        }
    }
    Ok(())
}

/// The value in the middle.
fn median<T: PartialOrd + Copy>(mut values: Vec<T>) -> T {
    values.sort_by(|left, right| left.partial_cmp(right).expect("measured values can be compared"));
    values[values.len() / 2]
}
