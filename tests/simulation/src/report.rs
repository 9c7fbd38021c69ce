//! A run, held against the script.

use lasso_layers::attempt::breaker::BreakerState;
use lasso_layers::catalog::Strategy;
use serde::Serialize;

use crate::log::{Entry, Log, Sent};
use crate::oracle::{self, Choice};
use crate::play;
use crate::script::{Fate, Grave, Script};
use crate::traffic::{Arrival, arrivals};

/// A first choice is right up to so many times the expected latency of the oracle's.
const RIGHT: f64 = 1.1;
/// No request is in flight for longer than the longest time limit of a method, in milliseconds.
const LONGEST: u64 = 5_000;

/// How some strategies did in one script.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The script's name.
    pub script: &'static str,
    /// The seed.
    pub seed: u64,
    /// How long it took, in virtual seconds.
    pub seconds: u64,
    /// One for each strategy.
    pub rows: Vec<Row>,
}

/// How one strategy did.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The strategy's name.
    pub strategy: &'static str,
    /// Everything together.
    pub total: Part,
    /// The same between any two changes of the script.
    pub parts: Vec<Part>,
    /// What dying providers got, in the order of the deaths.
    pub deaths: Vec<Death>,
    /// What clients got in place of an answer; the first few.
    pub failures: Vec<String>,
}

/// The calls that arrived in a part of the script.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Part {
    /// Its first second.
    pub from: u64,
    /// The second after its last.
    pub until: u64,
    /// How many calls there were.
    pub calls: u64,
    /// How many clients got no answer.
    pub failed: u64,
    /// How many answers came from a provider that was too far behind.
    pub stale: u64,
    /// How many answers came from another chain.
    pub wrong: u64,
    /// Requests to providers for each call.
    pub requests_per_call: f64,
    /// The mean latency that clients saw, in milliseconds.
    pub mean_ms: f64,
    /// The latency that half of the calls did not exceed.
    pub p50_ms: u64,
    /// The latency that 95 of 100 calls did not exceed.
    pub p95_ms: u64,
    /// The mean latency of the oracle over the same calls.
    pub oracle_ms: f64,
    /// How much longer calls took than the oracle's: the ratio of the means.
    pub ratio: f64,
    /// The share of calls whose first choice was right: the provider had room and gave the right answer, was not too
    /// far behind, and its expected latency was at most a tenth above that of the oracle's choice.
    pub right: f64,
}

/// What a dead provider got.
#[derive(Clone, Debug, Serialize)]
pub struct Death {
    /// Who.
    pub provider: &'static str,
    /// In which way.
    pub kind: &'static str,
    /// When it died, in seconds.
    pub from: u64,
    /// When it was back.
    pub until: u64,
    /// Requests that it had begun and took along.
    pub in_flight: u64,
    /// Requests that were sent to it afterwards, before its breaker opened.
    pub seen: u64,
    /// Requests that were sent to it later on, while its breaker was half-open.
    pub trials: u64,
    /// How long after the death the breaker opened, in milliseconds.
    pub opened_after_ms: Option<u64>,
    /// How long after the death the last request was sent to it before the breaker opened: for so long it kept
    /// receiving traffic.
    pub traffic_for_ms: Option<u64>,
    /// How long after it was back the breaker closed.
    pub closed_after_ms: Option<u64>,
    /// How long after it was back it answered a client.
    pub used_after_ms: Option<u64>,
}

impl Report {
    /// Plays a script once for each strategy, with the same calls.
    #[must_use]
    pub fn new(script: &Script, seed: u64, strategies: &[Strategy]) -> Self {
        let arrivals = arrivals(seed, script.rate, script.length());
        let choices = oracle::choices(script, seed, &arrivals);
        let judge = Judge { script, arrivals: &arrivals, choices: &choices };
        let rows = strategies.iter().map(|strategy| judge.row(*strategy, &play(script, seed, *strategy)));
        Self { script: script.name, seed, seconds: script.seconds, rows: rows.collect() }
    }
}

/// What a log is held against.
struct Judge<'a> {
    script: &'a Script,
    arrivals: &'a [Arrival],
    choices: &'a [Option<Choice>],
}

/// What is said about one call.
struct Verdict {
    at: u64,
    took: u64,
    oracle: u64,
    requests: u64,
    failed: bool,
    stale: bool,
    wrong: bool,
    right: bool,
}

impl Judge<'_> {
    fn row(&self, strategy: Strategy, log: &Log) -> Row {
        let verdicts = self.verdicts(log);
        let bounds = self.script.boundaries();
        let parts = bounds.windows(2).map(|bound| part(&verdicts, bound[0], bound[1]));
        let deaths = self.script.graves().into_iter().map(|grave| self.death(grave, log));
        let failures = (0..).zip(&log.ended).filter_map(|(number, end): (usize, _)| {
            let failure = end.failure.as_ref()?;
            let Arrival { at, method } = self.arrivals[number];
            Some(format!("{} at {at} ms: {failure}", method.name()))
        });
        Row {
            strategy: strategy.as_str(),
            total: part(&verdicts, 0, self.script.length()),
            parts: parts.collect(),
            deaths: deaths.collect(),
            failures: failures.take(5).collect(),
        }
    }

    fn verdicts(&self, log: &Log) -> Vec<Verdict> {
        let mut requests: Vec<Vec<Sent>> = vec![Vec::new(); self.arrivals.len()];
        for sent in sent(log) {
            requests[sent.number as usize].push(*sent);
        }
        let calls = self.arrivals.iter().zip(self.choices).zip(&log.ended).zip(&requests);
        let verdicts = calls.map(|(((arrival, choice), end), requests)| {
            let failed = end.failure.is_some();
            let last = requests.last().filter(|_| !failed);
            Verdict {
                at: arrival.at,
                took: end.took,
                // Where the oracle has no choice there is nothing to lose.
                oracle: choice.map_or(end.took, |choice| choice.took),
                requests: requests.len() as u64,
                failed,
                stale: last.is_some_and(|sent| self.is_stale(sent)),
                wrong: last.is_some_and(|sent| sent.fate == Fate::Wrong),
                right: requests.first().is_some_and(|first| self.is_right(first, *arrival, *choice)),
            }
        });
        verdicts.collect()
    }

    fn is_right(&self, first: &Sent, arrival: Arrival, choice: Option<Choice>) -> bool {
        let Some(choice) = choice else { return true };
        let expected = self.script.actors[first.actor].expected(arrival.method, arrival.at);
        first.fate == Fate::Answered && !self.is_stale(first) && expected <= choice.expected * RIGHT
    }

    fn is_stale(&self, sent: &Sent) -> bool {
        self.script.is_too_far_behind(self.script.actors[sent.actor].at(sent.at))
    }

    fn death(&self, grave: Grave, log: &Log) -> Death {
        let Grave { actor, trouble, from, until } = grave;
        let is_opening = |entry: &Entry| {
            matches!(entry, Entry::Moved { actor: moved, at, to: BreakerState::Open }
                if *moved == actor && (from..until).contains(at))
        };
        let opening = log.entries.iter().position(is_opening);
        let (before, after) = log.entries.split_at(opening.unwrap_or(log.entries.len()));
        let visits = |entries: &[Entry], from, until| -> Vec<Sent> {
            let all = entries.iter().filter_map(as_sent);
            all.filter(|sent| sent.actor == actor && (from..until).contains(&sent.at)).copied().collect()
        };
        let in_flight = visits(before, 0, from);
        let in_flight = in_flight.iter().filter(|sent| matches!(sent.fate, Fate::Broken | Fate::Silent));
        let seen = visits(before, from, until);
        let closed = log.entries.iter().find_map(|entry| match entry {
            Entry::Moved { actor: moved, at, to: BreakerState::Closed }
                if *moved == actor && *at >= until =>
            {
                Some(*at)
            }
            _ => None,
        });
        let used =
            sent(log).find(|sent| sent.actor == actor && sent.at >= until && sent.fate == Fate::Answered);
        Death {
            provider: self.script.actors[actor].id,
            kind: trouble.as_str(),
            from: from / 1000,
            until: until / 1000,
            // An earlier death of the same provider is not this one's.
            in_flight: in_flight.filter(|sent| from - sent.at < LONGEST).count() as u64,
            seen: seen.len() as u64,
            trials: visits(after, from, until).len() as u64,
            opened_after_ms: opening.map(|at| time(&log.entries[at]) - from),
            traffic_for_ms: seen.last().map(|sent| sent.at - from),
            closed_after_ms: closed.map(|at| at - until),
            used_after_ms: used.map(|sent| sent.at - until),
        }
    }
}

fn part(verdicts: &[Verdict], from: u64, until: u64) -> Part {
    let all: Vec<&Verdict> = verdicts.iter().filter(|verdict| (from..until).contains(&verdict.at)).collect();
    let count = |which: fn(&Verdict) -> bool| all.iter().filter(|verdict| which(verdict)).count() as u64;
    let mean = |of: fn(&Verdict) -> u64| {
        all.iter().map(|verdict| of(verdict)).sum::<u64>() as f64 / all.len().max(1) as f64
    };
    let mut times: Vec<u64> = all.iter().map(|verdict| verdict.took).collect();
    times.sort_unstable();
    let percentile = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or(0);
    let (mean_ms, oracle_ms) = (mean(|verdict| verdict.took), mean(|verdict| verdict.oracle));
    Part {
        from: from / 1000,
        until: until / 1000,
        calls: all.len() as u64,
        failed: count(|verdict| verdict.failed),
        stale: count(|verdict| verdict.stale),
        wrong: count(|verdict| verdict.wrong),
        requests_per_call: mean(|verdict| verdict.requests),
        mean_ms,
        p50_ms: percentile(50),
        p95_ms: percentile(95),
        oracle_ms,
        ratio: if oracle_ms > 0.0 { mean_ms / oracle_ms } else { 1.0 },
        right: count(|verdict| verdict.right) as f64 / all.len().max(1) as f64,
    }
}

fn sent(log: &Log) -> impl Iterator<Item = &Sent> {
    log.entries.iter().filter_map(as_sent)
}

const fn as_sent(entry: &Entry) -> Option<&Sent> {
    match entry {
        Entry::Sent(sent) => Some(sent),
        Entry::Moved { .. } => None,
    }
}

const fn time(entry: &Entry) -> u64 {
    match entry {
        Entry::Sent(sent) => sent.at,
        Entry::Moved { at, .. } => *at,
    }
}
