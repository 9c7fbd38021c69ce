//! From a path, its query and headers to a route.

use std::borrow::Cow;
use std::time::Duration;

use http::{HeaderMap, Uri};
use smallvec::SmallVec;
use smol_str::SmolStr;

use crate::call::{MetaMode, Route};
use crate::catalog::{DEFAULT_PROFILE, Strategy, Transport};
use crate::edge::query::{decode, header, meta_mode, pairs};

/// What a request line and its headers say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// Where the client wants its calls to go.
    pub route: Route,
    /// Which routing metadata it wants.
    pub meta: MetaMode,
}

/// Reads the route of an RPC request, over HTTP (`/rpc/…`) or at a WebSocket handshake (`/ws/rpc/…`). `None` when
/// the path has none of the shapes below, which is a 404.
///
/// | Path after `/rpc` | Means |
/// |---|---|
/// | `/:chain` | the profile's strategy |
/// | `/:strategy/:chain` | `fastest`, `load-balanced`, `round-robin`, `latency-weighted` or `priority` |
/// | `/provider/:provider/:chain`, `/:chain/:provider` | this provider alone |
/// | `/profile/:profile/…` | any of the above in this profile |
///
/// A fixed word beats a name wherever a longer shape needs it there, so `/rpc/profile/x` is the chain `profile` at
/// the provider `x`. Segments are percent-decoded before they are compared; one slash at the end does not matter.
///
/// | Choice | Strongest first |
/// |---|---|
/// | provider | path, `?provider_override=`, `?provider_id=`, `X-Lasso-Provider` |
/// | transport | `?transport=`, `X-Lasso-Transport` (`http`, `ws` or `both`) |
/// | strategy | path, `?strategy=` |
/// | the others after that provider | `?failover_on_override=` (`true` or `false`, which is the default) |
/// | total time | `?timeout=` in milliseconds, from 1 |
/// | metadata | `?include_meta=` (unknown values mean none), `X-Lasso-Include-Meta` |
///
/// Of a parameter that is written several times the last one counts. A value that means nothing is as if it were not
/// there, and never an error; only the name of a provider is believed to be one until somebody looks it up.
#[must_use]
pub fn parse(uri: &Uri, headers: &HeaderMap) -> Option<Parsed> {
    Some(choose(route(uri.path())?, uri, headers))
}

/// Adds to a route what the query and the headers of a request choose; what the route says already is stronger. See
/// [`parse`] for the names.
#[must_use]
pub fn choose(mut route: Route, uri: &Uri, headers: &HeaderMap) -> Parsed {
    let query = Query::of(uri.query().unwrap_or_default());
    route.strategy = route.strategy.or(query.strategy);
    route.provider = route
        .provider
        .or(query.provider_override)
        .or(query.provider_id)
        .or_else(|| header(headers, "x-lasso-provider").filter(|id| !id.is_empty()).map(SmolStr::new));
    let Wanted(wanted) = query
        .transport
        .or_else(|| header(headers, "x-lasso-transport").and_then(Wanted::from_name))
        .unwrap_or_default();
    route.transport = route.transport.or(wanted);
    route.failover_on_override |= query.failover_on_override.unwrap_or_default();
    route.timeout = route.timeout.or(query.timeout);
    Parsed { route, meta: meta_mode(uri, headers) }
}

fn route(path: &str) -> Option<Route> {
    /// The longest shape: `profile/:profile/provider/:provider/:chain`.
    const LONGEST: usize = 5;
    let shape = path.strip_prefix("/ws").unwrap_or(path).strip_prefix("/rpc/")?;
    let shape = shape.strip_suffix('/').unwrap_or(shape);
    let segments: SmallVec<[Cow<'_, str>; LONGEST + 1]> =
        shape.split('/').take(LONGEST + 1).map(|segment| decode(segment)).collect();

    let (profile, rest) = match &segments[..] {
        [word, profile, rest @ ..] if word == "profile" && !rest.is_empty() => (SmolStr::new(profile), rest),
        all => (SmolStr::new_static(DEFAULT_PROFILE), all),
    };
    let (chain, strategy, provider) = match rest {
        [chain] => (chain, None, None),
        [first, second] => match strategy_segment(first) {
            Some(strategy) => (second, Some(strategy), None),
            None => (first, None, Some(second)),
        },
        [word, provider, chain] if word == "provider" => (chain, None, Some(provider)),
        _ => return None,
    };
    let provider = provider.map(SmolStr::new);
    Some(Route { profile, strategy, provider, ..Route::to_chain(chain) })
}

/// Paths spell strategies with hyphens only.
fn strategy_segment(segment: &str) -> Option<Strategy> {
    if segment.contains('_') { None } else { Strategy::from_name(segment) }
}

/// The only upstream transport that is wanted; nothing where both are.
#[derive(Clone, Copy, Default)]
struct Wanted(Option<Transport>);

impl Wanted {
    fn from_name(name: &str) -> Option<Self> {
        match name {
            "http" => Some(Self(Some(Transport::Http))),
            "ws" => Some(Self(Some(Transport::Ws))),
            "both" => Some(Self(None)),
            _ => None,
        }
    }
}

/// The query parameters that mean something here.
#[derive(Default)]
struct Query {
    strategy: Option<Strategy>,
    provider_override: Option<SmolStr>,
    provider_id: Option<SmolStr>,
    transport: Option<Wanted>,
    failover_on_override: Option<bool>,
    timeout: Option<Duration>,
}

impl Query {
    fn of(query: &str) -> Self {
        let mut found = Self::default();
        for (name, value) in pairs(query) {
            let id = || (!value.is_empty()).then(|| SmolStr::new(&value));
            match &*name {
                "strategy" => note(&mut found.strategy, Strategy::from_name(&value)),
                "provider_override" => note(&mut found.provider_override, id()),
                "provider_id" => note(&mut found.provider_id, id()),
                "transport" => note(&mut found.transport, Wanted::from_name(&value)),
                "failover_on_override" => note(&mut found.failover_on_override, value.parse().ok()),
                "timeout" => note(&mut found.timeout, millis(&value)),
                _ => {}
            }
        }
        found
    }
}

/// A later value replaces an earlier one if it means something.
fn note<T>(known: &mut Option<T>, value: Option<T>) {
    if value.is_some() {
        *known = value;
    }
}

/// A number of milliseconds from 1; one that is too large to be counted is the largest.
fn millis(value: &str) -> Option<Duration> {
    let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let millis = if is_number { value.parse().unwrap_or(u64::MAX) } else { 0 };
    (millis > 0).then(|| Duration::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn parsed(uri: &str) -> Option<Parsed> {
        parse(&uri.parse().unwrap(), &HeaderMap::new())
    }

    fn to(profile: &str, chain: &str, strategy: Option<Strategy>, provider: Option<&str>) -> Route {
        Route {
            profile: profile.into(),
            strategy,
            provider: provider.map(SmolStr::new),
            ..Route::to_chain(chain)
        }
    }

    #[test]
    fn every_shape_is_read_with_and_without_profile_over_both_protocols() {
        let shapes = [
            ("ethereum", "ethereum", None, None),
            ("1", "1", None, None),
            ("fastest/ethereum", "ethereum", Some(Strategy::Fastest), None),
            ("load-balanced/ethereum", "ethereum", Some(Strategy::LoadBalanced), None),
            ("round-robin/ethereum", "ethereum", Some(Strategy::LoadBalanced), None),
            ("latency-weighted/ethereum", "ethereum", Some(Strategy::LatencyWeighted), None),
            ("priority/ethereum", "ethereum", Some(Strategy::Priority), None),
            ("provider/alchemy/ethereum", "ethereum", None, Some("alchemy")),
            ("ethereum/alchemy", "ethereum", None, Some("alchemy")),
        ];
        for (shape, chain, strategy, provider) in shapes {
            for prefix in ["/rpc", "/ws/rpc"] {
                for slash in ["", "/"] {
                    let plain = parsed(&format!("{prefix}/{shape}{slash}")).unwrap();
                    assert_eq!(plain.route, to("default", chain, strategy, provider), "{shape}");
                    let inside = parsed(&format!("{prefix}/profile/acme/{shape}{slash}")).unwrap();
                    assert_eq!(inside.route, to("acme", chain, strategy, provider), "{shape}");
                }
            }
        }
    }

    #[test]
    fn a_fixed_word_is_a_name_where_no_longer_shape_fits() {
        for (path, route) in [
            ("/rpc/profile/x", to("default", "profile", None, Some("x"))),
            ("/rpc/provider/x", to("default", "provider", None, Some("x"))),
            ("/rpc/fastest", to("default", "fastest", None, None)),
            ("/rpc/load_balanced/ethereum", to("default", "load_balanced", None, Some("ethereum"))),
            ("/rpc/profile/fastest/ethereum", to("fastest", "ethereum", None, None)),
            ("/rpc/profile/p/profile/x", to("p", "profile", None, Some("x"))),
            ("/rpc/provider/profile/ethereum", to("default", "ethereum", None, Some("profile"))),
        ] {
            assert_eq!(parsed(path).unwrap().route, route, "{path}");
        }
    }

    #[test]
    fn other_paths_have_no_route() {
        for path in [
            "/",
            "/rpc",
            "/rpcx/ethereum",
            "/wsrpc/ethereum",
            "/ws/ws/rpc/ethereum",
            "/api/chains",
            "/rpc/fastest/ethereum/x",
            "/rpc/a/b/c",
            "/rpc/profile/p/provider/x/ethereum/y",
            "/rpc/profile/p/profile/q/ethereum",
        ] {
            assert_eq!(parsed(path), None, "{path}");
        }
    }

    #[test]
    fn segments_are_decoded_and_a_blank_one_stays_a_segment() {
        assert_eq!(
            parsed("/rpc/profile/%20/ethereum").unwrap().route,
            to(" ", "ethereum", None, None),
            "api case 13"
        );
        assert_eq!(parsed("/rpc/profile//ethereum").unwrap().route, to("", "ethereum", None, None));
        assert_eq!(
            parsed("/rpc/%66astest/a%2Fb").unwrap().route,
            to("default", "a/b", Some(Strategy::Fastest), None)
        );
        assert_eq!(parsed("/rpc/a+b%zz%4").unwrap().route.chain, "a+b%zz%4");
        assert_eq!(parsed("/rpc/%ff").unwrap().route.chain, "\u{fffd}");
    }

    #[test]
    fn a_plus_is_a_space_in_a_query_only() {
        let provider = |uri: &str| parsed(uri).unwrap().route.provider.unwrap();
        assert_eq!(provider("/rpc/eth?provider_id=a+b%2Bc"), "a b+c");
        assert_eq!(provider("/rpc/eth?provider%5Fid=a%zz"), "a%zz");
        assert_eq!(provider("/rpc/eth/a+b"), "a+b");
    }

    #[test]
    fn the_path_beats_the_query_and_the_query_beats_the_header() {
        let mut headers = HeaderMap::new();
        headers.insert("x-lasso-provider", HeaderValue::from_static("from-header"));
        headers.insert("x-lasso-transport", HeaderValue::from_static("ws"));
        let provider = |uri: &str| parse(&uri.parse().unwrap(), &headers).unwrap().route.provider.unwrap();
        assert_eq!(provider("/rpc/provider/from-path/eth?provider_override=a&provider_id=b"), "from-path");
        assert_eq!(provider("/rpc/eth?provider_id=b&provider_override=a"), "a");
        assert_eq!(provider("/rpc/eth?provider_id=b&provider_override="), "b");
        assert_eq!(provider("/rpc/eth?provider_id=b&provider_id=c"), "c");
        assert_eq!(provider("/rpc/eth?provider=ignored"), "from-header");

        let transport = |uri: &str| parse(&uri.parse().unwrap(), &headers).unwrap().route.transport;
        assert_eq!(transport("/rpc/eth"), Some(Transport::Ws));
        assert_eq!(transport("/rpc/eth?transport=http"), Some(Transport::Http));
        assert_eq!(transport("/rpc/eth?transport=both"), None);
        assert_eq!(transport("/rpc/eth?transport=carrier-pigeon"), Some(Transport::Ws));
    }

    #[test]
    fn a_strategy_in_the_query_counts_without_one_in_the_path() {
        let strategy = |uri: &str| parsed(uri).unwrap().route.strategy;
        assert_eq!(strategy("/rpc/eth?strategy=latency_weighted"), Some(Strategy::LatencyWeighted));
        assert_eq!(strategy("/rpc/eth?strategy=latency-weighted"), Some(Strategy::LatencyWeighted));
        assert_eq!(strategy("/rpc/fastest/eth?strategy=priority"), Some(Strategy::Fastest));
        // Routing case 16.
        assert_eq!(strategy("/rpc/eth?strategy=cheapest"), None);
    }

    #[test]
    fn the_last_value_that_means_something_counts() {
        let route = |query: &str| parsed(&format!("/rpc/eth?{query}")).unwrap().route;
        assert_eq!(route("strategy=fastest&strategy=cheapest").strategy, Some(Strategy::Fastest));
        assert_eq!(route("strategy=fastest&strategy=priority").strategy, Some(Strategy::Priority));
        assert_eq!(route("transport=ws&transport=x").transport, Some(Transport::Ws));
        assert_eq!(route("transport=ws&transport=both").transport, None);
        assert_eq!(route("provider_id=b&provider_id=").provider.unwrap(), "b");
        assert_eq!(route("timeout=5&timeout=soon").timeout, Some(Duration::from_millis(5)));
        assert!(route("failover_on_override=true&failover_on_override=yes").failover_on_override);
        assert!(!route("failover_on_override=true&failover_on_override=false").failover_on_override);
    }

    #[test]
    fn a_time_is_a_whole_number_of_milliseconds() {
        let timeout = |value: &str| parsed(&format!("/rpc/eth?timeout={value}")).unwrap().route.timeout;
        assert_eq!(timeout("1"), Some(Duration::from_millis(1)));
        assert_eq!(timeout("99999999999999999999999"), Some(Duration::from_millis(u64::MAX)));
        for value in ["", "0", "000", "-1", "%2B1", "1.5", "1e3", "5s", "%205"] {
            assert_eq!(timeout(value), None, "{value}");
        }
    }

    #[test]
    fn a_header_that_says_nothing_is_ignored() {
        let mut headers = HeaderMap::new();
        headers.insert("x-lasso-provider", HeaderValue::from_static(" "));
        headers.insert("x-lasso-transport", HeaderValue::from_static("both"));
        headers.insert("x-lasso-include-meta", HeaderValue::from_bytes(b"\xff").unwrap());
        let uri = "/rpc/eth".parse().unwrap();
        assert_eq!(
            parse(&uri, &headers),
            Some(Parsed { route: Route::to_chain("eth"), meta: MetaMode::None })
        );
    }
}
