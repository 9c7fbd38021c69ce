//! Which providers are the same upstream.
//!
//! Two providers share breakers, health, heights and connections if a request to either reaches the same
//! account at the same node: same chain, same address, same credentials. The address is compared after
//! normalisation, the credentials whatever their order.

use std::collections::BTreeMap;

use http::Uri;
use sha2::{Digest, Sha256};

use super::ProviderSpec;

/// The identity of an instance: `<chain id>:<second-to-last host label>:<12 hex digits>`, equal for
/// providers that share their upstream. Holds no secret.
///
/// A provider without an HTTP address is known by its WebSocket address.
pub(super) fn instance_id(profile: &str, chain_id: u64, provider: &ProviderSpec) -> String {
    let uri = address(provider.url.as_ref())
        .or_else(|| address(provider.ws_url.as_ref()))
        .and_then(|address| address.parse::<Uri>().ok());
    let mut hash = Fields(Sha256::new());
    hash.field(&chain_id.to_be_bytes());
    hash.field(uri.as_ref().map(normalise).unwrap_or_default().as_bytes());
    hash.field(provider.api_key.as_deref().unwrap_or_default().as_bytes());
    hash.pairs(&provider.headers);
    hash.pairs(&provider.auth_headers);
    hash.field(provider.credentials.as_deref().unwrap_or_default().as_bytes());
    if provider.isolated {
        hash.field(profile.as_bytes());
    }
    let host = uri.as_ref().and_then(Uri::host).and_then(host_label);
    format!("{chain_id}:{}:{}", host.as_deref().unwrap_or("unknown"), hash.hex())
}

/// A configured address without the white space around it; a blank one is no address.
pub(super) fn address(configured: Option<&String>) -> Option<&str> {
    configured.map(|address| address.trim()).filter(|address| !address.is_empty())
}

/// One text for all spellings of an address: scheme and host in lower case, no default port, no trailing
/// slash except the root's, query parameters sorted. The case of path and query stays.
pub(super) fn normalise(uri: &Uri) -> String {
    let scheme = uri.scheme_str().unwrap_or_default().to_ascii_lowercase();
    let authority = uri.authority().map(|authority| authority.as_str()).unwrap_or_default();
    // Not a part of `Uri`, but of what is sent in its place: two accounts are two upstreams.
    let user = authority.rsplit_once('@').map(|(user, _)| format!("{user}@")).unwrap_or_default();
    let host = uri.host().unwrap_or_default().to_ascii_lowercase();
    let port = match (scheme.as_str(), uri.port_u16()) {
        ("http" | "ws", Some(80)) | ("https" | "wss", Some(443)) | (_, None) => String::new(),
        (_, Some(port)) => format!(":{port}"),
    };
    let path = match uri.path().strip_suffix('/') {
        Some("") | None => uri.path(),
        Some(path) => path,
    };
    let query = match uri.query() {
        Some(query) if !query.is_empty() => {
            let mut parameters: Vec<&str> = query.split('&').collect();
            parameters.sort_unstable();
            format!("?{}", parameters.join("&"))
        }
        _ => String::new(),
    };
    format!("{scheme}://{user}{host}{port}{path}{query}")
}

/// The second-to-last DNS label: in `eth.drpc.org` the part that people know the provider by.
fn host_label(host: &str) -> Option<String> {
    let labels: Vec<&str> = host.strip_suffix('.').unwrap_or(host).split('.').collect();
    // An IP address has no labels; the last label of a DNS name is never a number.
    let numeric = labels.last()?.bytes().all(|byte| byte.is_ascii_digit());
    if numeric || host.starts_with('[') {
        return None;
    }
    let label = labels.get(labels.len().checked_sub(2)?)?;
    (!label.is_empty()).then(|| label.to_ascii_lowercase())
}

/// Hashes fields so that moving a byte from one to the next changes the hash.
struct Fields(Sha256);

impl Fields {
    fn field(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    /// Header pairs as they are sent: names in any case, the last of a name wins, the order is nothing.
    fn pairs(&mut self, pairs: &[(String, String)]) {
        let sent: BTreeMap<String, &str> =
            pairs.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.as_str())).collect();
        self.0.update((sent.len() as u64).to_be_bytes());
        for (name, value) in sent {
            self.field(name.as_bytes());
            self.field(value.as_bytes());
        }
    }

    fn hex(self) -> String {
        self.0.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(url: &str) -> String {
        instance_id("default", 1, &ProviderSpec::http("a", url))
    }

    fn normal(url: &str) -> String {
        normalise(&url.parse().unwrap())
    }

    #[test]
    fn spellings_of_one_address_are_one_upstream() {
        let spellings = [
            ("HTTPS://Eth.DRPC.org:443/", "https://eth.drpc.org/"),
            ("https://eth.drpc.org", "https://eth.drpc.org/"),
            ("http://h.example:80/a/", "http://h.example/a"),
            ("wss://h.example:443/A/b/?z=1&a=Q", "wss://h.example/A/b?a=Q&z=1"),
            ("ws://h.example:8546/x?", "ws://h.example:8546/x"),
            ("http://h.example:443/", "http://h.example:443/"),
        ];
        for (spelling, expected) in spellings {
            assert_eq!(normal(spelling), expected);
        }
        assert_eq!(id(" https://eth.drpc.org "), id("https://eth.drpc.org/"));
        assert_ne!(id("https://eth.drpc.org/Key"), id("https://eth.drpc.org/key"));
        assert_ne!(id("https://a@h.example/"), id("https://b@h.example/"));
    }

    #[test]
    fn the_id_shows_chain_host_and_twelve_digits() {
        let id = id("https://eth.drpc.org");
        let parts: Vec<&str> = id.split(':').collect();
        assert_eq!(parts[..2], ["1", "drpc"]);
        assert_eq!(parts[2].len(), 12);
        assert!(parts[2].bytes().all(|digit| digit.is_ascii_hexdigit() && !digit.is_ascii_uppercase()));
    }

    #[test]
    fn a_host_without_two_labels_is_unknown() {
        for host in ["localhost", "127.0.0.1", "[::1]", "10.0.0.1:8545"] {
            assert!(id(&format!("http://{host}/")).starts_with("1:unknown:"), "{host}");
        }
        assert!(id("http://Example.COM./").starts_with("1:example:"));
    }

    #[test]
    fn chain_and_credentials_are_part_of_the_identity() {
        let plain = ProviderSpec::http("a", "https://h.example");
        let of = |provider: &ProviderSpec| instance_id("default", 1, provider);
        let pair = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
        let others = [
            ProviderSpec { api_key: Some("k".into()), ..plain.clone() },
            ProviderSpec { headers: pair("x", "k"), ..plain.clone() },
            ProviderSpec { auth_headers: pair("x", "k"), ..plain.clone() },
            ProviderSpec { credentials: Some("k".into()), ..plain.clone() },
        ];
        let mut ids: Vec<String> = others.iter().chain([&plain]).map(of).collect();
        ids.push(instance_id("default", 2, &plain));
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 6);

        let renamed = ProviderSpec { id: "b".into(), priority: 7, ..plain.clone() };
        assert_eq!(of(&renamed), of(&plain));
        let empty_key = ProviderSpec { api_key: Some(String::new()), ..plain.clone() };
        assert_eq!(of(&empty_key), of(&plain));
    }

    #[test]
    fn only_an_isolated_provider_depends_on_its_profile() {
        let shared = ProviderSpec::http("a", "https://h.example");
        assert_eq!(instance_id("p", 1, &shared), instance_id("q", 1, &shared));
        let isolated = ProviderSpec { isolated: true, ..shared.clone() };
        assert_ne!(instance_id("p", 1, &isolated), instance_id("q", 1, &isolated));
        assert_ne!(instance_id("p", 1, &isolated), instance_id("p", 1, &shared));
    }

    #[test]
    fn a_websocket_address_counts_only_without_an_http_one() {
        let both = ProviderSpec {
            ws_url: Some("wss://w.example".into()),
            ..ProviderSpec::http("a", "https://h.example")
        };
        assert_eq!(instance_id("p", 1, &both), id("https://h.example"));
        let ws_only = ProviderSpec { url: Some("  ".into()), ws_url: Some("wss://w.example".into()), ..both };
        assert_eq!(instance_id("p", 1, &ws_only), id("wss://w.example"));
    }

    proptest! {
        #[test]
        fn neither_order_nor_case_of_headers_matters_and_no_secret_shows(
            headers in prop::collection::btree_map("[a-z]{1,9}", "[A-Za-z0-9]{13,30}", 1..6),
        ) {
            let forward: Vec<(String, String)> = headers.into_iter().collect();
            let mut backward: Vec<(String, String)> = forward.iter().rev().cloned().collect();
            backward[0].0.make_ascii_uppercase();
            let with = |headers: &[(String, String)]| {
                let provider = ProviderSpec::http("a", "https://h.example");
                instance_id("p", 1, &ProviderSpec { headers: headers.to_vec(), ..provider })
            };
            let id = with(&forward);
            prop_assert_eq!(&id, &with(&backward));
            prop_assert!(forward.iter().all(|(_, secret)| !id.contains(secret.as_str())));
        }
    }
}
