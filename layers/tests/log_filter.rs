//! Which filters are the same stream, and which logs and blocks pass them.
#![cfg(feature = "subscribe")]

use lasso_layers::call::subscribe::{BloomBuilder, LogFilter, LogKey, Topic};
use lasso_layers::wire::{Params, RawJson};
use proptest::prelude::*;
use proptest::sample::select;

fn raw(text: &str) -> RawJson<'_> {
    RawJson::parse(text.as_bytes()).unwrap()
}

fn filter(text: &str) -> LogFilter {
    LogFilter::parse(raw(text)).unwrap_or_else(|| panic!("{text}"))
}

fn normal(text: &str) -> String {
    String::from_utf8(filter(text).json().to_vec()).unwrap()
}

/// What goes upstream for these parameters of `eth_subscribe`.
fn upstream(params: &str) -> String {
    let topic = Topic::parse(Params::new(Some(raw(params)))).unwrap();
    String::from_utf8(topic.params_json().to_vec()).unwrap()
}

#[track_caller]
fn assert_same(filters: &[&str], expected: &str) {
    for text in filters {
        assert_eq!(normal(text), expected, "{text}");
        assert_eq!(filter(text), filter(filters[0]));
        assert_eq!(normal(expected), expected, "it is its own normal form");
    }
}

#[test]
fn streaming_11_case_19_alternatives_have_no_order_and_no_case() {
    assert_same(
        &[
            r#"{"topics":[["0xB","0xA"],null]}"#,
            r#"{"topics":[["0xa","0xb"],null]}"#,
            r#"{"topics":[["0xb","0xa","0xB"],null],"address":null}"#,
            r#"{ "topics" : [ [ "B" , "0Xa" ] , null ] }"#,
        ],
        r#"{"topics":[["0xa","0xb"],null]}"#,
    );
}

#[test]
fn streaming_11_case_20_nothing_of_a_range_goes_upstream() {
    for params in [
        r#"["logs",{"fromBlock":"latest"}]"#,
        r#"["logs",{"fromBlock":"0x1","toBlock":"Latest"}]"#,
        r#"["logs",{"blockHash":"0xab","fromBlock":null}]"#,
        r#"["logs",{}]"#,
        r#"["logs"]"#,
    ] {
        assert_eq!(upstream(params), r#"["logs",{}]"#);
    }
}

#[test]
fn streaming_11_case_21_one_address_is_the_same_in_a_list() {
    assert_same(
        &[
            r#"{"address":"0xA"}"#,
            r#"{"address":["0xa"]}"#,
            r#"{"address":["0xA","0xa"]}"#,
            r#"{"address":"a"}"#,
            r#"{"\u0061ddress":"0x\u0061"}"#,
            r#"{"address":"0xb","address":"0xA"}"#,
        ],
        r#"{"address":"0xa"}"#,
    );
    let upstreams = [r#"["logs",{"address":"0xA"}]"#, r#"["logs",{"address":["0xa"]},1]"#].map(upstream);
    assert_eq!(upstreams, [r#"["logs",{"address":"0xa"}]"#; 2]);
}

#[test]
fn what_asks_for_nothing_is_left_out() {
    assert_same(
        &[
            "{}",
            r#"{"address":null,"topics":null}"#,
            r#"{"address":[]}"#,
            r#"{"topics":[]}"#,
            r#"{"x":null}"#,
            r#"{"address":"0xa","address":null}"#,
        ],
        "{}",
    );
    assert_eq!(filter("{}"), LogFilter::default());
}

#[test]
fn positions_of_topics_stay_where_they_are() {
    assert_same(
        &[
            r#"{"topics":[null,["0xA"],[],["0xb",null],"0xC",null]}"#,
            r#"{"topics":[[],"0xa",null,[null],"c",[]]}"#,
        ],
        r#"{"topics":[null,"0xa",null,null,"0xc",null]}"#,
    );
    assert_ne!(filter(r#"{"topics":["0xa"]}"#), filter(r#"{"topics":["0xa",null]}"#));
    assert_ne!(filter(r#"{"topics":[null]}"#), filter("{}"));
}

#[test]
fn members_that_nobody_knows_are_kept() {
    assert_same(
        &[
            r#"{"z":{"k" :1},"topics":["0xa"],"address":"0xb","a":"X"}"#,
            r#"{"a":"X","z":{"k" :1},"address":"0xb","topics":[["0xa"]]}"#,
        ],
        r#"{"a":"X","address":"0xb","topics":["0xa"],"z":{"k" :1}}"#,
    );
}

#[test]
fn a_filter_of_another_shape_is_none() {
    for text in [
        "null",
        "[]",
        "\"0xa\"",
        r#"{"address":1}"#,
        r#"{"address":{}}"#,
        r#"{"address":["0xa",null]}"#,
        r#"{"address":[["0xa"]]}"#,
        r#"{"topics":"0xa"}"#,
        r#"{"topics":{}}"#,
        r#"{"topics":[1]}"#,
        r#"{"topics":[[["0xa"]]]}"#,
        r#"{"topics":[[null,1]]}"#,
        r#"{"topics":[true]}"#,
    ] {
        assert_eq!(LogFilter::parse(raw(text)), None, "{text}");
    }
}

#[test]
fn the_logs_of_a_block_are_asked_for_by_its_hash() {
    let request = |text: &str| String::from_utf8(filter(text).request("0xab").to_vec()).unwrap();
    assert_eq!(request("{}"), r#"[{"blockHash":"0xab"}]"#);
    assert_eq!(request(r#"{"address":"0xA"}"#), r#"[{"blockHash":"0xab","address":"0xa"}]"#);
}

#[test]
fn a_log_is_read_as_nodes_write_it() {
    let (address, topic) = ("Ab".repeat(20), "0f".repeat(32));
    let log = format!(r#"{{"data":"0x","topics":["0x{topic}"],"address":"0x{address}"}}"#);
    let key = LogKey::read(raw(&log)).unwrap();
    assert_eq!((key.address, &key.topics[..]), ([0xab; 20], &[[0x0f; 32]][..]));
    for log in [
        r#"{}"#.to_owned(),
        log.replace("topics", "x"),
        log.replace("address", "x"),
        log.replace("0f0f", "0f"),
        log.replace("0x0f", "0xzz"),
        log.replace("0xAb", "Ab"),
        format!(r#"{{"topics":"0x{topic}","address":"0x{address}"}}"#),
        "[]".to_owned(),
    ] {
        assert_eq!(LogKey::read(raw(&log)), None, "{log}");
    }
}

fn log(address: u8, topics: &[u8]) -> LogKey {
    LogKey { address: [address; 20], topics: topics.iter().map(|topic| [*topic; 32]).collect() }
}

fn address(n: u8) -> String {
    format!("\"0x{}\"", format!("{n:02X}").repeat(20))
}

fn topic(n: u8) -> String {
    format!("\"0x{}\"", format!("{n:02x}").repeat(32))
}

#[test]
fn logs_pass_as_nodes_let_them_pass() {
    let (a, b) = (topic(1), topic(2));
    for (topics, passing, others) in [
        ("[]".to_owned(), vec![&[][..], &[1], &[9, 9]], vec![]),
        (format!("[{a}]"), vec![&[1][..], &[1, 9, 9, 9]], vec![&[][..], &[2], &[9, 1]]),
        (format!("[null,{b}]"), vec![&[9, 2][..], &[1, 2, 3]], vec![&[2][..], &[2, 1]]),
        (format!("[[{a},{b}],{b}]"), vec![&[1, 2][..], &[2, 2]], vec![&[1, 1][..], &[3, 2], &[1]]),
        // A position asks for a topic even when any will do.
        ("[null]".to_owned(), vec![&[9][..]], vec![&[][..]]),
        (format!("[{a},null]"), vec![&[1, 9][..]], vec![&[1][..]]),
        (format!("[[{a},null]]"), vec![&[1][..], &[9]], vec![&[][..]]),
        ("[\"0x1\"]".to_owned(), vec![], vec![&[][..], &[1]]),
    ] {
        let filter = filter(&format!("{{\"topics\":{topics}}}"));
        passing.iter().for_each(|topics| assert!(filter.matches(&log(7, topics)), "{filter:?} {topics:?}"));
        others.iter().for_each(|topics| assert!(!filter.matches(&log(7, topics)), "{filter:?} {topics:?}"));
    }
    let either = filter(&format!("{{\"address\":[{},{}]}}", address(1), address(0xab)));
    assert!(either.matches(&log(1, &[])) && either.matches(&log(0xab, &[5])));
    assert!(!either.matches(&log(2, &[])));
}

#[test]
fn a_bloom_without_the_address_or_a_topic_rules_the_block_out() {
    let mut bloom = BloomBuilder::new();
    bloom.add(&log(1, &[2, 3]));
    let bloom = bloom.finish();
    for text in [
        "{}".to_owned(),
        format!("{{\"address\":{}}}", address(1)),
        format!("{{\"address\":[{},{}]}}", address(1), address(9)),
        format!("{{\"topics\":[{},null]}}", topic(3)),
        // A node may know what these mean.
        r#"{"address":"0x1","topics":["0x2"]}"#.to_owned(),
        format!("{{\"address\":[{},\"0x1\"]}}", address(9)),
    ] {
        assert!(filter(&text).may_match(&bloom), "{text}");
    }
    for text in [
        format!("{{\"address\":{}}}", address(9)),
        format!("{{\"address\":{},\"topics\":[{}]}}", address(1), topic(9)),
        format!("{{\"topics\":[null,[{},{}]]}}", topic(8), topic(9)),
    ] {
        assert!(!filter(&text).may_match(&bloom), "{text}");
    }
    assert!(!filter(&format!("{{\"address\":{}}}", address(1))).may_match(&[0; 256]));
    assert!(filter("{}").may_match(&[0; 256]));
}

#[test]
fn a_missing_log_shows_in_the_bloom() {
    let bloom = |logs: &[LogKey]| {
        let mut bloom = BloomBuilder::default();
        logs.iter().for_each(|log| bloom.add(log));
        bloom.finish()
    };
    let logs = [log(1, &[2]), log(3, &[4, 5])];
    assert_ne!(bloom(&logs), bloom(&logs[..1]));
    assert_eq!(bloom(&logs), bloom(&[logs[1].clone(), logs[0].clone()]));
}

fn alternatives(value: fn(u8) -> String) -> impl Strategy<Value = String> {
    prop_oneof![
        Just("null".to_owned()),
        (0_u8..4).prop_map(value),
        proptest::collection::vec((0_u8..4).prop_map(value), 0..3)
            .prop_map(|list| format!("[{}]", list.join(","))),
    ]
}

fn any_filter() -> impl Strategy<Value = String> {
    (alternatives(address), proptest::collection::vec(alternatives(topic), 0..4))
        .prop_map(|(address, topics)| format!("{{\"topics\":[{}],\"address\":{address}}}", topics.join(",")))
}

fn any_log() -> impl Strategy<Value = LogKey> {
    (0_u8..4, proptest::collection::vec(0_u8..4, 0..4)).prop_map(|(address, topics)| log(address, &topics))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// A block is never ruled out that has a log which passes.
    #[test]
    fn no_log_hides_from_the_bloom(text in any_filter(), logs in proptest::collection::vec(any_log(), 0..6)) {
        let filter = filter(&text);
        let mut bloom = BloomBuilder::new();
        logs.iter().for_each(|log| bloom.add(log));
        if logs.iter().any(|log| filter.matches(log)) {
            prop_assert!(filter.may_match(&bloom.finish()));
        }
    }

    #[test]
    fn the_normal_form_is_its_own_and_means_the_same(text in any_filter(), log in any_log(), upper in any::<bool>()) {
        let filter = filter(&text);
        let json = String::from_utf8(filter.json().to_vec()).unwrap();
        prop_assert_eq!(&normal(&json), &json);
        // Another way to write the prefix.
        let written = if upper { text.replace("0x0", "0X0") } else { text };
        prop_assert_eq!(&normal(&written), &json);
        prop_assert_eq!(self::filter(&json).matches(&log), filter.matches(&log));
    }

    #[test]
    fn any_json_is_taken_or_left(text in select(vec!["1", "\"\"", "[]", "{}", "null", "[null]", "[[]]", "[\"\"]", "[[\"\",null]]"]),
        name in select(vec!["address", "topics", "x"])) {
        let text = format!("{{\"{name}\":{text}}}");
        if let Some(filter) = LogFilter::parse(raw(&text)) {
            prop_assert!(serde_json::from_slice::<serde_json::Value>(filter.json()).is_ok());
        }
    }
}
