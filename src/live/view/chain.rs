//! A chain of a profile.

use lasso_layers::catalog::{Chain, TopologySize};
use serde::Serialize;
use smol_str::SmolStr;

use super::DecisionView;
use crate::live::delta::Keyed;
use crate::live::status::ChainStatus;

/// How a chain is and what its clients had of it lately.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChainView {
    /// Its key in the profile.
    pub key: SmolStr,
    /// The name people read.
    pub name: String,
    /// EIP-155 id.
    pub chain_id: u64,
    /// How it is.
    pub status: ChainStatus,
    /// The height that its providers agree on.
    pub height: Option<u64>,
    /// How long a block takes: measured, else as configured, else twelve seconds.
    pub block_time_ms: u64,
    /// Providers that can be had.
    pub connected: usize,
    /// Providers.
    pub total: usize,
    /// How large it is drawn.
    pub size: &'static str,
    /// The CSS colour it is drawn in.
    pub color: String,
    /// The name of a well-known network; test networks have that of their main network.
    pub logo: Option<&'static str>,
    /// Whether a provider can be subscribed to.
    pub has_ws: bool,
    /// Half of the recent attempts took no longer.
    pub p50_ms: Option<f64>,
    /// Of a hundred recent attempts 95 took no longer.
    pub p95_ms: Option<f64>,
    /// Attempts that succeeded, in percent of all that are recorded.
    pub success_rate: Option<f64>,
    /// Calls of clients each second, over the window of the statistics.
    pub rps: f64,
    /// Recorded attempts.
    pub calls: u64,
    /// How often calls of the last minute left a provider for another channel.
    pub failovers_per_minute: u64,
    /// The last call.
    pub last_decision: Option<DecisionView>,
    /// Who answered the calls of clients in the last five minutes, the busiest first.
    pub shares: Vec<Share>,
}

/// What part of the calls a provider had.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Share {
    /// Its id.
    pub provider: SmolStr,
    /// In percent of the chain's.
    pub share: f64,
    /// In calls.
    pub calls: u64,
}

impl Keyed for ChainView {
    fn key(&self) -> &SmolStr {
        &self.key
    }
}

/// The size of a chain on pages; the smallest of all where nobody serves it.
pub(in crate::live) fn size(chain: &Chain) -> &'static str {
    if chain.providers.is_empty() {
        return "none";
    }
    match chain.settings.topology.size {
        TopologySize::Sm => "sm",
        TopologySize::Md => "md",
        TopologySize::Lg => "lg",
        TopologySize::Xl => "xl",
    }
}

/// The name of the network that a chain belongs to, for those that people know by sight.
pub(in crate::live) const fn logo(chain_id: u64) -> Option<&'static str> {
    Some(match chain_id {
        1 | 17_000 | 560_048 | 11_155_111 => "ethereum",
        10 | 11_155_420 => "optimism",
        56 | 97 => "bsc",
        100 | 10_200 => "gnosis",
        130 | 1_301 => "unichain",
        137 | 80_002 => "polygon",
        324 | 300 => "zksync",
        8_453 | 84_532 => "base",
        42_161 | 421_614 => "arbitrum",
        43_114 | 43_113 => "avalanche",
        59_144 | 59_141 => "linea",
        534_352 | 534_351 => "scroll",
        _ => return None,
    })
}
