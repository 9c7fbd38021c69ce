//! The immutable description of profiles, chains and upstreams that requests are routed by.
//!
//! [`ProfileSpec`]s say what is wanted; [`Catalog`] is the same thing checked, indexed and with every
//! upstream shared; [`Live`] is the one pointer through which everybody reads the current catalogue.

mod build;
mod capability;
mod category;
mod channel;
mod identity;
mod live;
mod method;
pub mod redact;
mod spec;
mod strategy;
mod validate;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use foldhash::HashMap;
use smol_str::SmolStr;

pub use self::capability::{Capabilities, ErrorRule};
pub use self::category::{Category, Failover};
pub use self::channel::{Channel, ChannelKey, Endpoint, InstanceKey, ProviderKey, Transport};
pub use self::live::Live;
pub use self::method::{MethodCategory, MethodId, Safety, Timeouts};
pub use self::spec::{
    ChainSettings, ChainSpec, ClientLimit, Continuity, MethodOverride, ProfileSpec, ProviderSpec,
    RoutingSpec, Topology, TopologySize,
};
pub use self::strategy::Strategy;
pub use self::validate::{Problem, Severity, validate};

/// The slug of the profile that URLs without one mean.
pub const DEFAULT_PROFILE: &str = "default";

/// Everything a request is routed by, at one moment. Never changes; a reload makes a new one.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    generation: u64,
    profiles: Vec<Profile>,
    by_slug: HashMap<SmolStr, u16>,
    channels: HashMap<ChannelKey, Arc<Channel>>,
    /// Where the catalogue in force is found; empty as long as it is this one, so that the two never hold each other.
    replaced: OnceLock<Live>,
}

impl Catalog {
    /// Grows by one with each publication.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// The catalogue in force, once it is no longer this one.
    #[must_use]
    pub fn successor(&self) -> Option<Arc<Self>> {
        self.replaced.get().map(Live::snapshot)
    }

    /// Whether the catalogue in force is another one. One load.
    #[must_use]
    pub fn is_replaced(&self) -> bool {
        self.replaced.get().is_some()
    }

    /// The profiles, sorted by slug.
    #[must_use]
    pub fn profiles(&self) -> &[Profile] {
        &self.profiles
    }

    /// Finds a profile by slug; `public` also means the default profile where no profile has that slug.
    #[must_use]
    pub fn profile(&self, slug: &str) -> Option<(u16, &Profile)> {
        let index = self
            .by_slug
            .get(slug)
            .or_else(|| if slug == "public" { self.by_slug.get(DEFAULT_PROFILE) } else { None })?;
        Some((*index, &self.profiles[usize::from(*index)]))
    }

    /// The channel of that key, if the catalogue still has it.
    #[must_use]
    pub fn channel(&self, key: ChannelKey) -> Option<&Arc<Channel>> {
        self.channels.get(&key)
    }

    /// Every channel, in no order.
    pub fn channels(&self) -> impl Iterator<Item = &Arc<Channel>> {
        self.channels.values()
    }
}

/// One tenant.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The name in URLs.
    pub slug: SmolStr,
    /// The name people read.
    pub name: String,
    /// What one client may ask.
    pub limit: ClientLimit,
    /// File name of a logo for the dashboard.
    pub logo: Option<String>,
    /// Whether lists leave it out.
    pub unlisted: bool,
    /// Strategies by method.
    pub routing: RoutingSpec,
    chains: Vec<Chain>,
    by_id: HashMap<u64, u16>,
    by_alias: HashMap<SmolStr, u16>,
}

impl Profile {
    /// The chains, in configured order.
    #[must_use]
    pub fn chains(&self) -> &[Chain] {
        &self.chains
    }

    /// Finds a chain by decimal id or by exact alias.
    #[must_use]
    pub fn chain(&self, name: &str) -> Option<(u16, &Chain)> {
        let decimal = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
        let by_id = if decimal { name.parse().ok().and_then(|id: u64| self.by_id.get(&id)) } else { None };
        let index = by_id.or_else(|| self.by_alias.get(name))?;
        Some((*index, &self.chains[usize::from(*index)]))
    }
}

/// One chain of one profile.
#[derive(Clone, Debug)]
pub struct Chain {
    /// The key in the profile.
    pub key: SmolStr,
    /// EIP-155 id.
    pub chain_id: u64,
    /// `chain_id` as a JSON string in hexadecimal, quotes included.
    pub chain_id_json: SmolStr,
    /// The name people read.
    pub name: String,
    /// Every URL alias, the key first.
    pub aliases: Vec<SmolStr>,
    /// Expected time between blocks.
    pub block_time: Option<Duration>,
    /// The remaining settings, as configured.
    pub settings: ChainSettings,
    /// The providers, in configured order.
    pub providers: Vec<Provider>,
}

impl Chain {
    /// Finds a provider by id.
    #[must_use]
    pub fn provider(&self, id: &str) -> Option<(u16, &Provider)> {
        let index = self.providers.iter().position(|provider| provider.id == id)?;
        Some((u16::try_from(index).ok()?, &self.providers[index]))
    }
}

/// One provider of one chain of one profile: a reference to a shared instance with the profile's own view
/// of it.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Where the profile's measurements of it are kept.
    pub key: ProviderKey,
    /// Unique within the chain.
    pub id: SmolStr,
    /// The name people read.
    pub name: String,
    /// Rank under the `priority` strategy.
    pub priority: u32,
    /// Whether it has old state.
    pub archival: bool,
    /// Whether heads come from it over WebSocket.
    pub subscribe_new_heads: bool,
    /// Declared limits.
    pub capabilities: Capabilities,
    /// Its HTTP channel.
    pub http: Option<Arc<Channel>>,
    /// Its WebSocket channel.
    pub ws: Option<Arc<Channel>>,
}

impl Provider {
    /// Its channel over one transport.
    #[must_use]
    pub fn channel(&self, transport: Transport) -> Option<&Arc<Channel>> {
        match transport {
            Transport::Http => self.http.as_ref(),
            Transport::Ws => self.ws.as_ref(),
        }
    }

    /// Its channels, HTTP first.
    pub fn channels(&self) -> impl Iterator<Item = &Arc<Channel>> {
        self.http.iter().chain(self.ws.iter())
    }
}
