//! How the providers of a chain did.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use foldhash::HashMap;
use lasso_layers::attempt::benchmark::{MethodRow, Totals};
use lasso_layers::catalog::{Chain, MethodId, Profile, Provider, ProviderKey};
use tokio::time::Instant;

use super::Sources;
use crate::live::tally::Sum;
use crate::live::view::{MethodView, Performance, Share, Stats, ms, percent, round};

/// What rates are over where the statistics of clients are not meant.
const MINUTE: Duration = Duration::from_secs(60);
/// Methods that are shown of a provider.
const METHODS: usize = 10;

/// The figures of a chain.
#[derive(Debug)]
pub(super) struct ChainFigures {
    pub(super) performance: Performance,
    pub(super) failovers_per_minute: u64,
    pub(super) shares: Vec<Share>,
    pub(super) providers: HashMap<ProviderKey, ProviderFigures>,
}

/// The figures of a provider.
#[derive(Clone, Debug, Default)]
pub(super) struct ProviderFigures {
    pub(super) performance: Performance,
    pub(super) methods: Vec<MethodView>,
    pub(super) traffic_share: Option<f64>,
    /// Requests that wait for a reply over its connection, and subscriptions in force.
    pub(super) link: (usize, usize),
}

impl ChainFigures {
    pub(super) fn of(sources: &Sources, profile: &Profile, chain: &Chain, now: Instant) -> Self {
        let runtime = &sources.runtime;
        let rows = runtime.benchmarks.by_method(chain);
        let window = sources.policy.stats_window;
        let clients = sources.tally.of_chain(&profile.slug, chain.chain_id, window, now);
        let shares = sources.tally.shares(chain, now);
        let left = |provider: &Provider| runtime.failovers.within(provider.key, MINUTE, now);
        let all = Totals::of(rows.iter());
        let providers = (0..).zip(&chain.providers).map(|(at, provider)| {
            let mine = rows.iter().filter(move |row| row.provider == at);
            (provider.key, provider_figures(sources, provider, mine, &shares, now))
        });
        Self {
            performance: performance(&all, rate(clients.calls, window)),
            failovers_per_minute: chain.providers.iter().map(left).sum(),
            providers: providers.collect(),
            shares,
        }
    }
}

fn provider_figures<'a>(
    sources: &Sources,
    provider: &Provider,
    rows: impl Iterator<Item = &'a MethodRow> + Clone,
    shares: &[Share],
    now: Instant,
) -> ProviderFigures {
    let runtime = &sources.runtime;
    let recent = runtime.benchmarks.calls_within(provider.key, MINUTE, now).calls;
    let link = provider.ws.as_ref().map(|ws| runtime.links.status(ws.key));
    ProviderFigures {
        performance: performance(&Totals::of(rows.clone()), rate(recent, MINUTE)),
        methods: methods(rows),
        traffic_share: shares.iter().find(|share| share.provider == provider.id).map(|share| share.share),
        link: link.map(|link| (link.pending, link.subscriptions)).unwrap_or_default(),
    }
}

/// Transports together, the busiest first.
fn methods<'a>(rows: impl Iterator<Item = &'a MethodRow>) -> Vec<MethodView> {
    let mut together = BTreeMap::<MethodId, Vec<&MethodRow>>::new();
    for row in rows {
        together.entry(row.method).or_default().push(row);
    }
    let mut methods: Vec<_> = together
        .into_iter()
        .map(|(method, rows)| {
            let totals = Totals::of(rows.into_iter());
            MethodView {
                method: method.name(),
                p50_ms: at(&totals, 0.5),
                success_rate: percent(totals.successes, totals.calls),
                calls: totals.calls,
            }
        })
        .collect();
    methods.sort_by_key(|method| Reverse(method.calls));
    methods.truncate(METHODS);
    methods
}

fn performance(totals: &Totals, rps: f64) -> Performance {
    Performance {
        p50_ms: at(totals, 0.5),
        p95_ms: at(totals, 0.95),
        p99_ms: at(totals, 0.99),
        success_rate: percent(totals.successes, totals.calls),
        calls: totals.calls,
        rps,
    }
}

/// A percentile; nothing without a success.
fn at(totals: &Totals, share: f64) -> Option<f64> {
    totals.mean_latency.map(|_| ms(totals.percentiles.at(share)))
}

fn rate(calls: u64, window: Duration) -> f64 {
    round(calls as f64 / window.as_secs_f64(), 2)
}

/// What clients had of a profile.
pub(in crate::live) fn stats(sources: &Sources, profile: &Profile, now: Instant) -> Stats {
    let window = sources.policy.stats_window;
    let of_chain = |chain: &Chain| sources.tally.of_chain(&profile.slug, chain.chain_id, window, now);
    let sum = profile.chains().iter().map(of_chain).fold(Sum::default(), std::ops::Add::add);
    Stats {
        rps: rate(sum.calls, window),
        success_rate: percent(sum.calls - sum.failures.min(sum.calls), sum.calls),
        sampled: sum.calls,
        latency_ms: sum.mean_ms(),
        failovers_per_minute: (sum.failovers as f64 * 60.0 / window.as_secs_f64()).round() as u64,
    }
}
