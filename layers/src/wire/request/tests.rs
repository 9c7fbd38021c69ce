use std::borrow::Cow;

use bytes::Bytes;

use super::*;
use crate::wire::ParamsKind;

fn one(body: &str) -> Request {
    match parse(Bytes::from(body.to_owned()), 50) {
        Ok(Parsed::One(request)) => request,
        other => panic!("{body}: {other:?}"),
    }
}

fn batch(body: &str, limit: usize) -> Vec<Item> {
    match parse(Bytes::from(body.to_owned()), limit) {
        Ok(Parsed::Batch(items)) => items,
        other => panic!("{body}: {other:?}"),
    }
}

fn id_of(item: &Item) -> Option<&[u8]> {
    match item {
        Item::Request(request) => request.id(),
        Item::Invalid => None,
    }
}

#[test]
fn members_are_found_in_any_order_and_spacing() {
    let request = one(
        " {\n\"params\" : [ 1 , {\"id\":9} ] ,\t\"id\" : \"a b\" , \"method\":\"eth_call\",\"jsonrpc\":\"2.0\" } ",
    );
    assert_eq!(request.id(), Some(&b"\"a b\""[..]));
    assert_eq!(request.method(), "eth_call");
    assert_eq!(request.params().raw(), Some(&b"[ 1 , {\"id\":9} ]"[..]));
    assert!(request.has_version());
    assert_eq!(request.defect(), None);
    assert!(!request.is_notification());
}

#[test]
fn escaped_names_and_values_are_read() {
    let request =
        one(r#"{"\u006asonrpc":"2\u002e0","\u0069d":7,"met\u0068od":"eth\u005fcall","p\u0061rams":null}"#);
    assert_eq!(request.id(), Some(&b"7"[..]));
    assert_eq!(request.method(), "eth_call");
    assert!(matches!(request.method(), Cow::Owned(_)));
    assert_eq!(request.params().kind(), ParamsKind::Null);
    assert!(request.has_version());
}

#[test]
fn nested_members_are_not_the_envelope() {
    let request = one(r#"{"params":[{"id":1,"method":"x","jsonrpc":"1.0"}],"x":{"id":2},"method":"m"}"#);
    assert_eq!(request.id(), None);
    assert_eq!(request.method(), "m");
    assert_eq!(request.defect(), None);
}

#[test]
fn the_last_of_several_members_counts() {
    let request = one(
        r#"{"jsonrpc":"1.0","id":1,"id":"b","method":"a","method":"b","params":[1],"params":[2],"jsonrpc":"2.0"}"#,
    );
    assert_eq!(request.id(), Some(&b"\"b\""[..]));
    assert_eq!(request.method(), "b");
    assert_eq!(request.params().raw(), Some(&b"[2]"[..]));
    assert_eq!(request.defect(), None);

    let request = one(r#"{"method":"a","method":1}"#);
    assert_eq!(request.defect(), Some(Defect::MethodMissing));
}

#[test]
fn a_method_has_to_be_a_string() {
    for body in ["{}", r#"{"id":1}"#, r#"{"method":null}"#, r#"{"method":["a"]}"#, r#"{"jsonrpc":"1.0"}"#] {
        assert_eq!(one(body).defect(), Some(Defect::MethodMissing), "{body}");
        assert!(!one(body).is_notification(), "{body}");
        assert_eq!(one(body).method(), "", "{body}");
    }
}

#[test]
fn a_version_may_be_absent_but_not_different() {
    // A call with another version is not a notification even without an id.
    for version in [r#""1.0""#, "2.0", "null", "{}"] {
        let request = one(&format!(r#"{{"jsonrpc":{version},"method":"m"}}"#));
        assert_eq!(request.defect(), Some(Defect::Version), "{version}");
        assert!(!request.is_notification() && !request.has_version(), "{version}");
    }
    let request = one(r#"{"method":"m","id":"a"}"#);
    assert_eq!(request.defect(), None);
    assert!(!request.has_version());
}

#[test]
fn only_an_absent_id_makes_a_notification() {
    assert!(one(r#"{"method":"m"}"#).is_notification());
    assert!(one(r#"{"jsonrpc":"2.0","method":"m"}"#).is_notification());
    let request = one(r#"{"method":"m","id":null}"#);
    assert!(!request.is_notification());
    assert_eq!((request.id(), request.id_kind()), (Some(&b"null"[..]), IdKind::Null));
}

#[test]
fn ids_keep_their_text_and_have_a_kind() {
    for (id, kind) in [
        ("1", IdKind::Integer),
        ("-0", IdKind::Integer),
        ("9007199254740993123", IdKind::Integer),
        ("123456789012345678901234567890", IdKind::Integer),
        ("1.5", IdKind::Other),
        ("1e3", IdKind::Other),
        ("true", IdKind::Other),
        ("[1]", IdKind::Other),
        ("{\"a\":1}", IdKind::Other),
        ("\"\"", IdKind::String),
        (r#""\u0031""#, IdKind::String),
    ] {
        let request = one(&format!(r#"{{"id": {id} ,"method":"m"}}"#));
        assert_eq!((request.id(), request.id_kind()), (Some(id.as_bytes()), kind), "{id}");
    }
    assert_eq!(one("{}").id_kind(), IdKind::Absent);
}

#[test]
fn short_strings_and_integers_travel_upstream_as_ids() {
    let upstream =
        |id: &str| one(&format!(r#"{{"id":{id},"method":"m"}}"#)).upstream_id().map(<[u8]>::to_vec);
    let longest = format!("\"{}\"", "x".repeat(30));
    for id in ["1", "\"a\"", "\"\"", "12345678901234567890123456789012", &longest] {
        assert_eq!(upstream(id).as_deref(), Some(id.as_bytes()));
    }
    let too_long = format!("\"{}\"", "x".repeat(31));
    for id in ["null", "1.5", "[]", "true", "123456789012345678901234567890123", &too_long] {
        assert_eq!(upstream(id), None, "{id}");
    }
    assert_eq!(one(r#"{"method":"m"}"#).upstream_id(), None);
}

#[test]
fn a_body_that_is_right_already_is_shared() {
    let body = Bytes::from(r#" {"method":"m", "params":[1, 2],"id":"a","jsonrpc":"2.0"}"#.to_owned());
    let Ok(Parsed::One(request)) = parse(body.clone(), 0) else { panic!() };
    let upstream = request.upstream_body(UpstreamId::Client);
    assert_eq!(upstream, body.slice(1..));
    assert_eq!(upstream.as_ptr(), body[1..].as_ptr());
    assert_eq!(request.upstream_body(UpstreamId::Private(b"\"a\"")).as_ptr(), upstream.as_ptr());
}

#[test]
fn any_other_body_is_built_from_its_members() {
    let cases = [
        // Members that are not ours.
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"m","params":[ 1.0 ],"lasso_meta":"notify"}"#,
            "1",
            "m",
            "[ 1.0 ]",
        ),
        // Repeated members.
        (r#"{"jsonrpc":"2.0","id":1,"id":1,"method":"m","params":[]}"#, "1", "m", "[]"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"m","params":[1],"params":[2]}"#, "1", "m", "[2]"),
        // Missing members.
        (r#"{"id":1,"method":"m","params":[]}"#, "1", "m", "[]"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"m"}"#, "1", "m", "[]"),
        (r#"{"jsonrpc":"2.0","method":"m","params":[]}"#, "null", "m", "[]"),
        // Parameters that are no array.
        (r#"{"jsonrpc":"2.0","id":1,"method":"m","params":null}"#, "1", "m", "[]"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{ "a":1 }}"#, "1", "m", r#"[{ "a":1 }]"#),
        (r#"{"jsonrpc":"2.0","id":1,"method":"m","params":"x"}"#, "1", "m", r#"["x"]"#),
        // Escapes stay.
        (
            r#"{"id":"\u0031","method":"\u006d","params":["\u0031"]}"#,
            r#""\u0031""#,
            r"\u006d",
            r#"["\u0031"]"#,
        ),
    ];
    for (body, id, method, params) in cases {
        let expected = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#);
        assert_eq!(one(body).upstream_body(UpstreamId::Client), expected, "{body}");
    }
    let canonical = one(r#"{"jsonrpc":"2.0","id":1,"method":"m","params":[{}]}"#);
    assert_eq!(
        &canonical.upstream_body(UpstreamId::Private(b"\"lasso-1\""))[..],
        br#"{"jsonrpc":"2.0","id":"lasso-1","method":"m","params":[{}]}"#
    );
}

#[test]
fn our_own_member_is_handed_out() {
    assert_eq!(one(r#"{"lasso_meta":"NOTIFY"}"#).lasso_meta(), Some(&b"\"NOTIFY\""[..]));
    assert_eq!(one(r#"{"params":{"lasso_meta":1}}"#).lasso_meta(), None);
}

#[test]
fn batches_keep_order_and_each_item_is_judged_alone() {
    let items = batch(r#" [ {} , 42 , {"id":1,"method":"a"}, [{"id":5}], {"id":1,"method":"b"},null ] "#, 50);
    assert_eq!(items.len(), 6);
    assert!(matches!(&items[0], Item::Request(request) if request.defect() == Some(Defect::MethodMissing)));
    assert!(matches!((&items[1], &items[3], &items[5]), (Item::Invalid, Item::Invalid, Item::Invalid)));
    let Item::Request(last) = &items[4] else { panic!() };
    assert_eq!((last.id(), last.method().as_ref()), (Some(&b"1"[..]), "b"));
    assert_eq!(last.body(), &r#"{"id":1,"method":"b"}"#);
    assert_eq!(id_of(&items[2]), id_of(&items[4]));
    assert!(batch("[ ]", 50).is_empty());
}

#[test]
fn items_of_a_batch_share_its_bytes() {
    let body = Bytes::from(r#"[{"jsonrpc":"2.0","id":1,"method":"a","params":[]}]"#.to_owned());
    let Ok(Parsed::Batch(items)) = parse(body.clone(), 1) else { panic!() };
    let [Item::Request(request)] = items.as_slice() else { panic!() };
    assert_eq!(request.upstream_body(UpstreamId::Client).as_ptr(), body[1..].as_ptr());
}

#[test]
fn a_batch_over_the_limit_is_counted_and_still_checked() {
    assert_eq!(batch("[{},{},1]", 3).len(), 3);
    assert!(matches!(parse(Bytes::from_static(b"[{},{},1,[]]"), 3), Ok(Parsed::Oversized(4))));
    assert!(parse(Bytes::from_static(b"[{},{},1,[]"), 3).is_err());
    let many = format!("[{}[]]", "[],".repeat(100_000));
    assert!(matches!(parse(many.into(), 50), Ok(Parsed::Oversized(100_001))));
}

#[test]
fn scalars_are_json_but_no_request() {
    for body in ["\"x\"", "1", " null ", "true", "-1.5e3", "\"{}\""] {
        assert!(matches!(parse(Bytes::from(body), 50), Ok(Parsed::Scalar)), "{body}");
    }
}

#[test]
fn what_is_not_json_is_refused() {
    for body in [
        "",
        " ",
        "{\"id\":",
        "{\"id\":1} true",
        "{\"id\":1}{}",
        "\u{feff}{}",
        "{\"id\":01}",
        "[1,]",
        "{'id':1}",
        "{\"a\":\"\t\"}",
    ] {
        assert!(parse(Bytes::from(body), 50).is_err(), "{body}");
    }
    assert!(parse(Bytes::from_static(b"{\"id\":\"\xff\"}"), 50).is_err());
}

#[test]
fn a_request_can_be_built_from_parts() {
    let request = Request::new(" 7 ", "eth \"x\"", r#" ["latest",false] "#).unwrap();
    assert_eq!(
        &request.body()[..],
        br#"{"jsonrpc":"2.0","id":7,"method":"eth \"x\"","params":["latest",false]}"#
    );
    assert_eq!(request.upstream_body(UpstreamId::Client).as_ptr(), request.body().as_ptr());
    assert_eq!(Request::new("null", "m", "{}").unwrap().params().raw(), Some(&b"[{}]"[..]));
    assert_eq!(Request::new("1", "m", "null").unwrap().params().raw(), Some(&b"[]"[..]));
    assert!(Request::new("1,\"x\":2", "m", "[]").is_err());
    assert!(Request::new("1", "m", "[]}").is_err());
    assert!(Request::new("", "m", "[]").is_err());
}

#[test]
fn debug_output_does_not_show_parameters() {
    let text = format!("{:?}", one(r#"{"id":"secret-id","method":"eth_call","params":["secret-param"]}"#));
    assert!(text.contains("eth_call") && !text.contains("secret"), "{text}");
}
