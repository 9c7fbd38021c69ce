//! `wire` against `serde_json`, on JSON of every shape, on envelopes, and on both after they were damaged.

#[path = "wire_props/agreement.rs"]
mod agreement;

use proptest::{collection::vec, prelude::*, sample::Index};

/// Space that JSON allows, mostly none.
fn space() -> impl Strategy<Value = String> {
    prop_oneof![4 => Just(String::new()), 1 => "[ \t\r\n]{1,3}"]
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => "-?(0|[1-9][0-9]{0,3})",
        1 => "-?[1-9][0-9]{15,30}",
        1 => r"-?(0|[1-9][0-9]{0,3})(\.[0-9]{1,4})?([eE][+-]?[0-9]{1,3})?",
    ]
}

/// A string with its quotes, with every kind of escape in it, half surrogate pairs included.
fn string() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => "[ -!#-\\[\\]-~]{0,12}",
        1 => r#"\\["\\/bfnrt]"#,
        1 => r"\\u[0-9a-fA-F]{4}",
        1 => Just(r"\ud83d\ude00".to_owned()),
        1 => Just(r"\ud83d".to_owned()),
        1 => "[é€😀\u{7f}]{1,2}",
    ];
    vec(part, 0..4).prop_map(|parts| format!("\"{}\"", parts.concat()))
}

/// A scalar, now and then one that only looks like it.
fn scalar() -> impl Strategy<Value = String> {
    prop_oneof![
        16 => number(),
        16 => string(),
        1 => one_of(&["01", "-", "-.5", "1.", "1e", "1e+", "+1", ".5", "0x1", "nul", "nulll", "True", "'a'", ""]),
        8 => proptest::sample::select(vec!["null", "true", "false"]).prop_map(str::to_owned),
    ]
}

/// A name that means something, with some of its letters escaped.
fn known_name() -> impl Strategy<Value = String> {
    let names = vec![
        "jsonrpc",
        "id",
        "method",
        "params",
        "result",
        "error",
        "lasso_meta",
        "code",
        "message",
        "data",
        "subscription",
    ];
    (proptest::sample::select(names), prop_oneof![3 => Just(0), 1 => any::<u16>()]).prop_map(
        |(name, escaped)| {
            let letter = |(at, letter): (usize, char)| match escaped >> at & 1 {
                0 => letter.to_string(),
                _ => format!("\\u{:04x}", u32::from(letter)),
            };
            format!("\"{}\"", name.chars().enumerate().map(letter).collect::<String>())
        },
    )
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![2 => known_name(), 1 => string(), 1 => "\"[ab]\""]
}

/// What stands before the closing bracket, now and then a comma too many.
fn tail() -> impl Strategy<Value = &'static str> {
    prop_oneof![24 => Just(""), 1 => Just(",")]
}

fn array_of(element: impl Strategy<Value = String>, max: usize) -> impl Strategy<Value = String> {
    (vec((space(), element, space()), 0..max), space(), tail()).prop_map(|(elements, space, tail)| {
        let elements: Vec<String> = elements.into_iter().map(|(a, element, b)| a + &element + &b).collect();
        format!("[{space}{}{tail}]", elements.join(","))
    })
}

fn object_of(member: impl Strategy<Value = (String, String)>, max: usize) -> impl Strategy<Value = String> {
    (vec((space(), member, space(), space()), 0..max), space(), tail()).prop_map(|(members, space, tail)| {
        let members: Vec<String> = members
            .into_iter()
            .map(|(a, (name, value), b, c)| format!("{a}{name}{b}:{c}{value}{a}"))
            .collect();
        format!("{{{space}{}{tail}}}", members.join(","))
    })
}

/// Any JSON value.
fn value() -> impl Strategy<Value = String> {
    scalar().prop_recursive(4, 24, 4, |inner| {
        prop_oneof![array_of(inner.clone(), 4), object_of((name(), inner), 4)]
    })
}

fn one_of(texts: &[&str]) -> impl Strategy<Value = String> + use<> {
    proptest::sample::select(texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
}

/// A member of a request, mostly a right one.
fn request_member() -> impl Strategy<Value = (String, String)> {
    let named = |name: &str, value: BoxedStrategy<String>| (Just(format!("\"{name}\"")), value).boxed();
    prop_oneof![
        4 => named("jsonrpc", one_of(&["\"2.0\"", "\"2.0\"", "\"2\\u002e0\"", "\"1.0\"", "2.0"]).boxed()),
        4 => named("id", prop_oneof![scalar(), one_of(&["1", "\"a\"", "null", "1.5", "[]"])].boxed()),
        4 => named("method", prop_oneof![4 => one_of(&["\"eth_call\"", "\"eth\\u005fcall\""]), 1 => value()].boxed()),
        4 => named("params", prop_oneof![3 => array_of(value(), 4), 1 => value()].boxed()),
        1 => named("lasso_meta", one_of(&["\"notify\"", "1"]).boxed()),
        1 => (name(), value()),
    ]
}

fn error_member() -> impl Strategy<Value = (String, String)> {
    let named = |name: &str, value: BoxedStrategy<String>| (Just(format!("\"{name}\"")), value).boxed();
    prop_oneof![
        6 => named("code", prop_oneof![5 => "-?[1-9][0-9]{0,5}", 1 => number()].boxed()),
        6 => named("message", prop_oneof![5 => string(), 1 => value()].boxed()),
        2 => named("data", value().boxed()),
        1 => (name(), value()),
    ]
}

/// A member of a reply, mostly a right one.
fn reply_member() -> impl Strategy<Value = (String, String)> {
    let named = |name: &str, value: BoxedStrategy<String>| (Just(format!("\"{name}\"")), value).boxed();
    prop_oneof![
        6 => named("jsonrpc", one_of(&["\"2.0\"", "\"2.0\"", "\"2.0\"", "\"2\\u002e0\"", "\"1.0\""]).boxed()),
        6 => named("id", one_of(&["\"lasso-1\"", "\"lasso-1\"", "\"lasso\\u002d1\"", "1"]).boxed()),
        4 => named("result", prop_oneof![2 => value(), 1 => one_of(&["null"])].boxed()),
        2 => named("error", prop_oneof![4 => object_of(error_member(), 4), 1 => value()].boxed()),
        1 => (prop_oneof![3 => string(), 1 => name()], value()),
    ]
}

/// A reply that has everything, in some order, with more around it.
fn whole_reply() -> impl Strategy<Value = String> {
    let error = (number(), string(), value(), space()).prop_map(|(code, message, data, s)| {
        format!("{{\"code\":{code},{s}\"message\":{message},\"data\":{s}{data}}}")
    });
    let outcome = prop_oneof![
        value().prop_map(|value| vec![format!("\"result\":{value}")]),
        error.prop_map(|error| vec![format!("\"error\": {error}"), "\"result\":null".to_owned()]),
    ];
    (outcome, string(), value(), space()).prop_flat_map(|(mut members, name, extra, space)| {
        members.push(format!("\"jsonrpc\"{space}:{space}\"2.0\""));
        members.push(format!("{space}\"id\":\"lasso-1\"{space}"));
        members.push(format!("{name}{space}:{extra}"));
        Just(members).prop_shuffle().prop_map(|members| format!("{{{}}}", members.join(",")))
    })
}

/// A member of the parameters of an event, mostly a right one.
fn event_member() -> impl Strategy<Value = (String, String)> {
    let named = |name: &str, value: BoxedStrategy<String>| (Just(format!("\"{name}\"")), value).boxed();
    prop_oneof![
        4 => named("subscription", prop_oneof![4 => string(), 1 => value()].boxed()),
        4 => named("result", value().boxed()),
        1 => (prop_oneof![3 => string(), 1 => name()], value()),
    ]
}

/// A member of an event, mostly a right one.
fn push_member() -> impl Strategy<Value = (String, String)> {
    let named = |name: &str, value: BoxedStrategy<String>| (Just(format!("\"{name}\"")), value).boxed();
    let methods = ["\"eth_subscription\"", "\"eth_subscription\"", "\"eth\\u005fsubscription\"", "\"eth_x\""];
    prop_oneof![
        2 => named("jsonrpc", one_of(&["\"2.0\"", "\"1.0\""]).boxed()),
        8 => named("method", one_of(&methods).boxed()),
        8 => named("params", prop_oneof![8 => object_of(event_member(), 4), 1 => value()].boxed()),
        1 => reply_member(),
        1 => (prop_oneof![3 => string(), 1 => name()], value()),
    ]
}

#[derive(Clone, Debug)]
enum Damage {
    Cut(Index),
    Remove(Index),
    Replace(Index, u8),
    Insert(Index, u8),
    Repeat(Index, Index),
}

/// Bytes that mean something more often than not.
fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![2 => proptest::sample::select(b"{}[]\",:\\u0e-. \n\0\x1f\x80\xc3\xff".to_vec()), 1 => any::<u8>()]
}

fn damage() -> impl Strategy<Value = Vec<Damage>> {
    let one = prop_oneof![
        any::<Index>().prop_map(Damage::Cut),
        any::<Index>().prop_map(Damage::Remove),
        (any::<Index>(), byte()).prop_map(|(at, byte)| Damage::Replace(at, byte)),
        (any::<Index>(), byte()).prop_map(|(at, byte)| Damage::Insert(at, byte)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Damage::Repeat(from, to)),
    ];
    prop_oneof![1 => Just(Vec::new()), 1 => vec(one, 1..3)]
}

fn apply(text: String, damages: Vec<Damage>) -> Vec<u8> {
    let mut bytes = text.into_bytes();
    for damage in damages {
        if bytes.is_empty() {
            break;
        }
        let len = bytes.len();
        match damage {
            Damage::Cut(at) => bytes.truncate(at.index(len)),
            Damage::Remove(at) => drop(bytes.remove(at.index(len))),
            Damage::Replace(at, byte) => bytes[at.index(len)] = byte,
            Damage::Insert(at, byte) => bytes.insert(at.index(len), byte),
            Damage::Repeat(from, to) => {
                let (from, to) = (from.index(len), to.index(len));
                bytes.extend_from_within(from.min(to)..from.max(to));
            }
        }
    }
    bytes
}

/// Texts of one kind with space around them, whole and damaged, and bytes that never were any.
fn bytes_of(text: impl Strategy<Value = String> + 'static) -> impl Strategy<Value = Vec<u8>> {
    let text = (space(), text, space()).prop_map(|(before, text, after)| before + &text + &after);
    prop_oneof![
        15 => (text, damage()).prop_map(|(text, damage)| apply(text, damage)),
        1 => vec(byte(), 0..24),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_body_is_read_as_serde_json_reads_it(bytes in bytes_of(value())) {
        agreement::request(&bytes);
        agreement::reply(&bytes, 3);
        agreement::upstream(&bytes);
        agreement::splice(&bytes);
        agreement::params(&bytes);
    }

    #[test]
    fn requests_agree(bytes in bytes_of(object_of(request_member(), 6))) {
        agreement::request(&bytes);
    }

    #[test]
    fn batches_agree(bytes in bytes_of(array_of(
        prop_oneof![3 => object_of(request_member(), 4).boxed(), 1 => one_of(&["1", "[]", "{}", "[{\"id\":1}]"]).boxed()],
        11,
    ))) {
        agreement::request(&bytes);
        agreement::batch(&bytes);
    }

    #[test]
    fn replies_agree_in_pieces_of_any_size(
        bytes in bytes_of(prop_oneof![whole_reply().boxed(), object_of(reply_member(), 5).boxed()]),
        size in 1_usize..40,
    ) {
        agreement::reply(&bytes, size);
        agreement::reply(&bytes, 1);
        agreement::splice(&bytes);
    }

    #[test]
    fn messages_of_a_socket_agree(bytes in bytes_of(prop_oneof![
        3 => object_of(push_member(), 5).boxed(),
        1 => whole_reply().boxed(),
        1 => object_of(reply_member(), 5).boxed(),
    ])) {
        agreement::upstream(&bytes);
    }

    #[test]
    fn values_are_looked_into_alike(bytes in bytes_of(prop_oneof![
        array_of(value(), 5).boxed(),
        object_of((name(), value()), 5).boxed(),
        scalar().boxed(),
    ])) {
        agreement::params(&bytes);
    }
}
