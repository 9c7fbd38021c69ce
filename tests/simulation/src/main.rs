//! Plays scripted providers against the strategies of the router and prints how they did.
//!
//! ```text
//! cargo run --release -p lasso-simulation
//! cargo run --release -p lasso-simulation -- --script deaths --strategy fastest --parts
//! ```

use clap::Parser;
use lasso_layers::catalog::Strategy;
use lasso_simulation::{Report, Script, scripts};

/// A thousand virtual seconds of traffic over providers that follow a script, judged by an oracle that knows it.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where all random numbers come from: the same seed gives the same output.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// day, steady, shifts, deaths, errors, limits, lag or strangers.
    #[arg(long, default_value = "day", value_parser = script)]
    script: Script,
    /// The only strategy to play; without it all are played.
    #[arg(long, value_parser = strategy)]
    strategy: Option<Strategy>,
    /// Prints the figures between any two changes of the script too.
    #[arg(long)]
    parts: bool,
    /// Prints everything as JSON.
    #[arg(long)]
    json: bool,
}

fn main() {
    let arguments = Arguments::parse();
    let strategies = arguments.strategy.map_or_else(|| Strategy::ALL.to_vec(), |strategy| vec![strategy]);
    let report = Report::new(&arguments.script, arguments.seed, &strategies);
    if arguments.json {
        let text = serde_json::to_string_pretty(&report).expect("a report is plain data");
        println!("{text}");
        return;
    }
    print!("{report}");
    if arguments.parts {
        report.rows.iter().for_each(|row| print!("{}", row.by_part()));
    }
}

fn script(name: &str) -> Result<Script, String> {
    scripts::named(name).ok_or_else(|| {
        let known: Vec<String> =
            scripts::all().iter().map(|script| format!("{} ({})", script.name, script.about)).collect();
        format!("there are {}", known.join(", "))
    })
}

fn strategy(name: &str) -> Result<Strategy, String> {
    Strategy::from_name(name).ok_or_else(|| {
        let known = Strategy::ALL.map(Strategy::as_str);
        format!("there are {}", known.join(", "))
    })
}
