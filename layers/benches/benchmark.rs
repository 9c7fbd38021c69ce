//! What measuring costs.
//!
//! `cargo bench -p lasso-layers --all-features --bench benchmark`

use std::time::Duration;

use divan::{AllocProfiler, Bencher, black_box};
use lasso_layers::attempt::benchmark::{Benchmarks, Series};
use lasso_layers::catalog::{
    Chain, ChainSpec, Live, MethodId, ProfileSpec, ProviderKey, ProviderSpec, Transport,
};
use tokio::time::Instant;

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

const LATENCY: Duration = Duration::from_micros(12_345);

fn main() {
    divan::main();
}

fn chain() -> Chain {
    let spec = (0..20).fold(ChainSpec::new("ethereum", 1), |chain, at| {
        chain.provider(ProviderSpec::http(format!("provider-{at}"), format!("http://host-{at}.example")))
    });
    let live = Live::new(vec![ProfileSpec::new("default").chain(spec)]).expect("the profile is valid");
    live.snapshot().profile("default").expect("there is one profile").1.chains()[0].clone()
}

fn series(provider: ProviderKey, method: &str) -> Series {
    Series { provider, transport: Transport::Http, method: MethodId::of(method) }
}

/// A success: at most 150 ns; two threads on one series pay for the cache lines that they share. Samples are long,
/// so that the two do run at the same time.
#[divan::bench(threads = [1, 2], sample_size = 1_000_000, sample_count = 10)]
fn success(bencher: Bencher<'_, '_>) {
    let (benchmarks, series) = (Benchmarks::new(), series(chain().providers[0].key, "eth_call"));
    let now = Instant::now();
    bencher.bench(|| benchmarks.success(black_box(series), LATENCY, now));
}

/// A success after a second of silence, where forgetting has to be computed.
#[divan::bench]
fn success_after_silence(bencher: Bencher<'_, '_>) {
    let (benchmarks, series) = (Benchmarks::new(), series(chain().providers[0].key, "eth_call"));
    let mut now = Instant::now();
    bencher.bench_local(|| {
        now += Duration::from_secs(1);
        benchmarks.success(black_box(series), LATENCY, now);
    });
}

/// A failure.
#[divan::bench(threads = [1, 2], sample_size = 1_000)]
fn failure(bencher: Bencher<'_, '_>) {
    let (benchmarks, series) = (Benchmarks::new(), series(chain().providers[0].key, "eth_call"));
    let now = Instant::now();
    bencher.bench(|| benchmarks.failure(black_box(series), now));
}

/// What a strategy reads of one channel.
#[divan::bench(threads = [1, 2], sample_size = 1_000)]
fn read(bencher: Bencher<'_, '_>) {
    let (benchmarks, series) = (Benchmarks::new(), series(chain().providers[0].key, "eth_call"));
    benchmarks.success(series, LATENCY, Instant::now());
    bencher.bench(|| benchmarks.read(black_box(series)));
}

/// The leaderboard of 20 providers with 8 methods each.
#[divan::bench]
fn leaderboard(bencher: Bencher<'_, '_>) {
    let (benchmarks, chain, now) = (Benchmarks::new(), chain(), Instant::now());
    for provider in &chain.providers {
        for method in MethodId::all().take(8) {
            let series = series(provider.key, method.name());
            (0..100).for_each(|_| benchmarks.success(series, LATENCY, now));
        }
    }
    bencher.bench_local(|| benchmarks.leaderboard(black_box(&chain)));
}
