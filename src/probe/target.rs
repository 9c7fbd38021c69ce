//! The two addresses of an endpoint.

use http::header::{ACCEPT, CONTENT_TYPE};
use http::uri::Scheme;
use http::{HeaderMap, HeaderValue, Uri};
use lasso_layers::catalog::{Endpoint, Transport, redact};

/// Where an endpoint answers over HTTP and over WebSocket.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) http: Endpoint,
    pub(super) ws: Endpoint,
    /// Which of the two was given.
    pub(super) given: Transport,
}

impl Target {
    /// Derives the address of the other transport: the same one under the scheme that belongs to it.
    ///
    /// # Errors
    ///
    /// When the address is none of an endpoint. The complaint does not repeat it, because there is no telling where in it
    /// a key begins.
    pub(super) fn read(url: &str) -> Result<Self, &'static str> {
        let (uri, given) = parse(url)?;
        let is_secure = matches!(scheme_of(&uri).as_str(), "https" | "wss");
        let [http, ws] = if is_secure { ["https", "wss"] } else { ["http", "ws"] };
        let under = |scheme: &str| Endpoint { uri: with_scheme(&uri, scheme), headers: headers() };
        Ok(Self { http: under(http), ws: under(ws), given })
    }

    /// Replaces the WebSocket address.
    ///
    /// # Errors
    ///
    /// When it is none.
    pub(super) fn set_ws(&mut self, url: &str) -> Result<(), &'static str> {
        match parse(url)? {
            (uri, Transport::Ws) => self.ws.uri = with_scheme(&uri, &scheme_of(&uri)),
            (_, Transport::Http) => return Err("it begins with neither ws:// nor wss://"),
        }
        Ok(())
    }
}

/// The address of an endpoint as it may be shown.
pub(super) fn shown(endpoint: &Endpoint) -> String {
    redact::url(&endpoint.uri.to_string())
}

fn parse(url: &str) -> Result<(Uri, Transport), &'static str> {
    let uri: Uri = url.trim().parse().map_err(|_| "it is not a URL")?;
    let transport = match scheme_of(&uri).as_str() {
        "http" | "https" => Transport::Http,
        "ws" | "wss" => Transport::Ws,
        _ => return Err("it begins with none of http://, https://, ws:// and wss://"),
    };
    if uri.host().is_none_or(str::is_empty) {
        return Err("it names no host");
    }
    Ok((uri, transport))
}

/// The scheme, whose case means nothing ([RFC 3986, section 3.1](https://www.rfc-editor.org/rfc/rfc3986#section-3.1)).
fn scheme_of(uri: &Uri) -> String {
    uri.scheme_str().unwrap_or_default().to_ascii_lowercase()
}

fn with_scheme(uri: &Uri, scheme: &str) -> Uri {
    let mut parts = uri.clone().into_parts();
    parts.scheme = Some(Scheme::try_from(scheme).expect("the scheme is one of four words"));
    Uri::from_parts(parts).expect("only the scheme is another")
}

/// What goes with every request of the router too.
fn headers() -> HeaderMap {
    let json = HeaderValue::from_static("application/json");
    HeaderMap::from_iter([(CONTENT_TYPE, json.clone()), (ACCEPT, json)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(url: &str) -> (String, String) {
        let target = Target::read(url).unwrap();
        (target.http.uri.to_string(), target.ws.uri.to_string())
    }

    #[test]
    fn the_counterpart_is_derived() {
        for (url, http, ws) in [
            ("http://h:8545", "http://h:8545/", "ws://h:8545/"),
            ("ws://h:8545/x?k=v", "http://h:8545/x?k=v", "ws://h:8545/x?k=v"),
            ("https://h/v2/key", "https://h/v2/key", "wss://h/v2/key"),
            (" WSS://h/v2/key ", "https://h/v2/key", "wss://h/v2/key"),
            ("http://[::1]:1/", "http://[::1]:1/", "ws://[::1]:1/"),
        ] {
            assert_eq!(pair(url), (http.to_owned(), ws.to_owned()), "{url}");
        }
    }

    #[test]
    fn a_websocket_address_of_its_own_takes_the_place() {
        let mut target = Target::read("https://h/key").unwrap();
        target.set_ws("ws://other:8546").unwrap();
        assert_eq!(target.ws.uri.to_string(), "ws://other:8546/");
        assert_eq!(target.http.uri.to_string(), "https://h/key");
        assert!(target.set_ws("https://h").unwrap_err().contains("wss://"));
    }

    #[test]
    fn what_is_no_address_is_refused_without_repeating_it() {
        for url in
            ["", "h.example/0123456789abcdef", "ftp://h/0123456789abcdef", "http://", "http:// h/key", "/key"]
        {
            let complaint = Target::read(url).unwrap_err();
            assert!(!complaint.contains("0123"), "{url}: {complaint}");
        }
    }

    #[test]
    fn keys_are_masked() {
        let target = Target::read("https://user:secret@h/v2/0123456789abcdef").unwrap();
        assert_eq!(shown(&target.http), "https://h/v2/0123***");
        assert_eq!(shown(&target.ws), "wss://h/v2/0123***");
    }
}
