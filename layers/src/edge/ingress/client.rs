//! Who sent a request.

use std::net::{IpAddr, SocketAddr};

use http::header::AUTHORIZATION;
use http::{HeaderMap, Uri};
use sha2::{Digest, Sha256};

use super::{Network, query};
use crate::call::ClientId;

/// The address a connection comes from: an extension of the HTTP request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddr(pub SocketAddr);

/// The identity that limits are counted under: the API key if one was sent, the address otherwise. `None` when
/// neither is known.
///
/// A key is looked for in `x-lasso-api-key`, in `authorization: Bearer` and in `?key=`, in this order. It says
/// who is asking and proves nothing. The address is the peer's; a peer in `trusted` speaks for the first
/// address of `x-forwarded-for`.
#[must_use]
pub fn client_id(
    headers: &HeaderMap,
    uri: &Uri,
    peer: Option<SocketAddr>,
    trusted: &[Network],
) -> Option<ClientId> {
    let sent = headers.get("x-lasso-api-key").map(|key| key.as_bytes()).filter(|key| !key.is_empty());
    let key = sent
        .or_else(|| bearer(headers))
        .or_else(|| query::value(uri, "key").map(str::as_bytes).filter(|key| !key.is_empty()));
    if let Some(key) = key {
        let digest = Sha256::digest(key);
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        return Some(ClientId::Key(id));
    }
    client_address(headers, peer, trusted).map(ClientId::Address)
}

/// The client's address: the peer's, or what a peer in `trusted` says in `x-forwarded-for`.
#[must_use]
pub fn client_address(headers: &HeaderMap, peer: Option<SocketAddr>, trusted: &[Network]) -> Option<IpAddr> {
    let peer = peer?.ip().to_canonical();
    let believed = trusted.iter().any(|network| network.contains(peer));
    Some(if believed { forwarded_for(headers).unwrap_or(peer) } else { peer })
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    const SCHEME: &[u8] = b"bearer ";
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(SCHEME.len())?;
    Some(token.trim_ascii()).filter(|token| scheme.eq_ignore_ascii_case(SCHEME) && !token.is_empty())
}

/// The first entry; some proxies add the port.
fn forwarded_for(headers: &HeaderMap) -> Option<IpAddr> {
    let first = headers.get("x-forwarded-for")?.to_str().ok()?.split(',').next()?.trim();
    let address = first.parse().or_else(|_| first.parse().map(|address: SocketAddr| address.ip())).ok()?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: &str = "10.0.0.1:5000";

    fn id(uri: &str, headers: &[(&'static str, &str)], trusted: &[&str]) -> Option<ClientId> {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        let trusted: Vec<Network> = trusted.iter().map(|network| network.parse().unwrap()).collect();
        client_id(&headers.collect(), &uri.parse().unwrap(), Some(PEER.parse().unwrap()), &trusted)
    }

    fn key(uri: &str, headers: &[(&'static str, &str)]) -> [u8; 16] {
        match id(uri, headers, &[]) {
            Some(ClientId::Key(key)) => key,
            other => panic!("{other:?}"),
        }
    }

    fn address(headers: &[(&'static str, &str)], trusted: &[&str]) -> String {
        match id("/", headers, trusted) {
            Some(ClientId::Address(address)) => address.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn keys_are_looked_for_in_order() {
        let one = key("/rpc/base?key=one", &[]);
        assert_eq!(key("/", &[("authorization", "bearer one")]), one);
        assert_eq!(key("/", &[("x-lasso-api-key", "one")]), one);
        assert_eq!(key("/?a=b&key=two", &[("authorization", "Bearer one")]), one);
        assert_eq!(key("/?key=two", &[("authorization", "Bearer two"), ("x-lasso-api-key", "one")]), one);
        assert_ne!(key("/?key=two", &[]), one);
    }

    #[test]
    fn without_a_key_the_address_counts() {
        for headers in [&[("authorization", "Basic b25l")][..], &[("x-lasso-api-key", "")], &[]] {
            assert_eq!(address(headers, &[]), "10.0.0.1");
        }
        assert_eq!(client_id(&HeaderMap::new(), &Uri::from_static("/?key="), None, &[]), None);
    }

    #[test]
    fn only_trusted_proxies_speak_for_others() {
        let forwarded = ("x-forwarded-for", "192.0.2.9, 10.0.0.2");
        assert_eq!(address(&[forwarded], &["10.0.0.0/8"]), "192.0.2.9");
        assert_eq!(address(&[forwarded], &["10.0.0.2"]), "10.0.0.1");
        assert_eq!(address(&[("x-forwarded-for", "[2001:db8::1]:80")], &["0.0.0.0/0"]), "2001:db8::1");
        assert_eq!(address(&[("x-forwarded-for", "unknown")], &["0.0.0.0/0"]), "10.0.0.1");
    }
}
