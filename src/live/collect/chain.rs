//! What there is to see of a chain.

use lasso_layers::catalog::Chain;
use lasso_layers::state::health::Availability;
use lasso_layers::state::millis;
use tokio::time::Instant;

use super::Sources;
use super::figures::ChainFigures;
use crate::live::status::ChainStatus;
use crate::live::view::{ChainView, DecisionView, ProviderView, logo, size};

pub(super) fn view(
    sources: &Sources,
    chain: &Chain,
    providers: &[ProviderView],
    figures: &ChainFigures,
    last: Option<&DecisionView>,
    now: Instant,
) -> ChainView {
    let runtime = &sources.runtime;
    let availability = |at: usize| runtime.provider_health(&chain.providers[at], now).availability;
    let standings: Vec<_> =
        providers.iter().enumerate().map(|(at, view)| (view.status, availability(at))).collect();
    let performance = &figures.performance;
    ChainView {
        key: chain.key.clone(),
        name: chain.name.clone(),
        chain_id: chain.chain_id,
        status: ChainStatus::of(standings.iter().copied()),
        height: runtime.heights.consensus(chain.chain_id, now),
        block_time_ms: millis(runtime.heights.block_time(chain.chain_id, chain.block_time)),
        connected: standings.iter().filter(|(_, availability)| *availability != Availability::Down).count(),
        total: chain.providers.len(),
        size: size(chain),
        color: chain.settings.topology.color.clone(),
        logo: logo(chain.chain_id),
        has_ws: chain.providers.iter().any(|provider| provider.ws.is_some()),
        p50_ms: performance.p50_ms,
        p95_ms: performance.p95_ms,
        success_rate: performance.success_rate,
        rps: performance.rps,
        calls: performance.calls,
        failovers_per_minute: figures.failovers_per_minute,
        last_decision: last.cloned(),
        shares: figures.shares.clone(),
    }
}
