//! Memory of ten thousand calls that wait for a slow upstream at once.

use std::time::Duration;

use tokio::time::sleep;

use crate::Outcome;
use crate::client::Connection;
use crate::process::{Server, Stage};

const CALLS: usize = 10_000;

pub(crate) async fn measure(stage: &Stage) -> Outcome<()> {
    let floor = waiting(&stage.floor).await?;
    let lasso = waiting(&stage.lasso).await?;
    println!(
        "{CALLS} waiting calls: resident memory floor {:.1} MiB, lasso {:.1} MiB, ratio {:.2} (limit 1.3)",
        floor as f64 / f64::from(1 << 20),
        lasso as f64 / f64::from(1 << 20),
        lasso as f64 / floor as f64
    );
    Ok(())
}

async fn waiting(server: &Server) -> Outcome<u64> {
    let mut connections = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let mut connection = Connection::open(server.address, server.path, "debug_traceTransaction").await?;
        connection.send().await?;
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
