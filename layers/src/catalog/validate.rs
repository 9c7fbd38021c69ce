//! Checks of a set of profiles that need no file: what must be unique, positive, known.

mod provider;

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};
use http::Uri;

use super::identity;
use super::{ChainSpec, DEFAULT_PROFILE, ProfileSpec, ProviderSpec};

/// How bad a [`Problem`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The set cannot be used.
    Error,
    /// The set can be used, and somebody should look.
    Warning,
}

/// One thing that is wrong with a set of profiles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// What kind of problem it is, in a word that does not change, such as `duplicate_chain_id`.
    pub code: &'static str,
    /// The slug of the profile.
    pub profile: String,
    /// The key path within the profile, such as `chains.base.providers[2].url`.
    pub path: String,
    /// What was found and what is allowed. Holds no secret.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, profile, path, message, .. } = self;
        write!(f, "{profile}: {path}: {message} [{code}]")
    }
}

/// The most profiles of a set, chains of a profile, or providers of a chain.
const MOST: usize = 65_535;

/// Finds everything that is wrong with a set of profiles.
///
/// Chain ids, aliases and provider ids are compared within one profile only: the same alias may mean another
/// chain in another profile.
#[must_use]
pub fn validate(profiles: &[ProfileSpec]) -> Vec<Problem> {
    let mut findings = Findings { profile: "", problems: Vec::new() };
    findings.count("profiles", profiles.len());
    let mut slugs = HashSet::new();
    for profile in profiles {
        findings.profile = &profile.slug;
        if !is_slug(&profile.slug) {
            findings.error(
                "invalid_or_duplicate_profile_id",
                "slug",
                format!("found `{}`; allowed are letters, digits, `-`, `_`, `.` and `~`", profile.slug),
            );
        } else if !slugs.insert(profile.slug.as_str()) {
            findings.error(
                "invalid_or_duplicate_profile_id",
                "slug",
                format!("`{}` is the slug of two profiles; every profile needs its own", profile.slug),
            );
        }
        check_profile(profile, &mut findings);
    }
    if !slugs.contains(DEFAULT_PROFILE) {
        findings.profile = DEFAULT_PROFILE;
        // Whoever gives every call a route of its own needs no profile for the calls without one.
        findings.warning(
            "default_profile_missing",
            "slug",
            format!("no profile has the slug `{DEFAULT_PROFILE}`; requests that name no profile need it"),
        );
    }
    findings.problems
}

fn check_profile(profile: &ProfileSpec, findings: &mut Findings<'_>) {
    for (key, value) in [("rps_limit", profile.limit.rps), ("burst_limit", profile.limit.burst)] {
        if value == 0 {
            findings.error("invalid_limit", key, "found 0; allowed is a whole number of at least 1");
        }
    }
    findings.count("chains", profile.chains.len());
    if profile.chains.is_empty() {
        findings.warning("profile_without_chains", "chains", "no chain is configured, so nothing is served");
    }
    check_chain_names(profile, findings);
    for chain in &profile.chains {
        check_chain(chain, findings);
    }
    check_routing(profile, findings);
}

fn check_chain_names(profile: &ProfileSpec, findings: &mut Findings<'_>) {
    let mut ids: HashMap<u64, &str> = HashMap::new();
    for chain in &profile.chains {
        let path = format!("chains.{}.chain_id", chain.key);
        if chain.chain_id == 0 {
            findings.error("invalid_chain_id", path, "found 0; allowed is a whole number of at least 1");
        } else if let Some(first) = ids.insert(chain.chain_id, &chain.key) {
            findings.error(
                "duplicate_chain_id",
                path,
                format!("{} is the id of `{first}` already; each chain may be listed once", chain.chain_id),
            );
        }
    }

    let mut aliases: HashMap<&str, &str> = HashMap::new();
    for chain in &profile.chains {
        let own = chain.url_aliases.iter().enumerate().filter(|(_, alias)| **alias != chain.key);
        let listed = own.map(|(at, alias)| (alias, format!("chains.{}.url_aliases[{at}]", chain.key)));
        for (alias, path) in [(&chain.key, format!("chains.{}", chain.key))].into_iter().chain(listed) {
            if alias.trim().is_empty() {
                findings.error(
                    "invalid_chain_alias",
                    path,
                    format!("chain {} has a blank alias; an alias is a part of a URL", chain.chain_id),
                );
                continue;
            }
            if alias.contains(|c: char| c.is_whitespace() || c.is_control() || "/?#%".contains(c)) {
                findings.warning(
                    "unreachable_chain_alias",
                    &path,
                    format!("`{alias}` cannot be written as one part of a URL, so no request will name it"),
                );
            }
            // The id is looked up first, so such an alias could never be reached.
            let numeric = alias.bytes().all(|byte| byte.is_ascii_digit());
            let id = alias.parse().ok().filter(|id| numeric && *id != chain.chain_id);
            if let Some(other) = id.and_then(|id: u64| ids.get(&id)) {
                findings.error(
                    "chain_alias_collides_with_chain_id",
                    &path,
                    format!(
                        "alias `{alias}` of chain {} is the id of chain `{other}`; choose a name that is \
                         not the id of another chain",
                        chain.chain_id
                    ),
                );
            }
            match aliases.insert(alias, &chain.key) {
                Some(first) if first != chain.key || *alias == chain.key => findings.error(
                    "duplicate_chain_alias",
                    path,
                    format!("`{alias}` names chain `{first}` already; an alias names one chain"),
                ),
                _ => {}
            }
        }
    }
}

fn check_chain(chain: &ChainSpec, findings: &mut Findings<'_>) {
    let at = format!("chains.{}", chain.key);
    if chain.settings.probe_interval.is_zero() {
        findings.error(
            "invalid_interval",
            format!("{at}.monitoring.probe_interval_ms"),
            "found 0; allowed is a whole number of at least 1",
        );
    }
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let advised: [(&str, u64, RangeInclusive<u64>); 3] = [
        ("new_heads_timeout_ms", millis(chain.settings.new_heads_timeout), 5_000..=120_000),
        ("failover.max_backfill_blocks", chain.settings.max_backfill_blocks, 1..=10_000),
        ("failover.backfill_timeout_ms", millis(chain.settings.backfill_timeout), 5_000..=300_000),
    ];
    for (key, value, range) in advised {
        if !range.contains(&value) {
            findings.warning(
                "unusual_value",
                format!("{at}.websocket.{key}"),
                format!("found {value}; advised is {} to {}", range.start(), range.end()),
            );
        }
    }

    findings.count(format!("{at}.providers"), chain.providers.len());
    if chain.providers.is_empty() {
        findings.warning(
            "chain_without_providers",
            format!("{at}.providers"),
            "no provider is configured, so every request for this chain fails",
        );
    }
    let mut ids: HashMap<&str, usize> = HashMap::new();
    let mut priorities: HashMap<u32, &str> = HashMap::new();
    let mut urls: HashMap<String, &str> = HashMap::new();
    for (index, provider) in chain.providers.iter().enumerate() {
        let at = format!("{at}.providers[{index}]");
        if provider.id.trim().is_empty() {
            findings.error(
                "missing_provider_id",
                format!("{at}.id"),
                "found nothing; every provider needs an id",
            );
        } else if let Some(first) = ids.insert(&provider.id, index) {
            findings.error(
                "duplicate_provider_id",
                format!("{at}.id"),
                format!(
                    "`{}` is the id of providers[{first}] already; ids are unique in a chain",
                    provider.id
                ),
            );
        }
        if provider.priority == 0 {
            findings.warning("unusual_value", format!("{at}.priority"), "found 0; advised is 1 or more");
        }
        // The default says that no order is asked for.
        let ranked = provider.priority != ProviderSpec::DEFAULT_PRIORITY;
        if let Some(first) = priorities.insert(provider.priority, &provider.id).filter(|_| ranked) {
            findings.warning(
                "duplicate_priority",
                format!("{at}.priority"),
                format!("{} is the priority of `{first}` too; their order is the file's", provider.priority),
            );
        }
        provider::check(&at, provider, findings);
        let url = identity::address(provider.url.as_ref()).and_then(|url| url.parse::<Uri>().ok());
        if let Some(first) = url.and_then(|url| urls.insert(identity::normalise(&url), &provider.id)) {
            findings.warning(
                "duplicate_provider_url",
                format!("{at}.url"),
                format!("`{first}` has the same address; one upstream listed twice is no redundancy"),
            );
        }
    }
}

fn check_routing(profile: &ProfileSpec, findings: &mut Findings<'_>) {
    let known: HashSet<&str> = profile
        .chains
        .iter()
        .flat_map(|chain| &chain.providers)
        .map(|provider| provider.id.as_str())
        .collect();
    let mut methods = HashSet::new();
    for entry in &profile.routing.method_overrides {
        let path = format!("routing.method_overrides.{}", entry.method);
        if !methods.insert(entry.method.as_str()) {
            findings.error(
                "duplicate_method_override",
                &path,
                format!("`{}` has an entry already; a method has one", entry.method),
            );
        }
        for (index, id) in entry.providers.iter().enumerate() {
            if !known.contains(id.as_str()) {
                findings.error(
                    "unknown_provider",
                    format!("{path}.providers[{index}]"),
                    format!("no chain of this profile has a provider `{id}`"),
                );
            }
        }
    }
}

/// Whether a slug can stand in a URL as it is.
fn is_slug(slug: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    !slug.is_empty() && slug != "." && slug != ".." && slug.bytes().all(allowed)
}

/// The problems found so far and the profile being looked at.
struct Findings<'a> {
    profile: &'a str,
    problems: Vec<Problem>,
}

impl Findings<'_> {
    fn error(&mut self, code: &'static str, path: impl Into<String>, message: impl Into<String>) {
        self.add(Severity::Error, code, path.into(), message.into());
    }

    fn warning(&mut self, code: &'static str, path: impl Into<String>, message: impl Into<String>) {
        self.add(Severity::Warning, code, path.into(), message.into());
    }

    fn count(&mut self, path: impl Into<String>, count: usize) {
        if count > MOST {
            self.error("too_many", path, format!("found {count}; allowed are {MOST}"));
        }
    }

    fn add(&mut self, severity: Severity, code: &'static str, path: String, message: String) {
        self.problems.push(Problem { severity, code, profile: self.profile.to_owned(), path, message });
    }
}

#[cfg(test)]
mod tests;
