//! What shared state costs, by one thread and by two at a time.
//!
//! `cargo bench -p lasso-layers --all-features --bench contention`
//!
//! Samples are long enough for two threads to meet in them.
//!
//! Limits: 50 ns for each end of a call at a breaker, three times that for two threads at one breaker; 2 µs for the
//! consensus of fifty nodes, 20 ns where it is kept. How stores are held is decided here too: `held_leaked` against
//! `held_counted`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use divan::{Bencher, black_box};
use lasso_layers::attempt::Attempt;
use lasso_layers::attempt::breaker::{BreakerPolicy, Breakers, CategoryThresholds};
use lasso_layers::call::{Failure, UpstreamFailure};
use lasso_layers::catalog::{Category, Transport};
use lasso_layers::state::Shared;
use lasso_layers::state::heights::{Heights, Observation, Source};
use lasso_layers::testing;
use lasso_layers::wire::{ErrorObject, code};
use tokio::time::Instant;

fn main() {
    divan::main();
}

/// Breakers that do not open, and an attempt on a channel of theirs.
fn one_channel() -> (Breakers, Attempt) {
    let policy = BreakerPolicy {
        failure_threshold: u32::MAX,
        category_thresholds: CategoryThresholds::NONE,
        ..BreakerPolicy::default()
    };
    let live = testing::live(testing::chain(&["a"]));
    let call = testing::planned(&live, testing::call("eth_chainId", "[]"), Duration::from_secs(1));
    (Breakers::new(policy), testing::attempt(call, 0))
}

fn a_failure() -> Failure {
    Failure::Upstream(Box::new(UpstreamFailure {
        error: ErrorObject::new(code::SERVER_ERROR, "upstream is not well"),
        category: Category::ServerError,
        retry_after: None,
        transport: Transport::Http,
        http: None,
    }))
}

// === breakers ===

#[divan::bench(threads = [1, 2], sample_size = 500_000, sample_count = 20)]
fn admission(bencher: Bencher<'_, '_>) {
    let ((breakers, attempt), now) = (one_channel(), Instant::now());
    bencher.bench(|| drop(breakers.admit(black_box(attempt.channel()), now)));
}

#[divan::bench(threads = [1, 2], sample_size = 500_000, sample_count = 20)]
fn report_of_a_success(bencher: Bencher<'_, '_>) {
    let ((breakers, attempt), now) = (one_channel(), Instant::now());
    let channel = attempt.channel();
    bencher
        .with_inputs(|| breakers.admit(channel, now).expect("it is closed"))
        .bench_values(|permit| permit.success(channel));
}

/// The failure is counted, and kept for people to see.
#[divan::bench(threads = [1, 2], sample_size = 500_000, sample_count = 20)]
fn report_of_a_failure(bencher: Bencher<'_, '_>) {
    let ((breakers, attempt), now, failure) = (one_channel(), Instant::now(), a_failure());
    let channel = attempt.channel();
    bencher
        .with_inputs(|| {
            // So that the count does not stop at its maximum.
            breakers.probe_succeeded(channel, now);
            breakers.admit(channel, now).expect("it is closed")
        })
        .bench_values(|permit| permit.failure(channel, black_box(&failure), now));
}

/// Both ends of an untroubled call: two of the above.
#[divan::bench(threads = [1, 2], sample_size = 500_000, sample_count = 20)]
fn call(bencher: Bencher<'_, '_>) {
    let ((breakers, attempt), now) = (one_channel(), Instant::now());
    let channel = black_box(attempt.channel());
    bencher.bench(|| breakers.admit(channel, now).expect("it is closed").success(channel));
}

/// Both ends of two calls of which one fails: each of the two reports changes the word.
#[divan::bench(threads = [1, 2], sample_size = 500_000, sample_count = 20)]
fn troubled_calls(bencher: Bencher<'_, '_>) {
    let ((breakers, attempt), now, failure) = (one_channel(), Instant::now(), a_failure());
    let channel = black_box(attempt.channel());
    bencher.bench(|| {
        breakers.admit(channel, now).expect("it is closed").failure(channel, &failure, now);
        breakers.admit(channel, now).expect("it is closed").success(channel);
    });
}

// === how a store is held ===

/// What each clone of the stack pays for each of its stores: a pointer is copied.
#[divan::bench(threads = [1, 2], sample_size = 500_000, sample_count = 20)]
fn held_leaked(bencher: Bencher<'_, '_>) {
    let store = Shared::new(AtomicU64::new(1));
    bencher.bench(|| black_box(*black_box(&store)).load(Ordering::Relaxed));
}

/// The same with a reference count.
#[divan::bench(threads = [1, 2], sample_size = 500_000, sample_count = 20)]
fn held_counted(bencher: Bencher<'_, '_>) {
    let store = Arc::new(AtomicU64::new(1));
    bencher.bench(|| black_box(Arc::clone(black_box(&store))).load(Ordering::Relaxed));
}

// === heights ===

const CHAIN: u64 = 1;

/// Fifty nodes that were heard of at `now`, and one that was heard of a little before.
fn fifty_one(now: Instant) -> Heights {
    let names: Vec<String> = (0..51).map(|at| format!("node-{at}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let live = testing::live(testing::chain(&names));
    let heights = Heights::new();
    let mut at = now - Duration::from_secs(1);
    for (height, channel) in (1_000..).zip(live.load().channels()) {
        heights.record(CHAIN, channel.instance, Observation::new(height, at, Source::Http));
        at = now;
    }
    heights
}

#[divan::bench(threads = [1, 2], sample_size = 500_000, sample_count = 20)]
fn consensus_kept(bencher: Bencher<'_, '_>) {
    let now = Instant::now() + Duration::from_secs(60);
    let heights = fifty_one(now);
    bencher.bench(|| heights.consensus(black_box(CHAIN), now));
}

/// What was kept is no longer right: one of the heights behind it is too old.
#[divan::bench(sample_size = 1_000)]
fn consensus_computed(bencher: Bencher<'_, '_>) {
    let now = Instant::now() + Duration::from_secs(60);
    let heights = fifty_one(now);
    let later = now + Duration::from_secs(30);
    bencher.bench(|| heights.consensus(black_box(CHAIN), later));
}
