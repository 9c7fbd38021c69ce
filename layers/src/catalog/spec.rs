//! Plain descriptions of profiles, as configuration or an embedder writes them.

use std::fmt;
use std::time::Duration;

use super::{Capabilities, Strategy};

/// One tenant: its limits and its chains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileSpec {
    /// The name in URLs.
    pub slug: String,
    /// The name people read.
    pub name: String,
    /// What one client may ask of the profile.
    pub limit: ClientLimit,
    /// File name of a logo for the dashboard.
    pub logo: Option<String>,
    /// Whether lists of profiles leave it out. Routing is not affected.
    pub unlisted: bool,
    /// Strategies by method.
    pub routing: RoutingSpec,
    /// The chains, in the order of the file.
    pub chains: Vec<ChainSpec>,
}

impl ProfileSpec {
    /// A profile without chains.
    #[must_use]
    pub fn new(slug: impl Into<String>) -> Self {
        let slug = slug.into();
        Self {
            name: slug.clone(),
            slug,
            limit: ClientLimit::default(),
            logo: None,
            unlisted: false,
            routing: RoutingSpec::default(),
            chains: Vec::new(),
        }
    }

    /// Adds a chain.
    #[must_use]
    pub fn chain(mut self, chain: ChainSpec) -> Self {
        self.chains.push(chain);
        self
    }
}

/// A token bucket for each client of a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientLimit {
    /// Tokens that come back each second; at least 1.
    pub rps: u32,
    /// Tokens a full bucket holds; at least 1.
    pub burst: u32,
}

impl Default for ClientLimit {
    fn default() -> Self {
        Self { rps: 100, burst: 500 }
    }
}

/// The optional `routing` block of a profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoutingSpec {
    /// The strategy of requests whose URL names none.
    pub default_strategy: Option<Strategy>,
    /// Exceptions by method name.
    pub method_overrides: Vec<MethodOverride>,
}

/// What one method does differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodOverride {
    /// The method's exact name.
    pub method: String,
    /// Its strategy; a strategy in the URL beats it.
    pub strategy: Option<Strategy>,
    /// The only providers that may serve it, by id; empty means all.
    pub providers: Vec<String>,
}

/// One chain of a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainSpec {
    /// The key in the file, and the chain's first URL alias.
    pub key: String,
    /// EIP-155 id; at least 1.
    pub chain_id: u64,
    /// The name people read.
    pub name: String,
    /// Further URL aliases.
    pub url_aliases: Vec<String>,
    /// Expected time between blocks.
    pub block_time: Option<Duration>,
    /// Settings that routing, probes and streams read.
    pub settings: ChainSettings,
    /// The providers, in the order of the file.
    pub providers: Vec<ProviderSpec>,
}

impl ChainSpec {
    /// A chain without providers and with every setting at its default.
    #[must_use]
    pub fn new(key: impl Into<String>, chain_id: u64) -> Self {
        let key = key.into();
        Self {
            name: key.clone(),
            key,
            chain_id,
            url_aliases: Vec::new(),
            block_time: None,
            settings: ChainSettings::default(),
            providers: Vec::new(),
        }
    }

    /// Adds a provider.
    #[must_use]
    pub fn provider(mut self, provider: ProviderSpec) -> Self {
        self.providers.push(provider);
        self
    }
}

/// How a chain is probed, selected from and streamed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainSettings {
    /// How often heads are asked for.
    pub probe_interval: Duration,
    /// Blocks behind at which an alert is raised; routing is not affected.
    pub lag_alert_threshold_blocks: u64,
    /// Providers further behind than this get no traffic; `None` means any lag is fine.
    pub max_lag_blocks: Option<u64>,
    /// Blocks behind the head from which a request needs an archive node.
    pub archival_threshold: u64,
    /// Whether heads come over WebSocket too.
    pub subscribe_new_heads: bool,
    /// Silence after which a head subscription counts as dead.
    pub new_heads_timeout: Duration,
    /// The most blocks that are filled in after a stream moved.
    pub max_backfill_blocks: u64,
    /// The longest that filling in may take.
    pub backfill_timeout: Duration,
    /// What happens to a stream whose gap cannot be filled.
    pub continuity: Continuity,
    /// How the dashboard draws the chain.
    pub topology: Topology,
}

impl Default for ChainSettings {
    fn default() -> Self {
        Self {
            probe_interval: Duration::from_millis(12_000),
            lag_alert_threshold_blocks: 5,
            max_lag_blocks: None,
            archival_threshold: 128,
            subscribe_new_heads: true,
            new_heads_timeout: Duration::from_millis(42_000),
            max_backfill_blocks: 100,
            backfill_timeout: Duration::from_millis(30_000),
            continuity: Continuity::Strict,
            topology: Topology::default(),
        }
    }
}

/// What a subscriber gets when its stream cannot be continued without a gap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Continuity {
    /// The socket is closed with code 1011.
    #[default]
    Strict,
    /// The stream goes on with what could be had.
    BestEffort,
}

/// How the dashboard draws a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    /// A CSS colour.
    pub color: String,
    /// The size of the node.
    pub size: TopologySize,
}

impl Default for Topology {
    fn default() -> Self {
        Self { color: "#6B7280".to_owned(), size: TopologySize::Md }
    }
}

/// Sizes of a chain on the dashboard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the values of the configuration key")]
pub enum TopologySize {
    Sm,
    #[default]
    Md,
    Lg,
    Xl,
}

/// One provider of a chain. Addresses and headers may hold secrets: `Debug` leaves them out.
#[derive(Clone, PartialEq, Eq)]
pub struct ProviderSpec {
    /// Unique within the chain.
    pub id: String,
    /// The name people read.
    pub name: Option<String>,
    /// `http` or `https` address.
    pub url: Option<String>,
    /// `ws` or `wss` address.
    pub ws_url: Option<String>,
    /// Rank under the `priority` strategy, lower first; [`DEFAULT_PRIORITY`](Self::DEFAULT_PRIORITY) where none is
    /// given.
    pub priority: u32,
    /// Whether the provider has old state.
    pub archival: bool,
    /// Whether heads come from it over WebSocket; `None` means as the chain says.
    pub subscribe_new_heads: Option<bool>,
    /// Whether its upstream state is kept apart from other profiles that name the same address.
    pub isolated: bool,
    /// Declared limits.
    pub capabilities: Capabilities,
    /// Key sent as `Authorization: Bearer`.
    pub api_key: Option<String>,
    /// Extra request headers.
    pub headers: Vec<(String, String)>,
    /// Request headers that beat [`headers`](Self::headers) and [`api_key`](Self::api_key).
    pub auth_headers: Vec<(String, String)>,
    /// Canonical text of the `credentials` block: part of the upstream's identity, never sent.
    pub credentials: Option<String>,
}

impl ProviderSpec {
    /// The rank of a provider that is given none: behind every rank that a person would write.
    pub const DEFAULT_PRIORITY: u32 = 1_000_000;

    /// A provider without an address and with every setting at its default.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            name: None,
            url: None,
            ws_url: None,
            priority: Self::DEFAULT_PRIORITY,
            archival: true,
            subscribe_new_heads: None,
            isolated: false,
            capabilities: Capabilities::default(),
            api_key: None,
            headers: Vec::new(),
            auth_headers: Vec::new(),
            credentials: None,
        }
    }

    /// A provider at an HTTP address.
    #[must_use]
    pub fn http(id: impl Into<String>, url: impl Into<String>) -> Self {
        Self { url: Some(url.into()), ..Self::new(id) }
    }

    /// Sets the rank under the `priority` strategy.
    #[must_use]
    pub fn priority(mut self, priority: u32) -> Self {
        self.priority = priority;
        self
    }
}

impl fmt::Debug for ProviderSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderSpec")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("priority", &self.priority)
            .field("archival", &self.archival)
            .field("isolated", &self.isolated)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_neither_addresses_nor_credentials() {
        let secret = || Some("https://h.example/secret".to_owned());
        let provider = ProviderSpec {
            url: secret(),
            ws_url: secret(),
            api_key: secret(),
            credentials: secret(),
            headers: vec![("x".into(), "secret".into())],
            auth_headers: vec![("x".into(), "secret".into())],
            ..ProviderSpec::new("a")
        };
        let profile = ProfileSpec::new("p").chain(ChainSpec::new("c", 1).provider(provider));
        let shown = format!("{profile:?}");
        assert!(shown.contains("\"a\"") && !shown.contains("secret"), "{shown}");
    }
}
