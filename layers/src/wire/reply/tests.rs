use super::*;
use ReplyDefect::*;

fn read(body: &str) -> Result<ReplyShape, ReplyDefect> {
    read_with(body, "1")
}

/// Reads a reply whole and cut in every place and pair of places; all have to agree.
fn read_with(body: &str, id: &str) -> Result<ReplyShape, ReplyDefect> {
    let body = body.as_bytes();
    let whole = parse_reply(body, id.as_bytes());
    for first in 0..=body.len() {
        for second in first..=body.len() {
            let mut scanner = ReplyScanner::new(id.as_bytes());
            let cut = [&body[..first], &body[first..second], &body[second..]]
                .into_iter()
                .try_for_each(|piece| scanner.feed(piece))
                .and_then(|()| scanner.finish());
            assert_eq!(cut, whole, "{} cut at {first} and {second}", String::from_utf8_lossy(body));
        }
    }
    let mut scanner = ReplyScanner::new(id.as_bytes());
    let bytewise = body.chunks(1).try_for_each(|byte| scanner.feed(byte)).and_then(|()| scanner.finish());
    assert_eq!(bytewise, whole);
    whole
}

/// The texts of id and result or error.
fn parts(body: &str) -> Result<(&str, &str), ReplyDefect> {
    let cut = |span: Span| &body[span.range()];
    Ok(match read(body)? {
        ReplyShape::Result { id, result } => (cut(id), cut(result)),
        ReplyShape::Error { id, error } => (cut(id), cut(error)),
    })
}

#[test]
fn a_result_is_found_in_any_order_and_spacing() {
    for body in [
        r#"{"jsonrpc":"2.0","id":1,"result":{"a" : [1]}}"#,
        "\n{ \"result\" : {\"a\" : [1]} , \"id\" : 1 , \"jsonrpc\" : \"2.0\" }\r\n",
        r#"{"result":{"a" : [1]},"jsonrpc":"2.0","id":1}"#,
        r#"{"\u0069d":1,"re\u0073ult":{"a" : [1]},"json\u0072pc":"2\u002E0"}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"a" : [1]},"lasso_meta":{},"data":1,"code":"x"}"#,
    ] {
        assert_eq!(parts(body), Ok(("1", r#"{"a" : [1]}"#)), "{body}");
        assert!(matches!(read(body), Ok(ReplyShape::Result { .. })));
    }
}

#[test]
fn nested_members_are_not_the_envelope() {
    let body = r#"{"result":{"id":2,"jsonrpc":"1.0","error":{"code":1},"method":"m"},"id":1,"x":[{"id":3}],"jsonrpc":"2.0"}"#;
    assert_eq!(parts(body).unwrap().0, "1");
}

#[test]
fn any_value_is_a_result() {
    for value in ["null", "0", "-1.50", "\"0x\"", "[]", "{}", "false", "\"\\ud800\""] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{value}}}"#);
        assert_eq!(parts(&body), Ok(("1", value)));
    }
}

#[test]
fn an_error_object_is_found() {
    let error = r#"{ "message":"m\"", "data":{"code":"x","message":1}, "code":-32000, "extra":1 }"#;
    let body = format!(r#"{{"jsonrpc":"2.0","error":{error},"id":1}}"#);
    assert_eq!(parts(&body), Ok(("1", error)));
    assert!(matches!(read(&body), Ok(ReplyShape::Error { .. })));
}

#[test]
fn a_null_result_next_to_an_error_says_nothing() {
    let error = r#"{"code":1,"message":"m"}"#;
    for body in [
        format!(r#"{{"jsonrpc":"2.0","id":1,"result":null,"error":{error}}}"#),
        format!(r#"{{"jsonrpc":"2.0","id":1,"error":{error},"result":null}}"#),
    ] {
        assert_eq!(parts(&body), Ok(("1", error)));
    }
    for body in [
        format!(r#"{{"jsonrpc":"2.0","id":1,"result":0,"error":{error}}}"#),
        format!(r#"{{"jsonrpc":"2.0","id":1,"error":{error},"result":"0x1"}}"#),
        r#"{"jsonrpc":"2.0","id":1,"result":null,"error":{}}"#.to_owned(),
        r#"{"jsonrpc":"2.0","id":1,"result":null,"error":null}"#.to_owned(),
        r#"{"jsonrpc":"2.0","id":1,"result":"0x1","error":null}"#.to_owned(),
    ] {
        assert_eq!(read(&body), Err(InvalidEnvelope), "{body}");
    }
}

#[test]
fn an_error_object_needs_one_code_and_one_message() {
    for error in [
        "null",
        "\"text\"",
        "[1]",
        "{}",
        r#"{"code":1}"#,
        r#"{"message":"m"}"#,
        r#"{"code":"1","message":"m"}"#,
        r#"{"code":1.5,"message":"m"}"#,
        r#"{"code":1e2,"message":"m"}"#,
        r#"{"code":99999999999999999999,"message":"m"}"#,
        r#"{"code":{"code":1},"message":"m"}"#,
        r#"{"code":1,"message":["m"]}"#,
        r#"{"code":1,"code":2,"message":"m"}"#,
        r#"{"code":1,"message":"m","\u006dessage":"m"}"#,
        r#"{"code":1,"message":"m","data":1,"data":2}"#,
        r#"{"x":{"code":1,"message":"m"}}"#,
    ] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"error":{error}}}"#);
        assert_eq!(read(&body), Err(InvalidEnvelope), "{error}");
        assert_eq!(crate::wire::parse_error(error.as_bytes()), None, "{error}");
    }
}

#[test]
fn defects_have_their_names() {
    for (body, defect) in [
        ("", InvalidJson),
        ("<html>", InvalidJson),
        ("\u{feff}{}", InvalidJson),
        (r#"{"jsonrpc":"2.0","id":1,"result":1}x"#, InvalidJson),
        (r#"{"jsonrpc":"2.0","id":1,"result":1}{}"#, InvalidJson),
        (r#"{"jsonrpc":"2.0","id":1,"result":"#, InvalidJson),
        (r#"{"jsonrpc":"2.0","id":1,"result":"\x"}"#, InvalidJson),
        (r#"{"jsonrpc":"1.0","id":1,"result":1}"#, UnsupportedVersion),
        (r#"{"jsonrpc":2.0,"id":1,"result":1}"#, UnsupportedVersion),
        (r#"{"jsonrpc":null,"id":1,"result":1}"#, UnsupportedVersion),
        (r#"{"jsonrpc":"2.0","id":2,"result":1}"#, IdMismatch),
        (r#"{"jsonrpc":"2.0","id":"1","result":1}"#, IdMismatch),
        (r#"{"jsonrpc":"2.0","id":1.0,"result":1}"#, IdMismatch),
        (r#"{"jsonrpc":"2.0","id":10,"result":1}"#, IdMismatch),
        (r#"{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"m"}}"#, IdMismatch),
        (r#"{"jsonrpc":"2.0","id":[1],"result":1}"#, IdMismatch),
        ("[]", UnexpectedBatch),
        (r#"[{"jsonrpc":"2.0","id":1,"result":1}]"#, UnexpectedBatch),
        (r#"{"jsonrpc":"2.0","method":"eth_subscription","params":{}}"#, UnexpectedNotification),
        (r#"{"jsonrpc":"2.0","id":1,"method":"m","result":1}"#, UnexpectedNotification),
        (r#"{"jsonrpc":"2.0","id":1,"result":1,"method":null}"#, UnexpectedNotification),
        ("{}", InvalidEnvelope),
        ("null", InvalidEnvelope),
        ("1", InvalidEnvelope),
        ("\"x\"", InvalidEnvelope),
        (r#"{"id":1,"result":1}"#, InvalidEnvelope),
        (r#"{"jsonrpc":"2.0","result":1}"#, InvalidEnvelope),
        (r#"{"jsonrpc":"2.0","id":1}"#, InvalidEnvelope),
        (r#"{"jsonrpc":"2.0","jsonrpc":"2.0","id":1,"result":1}"#, InvalidEnvelope),
        (r#"{"jsonrpc":"2.0","id":1,"\u0069d":1,"result":1}"#, InvalidEnvelope),
        (r#"{"jsonrpc":"2.0","id":1,"result":1,"result":1}"#, InvalidEnvelope),
        (r#"{"jsonrpc":"2.0","id":1,"result":null,"result":null}"#, InvalidEnvelope),
    ] {
        assert_eq!(read(body), Err(defect), "{body}");
    }
    assert_eq!(parse_reply(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"\xff\"}", b"1"), Err(InvalidJson));
}

#[test]
fn the_first_defect_in_the_text_is_told_and_stays() {
    assert_eq!(read(r#"{"id":2,"jsonrpc":"1.0","method":1}"#), Err(IdMismatch));
    assert_eq!(read(r#"{"jsonrpc":"1.0","id":2}x"#), Err(UnsupportedVersion));
    assert_eq!(read("[<"), Err(UnexpectedBatch));
    assert_eq!(read(r#"{"error":{"code":1,"message":"m"},"result":1,"method":1}"#), Err(InvalidEnvelope));
    assert_eq!(read(r#"{"result":1,"error":{"code":1,"message":"m"},"method":1}"#), Err(InvalidEnvelope));
    assert_eq!(read(r#"{"error":{"code":"1","message":"m"},"method":1}"#), Err(InvalidEnvelope));
    assert_eq!(read("{\"jsonrpc\":\"1.0\",\"é\":1"), Err(UnsupportedVersion));

    let mut scanner = ReplyScanner::new(b"1");
    assert_eq!(scanner.feed(b"{\"id\":2,"), Err(IdMismatch));
    assert_eq!(scanner.feed(b"\"jsonrpc\":\"2.0\""), Err(IdMismatch));
    assert_eq!(scanner.finish(), Err(IdMismatch));
}

#[test]
fn invalid_utf8_comes_in_its_turn() {
    for (body, defect) in [
        (&b"{\"jsonrpc\":\"1.0\",\"x\":\"\xff\"}"[..], UnsupportedVersion),
        (b"{\"x\":\"\xff\",\"jsonrpc\":\"1.0\"}", InvalidJson),
        (b"{\"x\":\"\xe2\x82\",\"jsonrpc\":\"1.0\"}", InvalidJson),
        // The head of a character does not end a number, so neither this id nor this code is looked at.
        (b"{\"id\":2\xd7\"}", InvalidJson),
        (b"{\"error\":{\"code\":1.5\xd7\x5c", InvalidJson),
    ] {
        for size in 1..=body.len() {
            let mut scanner = ReplyScanner::new(b"1");
            assert_eq!(body.chunks(size).try_for_each(|piece| scanner.feed(piece)), Err(defect));
        }
    }
}

#[test]
fn ids_match_as_text_or_as_what_a_string_says() {
    let reply = |id: &str| format!(r#"{{"jsonrpc":"2.0","id":{id},"result":1}}"#);
    let is_ours = |id: &str, expected: &str| read_with(&reply(id), expected).is_ok();
    assert!(is_ours("9007199254740993123", "9007199254740993123"));
    assert!(!is_ours("9007199254740993124", "9007199254740993123"));
    assert!(is_ours(r#""lasso\u002d1""#, r#""lasso-1""#));
    assert!(is_ours(r#""a/b""#, r#""a\/b""#));
    assert!(is_ours(r#"" é""#, r#"" \u00e9""#));
    assert!(is_ours("7", " 7 "));
    assert!(!is_ours(r#""7""#, "7"));
    assert!(!is_ours("7", r#""7""#));
    let long = format!("\"{}\"", "x".repeat(126));
    let escaped = format!("\"{}\"", "\\u0078".repeat(126));
    assert_eq!(
        parse_reply(reply(&escaped).as_bytes(), long.as_bytes()).map(|shape| shape.id().len()),
        Ok(758)
    );
    assert_eq!(parse_reply(reply(&format!("\"{}\"", "x".repeat(100_000))).as_bytes(), b"1"), Err(IdMismatch));
}

#[test]
fn a_result_is_known_to_have_begun() {
    let mut scanner = ReplyScanner::new(b"1");
    scanner.feed(br#"{"jsonrpc":"2.0","x":{"result":1},"result" : "#).unwrap();
    assert!(!scanner.result_started() && !scanner.is_result());
    scanner.feed(b"[").unwrap();
    assert!(scanner.result_started() && scanner.is_result());

    let mut scanner = ReplyScanner::new(b"1");
    scanner.feed(br#"{"result":n"#).unwrap();
    assert!(scanner.result_started() && !scanner.is_result());
}

/// What a body that passes through does with each piece: leaves the id out and writes another one once.
fn pass_through<'a>(pieces: impl Iterator<Item = &'a [u8]>, sent: &[u8], client: &[u8]) -> Vec<u8> {
    let mut scanner = ReplyScanner::new(sent);
    let mut out = Vec::new();
    for piece in pieces {
        scanner.feed(piece).unwrap();
        let cut = scanner.id_in_chunk().unwrap_or(piece.len()..piece.len());
        out.extend_from_slice(&piece[..cut.start]);
        if scanner.id_starts_in_chunk() {
            out.extend_from_slice(client);
        }
        out.extend_from_slice(&piece[cut.end..]);
    }
    scanner.finish().unwrap();
    out
}

#[test]
fn the_id_is_replaced_in_a_body_that_passes_through_in_any_pieces() {
    for (body, sent, expected) in [
        (
            r#"{"jsonrpc":"2.0","result":["lasso-17"], "id" : "lasso-17" }"#,
            "\"lasso-17\"",
            r#"{"jsonrpc":"2.0","result":["lasso-17"], "id" : 9007199254740993123 }"#,
        ),
        (
            r#"{"id":17,"jsonrpc":"2.0","result":17}"#,
            "17",
            r#"{"id":9007199254740993123,"jsonrpc":"2.0","result":17}"#,
        ),
    ] {
        let client = b"9007199254740993123";
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        for size in 1..=body.len() {
            let out = pass_through(body.as_bytes().chunks(size), sent.as_bytes(), client);
            assert_eq!(text(out), expected, "pieces of {size}");
        }
        for first in 0..=body.len() {
            for second in first..=body.len() {
                let (a, rest) = body.as_bytes().split_at(first);
                let (b, c) = rest.split_at(second - first);
                assert_eq!(text(pass_through([a, b, c].into_iter(), sent.as_bytes(), client)), expected);
            }
        }
    }
}

#[test]
fn reasons_are_fixed_words() {
    let reasons = [
        InvalidJson,
        UnsupportedVersion,
        IdMismatch,
        UnexpectedBatch,
        UnexpectedNotification,
        InvalidEnvelope,
    ]
    .map(ReplyDefect::reason);
    assert_eq!(
        reasons,
        [
            "invalid_json",
            "unsupported_version",
            "id_mismatch",
            "unexpected_batch",
            "unexpected_notification",
            "invalid_envelope"
        ]
    );
}
