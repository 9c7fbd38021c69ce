//! One profile file, from text to [`ProfileSpec`].
//!
//! A file has one of two forms. With frontmatter it starts with `---`, holds the profile's own keys, another
//! `---` and then `chains`. Flat, it is one YAML document with all keys side by side. Both read the same
//! keys, so the two parts of the first form are put together before anything is read.

mod capabilities;
mod chain;
mod provider;

use lasso_layers::catalog::{
    ChainSpec, ClientLimit, DEFAULT_PROFILE, MethodOverride, ProfileSpec, RoutingSpec, Strategy,
};

use super::document::{self, Node, Value};
use super::field::{Field, Fields};
use super::problem::Report;
use super::suggest;

/// Keys of profiles written for other routers that mean nothing here.
const IGNORED_KEYS: [&str; 3] = ["type", "api_key_required", "adapter_config"];

/// What a file must be called by, and what it says where it says nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Identity<'a> {
    /// The slug that the file must have; `None` where the file has no say in it.
    pub(super) slug: Option<&'a str>,
    /// The name of a flat file that has none.
    pub(super) name: &'a str,
}

/// A profile and the document it was read from.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) profile: ProfileSpec,
    pub(super) document: Node,
}

/// Reads the text of a file. What is wrong with it goes to the report; after an error the profile still
/// holds what could be read, so that it can be searched for further problems.
pub(super) fn read(text: &str, identity: Identity<'_>, report: &mut Report<'_>) -> Option<Read> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (document, flat) = match sections(text) {
        Sections::Flat => (document::parse(text, 1, report)?, true),
        Sections::Unfinished(line) => {
            report.error(
                line,
                "",
                "invalid_frontmatter_format",
                "found one line `---`; a second one must end the metadata, or none must start it",
            );
            return None;
        }
        Sections::Frontmatter { metadata, body } => {
            let metadata = document::parse(metadata.text, metadata.line, report);
            let body = document::parse(body.text, body.line, report);
            (put_together(metadata?, body?, report)?, false)
        }
    };
    let root = Field::root(&document);
    let Some(mut fields) = root.fields(report) else {
        report.error(
            0,
            "",
            "invalid_chains_format",
            "found no mapping `chains`; a profile lists its chains there",
        );
        return None;
    };
    let profile = profile(&mut fields, identity, flat, report);
    fields.warn_unknown(report, &IGNORED_KEYS);
    Some(Read { profile, document })
}

fn profile(
    fields: &mut Fields<'_>,
    identity: Identity<'_>,
    flat: bool,
    report: &mut Report<'_>,
) -> ProfileSpec {
    let slug = slug(fields, identity, flat, report);
    let name = fields.take(&["name"]).and_then(|field| field.text(report));
    let mut profile = ProfileSpec::new(slug);
    match name.map(str::trim) {
        Some(name) if !name.is_empty() => profile.name = name.to_owned(),
        _ if flat => profile.name = identity.name.to_owned(),
        _ => {}
    }
    let mut limit = |names: &[&'static str], default: u32| {
        let value = fields.take(names).and_then(|field| field.int(report, 1, u32::MAX.into()));
        value.map_or(default, |value| u32::try_from(value).unwrap_or(u32::MAX))
    };
    let default = ClientLimit::default();
    profile.limit = ClientLimit {
        rps: limit(&["rps_limit", "default_rps_limit"], default.rps),
        burst: limit(&["burst_limit", "default_burst_limit"], default.burst),
    };
    profile.logo = fields.take(&["logo"]).and_then(|field| field.text(report)).map(str::to_owned);
    profile.unlisted = fields.take(&["unlisted"]).is_some_and(|field| unlisted(&field, report));
    profile.routing = fields.take(&["routing"]).map(|field| routing(&field, report)).unwrap_or_default();
    profile.chains = chains(fields, &profile.slug, report);
    profile
}

fn slug(fields: &mut Fields<'_>, identity: Identity<'_>, flat: bool, report: &mut Report<'_>) -> String {
    let field = fields.take(&["slug"]);
    let Some(expected) = identity.slug else { return DEFAULT_PROFILE.to_owned() };
    let Some(field) = field else {
        if !flat {
            let message = format!("found no slug; allowed is `{expected}`, the name of the file");
            fields.field.error(report, "invalid_profile_spec", message);
        } else if expected != DEFAULT_PROFILE {
            let message = format!(
                "found no slug, which means `{DEFAULT_PROFILE}`; allowed is `{expected}`, the name of the file"
            );
            report.error(0, "slug", "slug_mismatch", message);
        }
        return expected.to_owned();
    };
    match field.node.as_string() {
        None => field.error(
            report,
            "invalid_or_duplicate_profile_id",
            format!("found {}; allowed is the string `{expected}`, the name of the file", field.shown()),
        ),
        Some(slug) if slug != expected => field.error(
            report,
            "slug_mismatch",
            format!("found `{slug}`; allowed is `{expected}`, the name of the file"),
        ),
        Some(_) => {}
    }
    expected.to_owned()
}

fn unlisted(field: &Field<'_>, report: &mut Report<'_>) -> bool {
    let value = field.node.as_bool();
    if value.is_none() {
        field.warn(
            report,
            "ignored_value",
            format!("found {}, which counts as false; allowed is true or false", field.shown()),
        );
    }
    value == Some(true)
}

fn chains(fields: &mut Fields<'_>, profile: &str, report: &mut Report<'_>) -> Vec<ChainSpec> {
    let field = fields.take_nullable(&["chains"]);
    let Some((field, entries)) = field.as_ref().and_then(|field| Some((field, field.node.as_map()?))) else {
        let line = field.as_ref().map_or(0, |field| field.line);
        let found = field.as_ref().map_or("nothing", |field| field.node.kind());
        report.error(
            line,
            "chains",
            "invalid_chains_format",
            format!("found {found}; allowed is a mapping from chain keys to chains"),
        );
        return Vec::new();
    };
    let mut chains = Vec::with_capacity(entries.len());
    for entry in entries {
        // Of a key that stands twice the first one counts; the second is reported as a duplicate.
        if !chains.iter().any(|chain: &ChainSpec| chain.key == entry.key) {
            chains.extend(chain::read(&field.entry(entry), &entry.key, profile, report));
        }
    }
    chains
}

fn routing(field: &Field<'_>, report: &mut Report<'_>) -> RoutingSpec {
    let mut routing = RoutingSpec::default();
    let Some(mut fields) = field.fields(report) else { return routing };
    routing.default_strategy = fields.take(&["default_strategy"]).and_then(|field| strategy(&field, report));
    if let Some(overrides) = fields.take(&["method_overrides"]) {
        if overrides.node.as_map().is_none() {
            overrides.refuse(report, "a mapping from method names to exceptions");
        }
        for entry in overrides.node.as_map().unwrap_or_default() {
            routing.method_overrides.extend(method_override(&overrides.entry(entry), &entry.key, report));
        }
    }
    fields.warn_unknown(report, &[]);
    routing
}

fn method_override(field: &Field<'_>, method: &str, report: &mut Report<'_>) -> Option<MethodOverride> {
    let mut fields = field.fields(report)?;
    let strategy = fields.take(&["strategy"]).and_then(|field| strategy(&field, report));
    let providers = fields.take(&["providers"]).map(|field| texts(&field, report)).unwrap_or_default();
    fields.warn_unknown(report, &[]);
    Some(MethodOverride { method: method.to_owned(), strategy, providers })
}

fn strategy(field: &Field<'_>, report: &mut Report<'_>) -> Option<Strategy> {
    let name = field.text(report)?;
    let strategy = Strategy::from_name(name);
    if strategy.is_none() {
        let known = Strategy::ALL.map(Strategy::as_str);
        field.error(
            report,
            "unknown_strategy",
            format!(
                "found {}; allowed are {}{}",
                field.shown(),
                known.map(|name| format!("`{name}`")).join(", "),
                suggest::question(suggest::nearest(name, known))
            ),
        );
    }
    strategy
}

/// A list of texts, or one that stands alone.
fn texts(field: &Field<'_>, report: &mut Report<'_>) -> Vec<String> {
    field.items().iter().filter_map(|item| item.text(report)).map(str::to_owned).collect()
}

enum Sections<'a> {
    Flat,
    /// The line of the only `---`.
    Unfinished(usize),
    Frontmatter {
        metadata: Section<'a>,
        body: Section<'a>,
    },
}

struct Section<'a> {
    text: &'a str,
    /// The line of the file it starts on.
    line: usize,
}

/// Splits a text at its first two lines `---`. Blank lines and comments may stand before the first.
fn sections(text: &str) -> Sections<'_> {
    let mut start = None;
    let mut at = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let next = at + line.len();
        let content = line.trim_end();
        match start {
            None if content == "---"
                || (content.starts_with("--- ") && content[4..].trim_start().starts_with('#')) =>
            {
                start = Some((next, index + 2));
            }
            None if content.trim_start().is_empty() || content.trim_start().starts_with('#') => {}
            None => return Sections::Flat,
            Some((from, first)) if content == "---" => {
                return Sections::Frontmatter {
                    metadata: Section { text: &text[from..at], line: first },
                    body: Section { text: &text[next..], line: index + 2 },
                };
            }
            Some(_) => {}
        }
        at = next;
    }
    match start {
        // After comments it is the start of the one document of a flat file.
        Some((_, line)) if text.trim_start().starts_with("---") => Sections::Unfinished(line - 1),
        _ => Sections::Flat,
    }
}

fn put_together(metadata: Node, body: Node, report: &mut Report<'_>) -> Option<Node> {
    let line = metadata.line;
    let (Value::Map(mut entries), found) = (metadata.value, body.kind()) else {
        report.error(
            line,
            "",
            "invalid_frontmatter_format",
            "the metadata between the two `---` is no mapping",
        );
        return None;
    };
    let Value::Map(body_entries) = body.value else {
        report.error(
            body.line,
            "chains",
            "invalid_chains_format",
            format!("found {found} after the second `---`; allowed is a mapping with `chains`"),
        );
        return None;
    };
    for entry in body_entries {
        if entries.iter().any(|known| known.key == entry.key) {
            let message = "the key stands before the second `---` already; a key may occur once";
            report.error(entry.line, &entry.key, "duplicate_key", message);
        } else {
            entries.push(entry);
        }
    }
    Some(Node { line, value: Value::Map(entries) })
}

#[cfg(test)]
mod tests;
