use super::*;

/// Writes files below a new directory and loads its `profiles`. Problems are shown without the directory.
fn load_files(files: &[(&str, &str)], variables: &[(&str, &str)]) -> Result<Loaded, Vec<String>> {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    for (name, text) in files {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let environment: Environment = variables.iter().copied().collect();
    let prefix = format!("{}/", root.display());
    load(&root.join("profiles"), &environment)
        .map_err(|problems| problems.iter().map(|problem| problem.to_string().replace(&prefix, "")).collect())
}

fn codes(text: &str) -> Vec<String> {
    let problems = match load_files(&[("profiles/default.yml", text)], &[]) {
        Ok(loaded) => loaded.warnings.iter().map(ToString::to_string).collect(),
        Err(problems) => problems,
    };
    let code = |problem: &String| problem.rsplit_once('[').unwrap().1.trim_end_matches(']').to_owned();
    problems.iter().map(code).collect()
}

const FINE: &str =
    "slug: default\nchains: { base: { chain_id: 1, providers: [{ id: a, url: 'http://h' }] } }\n";

#[test]
fn every_problem_of_every_file_is_reported_at_once() {
    let default = "\
---
name: Default
slug: default
rps_limit: 0
---
chains:
  ethereum:
    chain_id: 1
    providers:
      - id: a
        url: https://${NO_SUCH_KEY}.example
      - id: a
        url: ftp://h.example/secret-secret
  base:
    chain_id: 1
    url_aliases: [ethereum]
    provders: []
    providers:
      - id: b
        capabilities:
          unsupported_categories: [debgu]
";
    let other = "slug: b\nchains:\n  x:\n    chain_id: '7'\n";
    let problems = load_files(
        &[("profiles/default.yml", default), ("profiles/a.yml", other), ("profiles/broken.yml", "a: [\n")],
        &[],
    );
    let expected = [
        "profiles/a.yml:1: slug: found `b`; allowed is `a`, the name of the file [slug_mismatch]",
        "profiles/a.yml:3: warning: chains.x.providers: no provider is configured, so every request for this chain fails [chain_without_providers]",
        "profiles/a.yml:4: chains.x.chain_id: found `7`; allowed is a whole number of at least 1, without quotes [invalid_chain_id]",
        "profiles/broken.yml:2: no valid YAML: while parsing a node, did not find expected node content [invalid_yaml]",
        "profiles/default.yml:4: rps_limit: found `0`; allowed is a whole number from 1 to 4294967295 [invalid_value]",
        "profiles/default.yml:11: chains.ethereum.providers[0].url: ${NO_SUCH_KEY} is not set (profile `default`, chain `ethereum`, provider `a`) [unresolved_variable]",
        "profiles/default.yml:12: chains.ethereum.providers[1].id: `a` is the id of providers[0] already; ids are unique in a chain [duplicate_provider_id]",
        "profiles/default.yml:13: chains.ethereum.providers[1].url: provider `a`: found an unknown scheme; allowed is http://host or https://host [invalid_url]",
        "profiles/default.yml:15: chains.base.chain_id: 1 is the id of `ethereum` already; each chain may be listed once [duplicate_chain_id]",
        "profiles/default.yml:16: chains.base.url_aliases[0]: `ethereum` names chain `ethereum` already; an alias names one chain [duplicate_chain_alias]",
        "profiles/default.yml:17: warning: chains.base.provders: the key is unknown and ignored; did you mean `providers`? [unknown_key]",
        "profiles/default.yml:19: warning: chains.base.providers[0]: provider `b` has neither `url` nor `ws_url`, so it gets no traffic [provider_without_url]",
        "profiles/default.yml:21: chains.base.providers[0].capabilities.unsupported_categories[0]: provider `b`: found `debgu`; allowed are `core`, `state`, `network`, `node_admin`, `eip1559`, `eip4844`, `mempool`, `filters`, `subscriptions`, `batch`, `debug`, `trace`, `local_only`, `txpool`; did you mean `debug`? [invalid_capability]",
    ];
    let problems = problems.unwrap_err();
    assert_eq!(problems.join("\n"), expected.join("\n"));
}

#[test]
fn only_visible_yml_files_are_read() {
    let bad = "not a profile";
    let loaded = load_files(
        &[
            ("profiles/default.yml", FINE),
            ("profiles/.hidden.yml", bad),
            ("profiles/_draft.yml", bad),
            ("profiles/other.yaml", bad),
            ("profiles/readme.txt", bad),
            ("profiles/nested/deep.yml", bad),
            ("chains.yml", bad),
        ],
        &[],
    );
    let slugs: Vec<String> = loaded.unwrap().profiles.into_iter().map(|profile| profile.slug).collect();
    assert_eq!(slugs, ["default"]);
}

#[test]
fn a_file_whose_slug_is_another_is_refused() {
    // Edge case 38.
    let files = [("profiles/default.yml", FINE), ("profiles/a.yml", "slug: b\nchains: {}\n")];
    let problems = load_files(&files, &[]).unwrap_err();
    assert!(problems[0].ends_with("[slug_mismatch]"), "{problems:?}");
    assert_eq!(problems.len(), 2, "the other is a warning: {problems:?}");
}

#[test]
fn a_numeric_alias_may_not_hide_a_chain_but_profiles_do_not_meet() {
    // Edge case 37.
    let text = "chains: { a: { chain_id: 1 }, b: { chain_id: 2, url_aliases: ['1'] } }";
    assert!(codes(text).contains(&"chain_alias_collides_with_chain_id".to_owned()));
    let other = "slug: other\nchains: { c: { chain_id: 2, url_aliases: [base] } }\n";
    assert!(load_files(&[("profiles/default.yml", FINE), ("profiles/other.yml", other)], &[]).is_ok());
}

#[test]
fn without_profiles_the_older_single_file_is_the_default_profile() {
    let text = "chains: { base: { chain_id: 8453, providers: [{ id: a, url: 'http://h' }] } }\n";
    let loaded = load_files(&[("chains.yml", text)], &[]).unwrap();
    let profile = &loaded.profiles[0];
    assert_eq!((profile.slug.as_str(), profile.name.as_str()), ("default", "Public Providers"));
    assert_eq!((profile.limit.rps, profile.limit.burst, profile.chains.len()), (100, 500, 1));
}

#[test]
fn a_missing_directory_is_created_and_the_default_profile_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let profiles = directory.path().join("a/profiles");
    let problems = load(&profiles, &Environment::default()).unwrap_err();
    assert!(profiles.is_dir());
    assert_eq!((problems.len(), problems[0].code), (1, "default_profile_missing"));
    assert!(problems[0].is_error());
    let path = profiles.display();
    let told = problems[0].to_string();
    assert!(
        told.starts_with(&format!("{path}: the folder did not exist and was created; add `default.yml`")),
        "{told}"
    );
    // Now it is one without a default profile.
    let told = load(&profiles, &Environment::default()).unwrap_err()[0].to_string();
    assert!(told.starts_with(&format!("{path}: no profile has the slug `default`")), "{told}");
}

#[test]
fn a_broken_default_profile_is_broken_and_not_missing() {
    let problems = load_files(&[("profiles/default.yml", "a: [\n")], &[]).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].ends_with("[invalid_yaml]"));
}

#[test]
fn a_missing_address_is_not_reported_where_its_variable_is() {
    assert_eq!(
        codes("chains: { a: { chain_id: 1, providers: [{ id: p, url: '${NO_SUCH_KEY}' }] } }"),
        ["unresolved_variable"]
    );
    assert_eq!(codes("chains: { a: { chain_id: x } }"), ["invalid_chain_id", "chain_without_providers"]);
}

#[test]
fn a_chain_without_a_usable_id_is_checked_like_any_other() {
    let providers = "providers: [{ id: p, url: 'gopher://h.example' }]";
    assert_eq!(
        codes(&format!("chains: {{ a: {{ chain_id: x, {providers} }} }}")),
        ["invalid_chain_id", "invalid_url"]
    );
}

#[test]
fn a_profile_with_unknown_keys_loads_with_warnings() {
    let text = format!("{FINE}color: red\nlogo: l.svg\n");
    let loaded = load_files(&[("profiles/default.yml", &text)], &[]).unwrap();
    let warnings: Vec<_> = loaded.warnings.iter().map(|warning| (warning.code, warning.line)).collect();
    assert_eq!(warnings, [("unknown_key", Some(3))]);
}

#[test]
fn a_file_that_is_no_text_or_too_large_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("a.yml"), b"slug: a\n\xff").unwrap();
    fs::write(directory.path().join("default.yml"), vec![b'#'; 8 * 1024 * 1024 + 1]).unwrap();
    let problems = load(directory.path(), &Environment::default()).unwrap_err();
    let found: Vec<_> = problems.iter().map(|problem| (problem.code, problem.line)).collect();
    assert_eq!(found, [("invalid_yaml", Some(2)), ("unreadable_file", None)]);
}

#[test]
fn what_is_missing_but_harmless_is_a_warning() {
    assert_eq!(codes("chains: { a: { chain_id: 1, providers: [] } }"), ["chain_without_providers"]);
    assert_eq!(
        codes("chains: { a: { chain_id: 1, providers: [{}] } }"),
        ["provider_without_id", "provider_without_url"]
    );
    assert_eq!(codes("chains: {}"), ["profile_without_chains"]);
}

#[test]
fn the_shipped_profiles_load() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/profiles");
    let loaded = load(&directory, &Environment::default()).unwrap();
    let counts: Vec<_> = loaded
        .profiles
        .iter()
        .map(|profile| {
            let providers: Vec<usize> = profile.chains.iter().map(|chain| chain.providers.len()).collect();
            (profile.slug.as_str(), providers)
        })
        .collect();
    assert_eq!(counts, [("default", vec![13, 5, 5, 5, 5, 4]), ("testnet", vec![5, 4, 4])]);
    // Two of the public providers share a priority on purpose.
    let codes: Vec<&str> = loaded.warnings.iter().map(|warning| warning.code).collect();
    assert_eq!(codes, ["duplicate_priority"]);
    let identities: Vec<_> = loaded
        .profiles
        .iter()
        .flat_map(|profile| profile.chains.iter().map(|chain| (chain.key.as_str(), chain.chain_id)))
        .collect();
    let expected = [
        ("ethereum", 1),
        ("base", 8_453),
        ("arbitrum", 42_161),
        ("ethereum-sepolia", 11_155_111),
        ("base-sepolia", 84_532),
        ("arbitrum-sepolia", 421_614),
        ("ethereum_sepolia", 11_155_111),
        ("base_sepolia", 84_532),
        ("arbitrum_sepolia", 421_614),
    ];
    assert_eq!(identities, expected);
}

#[test]
fn the_shipped_default_profile_explains_every_key() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/profiles/default.yml");
    let text = fs::read_to_string(path).unwrap();
    let keys = "name slug rps_limit burst_limit logo unlisted routing default_strategy method_overrides strategy \
                providers chains chain_id url_aliases block_time_ms monitoring probe_interval_ms \
                lag_alert_threshold_blocks selection max_lag_blocks archival_threshold websocket \
                subscribe_new_heads new_heads_timeout_ms failover max_backfill_blocks backfill_timeout_ms policy \
                ui-topology color size id url ws_url priority archival sharing_mode capabilities api_key headers \
                auth_headers credentials unsupported_categories unsupported_methods limits max_block_range \
                max_block_age block_age_methods error_rules code message_contains category";
    for key in keys.split_whitespace() {
        let stands = |line: &str| {
            let line = line.trim_start_matches([' ', '#', '-']);
            line.strip_prefix(key).is_some_and(|rest| rest.starts_with(':'))
        };
        assert!(text.lines().any(stands), "{key}");
    }
}
