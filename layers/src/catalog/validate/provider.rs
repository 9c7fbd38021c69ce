//! Checks of one provider: addresses, headers, capabilities.

use http::{HeaderName, HeaderValue, Uri};

use super::super::{Category, ErrorRule, MethodCategory, ProviderSpec, identity};
use super::Findings;

/// Headers that belong to the connection, not to the request: a profile cannot set them.
const CONNECTION_HEADERS: [&str; 8] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Checks one provider at a key path.
pub(super) fn check(at: &str, provider: &ProviderSpec, findings: &mut Findings<'_>) {
    let sides = [("url", &provider.url, ["http", "https"]), ("ws_url", &provider.ws_url, ["ws", "wss"])];
    let mut addresses = 0;
    for (key, configured, schemes) in sides {
        let Some(address) = identity::address(configured.as_ref()) else { continue };
        addresses += 1;
        if let Err(found) = check_address(address, schemes) {
            findings.error(
                "invalid_url",
                format!("{at}.{key}"),
                format!(
                    "provider `{}`: {found}; allowed is {}://host or {}://host",
                    provider.id, schemes[0], schemes[1]
                ),
            );
        } else if address
            .parse()
            .is_ok_and(|uri: Uri| uri.authority().is_some_and(|a| a.as_str().contains('@')))
        {
            findings.warning(
                "url_credentials_not_sent",
                format!("{at}.{key}"),
                "the user name and password of the address are not sent; set an `Authorization` header instead",
            );
        }
    }
    if addresses == 0 {
        findings.warning(
            "provider_without_url",
            at,
            format!("provider `{}` has neither `url` nor `ws_url`, so it gets no traffic", provider.id),
        );
    }

    if provider.api_key.as_ref().is_some_and(|key| HeaderValue::try_from(key).is_err()) {
        findings.error(
            "invalid_header",
            format!("{at}.api_key"),
            "the value has characters that a header cannot carry; allowed are visible characters and spaces",
        );
    }
    for (key, pairs) in [("headers", &provider.headers), ("auth_headers", &provider.auth_headers)] {
        for (name, value) in pairs {
            check_header(format!("{at}.{key}.{name}"), name, value, findings);
        }
    }

    let capabilities = &provider.capabilities;
    if capabilities.unsupported_categories.contains(&MethodCategory::Unknown) {
        findings.error(
            "invalid_capability",
            format!("{at}.capabilities.unsupported_categories"),
            format!(
                "found `unknown`; allowed are {}",
                names(MethodCategory::NAMED.map(MethodCategory::as_str))
            ),
        );
    }
    for (index, rule) in capabilities.error_rules.iter().enumerate() {
        check_rule(format!("{at}.capabilities.error_rules[{index}]"), rule, findings);
    }
}

/// Says what is wrong with an address without showing it: it may hold a key.
fn check_address(address: &str, schemes: [&str; 2]) -> Result<(), String> {
    let Some((scheme, _)) = address.split_once("://") else {
        return Err("found an address without a scheme".to_owned());
    };
    if !schemes.iter().any(|allowed| scheme.eq_ignore_ascii_case(allowed)) {
        let known = ["http", "https", "ws", "wss"].iter().find(|known| scheme.eq_ignore_ascii_case(known));
        return Err(match known {
            Some(scheme) => format!("found the scheme {scheme}"),
            None => "found an unknown scheme".to_owned(),
        });
    }
    let uri: Uri = address.parse().map_err(|_| "found an address that is not a URL".to_owned())?;
    if uri.host().is_none_or(str::is_empty) {
        return Err("found an address without a host".to_owned());
    }
    let authority = uri.authority().map(|authority| authority.as_str()).unwrap_or_default();
    let after_user = authority.rsplit('@').next().unwrap_or_default();
    let port = after_user.rsplit(']').next().and_then(|rest| rest.split_once(':')).map(|(_, port)| port);
    match port.map(str::parse::<u16>) {
        None | Some(Ok(1..)) => Ok(()),
        Some(_) => Err("found a port that is not a number from 1 to 65535".to_owned()),
    }
}

fn check_header(path: String, name: &str, value: &str, findings: &mut Findings<'_>) {
    if HeaderName::try_from(name).is_err() {
        findings.error(
            "invalid_header",
            path,
            format!("`{}` is not a header name; allowed are letters, digits and `-`", name.escape_debug()),
        );
    } else if CONNECTION_HEADERS.iter().any(|known| name.eq_ignore_ascii_case(known)) {
        findings.error(
            "invalid_header",
            path,
            format!("`{name}` describes the connection and is set by the router; remove it"),
        );
    } else if HeaderValue::try_from(value).is_err() {
        findings.error(
            "invalid_header",
            path,
            "the value has characters that a header cannot carry; allowed are visible characters and spaces",
        );
    }
}

fn check_rule(path: String, rule: &ErrorRule, findings: &mut Findings<'_>) {
    if rule.code.is_none() && rule.message_contains.is_empty() {
        findings.error(
            "invalid_error_rule",
            &path,
            "found no condition; a rule needs `code`, `message_contains` or both",
        );
    }
    if !Category::RULE_CATEGORIES.contains(&rule.category) {
        let allowed = names(Category::RULE_CATEGORIES.map(Category::as_str));
        findings.error(
            "invalid_error_rule",
            format!("{path}.category"),
            format!("found `{}`; allowed are {allowed}", rule.category),
        );
    }
}

fn names<const N: usize>(names: [&str; N]) -> String {
    names.map(|name| format!("`{name}`")).join(", ")
}
