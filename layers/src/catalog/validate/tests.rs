use std::time::Duration;

use super::super::{Capabilities, Category, ErrorRule, Live, MethodCategory, MethodOverride, ProviderSpec};
use super::*;

fn base() -> ProfileSpec {
    let chain = ChainSpec::new("base", 8453).provider(ProviderSpec::http("a", "https://a.example/"));
    ProfileSpec::new("default").chain(chain)
}

fn found(profiles: &[ProfileSpec]) -> Vec<(&'static str, String)> {
    validate(profiles).into_iter().map(|problem| (problem.code, problem.path)).collect()
}

/// The problems of a set after one change to a profile without any.
fn after(change: impl FnOnce(&mut ProfileSpec)) -> Vec<Problem> {
    let mut profile = base();
    change(&mut profile);
    validate(&[profile])
}

fn expect(change: impl FnOnce(&mut ProfileSpec), severity: Severity, code: &str, path: &str) {
    let problems = after(change);
    let shown: Vec<_> =
        problems.iter().map(|problem| (problem.severity, problem.code, problem.path.as_str())).collect();
    assert_eq!(shown, [(severity, code, path)]);
}

fn provider(change: impl FnOnce(&mut ProviderSpec)) -> impl FnOnce(&mut ProfileSpec) {
    |profile| change(&mut profile.chains[0].providers[0])
}

#[test]
fn a_plain_profile_has_no_problem() {
    assert_eq!(validate(&[base()]), []);
}

#[test]
fn a_set_without_a_default_profile_is_for_calls_that_name_theirs() {
    let alone = || ProfileSpec { slug: "tenant".into(), ..base() };
    let problems = validate(&[alone()]);
    let shown: Vec<_> = problems.iter().map(|problem| (problem.severity, problem.code)).collect();
    assert_eq!(shown, [(Severity::Warning, "default_profile_missing")]);
    let live = Live::new(vec![alone()]).unwrap();
    assert!(live.load().profile("default").is_none());
    assert!(live.load().profile("tenant").is_some());
}

#[test]
fn slugs_are_unique() {
    let named = |slug: &str| ProfileSpec { slug: slug.into(), ..base() };
    for bad in ["", "a b", "a/b", "..", "é"] {
        let found = found(&[base(), named(bad)]);
        assert_eq!(found, [("invalid_or_duplicate_profile_id", "slug".to_owned())], "{bad}");
    }
    assert_eq!(found(&[base(), base()]), [("invalid_or_duplicate_profile_id", "slug".to_owned())]);
    assert_eq!(found(&[base(), named("public-2_x.y~z")]), []);
}

#[test]
fn limits_and_intervals_are_positive() {
    expect(|profile| profile.limit.rps = 0, Severity::Error, "invalid_limit", "rps_limit");
    expect(|profile| profile.limit.burst = 0, Severity::Error, "invalid_limit", "burst_limit");
    expect(
        |profile| profile.chains[0].settings.probe_interval = Duration::ZERO,
        Severity::Error,
        "invalid_interval",
        "chains.base.monitoring.probe_interval_ms",
    );
}

#[test]
fn chain_ids_are_positive_and_unique_within_a_profile() {
    expect(
        |profile| profile.chains[0].chain_id = 0,
        Severity::Error,
        "invalid_chain_id",
        "chains.base.chain_id",
    );
    let twice = |profile: &mut ProfileSpec| {
        let other = ChainSpec { key: "other".into(), ..profile.chains[0].clone() };
        profile.chains.push(other);
    };
    expect(twice, Severity::Error, "duplicate_chain_id", "chains.other.chain_id");
    let other = ProfileSpec { slug: "other".into(), ..base() };
    assert_eq!(found(&[base(), other]), []);
}

#[test]
fn an_alias_names_one_chain_and_no_other_chain_by_its_id() {
    let with = |alias: &'static str| {
        move |profile: &mut ProfileSpec| {
            let mut other =
                ChainSpec::new("other", 10).provider(ProviderSpec::http("b", "https://b.example"));
            other.url_aliases.push(alias.to_owned());
            profile.chains.push(other);
        }
    };
    let at = "chains.other.url_aliases[0]";
    expect(with(" "), Severity::Error, "invalid_chain_alias", at);
    expect(with("base"), Severity::Error, "duplicate_chain_alias", at);
    expect(with("8453"), Severity::Error, "chain_alias_collides_with_chain_id", at);
    // A lookup reads it as the same number.
    expect(with("08453"), Severity::Error, "chain_alias_collides_with_chain_id", at);
    expect(with("a/b"), Severity::Warning, "unreachable_chain_alias", at);
    for fine in ["other", "10", "11", "Base"] {
        assert_eq!(after(with(fine)), [], "{fine}");
    }
    let key_twice = |profile: &mut ProfileSpec| {
        let other = ChainSpec { chain_id: 10, ..profile.chains[0].clone() };
        profile.chains.push(other);
    };
    expect(key_twice, Severity::Error, "duplicate_chain_alias", "chains.base");
    expect(|profile| profile.chains[0].key = " ".into(), Severity::Error, "invalid_chain_alias", "chains. ");
}

#[test]
fn what_is_missing_but_harmless_is_a_warning() {
    expect(|profile| profile.chains.clear(), Severity::Warning, "profile_without_chains", "chains");
    expect(
        |profile| profile.chains[0].providers.clear(),
        Severity::Warning,
        "chain_without_providers",
        "chains.base.providers",
    );
    let blank = provider(|provider| provider.url = Some(" ".into()));
    expect(blank, Severity::Warning, "provider_without_url", "chains.base.providers[0]");
}

#[test]
fn either_address_is_enough() {
    let ws_only = provider(|provider| {
        provider.url = None;
        provider.ws_url = Some("wss://a.example".into());
    });
    assert_eq!(after(ws_only), []);
}

#[test]
fn provider_ids_are_unique_within_a_chain() {
    expect(
        provider(|provider| provider.id = " ".into()),
        Severity::Error,
        "missing_provider_id",
        "chains.base.providers[0].id",
    );
    let twice = |profile: &mut ProfileSpec| {
        profile.chains[0].providers.push(ProviderSpec::http("a", "https://b.example"));
    };
    expect(twice, Severity::Error, "duplicate_provider_id", "chains.base.providers[1].id");
}

#[test]
fn addresses_have_the_right_scheme_a_host_and_a_port_that_exists() {
    let at = "chains.base.providers[0].url";
    for bad in [
        "secret-word.example",
        "ftp://secret-word.example",
        "ws://secret-word.example",
        "https://",
        "https:///secret-word",
        "https://:80/secret-word",
        "https://h.example:99999/secret-word",
        "https://h.example:0/secret-word",
        "https://h.example:/secret-word",
        "https://h example/secret-word",
        "https://h.example/secret word",
        "https://h.example/\nsecret-word",
    ] {
        let problems = after(provider(|provider| provider.url = Some(bad.into())));
        assert_eq!(problems.len(), 1, "{bad}: {problems:?}");
        assert_eq!((problems[0].code, problems[0].path.as_str()), ("invalid_url", at), "{bad}");
        assert!(!problems[0].to_string().contains("secret"), "{}", problems[0]);
    }
    for fine in ["HTTP://h", "https://h.example:65535/x?y=z", "http://[::1]:8545", " https://h.example "] {
        assert_eq!(after(provider(|provider| provider.url = Some(fine.into()))), [], "{fine}");
    }
    expect(
        provider(|provider| provider.ws_url = Some("https://h.example".into())),
        Severity::Error,
        "invalid_url",
        "chains.base.providers[0].ws_url",
    );
    expect(
        provider(|provider| provider.url = Some("https://u:p@h.example".into())),
        Severity::Warning,
        "url_credentials_not_sent",
        at,
    );
}

#[test]
fn headers_can_be_sent() {
    let pair = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    let at = "chains.base.providers[0]";
    for (name, value) in [("bad name", "v"), ("", "v"), ("x", "secret\n"), ("Content-Length", "1")] {
        let problems = after(provider(|provider| provider.headers = pair(name, value)));
        assert_eq!(problems.len(), 1, "{name}");
        assert_eq!(
            (problems[0].code, &problems[0].path),
            ("invalid_header", &format!("{at}.headers.{name}"))
        );
        assert!(!problems[0].to_string().contains("secret"));
    }
    expect(
        provider(|provider| provider.auth_headers = pair("x", "\0")),
        Severity::Error,
        "invalid_header",
        &format!("{at}.auth_headers.x"),
    );
    expect(
        provider(|provider| provider.api_key = Some("a\r\nb".into())),
        Severity::Error,
        "invalid_header",
        &format!("{at}.api_key"),
    );
}

#[test]
fn capabilities_name_categories_that_can_be_named() {
    let with = |capabilities| provider(|provider| provider.capabilities = capabilities);
    let rule = |code, category| ErrorRule { code, message_contains: Vec::new(), category };
    let rules = |rule| Capabilities { error_rules: vec![rule], ..Capabilities::default() };
    let at = "chains.base.providers[0].capabilities";
    expect(
        with(Capabilities {
            unsupported_categories: vec![MethodCategory::Unknown],
            ..Capabilities::default()
        }),
        Severity::Error,
        "invalid_capability",
        &format!("{at}.unsupported_categories"),
    );
    expect(
        with(rules(rule(None, Category::RateLimit))),
        Severity::Error,
        "invalid_error_rule",
        &format!("{at}.error_rules[0]"),
    );
    expect(
        with(rules(rule(Some(1), Category::Timeout))),
        Severity::Error,
        "invalid_error_rule",
        &format!("{at}.error_rules[0].category"),
    );
    assert_eq!(after(with(rules(rule(Some(1), Category::RateLimit)))), []);
}

#[test]
fn method_overrides_name_known_providers_once() {
    let entry = |providers: &[&str]| MethodOverride {
        method: "eth_call".into(),
        strategy: None,
        providers: providers.iter().map(|id| (*id).to_owned()).collect(),
    };
    expect(
        |profile| profile.routing.method_overrides = vec![entry(&["a", "b"])],
        Severity::Error,
        "unknown_provider",
        "routing.method_overrides.eth_call.providers[1]",
    );
    expect(
        |profile| profile.routing.method_overrides = vec![entry(&["a"]), entry(&[])],
        Severity::Error,
        "duplicate_method_override",
        "routing.method_overrides.eth_call",
    );
}

#[test]
fn what_is_unusual_is_a_warning() {
    let at = "chains.base.websocket";
    let warn = |change: fn(&mut ChainSpec), path: String| {
        expect(|profile| change(&mut profile.chains[0]), Severity::Warning, "unusual_value", &path);
    };
    warn(
        |chain| chain.settings.new_heads_timeout = Duration::from_millis(4_999),
        format!("{at}.new_heads_timeout_ms"),
    );
    warn(
        |chain| chain.settings.new_heads_timeout = Duration::from_millis(120_001),
        format!("{at}.new_heads_timeout_ms"),
    );
    warn(|chain| chain.settings.max_backfill_blocks = 0, format!("{at}.failover.max_backfill_blocks"));
    warn(|chain| chain.settings.max_backfill_blocks = 10_001, format!("{at}.failover.max_backfill_blocks"));
    warn(
        |chain| chain.settings.backfill_timeout = Duration::from_millis(4_999),
        format!("{at}.failover.backfill_timeout_ms"),
    );
    warn(
        |chain| chain.settings.backfill_timeout = Duration::MAX,
        format!("{at}.failover.backfill_timeout_ms"),
    );
    warn(|chain| chain.providers[0].priority = 0, "chains.base.providers[0].priority".into());

    let second = |priority, url: &'static str| {
        move |profile: &mut ProfileSpec| {
            profile.chains[0].providers[0].priority = priority;
            profile.chains[0].providers.push(ProviderSpec::http("b", url).priority(priority));
        }
    };
    let at = "chains.base.providers[1]";
    expect(
        second(4, "https://b.example"),
        Severity::Warning,
        "duplicate_priority",
        &format!("{at}.priority"),
    );
    expect(
        second(ProviderSpec::DEFAULT_PRIORITY, "HTTPS://A.example:443"),
        Severity::Warning,
        "duplicate_provider_url",
        &format!("{at}.url"),
    );
    assert_eq!(after(second(ProviderSpec::DEFAULT_PRIORITY, "https://b.example")), []);
}

#[test]
fn a_refused_set_leaves_the_old_one_in_force() {
    // Edge case 36.
    let live = Live::new(vec![base()]).unwrap();
    let mut broken = base();
    broken.chains.push(ChainSpec::new("other", 8453));
    let problems = live.publish(vec![broken]).unwrap_err();
    assert!(problems.iter().any(|problem| problem.code == "duplicate_chain_id"));
    assert_eq!(live.load().generation(), 1);
    assert!(live.load().profile("default").unwrap().1.chain("base").is_some());
}

#[test]
fn an_address_is_one_channel_in_all_profiles_and_keeps_its_key() {
    let ws = |url: &str| ProviderSpec {
        ws_url: Some(url.into()),
        ..ProviderSpec::http("a", "https://A.example:443")
    };
    let profile = |slug: &str, provider| ProfileSpec {
        chains: vec![ChainSpec::new("base", 8453).provider(provider)],
        ..ProfileSpec::new(slug)
    };
    let set = || {
        vec![
            base(),
            profile("one", ws("WSS://w.example/")),
            profile("two", ws("wss://W.example:443")),
            profile("three", ws("wss://w.example/x")),
        ]
    };
    let live = Live::new(set()).unwrap();
    let keys = || {
        let catalog = live.snapshot();
        let provider = |slug: &str| catalog.profile(slug).unwrap().1.chains()[0].providers[0].clone();
        ["default", "one", "two", "three"].map(|slug| {
            let provider = provider(slug);
            (provider.http.as_ref().unwrap().key, provider.ws.as_ref().map(|channel| channel.key))
        })
    };
    let before = keys();
    assert!(before.iter().all(|(http, _)| *http == before[0].0), "one HTTP address: {before:?}");
    assert_eq!(before[1].1, before[2].1, "two spellings are one socket");
    assert_ne!(before[1].1, before[3].1, "two paths are two sockets");
    live.publish(set()).unwrap();
    assert_eq!(keys(), before);
}
