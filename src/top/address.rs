//! Where a router says what happens.

use std::convert::Infallible;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use http::Uri;
use lasso_layers::catalog::redact;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::config::Environment;

/// The port that a router listens on unless it is told otherwise.
const PORT: u16 = 4000;

/// An address as it was typed; it may hold a password.
#[derive(Clone)]
pub(super) struct Given(pub(super) String);

impl FromStr for Given {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Given")
    }
}

/// The page that tells what happens, and the address of its router as it may be shown.
#[derive(Clone)]
pub(super) struct Address {
    pub(super) page: Uri,
    pub(super) shown: String,
    /// The profile that was asked for, if one was.
    pub(super) profile: Option<String>,
}

impl Address {
    /// Reads the address of a router; without a scheme it is one of HTTP. What it has of a path is kept, for routers
    /// behind a proxy.
    ///
    /// # Errors
    ///
    /// When it is none. The complaint does not repeat it.
    pub(super) fn read(url: &str, profile: Option<&str>) -> Result<Self, &'static str> {
        let url = url.trim();
        let url = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let base: Uri = url.parse().map_err(|_| "it is none")?;
        if !matches!(base.scheme_str(), Some("http" | "https")) {
            return Err("it begins with neither http:// nor https://");
        }
        if base.host().is_none_or(str::is_empty) {
            return Err("it names no host");
        }
        let query = profile
            .map(|slug| format!("?profile={}", utf8_percent_encode(slug, NON_ALPHANUMERIC)))
            .unwrap_or_default();
        let path = format!("{}/api/live{query}", base.path().trim_end_matches('/'));
        let shown = redact::url(&base.to_string());
        let mut parts = base.into_parts();
        parts.path_and_query = Some(path.parse().map_err(|_| "its path is none")?);
        let page = Uri::from_parts(parts).map_err(|_| "it is none")?;
        Ok(Self { page, shown, profile: profile.map(str::to_owned) })
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address").field("shown", &self.shown).finish_non_exhaustive()
    }
}

/// The address of a router on this machine with these settings. What is no setting is passed over: the router would not
/// start with it.
pub(super) fn of_settings(environment: &Environment) -> String {
    let listen = environment.var("LASSO_LISTEN").and_then(|listen| listen.parse().ok());
    let port = || environment.var("PORT").and_then(|port| port.parse().ok()).unwrap_or(PORT);
    let mut listen = listen.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, port())));
    if listen.ip().is_unspecified() {
        listen.set_ip(match listen.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    format!("http://{listen}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(url: &str, profile: Option<&str>) -> String {
        Address::read(url, profile).unwrap().page.to_string()
    }

    #[test]
    fn the_page_is_beneath_the_address() {
        for (url, expected) in [
            ("http://127.0.0.1:4000", "http://127.0.0.1:4000/api/live"),
            (" https://h/lasso/ ", "https://h/lasso/api/live"),
            ("localhost:4000", "http://localhost:4000/api/live"),
            ("http://[::1]:1/?x=y", "http://[::1]:1/api/live"),
        ] {
            assert_eq!(page(url, None), expected, "{url}");
        }
        assert_eq!(page("h", Some("a&b c")), "http://h/api/live?profile=a%26b%20c");
    }

    #[test]
    fn what_is_no_address_is_refused_without_repeating_it() {
        for url in ["", "ws://h/0123", "http://", "http://h 0123", "ftp://0123"] {
            let complaint = Address::read(url, None).unwrap_err();
            assert!(!complaint.contains("0123"), "{url}: {complaint}");
        }
    }

    #[test]
    fn passwords_are_not_shown() {
        let address = Address::read("https://user:secret@h/", None).unwrap();
        assert!(!format!("{address:?}{}", address.shown).contains("secret"));
        assert_eq!(format!("{:?}", Given("secret".to_owned())), "Given");
    }

    #[test]
    fn the_settings_name_the_address_that_is_meant_otherwise() {
        for (variables, expected) in [
            ("", "http://127.0.0.1:4000"),
            ("PORT=8080", "http://127.0.0.1:8080"),
            ("LASSO_LISTEN=0.0.0.0:81\nPORT=8080", "http://127.0.0.1:81"),
            ("LASSO_LISTEN=[::]:82", "http://[::1]:82"),
            ("LASSO_LISTEN=10.0.0.1:83", "http://10.0.0.1:83"),
            ("PORT=no", "http://127.0.0.1:4000"),
        ] {
            let environment = Environment::parse(".env", variables).unwrap();
            assert_eq!(of_settings(&environment), expected, "{variables}");
        }
    }
}
