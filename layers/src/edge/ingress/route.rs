//! From the address of a request to a route.

use http::{HeaderMap, Uri};

use crate::call::{MetaMode, Route};
#[cfg(feature = "profile")]
use crate::edge::profile;

/// What an RPC path says, and how the client wants to see routing metadata; `None` for any other path.
#[cfg(feature = "profile")]
pub(super) fn of_path(uri: &Uri, headers: &HeaderMap) -> Option<(Route, MetaMode)> {
    // The same shapes below `/ws` are WebSocket handshakes.
    let parsed = if is_rpc(uri) { profile::parse(uri, headers) } else { None };
    parsed.map(|profile::Parsed { route, meta }| (route, meta))
}

/// Paths are names of profiles and chains, which nobody looks up without that layer.
#[cfg(not(feature = "profile"))]
pub(super) const fn of_path(_: &Uri, _: &HeaderMap) -> Option<(Route, MetaMode)> {
    None
}

/// Whether errors of this path are JSON-RPC errors.
pub(super) fn is_rpc(uri: &Uri) -> bool {
    uri.path().starts_with("/rpc/")
}
