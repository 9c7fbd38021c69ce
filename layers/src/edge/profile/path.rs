//! From a path, its query and headers to a route.

use std::borrow::Cow;

use http::{HeaderMap, Uri};
use percent_encoding::percent_decode_str;
use smallvec::SmallVec;
use smol_str::SmolStr;

use crate::call::{MetaMode, Route};
use crate::catalog::{DEFAULT_PROFILE, Strategy, Transport};

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
/// | transport | `?transport=`, `X-Lasso-Transport` (`http` or `ws`, others are ignored) |
/// | strategy | path, `?strategy=` (unknown names are ignored) |
/// | metadata | `?include_meta=` (unknown values mean none), `X-Lasso-Include-Meta` |
#[must_use]
pub fn parse(uri: &Uri, headers: &HeaderMap) -> Option<Parsed> {
    Some(choose(route(uri.path())?, uri, headers))
}

/// Adds to a route what the query and the headers of a request choose; what the route says already is stronger. See
/// [`parse`] for the names.
#[must_use]
pub fn choose(mut route: Route, uri: &Uri, headers: &HeaderMap) -> Parsed {
    let query = Query::of(uri.query().unwrap_or_default());
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);

    route.strategy = route.strategy.or(query.strategy);
    route.provider = route
        .provider
        .or(query.provider_override)
        .or(query.provider_id)
        .or_else(|| header("x-lasso-provider").filter(|id| !id.is_empty()).map(SmolStr::new));
    route.transport = query.transport.or_else(|| header("x-lasso-transport").and_then(transport));
    let meta =
        query.meta.or_else(|| header("x-lasso-include-meta").map(MetaMode::from_name)).unwrap_or_default();
    Parsed { route, meta }
}

/// The parameters of a query, decoded, in the order in which they were written. What has no `=` is none.
pub fn query_pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decode_query(name), decode_query(value)))
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
    Some(Route { profile, chain: SmolStr::new(chain), strategy, provider, transport: None })
}

/// Paths spell strategies with hyphens only.
fn strategy_segment(segment: &str) -> Option<Strategy> {
    if segment.contains('_') { None } else { Strategy::from_name(segment) }
}

fn transport(value: &str) -> Option<Transport> {
    match value {
        "http" => Some(Transport::Http),
        "ws" => Some(Transport::Ws),
        _ => None,
    }
}

/// The query parameters that mean something here. The last one of a name counts.
#[derive(Default)]
struct Query {
    strategy: Option<Strategy>,
    provider_override: Option<SmolStr>,
    provider_id: Option<SmolStr>,
    transport: Option<Transport>,
    meta: Option<MetaMode>,
}

impl Query {
    fn of(query: &str) -> Self {
        let mut found = Self::default();
        for (name, value) in query_pairs(query) {
            let id = || (!value.is_empty()).then(|| SmolStr::new(&value));
            match &*name {
                "strategy" => found.strategy = Strategy::from_name(&value),
                "provider_override" => found.provider_override = id(),
                "provider_id" => found.provider_id = id(),
                "transport" => found.transport = transport(&value),
                "include_meta" => found.meta = Some(MetaMode::from_name(&value)),
                _ => {}
            }
        }
        found
    }
}

/// Undoes percent-encoding ([RFC 3986, section 2.1](https://www.rfc-editor.org/rfc/rfc3986#section-2.1)). What is not
/// a valid escape stays as it is; bytes that are not UTF-8 become U+FFFD.
fn decode(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

/// The same in a query, where a `+` is the space of HTML forms.
fn decode_query(text: &str) -> Cow<'_, str> {
    if text.contains('+') { Cow::Owned(decode(&text.replace('+', " ")).into_owned()) } else { decode(text) }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::{any, prop_assert_eq, proptest};

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
    fn api_case_22_an_invalid_include_meta_in_the_query_beats_the_header() {
        let mut headers = HeaderMap::new();
        headers.insert("x-lasso-include-meta", HeaderValue::from_static("body"));
        let meta = |uri: &str| parse(&uri.parse().unwrap(), &headers).unwrap().meta;
        assert_eq!(meta("/rpc/eth"), MetaMode::Body);
        assert_eq!(meta("/rpc/eth?include_meta=headers"), MetaMode::Headers);
        assert_eq!(meta("/rpc/eth?include_meta=none"), MetaMode::None);
        assert_eq!(meta("/rpc/eth?include_meta=bogus"), MetaMode::None);
        assert_eq!(parsed("/rpc/eth").unwrap().meta, MetaMode::None);
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

    proptest! {
        #[test]
        fn decoding_undoes_encoding(text in any::<String>()) {
            let encoded: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
            prop_assert_eq!(decode(&encoded), text.as_str());
            prop_assert_eq!(decode_query(&encoded), text.as_str());
        }
    }
}
