//! Upstreams: instances, their channels, and how to reach them.

use std::fmt;

use http::{HeaderMap, Uri};
use smol_str::SmolStr;

use super::redact;

/// The protocol between this process and an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// JSON-RPC over HTTP POST.
    Http,
    /// JSON-RPC over WebSocket.
    Ws,
}

impl Transport {
    /// `http` or `ws`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Ws => "ws",
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A deduplicated upstream as a dense number that stays the same for the life of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InstanceKey(pub(crate) u32);

impl InstanceKey {
    /// The dense number.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// One instance over one transport, as a dense number that stays the same for the life of the process:
/// breakers, limits and health are kept under it and so outlive a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelKey(pub(crate) u32);

impl ChannelKey {
    /// The dense number.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// One provider of one chain of one profile, as a dense number that stays the same for the life of the
/// process: benchmarks are kept under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProviderKey(pub(crate) u32);

impl ProviderKey {
    /// The dense number.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// One instance over one transport: what is needed to send to it.
#[derive(Clone, Debug)]
pub struct Channel {
    /// Where its state is kept.
    pub key: ChannelKey,
    /// The instance it belongs to.
    pub instance: InstanceKey,
    /// The instance's public name, `<chain>:<host>:<12 hex digits>`; holds no secret.
    pub instance_id: SmolStr,
    /// The id of the first provider that names the instance: what people call it in logs. Other profiles may
    /// call it differently.
    pub known_as: SmolStr,
    /// EIP-155 id of the chain it serves.
    pub chain_id: u64,
    /// The protocol.
    pub transport: Transport,
    /// Where to send and with which headers.
    pub endpoint: Endpoint,
}

/// Address and request headers of an upstream. Both may hold secrets: `Debug` shows neither.
#[derive(Clone)]
pub struct Endpoint {
    /// The address, with any key in it.
    pub uri: Uri,
    /// All headers to send, credentials included.
    pub headers: HeaderMap,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("uri", &redact::url(&self.uri.to_string())).finish_non_exhaustive()
    }
}
