use std::time::Duration;

use lasso_layers::catalog::{
    Capabilities, Category, ChainSpec, Continuity, ErrorRule, MethodCategory, TopologySize,
};
use proptest::prelude::{any, prop, prop_assert, proptest};

use super::super::environment::Environment;
use super::super::problem::Located;
use super::*;

fn read_all(text: &str, slug: &str, variables: &[(&str, &str)]) -> (Option<ProfileSpec>, Vec<Located>) {
    let environment: Environment = variables.iter().copied().collect();
    let mut report = Report::new("f", &environment);
    let identity = Identity { slug: Some(slug), name: "Default Profile" };
    let read = read(text, identity, &mut report);
    (read.map(|read| read.profile), report.problems)
}

/// A profile without any problem.
fn profile(text: &str) -> ProfileSpec {
    let (profile, problems) = read_all(text, "default", &[]);
    assert_eq!(problems, []);
    profile.unwrap()
}

fn chain(body: &str) -> ChainSpec {
    let indented: String = body.lines().map(|line| format!("    {line}\n")).collect();
    profile(&format!("chains:\n  base:\n    chain_id: 8453\n{indented}")).chains.remove(0)
}

fn provider(body: &str) -> (lasso_layers::catalog::ProviderSpec, Vec<String>) {
    provider_with(body, &[])
}

fn provider_with(
    body: &str,
    variables: &[(&str, &str)],
) -> (lasso_layers::catalog::ProviderSpec, Vec<String>) {
    let text = format!("chains: {{ base: {{ chain_id: 8453, providers: [{{ id: a, {body} }}] }} }}");
    let (profile, problems) = read_all(&text, "default", variables);
    let problems = problems.iter().map(ToString::to_string).collect();
    (profile.unwrap().chains.remove(0).providers.remove(0), problems)
}

fn codes(text: &str) -> Vec<&'static str> {
    read_all(text, "default", &[]).1.iter().map(|problem| problem.code).collect()
}

#[test]
fn both_forms_read_the_same() {
    // Edge case 39: a flat file loads.
    let flat = profile("name: N\nslug: default\nrps_limit: 7\nchains: { base: { chain_id: 1 } }\n");
    let two_parts = "---\nname: N\nslug: default\nrps_limit: 7\n---\nchains: { base: { chain_id: 1 } }\n";
    assert_eq!(profile(two_parts), flat);
    assert_eq!(profile(&two_parts.replace('\n', "\r\n")), flat);
    assert_eq!(profile(&format!("\u{feff}\n# comment\n\n{two_parts}")), flat);
    assert_eq!((flat.name.as_str(), flat.limit.rps, flat.limit.burst), ("N", 7, 500));
    assert_eq!(profile("# comment\n---\nname: N\nrps_limit: 7\nchains: { base: { chain_id: 1 } }\n"), flat);
}

#[test]
fn lines_are_counted_from_the_start_of_the_file() {
    let text = "\n---\nname: N\nslug: default\nrps_limit: no\n---\nchains:\n  base:\n    chain_id: x\n";
    for text in [text.to_owned(), text.replace('\n', "\r\n")] {
        let lines: Vec<_> = read_all(&text, "default", &[]).1.iter().map(|problem| problem.line).collect();
        assert_eq!(lines, [Some(5), Some(9)]);
    }
}

#[test]
fn a_flat_file_says_who_it_is_or_is_the_default() {
    let unnamed = profile("chains: {}");
    assert_eq!((unnamed.slug.as_str(), unnamed.name.as_str()), ("default", "Default Profile"));
    let (_, problems) = read_all("chains: {}", "other", &[]);
    assert_eq!(problems[0].code, "slug_mismatch");
    let (other, problems) = read_all("slug: other\nname: ' '\nchains: {}", "other", &[]);
    assert_eq!((other.unwrap().name.as_str(), problems.len()), ("Default Profile", 0));
}

#[test]
fn forms_that_are_neither_are_refused() {
    let cases = [
        ("---\nname: N\n", "invalid_frontmatter_format"),
        ("---\n- a\n---\nchains: {}\n", "invalid_frontmatter_format"),
        ("---\nslug: default\n---\n- a\n", "invalid_chains_format"),
        ("---\nslug: default\n---\nname: N\n", "invalid_chains_format"),
        ("---\nname: N\n---\nchains: {}\n", "invalid_profile_spec"),
        ("name: N\n", "invalid_chains_format"),
        ("chains: [1]\n", "invalid_chains_format"),
        ("", "invalid_chains_format"),
        ("- a\n", "invalid_chains_format"),
        ("chains: {\n", "invalid_yaml"),
        ("slug: default\n---\nchains: {}\n", "invalid_yaml"),
        ("slug: 7\nchains: {}\n", "invalid_or_duplicate_profile_id"),
        ("---\nslug: default\n---\nslug: default\nchains: {}\n", "duplicate_key"),
    ];
    for (text, code) in cases {
        assert!(codes(text).contains(&code), "{text:?}: {:?}", codes(text));
    }
}

#[test]
fn a_chain_without_further_keys_has_the_documented_defaults() {
    let chain = chain("");
    assert_eq!(chain, ChainSpec::new("base", 8453));
    assert_eq!(chain.name, "base");
    assert_eq!(chain.settings.probe_interval, Duration::from_millis(12_000));
    assert_eq!(
        (
            chain.settings.lag_alert_threshold_blocks,
            chain.settings.max_lag_blocks,
            chain.settings.archival_threshold
        ),
        (5, None, 128)
    );
    assert!(chain.settings.subscribe_new_heads);
    assert_eq!(chain.settings.new_heads_timeout, Duration::from_millis(42_000));
    assert_eq!(
        (chain.settings.max_backfill_blocks, chain.settings.backfill_timeout.as_millis()),
        (100, 30_000)
    );
    assert_eq!(
        (chain.settings.topology.color.as_str(), chain.settings.topology.size),
        ("#6B7280", TopologySize::Md)
    );
    // Not 15000, as it would be if an empty block had defaults of its own.
    assert_eq!(self::chain("monitoring: { lag_alert_threshold_blocks: 5 }"), chain);
}

#[test]
fn every_key_of_a_chain_is_read() {
    let present = chain(
        "name: ' Base '\nurl_aliases: [b, '8']\nblock_time_ms: 2000\n\
         monitoring: { probe_interval_ms: 1, lag_alert_threshold_blocks: 2 }\n\
         selection: { max_lag_blocks: 3, archival_threshold: 4 }\n\
         websocket: { subscribe_new_heads: false, new_heads_timeout_ms: 5000, \
         failover: { max_backfill_blocks: 6, backfill_timeout_ms: 7000, policy: best_effort } }\n\
         ui-topology: { color: '#0052FF', size: xl }",
    );
    let mut expected = ChainSpec::new("base", 8453);
    expected.name = "Base".into();
    expected.url_aliases = vec!["b".into(), "8".into()];
    expected.block_time = Some(Duration::from_millis(2_000));
    expected.settings.probe_interval = Duration::from_millis(1);
    expected.settings.lag_alert_threshold_blocks = 2;
    expected.settings.max_lag_blocks = Some(3);
    expected.settings.archival_threshold = 4;
    expected.settings.subscribe_new_heads = false;
    expected.settings.new_heads_timeout = Duration::from_millis(5_000);
    expected.settings.max_backfill_blocks = 6;
    expected.settings.backfill_timeout = Duration::from_millis(7_000);
    expected.settings.continuity = Continuity::BestEffort;
    expected.settings.topology.color = "#0052FF".into();
    expected.settings.topology.size = TopologySize::Xl;
    assert_eq!(present, expected);

    let older = chain(
        "name: Base\naliases: [b, '8']\nblock_time_ms: 2000\n\
         monitoring: { probe_interval_ms: 1, lag_threshold_blocks: 2, subscribe_new_heads: false, \
         new_heads_staleness_threshold_ms: 5000 }\n\
         selection: { max_lag_blocks: 3, archival_threshold: 4 }\n\
         failover: { max_backfill_blocks: 6, backfill_timeout: 7000, policy: best_effort }\n\
         ui-topology: { color: '#0052FF', size: xl }",
    );
    assert_eq!(older, expected);
}

#[test]
fn the_present_spelling_of_a_key_wins() {
    let chain = chain(
        "aliases: [old]\nurl_aliases: new\n\
         monitoring: { lag_threshold_blocks: 1, lag_alert_threshold_blocks: 2, new_heads_staleness_threshold_ms: 6000 }\n\
         websocket: { new_heads_timeout_ms: 7000, failover: { backfill_timeout: 8000, backfill_timeout_ms: 9000 } }\n\
         failover: { max_backfill_blocks: 3 }",
    );
    assert_eq!(chain.url_aliases, ["new"]);
    assert_eq!(chain.settings.lag_alert_threshold_blocks, 2);
    assert_eq!(chain.settings.new_heads_timeout.as_millis(), 7_000);
    assert_eq!(chain.settings.backfill_timeout.as_millis(), 9_000);
    assert_eq!(chain.settings.max_backfill_blocks, 3);
    let limits = profile("rps_limit: 1\ndefault_rps_limit: 2\ndefault_burst_limit: 3\nchains: {}").limit;
    assert_eq!((limits.rps, limits.burst), (1, 3));
}

#[test]
fn a_chain_without_a_name_is_called_by_its_key_and_with_a_blank_one_by_its_id() {
    assert_eq!(chain("").name, "base");
    assert_eq!(chain("name: '  '").name, "Chain 8453");
}

#[test]
fn a_chain_needs_a_positive_whole_number_as_its_id() {
    for id in
        ["", "chain_id: ~", "chain_id: 0", "chain_id: -1", "chain_id: '1'", "chain_id: 1.5", "chain_id: [1]"]
    {
        assert_eq!(codes(&format!("chains: {{ base: {{ {id} }} }}")), ["invalid_chain_id"], "{id}");
    }
    assert_eq!(codes("chains: { base: }"), ["invalid_chain_id"]);
    for alias in ["[1]", "[~]", "[[a]]", "true"] {
        let text = format!("chains: {{ base: {{ chain_id: 1, url_aliases: {alias} }} }}");
        assert_eq!(codes(&text), ["invalid_chain_alias"], "{alias}");
    }
}

#[test]
fn a_provider_without_further_keys_has_the_documented_defaults() {
    let (provider, problems) = provider("url: 'http://h'");
    assert_eq!(problems, [""; 0]);
    assert_eq!(provider, lasso_layers::catalog::ProviderSpec::http("a", "http://h"));
    assert_eq!((provider.priority, provider.archival, provider.subscribe_new_heads), (1_000_000, true, None));
}

#[test]
fn booleans_of_a_provider_may_stand_in_quotes() {
    let (quoted, problems) = provider("archival: 'false', subscribe_new_heads: 'true'");
    assert_eq!((quoted.archival, quoted.subscribe_new_heads, problems.len()), (false, Some(true), 0));
    let (other, problems) = provider("archival: no, subscribe_new_heads: 1");
    assert_eq!((other.archival, other.subscribe_new_heads), (true, None));
    assert_eq!(
        problems,
        [
            "f:1: warning: chains.base.providers[0].archival: found `no`, which counts as true; allowed is true or false [ignored_value]",
            "f:1: warning: chains.base.providers[0].subscribe_new_heads: found `1`, which counts as unset; allowed is true or false [ignored_value]",
        ]
    );
}

#[test]
fn odd_values_that_other_routers_ignore_are_warnings() {
    let (odd, problems) =
        provider("sharing_mode: alone, capabilities: none, type: public, api_key_required: false");
    assert!(!odd.isolated);
    assert_eq!(odd.capabilities, Capabilities::default());
    assert_eq!(problems.len(), 2);
    assert!(problems.iter().all(|problem| problem.contains(": warning: ")), "{problems:?}");
    assert!(provider("sharing_mode: isolated").0.isolated);

    let text = "unlisted: maybe\nchains: { base: { chain_id: 1, ui-topology: { size: xxl }, kind: l2, adapter_config: {} } }";
    let (profile, problems) = read_all(text, "default", &[]);
    assert!(!profile.unwrap().unlisted);
    let codes: Vec<_> = problems.iter().map(|problem| (problem.code, problem.is_error())).collect();
    assert_eq!(codes, [("ignored_value", false), ("ignored_value", false), ("unknown_key", false)]);
}

#[test]
fn a_provider_without_an_id_gets_one_and_a_warning() {
    let text = "chains: { base: { chain_id: 1, providers: [{ id: a }, { url: 'http://h' }] } }";
    let (profile, problems) = read_all(text, "default", &[]);
    assert_eq!(profile.unwrap().chains[0].providers[1].id, "provider_2");
    assert_eq!((problems.len(), problems[0].code, problems[0].is_error()), (1, "provider_without_id", false));
}

#[test]
fn headers_are_a_mapping_or_pairs() {
    let expected = [("X-A".to_owned(), "1".to_owned()), ("x-b".to_owned(), "two".to_owned())];
    for headers in
        ["{ X-A: 1, x-b: two, x-c: ~ }", "[[X-A, 1], [x-b, '${B}'], [x-c, ~]]", "[{ X-A: 1 }, { x-b: two }]"]
    {
        let (provider, problems) =
            provider_with(&format!("headers: {headers}, auth_headers: {headers}"), &[("B", "two")]);
        assert_eq!(problems, [""; 0]);
        assert_eq!(provider.headers, expected, "{headers}");
        assert_eq!(provider.auth_headers, expected);
    }
    for headers in ["text", "[a]", "[[a]]", "[[a, b, c]]", "[{ a: b, c: d }]"] {
        let (_, problems) = provider(&format!("headers: {headers}"));
        assert!(problems[0].ends_with("[invalid_header]"), "{headers}: {problems:?}");
    }
}

#[test]
fn credentials_are_the_same_in_any_order() {
    let one = provider("credentials: { user: u, keys: [1, '1'] }").0.credentials;
    assert_eq!(one, provider("credentials: { keys: [1, \"1\"], user: u }").0.credentials);
    assert_ne!(one, provider("credentials: { keys: ['1', 1], user: u }").0.credentials);
    assert!(one.is_some());
}

#[test]
fn variables_are_put_in_after_parsing() {
    let variables = [("KEY", "a: b # c"), ("HOST", "h.example"), ("EMPTY", "")];
    let (provider, problems) = provider_with(
        "url: 'https://${HOST}/${EMPTY}x', api_key: '${KEY}', name: '${KEY}', ws_url: '${EMPTY}'",
        &variables,
    );
    assert_eq!(problems, [""; 0]);
    assert_eq!(provider.url.as_deref(), Some("https://h.example/x"));
    assert_eq!(provider.api_key.as_deref(), Some("a: b # c"));
    assert_eq!(provider.ws_url.as_deref(), Some(""));
    // Only addresses and credentials are searched.
    assert_eq!(provider.name.as_deref(), Some("${KEY}"));
}

#[test]
fn a_variable_that_is_not_set_names_profile_chain_provider_and_field() {
    // Edge case 35.
    let (_, problems) = provider("url: 'http://${X}', ws_url: 'ws://${X}', headers: { a: '${Y}' }");
    let expected = ["url: ${X}", "ws_url: ${X}", "headers.a: ${Y}"].map(|what| {
        format!(
            "f:1: chains.base.providers[0].{what} is not set (profile `default`, chain `base`, provider `a`) \
             [unresolved_variable]"
        )
    });
    assert_eq!(problems, expected);
}

#[test]
fn capabilities_are_read_whole() {
    let (provider, problems) = provider(
        "capabilities: { unsupported_categories: [debug, trace], unsupported_methods: eth_x, \
         limits: { max_block_range: 0, max_block_age: 1000, block_age_methods: [eth_call] }, \
         error_rules: [{ code: -32701, category: rate_limit }, { message_contains: p, category: user_error }, \
         { code: 1, message_contains: [a, b], category: server_error }] }",
    );
    assert_eq!(problems, [""; 0]);
    let rule = |code, texts: &[&str], category| ErrorRule {
        code,
        message_contains: texts.iter().map(|text| (*text).to_owned()).collect(),
        category,
    };
    let expected = Capabilities {
        unsupported_categories: vec![MethodCategory::Debug, MethodCategory::Trace],
        unsupported_methods: vec!["eth_x".into()],
        max_block_range: Some(0),
        max_block_age: Some(1_000),
        block_age_methods: vec!["eth_call".into()],
        error_rules: vec![
            rule(Some(-32_701), &[], Category::RateLimit),
            rule(None, &["p"], Category::UserError),
            rule(Some(1), &["a", "b"], Category::ServerError),
        ],
    };
    assert_eq!(provider.capabilities, expected);
    let unlimited = self::provider("capabilities: { limits: { max_block_range: ~ } }").0.capabilities;
    assert_eq!(unlimited, Capabilities::default());
}

#[test]
fn bad_capabilities_are_refused() {
    let cases = [
        (
            "unsupported_categories: [debgu]",
            "provider `a`: found `debgu`; allowed are `core`, `state`, `network`, `node_admin`, `eip1559`, `eip4844`, `mempool`, `filters`, `subscriptions`, `batch`, `debug`, `trace`, `local_only`, `txpool`; did you mean `debug`?",
        ),
        (
            "error_rules: [{ category: rate_limit }]",
            "provider `a`: found no condition; a rule needs `code`, `message_contains` or both",
        ),
        ("error_rules: [{ message_contains: [], category: rate_limit }]", "provider `a`: found no condition"),
        ("error_rules: [{ code: 1 }]", "provider `a`: found no `category`"),
        (
            "error_rules: [{ code: 1, category: timeout }]",
            "provider `a`: found `timeout`; allowed are `rate_limit`",
        ),
        ("error_rules: [{ code: x, category: rate_limit }]", "found `x`; allowed is a whole number"),
        (
            "error_rules: [{ message_contains: 5, category: rate_limit }]",
            "found `5`; allowed is a string or a list of strings",
        ),
        (
            "error_rules: [{ message_contains: [a, [b]], category: rate_limit }]",
            "found a list; allowed is a string or a list of strings",
        ),
        ("limits: { max_block_range: -1 }", "found `-1`; allowed is a whole number of at least 0"),
        ("limits: { max_block_age: '5' }", "found `5`; allowed is a whole number of at least 0"),
        ("limits: { block_age_methods: eth_call }", "found `eth_call`; allowed is a list"),
        ("limits: { block_age_methods: [1] }", "found `1`; allowed is a string or a list of strings"),
    ];
    for (capabilities, message) in cases {
        let (_, problems) = provider(&format!("capabilities: {{ {capabilities} }}"));
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains(message) && !problems[0].contains("warning"), "{problems:?}");
    }
}

#[test]
fn the_routing_block_is_read() {
    let text = "routing: { default_strategy: round-robin, method_overrides: { eth_call: { strategy: fastest }, \
                eth_getLogs: { providers: [a, b] } } }\nchains: {}";
    let routing = profile(text).routing;
    assert_eq!(routing.default_strategy, Some(Strategy::LoadBalanced));
    assert_eq!(routing.method_overrides[0].strategy, Some(Strategy::Fastest));
    assert_eq!(routing.method_overrides[1].providers, ["a", "b"]);

    let (_, problems) = read_all("routing: { default_strategy: fastst }\nchains: {}", "default", &[]);
    assert_eq!(problems[0].code, "unknown_strategy");
    assert!(problems[0].message.ends_with("did you mean `fastest`?"), "{}", problems[0].message);
}

#[test]
fn of_a_chain_that_stands_twice_the_first_counts_and_the_second_is_an_error() {
    let (profile, problems) = read_all("chains: { a: { chain_id: 1 }, a: { chain_id: 2 } }", "default", &[]);
    let ids: Vec<u64> = profile.unwrap().chains.iter().map(|chain| chain.chain_id).collect();
    assert_eq!((ids, problems[0].code), (vec![1], "duplicate_key"));
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let text = String::from_utf8_lossy(&bytes);
        let (profile, problems) = read_all(&text, "default", &[]);
        prop_assert!(profile.is_some() || problems.iter().any(Located::is_error));
    }

    #[test]
    fn any_text_of_yaml_marks_is_read_or_refused(
        text in "(---\n|\\.\\.\\.\n| |\n|  |- |: |[{}\\[\\],#&*!|>'\"%@?~]|chains|base|chain_id|providers|id|url|headers|1|a|\\$\\{A\\}|\t){0,80}",
    ) {
        let (profile, problems) = read_all(&text, "default", &[]);
        prop_assert!(profile.is_some() || problems.iter().any(Located::is_error));
    }
}
