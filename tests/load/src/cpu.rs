//! Processor time of a proxied call at 64 connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;

use crate::client::Connection;
use crate::process::{Server, Stage};
use crate::{Outcome, median};

const CONNECTIONS: usize = 64;
const ROUNDS: usize = 7;
const BLOCK: Duration = Duration::from_secs(2);

pub(crate) async fn measure(stage: &Stage) -> Outcome<()> {
    let servers = [&stage.floor, &stage.lasso];
    for server in servers {
        block(server).await?;
    }
    let mut samples: [Vec<f64>; 2] = Default::default();
    let mut rates: [Vec<f64>; 2] = Default::default();
    for _ in 0..ROUNDS {
        for (at, server) in servers.into_iter().enumerate() {
            let (cost, calls) = cost_of_call(server).await?;
            samples[at].push(cost);
            rates[at].push(calls as f64 / BLOCK.as_secs_f64());
        }
    }
    let [floor, lasso] = samples.map(median);
    let [floor_rate, lasso_rate] = rates.map(median);
    println!("calls a second at {CONNECTIONS} connections: floor {floor_rate:.0}, lasso {lasso_rate:.0}");
    println!(
        "processor time a call: floor {floor:.1} us, lasso {lasso:.1} us, ratio {:.2} (limit 1.4)",
        lasso / floor
    );
    Ok(())
}

/// Processor time of one call in a block of calls, in microseconds, and how many calls these were.
pub(crate) async fn cost_of_call(server: &Server) -> Outcome<(f64, usize)> {
    let before = server.processor_time()?;
    let calls = block(server).await?;
    let spent = server.processor_time()? - before;
    Ok((spent.as_secs_f64() * 1e6 / calls as f64, calls))
}

pub(crate) async fn block(server: &Server) -> Outcome<usize> {
    let stop = Arc::new(AtomicBool::new(false));
    let mut connections = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let mut connection = Connection::open(server.address, server.path, "eth_getBalance").await?;
        let stop = stop.clone();
        connections.spawn(async move {
            let mut calls = 0;
            while !stop.load(Ordering::Relaxed) {
                connection.exchange().await?;
                calls += 1;
            }
            Outcome::Ok(calls)
        });
    }
    tokio::time::sleep(BLOCK).await;
    stop.store(true, Ordering::Relaxed);
    let mut calls = 0;
    while let Some(outcome) = connections.join_next().await {
        calls += outcome??;
    }
    Ok(calls)
}
