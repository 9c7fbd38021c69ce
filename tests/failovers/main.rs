//! A thousand forced failovers, and every subscriber still has every block and every log once and in order.
//!
//! Three simulated nodes serve one chain that grows fast and is reorganised now and then. Again and again the node
//! that serves the streams fails in one of many ways; what clients see over real sockets is held against the chain.
//!
//! `LASSO_FAILOVERS` says how many, `LASSO_FAILOVERS_SEED` repeats the draws of a run that printed it. (What the
//! draws meet depends on time, so that a run is not repeated to the last detail.)

mod client;
mod ledger;
mod oracle;
mod strike;
mod world;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use lasso_rpc::sim::{TOKEN_A, TRANSFER_TOPIC};
use serde_json::json;

use self::client::Client;
use self::strike::Strike;
use self::world::World;

/// How long the streams may take to go on after a strike. Far more than it takes; it only ends a hopeless wait.
const LIMIT: Duration = Duration::from_secs(60);

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousand_failovers() {
    let failovers = number("LASSO_FAILOVERS").unwrap_or(1_000);
    let seed = number("LASSO_FAILOVERS_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("seed {seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let world = World::start().await;

    // The chain stands still until all have subscribed, so that the first block each is owed is known.
    let third_account = format!("{:#066x}", 2 << 8 | 1);
    let mut clients = [
        Client::connect(&world, &[json!(["newHeads"]), json!(["logs", {}])]).await,
        Client::connect(&world, &[json!(["newHeads"]), json!(["newHeads"])]).await,
        Client::connect(&world, &[json!(["logs", { "address": TOKEN_A }])]).await,
        Client::connect(&world, &[json!(["logs", { "topics": [TRANSFER_TOPIC, third_account] }])]).await,
    ];
    let miner = world.mine(rng.fork());

    let begin = Instant::now();
    let mut took = BTreeMap::<&str, Vec<Duration>>::new();
    for turn in 1..=failovers {
        let victim = world.serving(&mut rng).await;
        let strike = Strike::draw(&mut rng);
        let (height, struck) = (world.ledger.height(), Instant::now());
        strike.hit(victim).await;
        for client in &mut clients {
            if let Err(trouble) = client.past(height, LIMIT).await {
                panic!("failover {turn}, {strike:?} of {}, seed {seed}: {trouble}", victim.name());
            }
        }
        took.entry(strike.name()).or_default().push(struck.elapsed());
        strike.heal(victim).await;
    }
    let (blocks, reorgs) = miner.stop().await;
    let mut events = 0;
    for client in clients {
        events +=
            client.finish(LIMIT).await.unwrap_or_else(|trouble| panic!("in the end, seed {seed}: {trouble}"));
    }
    println!(
        "{failovers} failovers in {:.1?}, no gap and no duplicate in {events} events: {blocks} blocks, {reorgs} reorgs",
        begin.elapsed(),
    );
    for (name, mut took) in took {
        took.sort_unstable();
        let (median, most, longest) = (took[took.len() / 2], took[took.len() * 9 / 10], took[took.len() - 1]);
        println!(
            "{name:17} {:4}; until all went on: median {median:.0?}, 9 in 10 {most:.0?}, longest {longest:.0?}",
            took.len()
        );
    }
}
