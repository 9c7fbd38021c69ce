//! Added median latency of a call on one kept-alive connection.

use std::time::Duration;

use tokio::time::Instant;

use crate::client::Connection;
use crate::process::{Server, Stage};
use crate::{Outcome, median};

const ROUNDS: usize = 40;
const CALLS: usize = 250;

pub(crate) async fn measure(stage: &Stage) -> Outcome<()> {
    let servers = [&stage.upstream, &stage.floor, &stage.lasso];
    let mut connections = Vec::new();
    for server in servers {
        let mut connection = open(server).await?;
        block(&mut connection).await?;
        connections.push(connection);
    }
    let mut samples: [Vec<Duration>; 3] = Default::default();
    for _ in 0..ROUNDS {
        for (connection, samples) in connections.iter_mut().zip(&mut samples) {
            samples.extend(block(connection).await?);
        }
    }
    let [direct, floor, lasso] = samples.map(median);
    println!(
        "latency, median of {} calls: direct {direct:?}, floor {floor:?}, lasso {lasso:?}",
        ROUNDS * CALLS
    );
    let added = |through: Duration| through.saturating_sub(direct).as_secs_f64();
    println!(
        "added latency: floor {:.1} us, lasso {:.1} us, ratio {:.2} (limit 1.5)",
        added(floor) * 1e6,
        added(lasso) * 1e6,
        added(lasso) / added(floor)
    );
    Ok(())
}

async fn open(server: &Server) -> Outcome<Connection> {
    Connection::open(server.address, server.path, "eth_getBalance").await
}

async fn block(connection: &mut Connection) -> Outcome<Vec<Duration>> {
    let mut samples = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let start = Instant::now();
        connection.exchange().await?;
        samples.push(start.elapsed());
    }
    Ok(samples)
}
