//! Scenarios out of a seed.
//!
//! Not every fault is in every history: each of them is left out of half of all, so that there are histories with one
//! fault alone as well as with all at once.

use std::time::Duration;

use fastrand::Rng;
use lasso_layers::catalog::Continuity;
use lasso_rpc::streams::coordinator::StreamPolicy;

use crate::scenario::{Fault, Habits, Kind, Move, Provider, Scenario, TakesBack, Turn, Window};

/// The scenario of a seed.
#[must_use]
pub fn scenario(seed: u64) -> Scenario {
    let mut rng = Rng::with_seed(seed);
    let block_time = millis(&mut rng, 1000..=6000);
    let kind = if rng.bool() { Kind::Heads } else { Kind::Logs };
    let policy = policy(&mut rng, block_time);
    let late_logs = rng.f64() < 0.05;
    let mut moves = Vec::new();
    let mut at = Duration::ZERO;
    let restless = [0.0, 0.05, 0.15, 0.4][rng.usize(..4)];
    for _ in 0..rng.u32(20..=90) {
        // Some chains are in a hurry now and then.
        at += if rng.f64() < 0.05 { Duration::from_millis(1) } else { block_time.mul_f64(rng.f64() + 0.5) };
        moves.push(Move { at, turn: turn(&mut rng, restless) });
    }
    let calm = at;
    let recovered = calm + policy.heads_timeout + policy.recovery_deadline + policy.retry_after_degraded;
    while at < recovered {
        at += block_time.mul_f64(rng.f64() * 0.4 + 0.8);
        moves.push(Move { at, turn: turn(&mut rng, restless / 4.0) });
    }
    for _ in 0..16 {
        at += block_time.mul_f64(rng.f64() * 0.4 + 0.8);
        moves.push(Move { at, turn: Turn::Extend(1) });
    }
    let mut swarm = Swarm::draw(&mut rng);
    let blooms = rng.f64() < 0.8;
    if !blooms {
        swarm.needs_no_bloom();
    }
    let providers: Vec<Provider> = (0..rng.usize(2..=5))
        .map(|_| provider(&mut rng, &swarm, &policy, block_time, &moves, calm, late_logs))
        .collect();
    // Whoever is late has its time too; it is not enough for anybody to be taken for silent.
    let latest = providers.iter().map(|provider| provider.delay).max().unwrap_or_default();
    let mut scenario = Scenario {
        seed,
        kind,
        policy,
        moves,
        deepest: if rng.u8(..20) == 0 { 100 } else { 6 },
        providers,
        log_rate: [0.1, 0.4, 0.8][rng.usize(..3)],
        false_positives: [0.0, 0.3][rng.usize(..2)],
        blooms,
        late_logs,
        echoes: rng.bool(),
        calm,
        end: at + latest + Duration::from_millis(900),
    };
    // Somebody must be left.
    if scenario.providers.iter().all(|provider| provider.refuses) {
        let last = scenario.providers.len() - 1;
        scenario.providers[last].refuses = false;
    }
    scenario
}

fn policy(rng: &mut Rng, block_time: Duration) -> StreamPolicy {
    let window = rng.u64(8..=64);
    StreamPolicy {
        continuity: if rng.f64() < 0.75 { Continuity::Strict } else { Continuity::BestEffort },
        window,
        max_backfill: rng.u64(4..=window),
        recovery_deadline: Duration::from_secs(3) + block_time.mul_f64(2.0 + rng.f64() * 8.0),
        establish_attempt: millis(rng, 300..=2000),
        heads_timeout: block_time.mul_f64(2.5 + rng.f64() * 2.0),
        retry_after_degraded: block_time.mul_f64(1.0 + rng.f64() * 4.0),
        settle: millis(rng, 5..=100),
        verify_all_logs: rng.f64() < 0.3,
        history: [16, 64, 4096][rng.usize(..3)],
        live_buffer: [8, 32, 101][rng.usize(..3)],
        concurrency: rng.usize(1..=8),
        attempts: rng.u32(3..=11),
    }
}

fn turn(rng: &mut Rng, restless: f64) -> Turn {
    if rng.f64() >= restless {
        return Turn::Extend(if rng.f64() < 0.03 { rng.u64(2..=4) } else { 1 });
    }
    match rng.u8(..10) {
        0..6 => {
            let depth = rng.u64(1..=6);
            Turn::Reorg { depth, length: rng.u64(1..=depth + 2) }
        }
        6..9 => Turn::Back { nth: rng.usize(..3), extended: rng.u64(0..=2) },
        _ => Turn::SetBack(rng.u64(1..=3)),
    }
}

/// Which faults a history has at all.
struct Swarm {
    jitter: bool,
    repeats: bool,
    loses_heads: bool,
    loses_logs: bool,
    loses_some_logs: bool,
    fails: bool,
    dawdles: bool,
    nulls: bool,
    index_lag: bool,
    wrong_logs: bool,
    orphans: bool,
    lag: bool,
    confirms: bool,
    refuses: bool,
    faults: Vec<Fault>,
    crowded: bool,
}

impl Swarm {
    fn draw(rng: &mut Rng) -> Self {
        let all = [
            Fault::Down,
            Fault::Silent { flushed: true },
            Fault::Silent { flushed: false },
            Fault::Frozen,
            Fault::Refusing,
            Fault::Lying,
            Fault::Mute,
            Fault::Blind,
            Fault::Logless,
        ];
        Self {
            jitter: rng.bool(),
            repeats: rng.bool(),
            loses_heads: rng.bool(),
            loses_logs: rng.bool(),
            loses_some_logs: rng.bool(),
            fails: rng.bool(),
            dawdles: rng.bool(),
            nulls: rng.bool(),
            index_lag: rng.bool(),
            wrong_logs: rng.bool(),
            orphans: rng.bool(),
            lag: rng.bool(),
            confirms: rng.bool(),
            refuses: rng.u8(..8) == 0,
            faults: all.into_iter().filter(|_| rng.bool()).collect(),
            crowded: rng.bool(),
        }
    }

    /// Without blooms nobody can tell that logs are not known yet from there being none.
    fn needs_no_bloom(&mut self) {
        self.index_lag = false;
        self.wrong_logs = false;
        self.faults.retain(|&fault| fault != Fault::Logless);
    }
}

fn provider(
    rng: &mut Rng,
    swarm: &Swarm,
    policy: &StreamPolicy,
    block_time: Duration,
    moves: &[Move],
    calm: Duration,
    late_logs: bool,
) -> Provider {
    let (link, slowest) = (millis(rng, 1..=40), millis(rng, 5..=40));
    let lags = swarm.lag && rng.bool();
    let delay = if lags { block_time.mul_f64(rng.f64() * 1.5) } else { millis(rng, 0..=150) };
    let mut chance = |is_on: bool, most: f64| if is_on && rng.bool() { rng.f64() * most } else { 0.0 };
    let habits = Habits {
        repeats: chance(swarm.repeats, 0.3),
        late_repeats: chance(swarm.repeats, 0.05),
        loses_heads: chance(swarm.loses_heads, 0.4),
        loses_logs: chance(swarm.loses_logs, 0.6),
        // Only who asks for the logs of every block can find out.
        loses_some_logs: chance(swarm.loses_some_logs && policy.verify_all_logs, 0.5),
        fails: chance(swarm.fails, 0.5),
        dawdles: chance(swarm.dawdles, 0.1),
        nulls: chance(swarm.nulls, 0.5),
        wrong_logs: chance(swarm.wrong_logs, 0.2),
        orphans: chance(swarm.orphans, 0.1),
        headless: chance(swarm.confirms, 1.0),
        dated: chance(swarm.confirms, 0.5),
        head_jitter: block_time.mul_f64(chance(swarm.jitter, 2.0)),
        log_jitter: Duration::ZERO,
        index_lag: block_time.mul_f64(chance(swarm.index_lag, 1.0)),
    };
    let apart = if late_logs { 5.0 } else { 0.9 };
    let log_jitter = policy.settle.mul_f64(chance(swarm.jitter, apart));
    let count = if swarm.crowded { rng.usize(2..=10) } else { rng.usize(0..=4) };
    let troubled = moves.partition_point(|step| step.at < calm).max(1);
    let windows = if swarm.faults.is_empty() { 0 } else { count };
    let windows = (0..windows)
        .map(|_| {
            let fault = swarm.faults[rng.usize(..swarm.faults.len())];
            // Much breaks in the middle of a block.
            let from = match rng.bool() {
                true => moves[rng.usize(..troubled)].at + delay + link + policy.settle.mul_f64(rng.f64()),
                false => calm.mul_f64((rng.f64() * 1.1 - 0.1).max(0.0)),
            };
            let from = from.min(calm);
            // Most are short, some are longer than anybody waits.
            let longest = policy.recovery_deadline.mul_f64([0.1, 0.3, 0.9, 1.8][rng.usize(..4)]);
            Window { from, until: (from + longest.mul_f64(rng.f64())).min(calm), fault }
        })
        .collect();
    Provider {
        delay,
        link,
        answers: (Duration::from_millis(2), slowest),
        announces_each: rng.bool(),
        takes_back: [TakesBack::NewestFirst, TakesBack::OldestFirst, TakesBack::Never][rng.usize(..3)],
        forgets: rng.u8(..4) == 0,
        refuses: swarm.refuses && rng.u8(..3) == 0,
        habits: Habits { log_jitter, ..habits },
        windows,
    }
}

fn millis(rng: &mut Rng, range: std::ops::RangeInclusive<u64>) -> Duration {
    Duration::from_millis(rng.u64(range))
}
