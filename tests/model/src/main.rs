//! Plays random histories against the coordinator of streams.
//!
//! ```text
//! cargo run --release -p lasso-model                      a hundred thousand of them
//! cargo run --release -p lasso-model -- --replay 4711     one of them, aloud
//! ```

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use clap::Parser;
use lasso_model::player::coordinator;
use lasso_model::scenario::Scenario;
use lasso_model::tally::Tally;
use lasso_model::world::{Played, play};
use lasso_model::{Violation, draw, shrink};

/// Random chains with faulty providers against the real coordinator of streams, in virtual time.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many histories.
    #[arg(long, default_value_t = 100_000)]
    histories: u64,
    /// The first one's seed; the others follow.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Plays the history of this seed alone and prints all that is told and said.
    #[arg(long)]
    replay: Option<u64>,
    /// With --replay: leaves out what the failure does not need before it is printed.
    #[arg(long, requires = "replay")]
    shrink: bool,
}

/// Fewer undisturbed ends than this many in a hundred, and a machine that always gives up could pass.
const KEPT: u64 = 90;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.replay {
        Some(seed) => replay(seed, arguments.shrink),
        None => all(&arguments),
    }
}

fn replay(seed: u64, shrunk: bool) -> ExitCode {
    let mut scenario = draw::scenario(seed);
    if shrunk {
        scenario = shrink::shrink(scenario, |scenario| played(scenario, false).violation);
    }
    match played(&scenario, true).violation {
        Some(violation) => {
            println!("\nbroken: {violation}");
            ExitCode::FAILURE
        }
        None => {
            println!("\nall promises were kept");
            ExitCode::SUCCESS
        }
    }
}

fn all(arguments: &Arguments) -> ExitCode {
    let begin = Instant::now();
    let next = AtomicU64::new(0);
    let results = Mutex::new((Tally::default(), BTreeMap::<u64, Violation>::new()));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                let (mut tally, mut broken) = (Tally::default(), BTreeMap::new());
                loop {
                    let nth = next.fetch_add(1, Ordering::Relaxed);
                    if nth >= arguments.histories {
                        break;
                    }
                    let seed = arguments.first + nth;
                    let played = played(&draw::scenario(seed), false);
                    tally += played.tally;
                    broken.extend(played.violation.map(|violation| (seed, violation)));
                }
                let mut results = results.lock().expect("no thread panics");
                results.0 += tally;
                results.1.append(&mut broken);
            });
        }
    });
    let (tally, broken) = results.into_inner().expect("no thread panics");
    let took = begin.elapsed().as_secs_f64();
    println!("{} histories in {took:.1} s", tally.histories);
    println!("{tally}");
    let disturbed = tally.ends() + tally.refused;
    let kept = 100.0 * (tally.histories - disturbed) as f64 / tally.histories.max(1) as f64;
    println!("{kept:.2} % went on to the end; {} of them with a gap that was said", tally.gaps);
    report(&broken);
    if disturbed * 100 > tally.histories * (100 - KEPT) {
        println!("FAILED: fewer than {KEPT} % of the streams were kept");
        return ExitCode::FAILURE;
    }
    if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A few examples of each promise that was broken, with the way to see them again.
fn report(broken: &BTreeMap<u64, Violation>) {
    let mut rules: BTreeMap<&str, Vec<(u64, &Violation)>> = BTreeMap::new();
    for (&seed, violation) in broken {
        rules.entry(violation.rule).or_default().push((seed, violation));
    }
    if let Some(first) = broken.keys().next() {
        println!("{} histories broke a promise, the first of them has the seed {first}", broken.len());
    }
    for (rule, seeds) in &rules {
        println!("\nFAILED: {rule}: {} histories", seeds.len());
        for (seed, violation) in seeds.iter().take(3) {
            println!("  {}", violation.text);
            println!("    cargo run --release -p lasso-model -- --replay {seed}");
        }
    }
}

fn played(scenario: &Scenario, aloud: bool) -> Played {
    play(scenario, aloud, coordinator)
}
