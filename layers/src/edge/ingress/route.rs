//! From the path of a request to a route.

use http::{HeaderMap, Uri};
use smol_str::SmolStr;

use super::query;
use crate::call::{MetaMode, Route};
use crate::catalog::Strategy;

/// What the address and the headers of a request say about where it is to go.
pub(super) struct Parsed {
    pub(super) route: Route,
    pub(super) meta: MetaMode,
}

/// Reads `/rpc/…`; `None` for any other path.
pub(super) fn parse(uri: &Uri, headers: &HeaderMap) -> Option<Parsed> {
    let mut segments: Vec<&str> = uri.path().strip_prefix("/rpc/")?.split('/').collect();
    let profile = match segments[..] {
        ["profile", profile, _, ..] => {
            segments.drain(..2);
            Some(profile)
        }
        _ => None,
    };
    let mut route = match segments[..] {
        [chain] => Route::to_chain(chain),
        ["provider", provider, chain] => with_provider(chain, provider),
        [first, chain] => match Strategy::from_name(first) {
            Some(strategy) => Route { strategy: Some(strategy), ..Route::to_chain(chain) },
            None => with_provider(first, chain),
        },
        _ => return None,
    };
    if let Some(profile) = profile {
        route.profile = SmolStr::new(profile.replace("%20", " "));
    }
    Some(Parsed { route, meta: meta_mode(uri, headers) })
}

fn with_provider(chain: &str, provider: &str) -> Route {
    Route { provider: Some(SmolStr::new(provider)), ..Route::to_chain(chain) }
}

/// How the client wants to see routing metadata. The query beats the header, even when it says nothing valid.
pub(super) fn meta_mode(uri: &Uri, headers: &HeaderMap) -> MetaMode {
    let header = || headers.get("x-lasso-include-meta").and_then(|value| value.to_str().ok());
    match query::value(uri, "include_meta").or_else(header) {
        Some("headers") => MetaMode::Headers,
        Some("body") => MetaMode::Body,
        _ => MetaMode::None,
    }
}
