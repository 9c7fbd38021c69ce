//! Where a call is to go and where it comes from.

use std::net::IpAddr;
use std::time::Duration;

use smol_str::SmolStr;

use super::{RemoteParent, Trace};
use crate::catalog::{DEFAULT_PROFILE, Strategy, Transport};

/// What the client, or the embedder on its behalf, said about where to go. Names, not yet looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Profile slug.
    pub profile: SmolStr,
    /// Chain alias or decimal chain id.
    pub chain: SmolStr,
    /// The strategy, if the client chose one.
    pub strategy: Option<Strategy>,
    /// The provider to use, by id; the only one unless [`failover_on_override`](Self::failover_on_override) is set.
    pub provider: Option<SmolStr>,
    /// Whether the other providers may be tried after [`provider`](Self::provider).
    pub failover_on_override: bool,
    /// The only upstream transport to use.
    pub transport: Option<Transport>,
    /// The total time of each call, instead of the one that its method has. The layer that resolves the profile bounds
    /// it.
    pub timeout: Option<Duration>,
}

impl Route {
    /// To a chain of the default profile.
    #[must_use]
    pub fn to_chain(chain: impl AsRef<str>) -> Self {
        Self {
            profile: SmolStr::new_static(DEFAULT_PROFILE),
            chain: SmolStr::new(chain),
            strategy: None,
            provider: None,
            failover_on_override: false,
            transport: None,
            timeout: None,
        }
    }
}

/// Where a call comes from.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// How the client is connected; `None` inside a process.
    pub transport: Option<Transport>,
    /// The name of the request in logs and metadata.
    pub request_id: Option<SmolStr>,
    /// Who pays for it with a rate-limit token; `None` is never limited.
    pub client: Option<ClientId>,
    /// The client's address, for a log that is to have it.
    pub address: Option<IpAddr>,
    /// The path of the client's request, without the query, which may hold a key. A copy: a slice of the request's
    /// head would keep the connection's read buffer alive for as long as the call waits.
    pub path: Option<SmolStr>,
    /// The client's `user-agent`, copied for the same reason.
    pub user_agent: Option<SmolStr>,
    /// Which routing metadata the client asked for.
    pub meta: MetaMode,
    /// The trace that the client's request is a part of.
    pub parent: Option<Box<RemoteParent>>,
    /// Where the call stands in a trace, once somebody traces it.
    pub trace: Option<Trace>,
}

/// The identity a rate limit is counted under.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientId {
    /// A digest of an API key: the key itself is not kept.
    Key([u8; 16]),
    /// The client's address.
    Address(IpAddr),
}

impl std::fmt::Debug for ClientId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Key(_) => f.write_str("Key(..)"),
            Self::Address(address) => f.debug_tuple("Address").field(address).finish(),
        }
    }
}

/// How a client wants to see routing metadata.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MetaMode {
    /// Not at all.
    #[default]
    None,
    /// In response headers.
    Headers,
    /// In a member of the response body.
    Body,
    /// In a message of its own that follows the reply. Only a socket can carry one.
    Notify,
}

impl MetaMode {
    /// What a client of HTTP means by this word; whatever is not known means not at all.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        match name {
            "headers" => Self::Headers,
            "body" => Self::Body,
            _ => Self::None,
        }
    }
}
