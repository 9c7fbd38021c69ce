//! One run of the router through a script.

use std::time::Duration;

use lasso_layers::call::{Call, Route};
use lasso_layers::catalog::{ChainSpec, Live, ProfileSpec, ProviderSpec, Strategy};
use lasso_layers::state::Entropy;
use lasso_layers::wire::Request;
use lasso_rpc::config::Settings;
use lasso_rpc::router::Router;
use lasso_rpc::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tower::ServiceExt;

use crate::log::{Ended, Entry, Log, Notes};
use crate::script::Script;
use crate::traffic::{Arrival, arrivals};
use crate::upstream::{BLOCK_TIME, CHAIN_ID, Number, Upstream};

const CHAIN: &str = "ethereum";

/// Lets a strategy serve the calls of a seed through a script, with every setting at its default.
///
/// The stores of a router are kept for the life of the process: this is not for thousands of runs.
///
/// # Panics
///
/// If the script is no valid configuration, such as one with two providers of one name.
#[must_use]
pub fn play(script: &Script, seed: u64, strategy: Strategy) -> Log {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime without sockets needs nothing from the system");
    runtime.block_on(run(script, seed, strategy))
}

async fn run(script: &Script, seed: u64, strategy: Strategy) -> Log {
    let notes = Notes::default();
    let settings = Settings::default();
    // A stream of random numbers of its own: what the router draws must not change what clients ask.
    let entropy = Entropy::seeded(seed ^ 0x5eed);
    let stores = Runtime::with_entropy(live(script), &settings, entropy);
    let start = Instant::now();
    watch_breakers(&stores, script, start, notes.clone());
    let upstream = Upstream::new(script.clone(), seed, notes.clone());
    let router = Router::with_upstream(stores, &settings, upstream);
    let mut background = JoinSet::new();
    background.spawn(router.background());

    let arrivals = arrivals(seed, script.rate, script.length());
    let mut ended = vec![Ended::default(); arrivals.len()];
    let mut calls = JoinSet::new();
    for (number, arrival) in (0..).zip(&arrivals) {
        sleep_until(start + Duration::from_millis(arrival.at)).await;
        let answer = router.service().oneshot(call(number, *arrival, strategy));
        calls.spawn(async move {
            let received = Instant::now();
            let failure = answer.await.err().map(|failure| failure.to_string());
            let took = received.elapsed().as_millis() as u64;
            (number, Ended { took, failure })
        });
        while let Some(over) = calls.try_join_next() {
            let (number, end) = over.expect("no call panics");
            ended[number as usize] = end;
        }
    }
    while let Some(over) = calls.join_next().await {
        let (number, end) = over.expect("no call panics");
        ended[number as usize] = end;
    }
    Log { entries: notes.take(), ended }
}

fn live(script: &Script) -> Live {
    let mut chain = ChainSpec::new(CHAIN, CHAIN_ID);
    chain.block_time = Some(Duration::from_millis(BLOCK_TIME));
    chain.settings.max_lag_blocks = script.max_lag_blocks;
    let providers = (1..).zip(&script.actors).map(|(priority, actor)| {
        ProviderSpec::http(actor.id, format!("http://{}.example", actor.id)).priority(priority)
    });
    chain.providers = providers.collect();
    Live::new(vec![ProfileSpec::new("default").chain(chain)]).expect("the script is a valid configuration")
}

fn call(number: u64, arrival: Arrival, strategy: Strategy) -> Call {
    let route = Route { strategy: Some(strategy), ..Route::to_chain(CHAIN) };
    let request = Request::new(&number.to_string(), arrival.method.name(), arrival.method.params());
    let mut call = Call::new(route, request.expect("id and parameters are JSON"), Instant::now());
    call.extensions.insert(Number(number));
    call
}

fn watch_breakers(stores: &Runtime, script: &Script, start: Instant, notes: Notes) {
    let ids: Vec<&'static str> = script.actors.iter().map(|actor| actor.id).collect();
    stores.breakers.observe(move |channel, transition| {
        let actor = ids.iter().position(|id| **id == *channel.known_as);
        let actor = actor.expect("the catalogue is made of the script");
        let at = start.elapsed().as_millis() as u64;
        notes.add(Entry::Moved { actor, at, to: transition.to });
    });
}
