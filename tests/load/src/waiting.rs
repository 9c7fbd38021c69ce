//! Memory of ten thousand calls that wait for a slow upstream at once.

use std::time::Duration;

use tokio::time::sleep;

use crate::Outcome;
use crate::client::Connection;
use crate::process::{Server, Stage};

/// Ten thousand, or as many as the limit on open files allows: a proxy needs two for each call.
const CALLS: usize = 10_000;
/// Open files of a proxy that are not connections, with room to spare.
const OTHER_FILES: usize = 200;

pub(crate) async fn measure(stage: &Stage) -> Outcome<()> {
    let calls = CALLS.min(stage.lasso.open_files()?.saturating_sub(OTHER_FILES) / 2);
    let floor = waiting(&stage.floor, calls).await?;
    let lasso = waiting(&stage.lasso, calls).await?;
    println!(
        "{calls} waiting calls: resident memory floor {:.1} MiB, lasso {:.1} MiB, ratio {:.2} (limit 1.3)",
        floor as f64 / f64::from(1 << 20),
        lasso as f64 / f64::from(1 << 20),
        lasso as f64 / floor as f64
    );
    Ok(())
}

async fn waiting(server: &Server, calls: usize) -> Outcome<u64> {
    let mut connections = Vec::with_capacity(calls);
    for opened in 0..calls {
        let mut connection = Connection::open(server.address, server.path, "debug_traceTransaction").await?;
        connection.send().await.map_err(|error| format!("{} after {opened} calls: {error}", server.name))?;
        connections.push(connection);
    }
    // All calls have reached the upstream when the memory stops growing.
    let mut last = 0;
    loop {
        sleep(Duration::from_millis(500)).await;
        let now = server.resident()?;
        if now <= last {
            return Ok(now);
        }
        last = now;
    }
}
