//! The keys of one provider.

use lasso_layers::catalog::ProviderSpec;

use super::super::document::{Node, Value};
use super::super::field::{Field, Fields};
use super::super::problem::Report;
use super::{IGNORED_KEYS, capabilities};

/// Reads one provider of a profile and chain, given by slug and key. After an error the rest is still read,
/// and the place in the list is kept.
pub(super) fn read(
    field: &Field<'_>,
    index: usize,
    (profile, chain): (&str, &str),
    report: &mut Report<'_>,
) -> ProviderSpec {
    let mut provider = ProviderSpec::new(format!("provider_{}", index + 1));
    let Some(mut fields) = field.fields(report) else {
        if field.node.is_null() {
            field.refuse(report, "a mapping");
        }
        return provider;
    };
    match fields.take(&["id"]).and_then(|field| field.text(report)).map(str::trim) {
        Some(id) if !id.is_empty() => provider.id = id.to_owned(),
        _ => field.warn(
            report,
            "provider_without_id",
            format!(
                "found no `id`, so it is called `{}`; give it a name that is unique in the chain",
                provider.id
            ),
        ),
    }
    provider.name = fields.take(&["name"]).and_then(|field| field.text(report)).map(str::to_owned);

    let needed_by = format!(" (profile `{profile}`, chain `{chain}`, provider `{}`)", provider.id);
    let mut secret = |key: &'static str, report: &mut Report<'_>| {
        fields.take(&[key]).and_then(|field| field.substituted(report, &needed_by))
    };
    provider.url = secret("url", report);
    provider.ws_url = secret("ws_url", report);
    provider.api_key = secret("api_key", report);
    for (key, pairs) in [("headers", &mut provider.headers), ("auth_headers", &mut provider.auth_headers)] {
        if let Some(field) = fields.take(&[key]) {
            *pairs = headers(&field, &needed_by, report);
        }
    }
    provider.credentials = fields.take(&["credentials"]).map(|field| canonical(field.node));

    let priority = fields.take(&["priority"]).and_then(|field| field.int(report, 0, u32::MAX.into()));
    if let Some(priority) = priority {
        provider.priority = u32::try_from(priority).unwrap_or(u32::MAX);
    }
    provider.archival = loose_bool(&mut fields, "archival", "true", report).unwrap_or(true);
    provider.subscribe_new_heads = loose_bool(&mut fields, "subscribe_new_heads", "unset", report);
    if let Some(mode) = fields.take(&["sharing_mode"]) {
        match mode.node.as_text() {
            Some("isolated") => provider.isolated = true,
            Some("auto") => {}
            _ => mode.warn(
                report,
                "ignored_value",
                format!("found {}, which counts as `auto`; allowed are `auto` and `isolated`", mode.shown()),
            ),
        }
    }
    if let Some(field) = fields.take(&["capabilities"]) {
        provider.capabilities = capabilities::read(&field, &provider.id, report);
    }
    fields.warn_unknown(report, &IGNORED_KEYS);
    provider
}

/// A boolean that may be in quotes; anything else has a meaning of its own, and is worth a look.
fn loose_bool(
    fields: &mut Fields<'_>,
    key: &'static str,
    otherwise: &str,
    report: &mut Report<'_>,
) -> Option<bool> {
    let field = fields.take(&[key])?;
    let value = field.node.as_bool().or_else(|| match field.node.as_text() {
        Some("true") => Some(true),
        Some("false") => Some(false),
        _ => None,
    });
    if value.is_none() {
        let shown = field.shown();
        field.warn(
            report,
            "ignored_value",
            format!("found {shown}, which counts as {otherwise}; allowed is true or false"),
        );
    }
    value
}

/// Header pairs: a mapping, or a list of `[name, value]` or `{name: value}` pairs. A header without a value
/// is left out.
fn headers(field: &Field<'_>, needed_by: &str, report: &mut Report<'_>) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let mut add = |name: &str, value: &Field<'_>, report: &mut Report<'_>| {
        if !value.node.is_null() {
            pairs.extend(value.substituted(report, needed_by).map(|value| (name.to_owned(), value)));
        }
    };
    match &field.node.value {
        Value::Map(entries) => {
            for entry in entries {
                add(&entry.key, &field.entry(entry), report);
            }
        }
        Value::List(_) => {
            for item in field.items() {
                match &item.node.value {
                    Value::List(pair) if pair.len() == 2 && pair[0].as_text().is_some() => {
                        let name = pair[0].as_text().unwrap_or_default();
                        add(name, &Field { node: &pair[1], ..item.clone() }, report);
                    }
                    Value::Map(entries) if entries.len() == 1 => {
                        add(&entries[0].key, &item.entry(&entries[0]), report);
                    }
                    _ => {
                        let message = format!("found {}; allowed is a pair [name, value]", item.node.kind());
                        item.error(report, "invalid_header", message);
                    }
                }
            }
        }
        _ => field.error(
            report,
            "invalid_header",
            format!("found {}; allowed is a mapping or a list of pairs [name, value]", field.node.kind()),
        ),
    }
    pairs
}

/// One text for a value, whatever the order of its keys.
fn canonical(node: &Node) -> String {
    match &node.value {
        Value::Plain(text) => text.clone(),
        Value::Quoted(text) => format!("{text:?}"),
        Value::List(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        Value::Map(entries) => {
            let mut pairs: Vec<String> =
                entries.iter().map(|entry| format!("{:?}:{}", entry.key, canonical(&entry.node))).collect();
            pairs.sort_unstable();
            format!("{{{}}}", pairs.join(","))
        }
    }
}
