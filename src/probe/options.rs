//! What the command line asks for.
//!
//! An option that does not exist is wrong usage, as everywhere. A value that cannot be used is not: it is warned of and
//! the default takes its place, so that a probe that was started by a script still says something.

use std::fmt;
use std::time::Duration;

use clap::Args;
use lasso_layers::catalog::redact;
use serde::Serialize;

use super::catalogue::Level;
use super::chain::Chain;

/// The arguments of `lasso probe` as they were written.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The endpoint: http, https, ws or wss. The address of the other transport is derived from it.
    pub(super) url: Option<Address>,
    /// The WebSocket address, where it is not the one that is derived.
    #[arg(long, value_name = "URL")]
    pub(super) ws: Option<Address>,
    /// What is probed, a comma list of methods, limits and websocket [default: all]
    #[arg(long, short, value_name = "LIST", allow_negative_numbers = true)]
    probes: Option<String>,
    /// Which methods are asked: critical (or minimal), standard, full (or comprehensive) [default: standard]
    #[arg(long, short, value_name = "LEVEL", allow_negative_numbers = true)]
    level: Option<String>,
    /// How long an answer may take [default: 10000]
    #[arg(long, short, value_name = "MS", allow_negative_numbers = true)]
    timeout: Option<String>,
    /// table or json [default: table]
    #[arg(long, short, value_name = "FORMAT", allow_negative_numbers = true)]
    output: Option<String>,
    /// The chain whose old blocks are asked for [default: ethereum]
    #[arg(long, short, value_name = "CHAIN", allow_negative_numbers = true)]
    chain: Option<String>,
    /// How many methods are asked at a time [default: 5]
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    concurrent: Option<String>,
    /// How long to wait for the first events of subscriptions [default: 15000]
    #[arg(long, value_name = "MS", allow_negative_numbers = true)]
    subscription_wait: Option<String>,
}

/// An address with whatever keys it has, which `Debug` does not show.
#[derive(Clone)]
pub(super) struct Address(pub(super) String);

/// What is to be done. Plain data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) probes: Probes,
    pub(super) level: Level,
    /// For each request.
    pub(super) timeout: Duration,
    pub(super) output: Output,
    pub(super) chain: Chain,
    /// Methods that are asked at a time.
    pub(super) concurrent: usize,
    /// For the first events of subscriptions.
    pub(super) subscription_wait: Duration,
}

/// The probes that run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Probes {
    pub(super) methods: bool,
    pub(super) limits: bool,
    pub(super) websocket: bool,
}

/// How the report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    Table,
    Json,
}

impl From<String> for Address {
    fn from(address: String) -> Self {
        Self(address)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redact::url(&self.0))
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            probes: Probes::ALL,
            level: Level::Standard,
            timeout: Duration::from_millis(10_000),
            output: Output::Table,
            chain: Chain::ETHEREUM,
            concurrent: 5,
            subscription_wait: Duration::from_millis(15_000),
        }
    }
}

impl Probes {
    pub(super) const ALL: Self = Self { methods: true, limits: true, websocket: true };
    const NONE: Self = Self { methods: false, limits: false, websocket: false };

    /// A comma list; `all` is every one of them.
    fn read(list: &str) -> Option<Self> {
        let mut probes = Self::NONE;
        for name in list.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            match name {
                "methods" => probes.methods = true,
                "limits" => probes.limits = true,
                "websocket" => probes.websocket = true,
                "all" => probes = Self::ALL,
                _ => return None,
            }
        }
        (probes != Self::NONE).then_some(probes)
    }
}

impl Output {
    fn read(name: &str) -> Option<Self> {
        match name {
            "table" => Some(Self::Table),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

impl Options {
    /// What the arguments ask for, and a warning for each value that the default stands in for.
    pub(super) fn read(arguments: &Arguments) -> (Self, Vec<String>) {
        let default = Self::default();
        let mut values = Values { warnings: Vec::new() };
        let options = Self {
            probes: values.take(
                "probes",
                arguments.probes.as_deref(),
                Probes::read,
                default.probes,
                "a comma list of methods, limits and websocket; everything is probed",
            ),
            level: values.take(
                "level",
                arguments.level.as_deref(),
                Level::read,
                default.level,
                "critical, standard or full; standard is used",
            ),
            timeout: values.take(
                "timeout",
                arguments.timeout.as_deref(),
                millis,
                default.timeout,
                "a number of milliseconds above 0; 10000 is used",
            ),
            output: values.take(
                "output",
                arguments.output.as_deref(),
                Output::read,
                default.output,
                "table or json; table is used",
            ),
            chain: values.take(
                "chain",
                arguments.chain.as_deref(),
                Chain::read,
                default.chain,
                &format!("one of {}; ethereum is used", Chain::names()),
            ),
            concurrent: values.take(
                "concurrent",
                arguments.concurrent.as_deref(),
                |text| text.parse().ok().filter(|number| (1..=MAX_CONCURRENT).contains(number)),
                default.concurrent,
                &format!("a number from 1 to {MAX_CONCURRENT}; 5 is used"),
            ),
            subscription_wait: values.take(
                "subscription-wait",
                arguments.subscription_wait.as_deref(),
                millis,
                default.subscription_wait,
                "a number of milliseconds above 0; 15000 is used",
            ),
        };
        (options, values.warnings)
    }
}

/// More methods than this at a time would measure rate limits and no methods.
const MAX_CONCURRENT: usize = 1000;

/// Longer than anybody waits; what is behind it can be added to any moment without overflow.
const MAX_MILLIS: u64 = 24 * 60 * 60 * 1000;

fn millis(text: &str) -> Option<Duration> {
    let millis = text.parse().ok().filter(|millis| (1..=MAX_MILLIS).contains(millis));
    millis.map(Duration::from_millis)
}

/// Reads values one by one and collects what is wrong with them.
struct Values {
    warnings: Vec<String>,
}

impl Values {
    fn take<T>(
        &mut self,
        option: &str,
        text: Option<&str>,
        read: impl FnOnce(&str) -> Option<T>,
        default: T,
        allowed: &str,
    ) -> T {
        let Some(text) = text else { return default };
        read(text.trim()).unwrap_or_else(|| {
            self.warnings.push(format!("`--{option} {}`: allowed is {allowed}", redact::text(text)));
            default
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn read(line: &str) -> (Options, Vec<String>) {
        let words = ["probe", "http://h"].into_iter().chain(line.split_whitespace());
        Options::read(&Line::try_parse_from(words).map_err(|error| error.to_string()).unwrap().arguments)
    }

    fn probes(list: &str) -> Probes {
        Probes { methods: list.contains('m'), limits: list.contains('l'), websocket: list.contains('w') }
    }

    #[test]
    fn nothing_said_is_the_default() {
        let (options, warnings) = read("");
        assert_eq!((options, warnings.len()), (Options::default(), 0));
        assert_eq!(options.probes, probes("mlw"));
        assert_eq!((options.level, options.output), (Level::Standard, Output::Table));
        assert_eq!((options.timeout.as_millis(), options.subscription_wait.as_millis()), (10_000, 15_000));
        assert_eq!((options.chain.name(), options.concurrent), ("ethereum", 5));
    }

    #[test]
    fn every_option_is_read_in_both_spellings() {
        let expected = Options {
            probes: probes("mw"),
            level: Level::Full,
            timeout: Duration::from_millis(250),
            output: Output::Json,
            chain: Chain::read("base").unwrap(),
            concurrent: 9,
            subscription_wait: Duration::from_millis(70),
        };
        for line in [
            "--probes methods,websocket --level full --timeout 250 --output json --chain base --concurrent 9 \
             --subscription-wait 70",
            "-p websocket,,methods -l comprehensive -t 250 -o json -c base --concurrent=9 --subscription-wait=70",
        ] {
            assert_eq!(read(line), (expected, vec![]), "{line}");
        }
        assert_eq!(read("-l minimal").0.level, Level::Critical);
        assert_eq!(read("-l critical").0.level, Level::Critical);
        assert_eq!(read("-p all").0.probes, Probes::ALL);
    }

    #[test]
    fn a_value_that_cannot_be_used_is_warned_of_and_the_default_is_used() {
        for value in [
            "-p method",
            "-p methods,limit",
            "-p ,",
            "-l hard",
            "-t 0",
            "-t -5",
            "-t soon",
            "-t 99999999999999999999",
            "-o xml",
            "-c nowhere",
            "--concurrent 0",
            "--concurrent 5.5",
            "--concurrent 1000000",
            "--subscription-wait 1s",
        ] {
            let (options, warnings) = read(value);
            assert_eq!((options, warnings.len()), (Options::default(), 1), "{value}");
            assert!(warnings[0].contains(value.split_once(' ').unwrap().1), "{warnings:?}");
            assert!(warnings[0].contains("allowed is "), "{warnings:?}");
        }
        assert_eq!(read("-t 0 -l x -o json").1.len(), 2);
    }

    #[test]
    fn an_option_that_does_not_exist_is_wrong_usage() {
        for line in ["--lvl full", "--level"] {
            let words = ["probe", "http://h"].into_iter().chain(line.split_whitespace());
            assert!(Line::try_parse_from(words).is_err(), "{line}");
        }
    }

    #[test]
    fn keys_are_not_shown() {
        let words = ["probe", "https://h/v2/0123456789abcdef", "--ws", "wss://h/v2/0123456789abcdef"];
        let arguments = Line::try_parse_from(words).map_err(|error| error.to_string()).unwrap().arguments;
        let shown = format!("{arguments:?}");
        assert!(shown.contains("https://h/v2/0123***") && !shown.contains("456789"), "{shown}");
    }
}
