use lasso_layers::catalog::{Category, MethodId, Strategy};

use super::super::environment::Environment;
use super::super::problem::Located;
use super::*;

const FILE: &str = "config/lasso.yml";

fn parse(text: &str, variables: &[(&str, &str)]) -> Result<Settings, Vec<String>> {
    let environment: Environment = variables.iter().copied().collect();
    Settings::parse(FILE, text, &environment)
        .map_err(|problems| problems.iter().map(Located::to_string).collect())
}

#[test]
fn the_shipped_file_lists_every_key_at_its_default() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    if std::env::var_os("LASSO_TEST_BLESS").is_some() {
        std::fs::write(&path, Settings::reference()).unwrap();
    }
    let shipped = std::fs::read_to_string(&path).unwrap();
    assert_eq!(shipped, Settings::reference(), "run with LASSO_TEST_BLESS=1 after changing a setting");
    assert_eq!(parse(&shipped, &[]), Ok(Settings::default()));
    assert_eq!(parse("", &[]), Ok(Settings::default()));
    assert_eq!(parse("server:\nadmin: ~\n", &[]), Ok(Settings::default()));
}

/// The names and defaults that are promised to operators, written a second time on purpose: the shipped file
/// is made from the declarations and would follow a change of them.
#[test]
fn promised_keys_have_their_promised_defaults() {
    let promised = "
server: { listen: '127.0.0.1:4000', trusted_proxies: [], max_body_bytes: 8000000, inflight_bytes: 134217728, drain_ms: 30000 }
routing: { default_strategy: load_balanced, tier_order: limited_first, metric_staleness_ms: 600000,
  fastest: { min_calls: 3, min_success_rate: 0.9 },
  latency_weighted: { beta: 3.0, floor_ms: 30, explore_floor: 0.05, min_calls: 3, min_success_rate: 0.85 } }
failover: { max_attempts: 10, first_attempt_share: 0.6, min_attempt_ms: 25 }
timeouts: { default: 10000, eth_call: 5000 }
methods: { allow_stateful_filters: false }
batch: { max_items: 50, concurrency: 4 }
circuit_breaker: { failure_threshold: 5, category_thresholds: { server_error: 5, network_error: 3, timeout: 2, auth_error: 2 },
  success_threshold: 2, recovery_timeout_ms: 60000, max_recovery_timeout_ms: 600000,
  half_open_max_inflight: 3, probe_recovery: immediate }
upstream_rate_limit: { default_ms: 30000, max_ms: 600000 }
probe: { enabled: true, tick_ms: 200, timeout_ms: 5000 }
block_sync: { enabled: true, poll_timeout_ms: 3000 }
websocket: { heartbeat_interval_ms: 30000, heartbeat_timeout_ms: 5000, max_missed: 2, max_inflight: 32, max_subscriptions: 128,
  inflight_bytes: 33554432, item_deadline_ms: 10000, max_frame_bytes: 33554432, outbox_messages: 32, outbox_bytes: 16777216 }
subscriptions: { linger_ms: 60000, linger_sweep_ms: 30000, establish_attempt_ms: 4000, recovery_deadline_ms: 30000,
  retry_after_degraded_ms: 60000, release_after_failover_ms: 5000 }
upstream_websocket: { connect_jitter_ms: 3000, reconnect_interval_ms: 5000, stable_after_ms: 5000, ping_interval_ms: 15000,
  pong_timeout_ms: 10000, max_pending: 256 }
upstream_http: { connect_timeout_ms: 5000, idle_timeout_ms: 60000, max_idle_per_host: 256, max_buffered_bytes: 65536 }
observability: { max_meta_header_bytes: 4096, max_error_message_chars: 256 }
log: { level: info, format: text, sampling_rate: 1.0, slow_info_ms: 1000, slow_warn_ms: 2000, very_slow_ms: 4000 }
reload: { watch: true, debounce_ms: 200 }
admin: { token: null }
cluster: { node_id: null, listen: null, seeds: [], secret: null, cache_ttl_ms: 15000 }
";
    assert_eq!(parse(promised, &[]), Ok(Settings::default()));
}

#[test]
fn every_type_of_value_is_read() {
    let text = "
server: { listen: '[::1]:8080', trusted_proxies: [10.0.0.0/8, '::1'], drain_ms: 0 }
routing: { default_strategy: latency-weighted, tier_order: half_open_first, fastest: { min_success_rate: 1 } }
timeouts: { default: 7000, eth_call: 1, vendor_x: 2 }
circuit_breaker: { category_thresholds: { timeout: 9, internal_error: 4 }, probe_recovery: after_deadline }
log: { level: warn, format: json, sampling_rate: 0.25 }
admin: { token: '${TOKEN}' }
cluster: { node_id: '${REGION}-1', listen: 127.0.0.1:5000, seeds: 'a:1' }
";
    let settings = parse(text, &[("TOKEN", "s3cret"), ("REGION", "eu")]).unwrap();
    assert_eq!(settings.server.listen.to_string(), "[::1]:8080");
    assert!(settings.server.trusted_proxies[0].contains("10.9.9.9".parse().unwrap()));
    assert_eq!(settings.server.trusted_proxies.len(), 2);
    assert_eq!(settings.server.drain, Duration::ZERO);
    assert_eq!(settings.routing.default_strategy, Strategy::LatencyWeighted);
    assert_eq!(settings.routing.tier_order, TierOrder::HalfOpenFirst);
    assert_eq!(settings.routing.fastest.min_success_rate, 1.0);
    assert_eq!(settings.circuit_breaker.category_thresholds.of(Category::Timeout), Some(9));
    assert_eq!(settings.circuit_breaker.category_thresholds.of(Category::InternalError), Some(4));
    assert_eq!(settings.circuit_breaker.category_thresholds.of(Category::ServerError), Some(5));
    assert_eq!(settings.circuit_breaker.probe_recovery, ProbeRecovery::AfterDeadline);
    assert_eq!((settings.log.level, settings.log.format), (LogLevel::Warn, LogFormat::Json));
    assert_eq!(settings.admin.token.as_ref().map(Secret::expose), Some("s3cret"));
    assert!(!format!("{settings:?}").contains("s3cret"));
    assert_eq!(settings.cluster.node_id.as_deref(), Some("eu-1"));
    assert_eq!(settings.cluster.seeds, ["a:1"]);

    let table = settings.timeouts.table();
    let of = |name: &str| table.of(MethodId::of(name), name).as_millis();
    assert_eq!([of("eth_call"), of("vendor_x"), of("eth_chainId"), of("vendor_y")], [1, 2, 1_000, 7_000]);
}

#[test]
fn what_cannot_be_meant_is_refused_and_not_cut() {
    for (text, allowed) in [
        ("circuit_breaker: { failure_threshold: 256 }", "from 1 to 255"),
        ("circuit_breaker: { success_threshold: 256 }", "from 1 to 255"),
        ("circuit_breaker: { half_open_max_inflight: 256 }", "from 1 to 255"),
        ("circuit_breaker: { category_thresholds: { timeout: 256 } }", "from 1 to 255"),
        ("failover: { min_attempt_ms: 0 }", "from 1 to 3600000"),
    ] {
        let problems = parse(text, &[]).unwrap_err();
        assert!(problems.iter().any(|problem| problem.contains(allowed)), "{problems:?}");
        let last = text.replace("256", "255").replace(": 0 ", ": 1 ");
        assert!(parse(&last, &[]).is_ok(), "{last}");
    }
}

#[test]
fn every_problem_of_the_file_is_reported_with_its_line() {
    let text = "\
server:
  listen: localhost:4000
  trusted_proxies: [10.0.0.0/8, 10.0.0.0/99]
  drain_ms: -1
rooting: {}
routing:
  default_strategy: fast
  fastest:
    min_success_rate: 1.5
failover: [1]
timeouts:
  eth_call: 5s
  ethcall: 5000
circuit_breaker:
  recovery_timout_ms: 500
  category_thresholds: { rate_limit: 1 }
probe: { enabled: yes }
admin:
  token: ${NO_TOKEN}
log:
  format: jsn
";
    let problems = parse(text, &[]).unwrap_err();
    let expected = [
        "config/lasso.yml:2: server.listen: found `localhost:4000`; allowed is an IP address and a port such as \"0.0.0.0:4000\" or \"[::]:4000\" [invalid_value]",
        "config/lasso.yml:3: server.trusted_proxies[1]: found `10.0.0.0/99`; allowed is an IP address or a range such as \"10.0.0.0/8\" [invalid_value]",
        "config/lasso.yml:4: server.drain_ms: found `-1`; allowed is a whole number of milliseconds from 0 to 3600000 [invalid_value]",
        "config/lasso.yml:5: rooting: there is no such setting; did you mean `routing`? [unknown_key]",
        "config/lasso.yml:7: routing.default_strategy: found `fast`; allowed is load_balanced or priority or fastest or latency_weighted [invalid_value]",
        "config/lasso.yml:9: routing.fastest.min_success_rate: found `1.5`; allowed is a number from 0 to 1 [invalid_value]",
        "config/lasso.yml:10: failover: found a list; allowed is a mapping [invalid_value]",
        "config/lasso.yml:12: timeouts.eth_call: found `5s`; allowed is a whole number of milliseconds from 1 to 86400000 [invalid_value]",
        "config/lasso.yml:13: timeouts.ethcall: found `ethcall`; allowed are `default` and exact method names; did you mean `eth_call`? [unknown_key]",
        "config/lasso.yml:15: circuit_breaker.recovery_timout_ms: there is no such setting; did you mean `recovery_timeout_ms`? [unknown_key]",
        "config/lasso.yml:16: circuit_breaker.category_thresholds.rate_limit: no breaker counts `rate_limit`; allowed are server_error, network_error, timeout, auth_error, internal_error, provider_error, chain_error, method_error, unknown_error [unknown_key]",
        "config/lasso.yml:17: probe.enabled: found `yes`; allowed is true or false [invalid_value]",
        "config/lasso.yml:19: admin.token: ${NO_TOKEN} is not set [unresolved_variable]",
        "config/lasso.yml:21: log.format: found `jsn`; allowed is text or json; did you mean `json`? [invalid_value]",
    ];
    assert_eq!(problems, expected);
}

#[test]
fn settings_that_limit_each_other_are_compared() {
    let text = "upstream_rate_limit:\n  default_ms: 10\n  max_ms: 9\n";
    let problems = parse(text, &[("LASSO__LOG__VERY_SLOW_MS", "1500")]).unwrap_err();
    assert_eq!(
        problems,
        [
            "config/lasso.yml:2: upstream_rate_limit.default_ms: found 10; allowed is at most 9, the value of `upstream_rate_limit.max_ms` [invalid_value]",
            "config/lasso.yml:1: log.slow_warn_ms: found 2000; allowed is at most 1500, the value of `log.very_slow_ms` [invalid_value]",
        ]
    );
}

#[test]
fn silence_counts_before_it_is_forgotten() {
    let stall =
        |after, expires| parse(&format!("stall: {{ after_ms: {after}, expires_ms: {expires} }}"), &[]);
    assert!(stall(9, 10).is_ok());
    assert_eq!(
        stall(10, 10).unwrap_err(),
        [
            "config/lasso.yml:1: stall.after_ms: found 10; allowed is less than 10, the value of `stall.expires_ms` [invalid_value]"
        ]
    );
    assert!(stall(11, 10).is_err());
}

#[test]
fn variables_beat_the_file() {
    let text = "circuit_breaker: { recovery_timeout_ms: 1, failure_threshold: 9 }\nserver: { listen: '0.0.0.0:1' }\n";
    let variables = [
        ("LASSO__CIRCUIT_BREAKER__RECOVERY_TIMEOUT_MS", "500"),
        ("LASSO__SERVER__TRUSTED_PROXIES", "[10.0.0.0/8, 127.0.0.1]"),
        ("LASSO__TIMEOUTS__ETH_CALL", "77"),
        ("LASSO__TIMEOUTS__eth_feeHistory", "78"),
        ("LASSO__TIMEOUTS__DEFAULT", "79"),
        ("LASSO__ADMIN__TOKEN", "a: b"),
        ("LASSO__CLUSTER__SEEDS", ""),
        ("PORT", "8080"),
        ("FASTEST_MIN_CALLS", "4"),
        ("FASTEST_MIN_SUCCESS_RATE", "0.5"),
        ("LW_BETA", "2"),
        ("LW_MS_FLOOR", "31"),
        ("LW_EXPLORE_FLOOR", "0.1"),
        ("LW_MIN_CALLS", "5"),
        ("LW_MIN_SR", "0.6"),
        ("LASSO_HTTP_POOL_SIZE", "7"),
        ("LASSO_NODE_ID", "us-east-1"),
        ("LOG_FORMAT", "json"),
    ];
    let settings = parse(text, &variables).unwrap();
    assert_eq!(settings.circuit_breaker.recovery_timeout, Duration::from_millis(500));
    assert_eq!(settings.circuit_breaker.failure_threshold, 9);
    assert_eq!(settings.server.trusted_proxies.len(), 2);
    assert_eq!(settings.server.listen.to_string(), "0.0.0.0:8080");
    assert_eq!(settings.timeouts.methods["eth_call"], Duration::from_millis(77));
    assert_eq!(settings.timeouts.methods["eth_feeHistory"], Duration::from_millis(78));
    assert_eq!(settings.timeouts.default, Duration::from_millis(79));
    assert_eq!(settings.admin.token.as_ref().map(Secret::expose), Some("a: b"));
    let fastest = &settings.routing.fastest;
    assert_eq!((fastest.min_calls, fastest.min_success_rate), (4, 0.5));
    let weighted = &settings.routing.latency_weighted;
    assert_eq!((weighted.beta, weighted.floor.as_millis(), weighted.explore_floor), (2.0, 31, 0.1));
    assert_eq!((weighted.min_calls, weighted.min_success_rate), (5, 0.6));
    assert_eq!(settings.upstream_http.max_idle_per_host, 7);
    assert_eq!(settings.cluster.node_id.as_deref(), Some("us-east-1"));
    assert_eq!(settings.log.format, LogFormat::Json);
}

#[test]
fn the_most_particular_variable_has_the_address() {
    let listen = |variables: &[(&str, &str)]| parse("", variables).unwrap().server.listen.to_string();
    let (port, key, whole) =
        (("PORT", "1"), ("LASSO__SERVER__LISTEN", "0.0.0.0:2"), ("LASSO_LISTEN", "[::]:3"));
    assert_eq!(listen(&[port]), "127.0.0.1:1");
    assert_eq!(listen(&[port, key]), "0.0.0.0:2");
    assert_eq!(listen(&[port, key, whole]), "[::]:3");
}

#[test]
fn variables_are_refused_like_the_file() {
    let problems = parse(
        "",
        &[
            ("LASSO__CIRCUIT_BREAKR__RECOVERY_TIMEOUT_MS", "500"),
            ("LASSO__ADMIN", "s3cret"),
            ("LASSO__TIMEOUTS__ETH_FOO", "1"),
            ("LW_BETA", "strong"),
            ("PORT", "70000"),
        ],
    );
    let expected = [
        "LW_BETA: routing.latency_weighted.beta: found `strong`; allowed is a number from 0 to 100 [invalid_value]",
        "PORT: server.listen: found `70000`; allowed is a whole number from 0 to 65535 [invalid_value]",
        "LASSO__ADMIN: admin: found a string; allowed is a mapping [invalid_value]",
        "LASSO__CIRCUIT_BREAKR__RECOVERY_TIMEOUT_MS: circuit_breakr: there is no such setting; did you mean `circuit_breaker`? [unknown_key]",
        "LASSO__TIMEOUTS__ETH_FOO: timeouts.ETH_FOO: found `ETH_FOO`; allowed are `default` and exact method names [unknown_key]",
    ];
    assert_eq!(problems.unwrap_err(), expected);
}

#[test]
fn a_missing_file_is_all_defaults_and_an_unreadable_one_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let environment = Environment::default();
    let missing = directory.path().join("lasso.yml");
    let load = |path| Settings::load(SettingsFile { path, named_by: None }, &environment);
    assert_eq!(load(&missing), Ok(Settings::default()));
    assert_eq!(load(directory.path()).unwrap_err()[0].code, "unreadable_file");
    std::fs::write(&missing, b"log:\n  level: \xff\n").unwrap();
    let problems = load(&missing).unwrap_err();
    assert_eq!((problems[0].line, problems[0].code), (Some(2), "invalid_yaml"));
}

#[test]
fn a_file_that_somebody_named_has_to_exist() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("laso.yml");
    let named = SettingsFile { path: &path, named_by: Some("`--config`") };
    let load = || Settings::load(named, &Environment::default());
    let problems: Vec<String> = load().unwrap_err().iter().map(Located::to_string).collect();
    let expected = "there is no such file, and `--config` names it [settings_file_missing]";
    assert_eq!(problems, [format!("{}: {expected}", path.display())]);
    std::fs::write(&path, "").unwrap();
    assert_eq!(load(), Ok(Settings::default()));
}
