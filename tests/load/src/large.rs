//! A 256 MiB reply: time to the first byte, and memory while it passes.

use std::time::Duration;

use tokio::time::Instant;

use crate::client::Connection;
use crate::process::{Server, Stage};
use crate::upstream::LARGE;
use crate::{Outcome, median};

const ROUNDS: usize = 5;

pub(crate) async fn measure(stage: &Stage) -> Outcome<()> {
    pass(&stage.lasso).await?;
    let resident = stage.lasso.resident()?;
    stage.lasso.forget_peak()?;
    let mut samples: [Vec<Duration>; 2] = Default::default();
    for _ in 0..ROUNDS {
        for (at, server) in [&stage.upstream, &stage.lasso].into_iter().enumerate() {
            samples[at].push(pass(server).await?);
        }
    }
    let [direct, lasso] = samples.map(median);
    let growth = stage.lasso.peak()?.saturating_sub(resident);
    println!(
        "256 MiB reply: first byte direct {direct:?}, lasso {lasso:?} (limit 5 ms later); resident memory grew by {:.1} MiB (limit 16)",
        growth as f64 / f64::from(1 << 20)
    );
    Ok(())
}

/// Reads the whole reply; answers the time to its first byte.
async fn pass(server: &Server) -> Outcome<Duration> {
    let mut connection = Connection::open(server.address, server.path, "eth_getLogs").await?;
    let start = Instant::now();
    connection.send().await?;
    let mut read = connection.first_bytes().await?;
    let first = start.elapsed();
    while read < LARGE {
        read += connection.first_bytes().await?;
    }
    Ok(first)
}
