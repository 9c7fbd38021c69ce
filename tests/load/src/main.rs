//! Measures Lasso against a bare reverse proxy, in one run and alternating.
//!
//! ```text
//! cargo build --release && cargo run --release -p lasso-load
//! ```
//!
//! The program starts three more processes on loopback: an upstream that answers at once, the floor (a reverse
//! proxy of hyper's server and client and nothing else) and `lasso`. It prints every figure as a ratio to the
//! floor's. The machine may be busy with other things: only the ratios mean anything.

mod client;
mod cpu;
mod floor;
mod large;
mod latency;
mod process;
mod upstream;
mod waiting;

use std::env;
use std::error::Error;

use crate::process::Stage;

/// Any error ends the measurement.
type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let threads = if words.first() == Some(&"floor") { 2 } else { 1 };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
    match words[..] {
        ["upstream", address] => runtime.block_on(upstream::serve(address)),
        ["floor", address, upstream] => runtime.block_on(floor::serve(address, upstream)),
        [] => runtime.block_on(all(&["latency", "cpu", "large", "waiting"])),
        [..] if words.iter().all(|word| ["latency", "cpu", "large", "waiting"].contains(word)) => {
            runtime.block_on(all(&words))
        }
        _ => Err("usage: lasso-load [latency] [cpu] [large] [waiting]".into()),
    }
}

async fn all(parts: &[&str]) -> Outcome<()> {
    let stage = Stage::start().await?;
    for part in parts {
        match *part {
            "latency" => latency::measure(&stage).await?,
            "cpu" => cpu::measure(&stage).await?,
            "large" => large::measure(&stage).await?,
            _ => waiting::measure(&stage).await?,
        }
    }
    Ok(())
}

/// The value in the middle.
fn median<T: PartialOrd + Copy>(mut values: Vec<T>) -> T {
    values.sort_by(|left, right| left.partial_cmp(right).expect("measured values can be compared"));
    values[values.len() / 2]
}
