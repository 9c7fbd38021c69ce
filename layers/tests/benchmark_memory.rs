//! What all measurements of a large deployment take. A test binary of its own, because it counts every allocation
//! of the process.
#![cfg(feature = "benchmark")]

use std::alloc::System;
use std::time::Duration;

use lasso_layers::attempt::benchmark::{Benchmarks, Series};
use lasso_layers::catalog::{ChainSpec, Live, MethodId, ProfileSpec, ProviderSpec, Transport};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tokio::time::Instant;

#[global_allocator]
static ALLOCATIONS: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const CHAINS: u64 = 100;
const PROVIDERS: usize = 20;
const METHODS: usize = 40;
const LIMIT: usize = 64 << 20;

/// What `fill` leaves allocated, in bytes.
fn taken(fill: impl FnOnce()) -> usize {
    let region = Region::new(ALLOCATIONS);
    fill();
    let change = region.change();
    let grown =
        isize::try_from(change.bytes_allocated - change.bytes_deallocated).expect("it is not that much");
    usize::try_from(grown).expect("more is taken than given back")
}

#[test]
fn a_hundred_chains_of_twenty_providers_and_forty_methods_take_at_most_64_mib() {
    let chains = (1..=CHAINS).map(|id| {
        (0..PROVIDERS).fold(ChainSpec::new(format!("chain-{id}"), id), |chain, at| {
            let host = format!("host-{at}.example/{id}");
            let provider = ProviderSpec::http(format!("provider-{at}"), format!("http://{host}"));
            chain.provider(ProviderSpec { ws_url: Some(format!("ws://{host}")), ..provider })
        })
    });
    let live = Live::new(vec![chains.fold(ProfileSpec::new("default"), ProfileSpec::chain)]).unwrap();
    let catalog = live.snapshot();
    let chains = catalog.profile("default").unwrap().1.chains();
    let benchmarks = Benchmarks::new();
    let (now, latency) = (Instant::now(), Duration::from_millis(20));
    let mut filled = 0;
    let bytes = taken(|| {
        for provider in chains.iter().flat_map(|chain| &chain.providers) {
            for transport in [Transport::Http, Transport::Ws] {
                benchmarks.probed(provider.channel(transport).unwrap().key, latency);
                for method in MethodId::all().take(METHODS) {
                    benchmarks.success(Series { provider: provider.key, transport, method }, latency, now);
                    filled += 1;
                }
            }
        }
    });
    assert_eq!(filled, 160_000);
    let series: usize = chains.iter().map(|chain| benchmarks.by_method(chain).len()).sum();
    assert_eq!(series, filled, "every series has a record of its own");
    println!("{bytes} bytes, {} for each series", bytes / filled);
    assert!(bytes <= LIMIT, "{bytes} bytes");

    // And it is given back once nobody needs it.
    let idle = now + Duration::from_secs(2);
    let before = ALLOCATIONS.stats();
    assert_eq!(benchmarks.expire(idle, Duration::from_secs(1)), filled);
    let freed = ALLOCATIONS.stats().bytes_deallocated - before.bytes_deallocated;
    assert!(freed > bytes / 2, "{freed} of {bytes} bytes are free again");
}
