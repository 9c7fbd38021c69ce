//! From a JSON-RPC error to its category.

use super::{phrases, rules, table};
use crate::catalog::{Category, ErrorRule};
use crate::wire::RawJson;

/// What gave an error its category.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// The provider's rule at this position.
    ProviderRule(usize),
    /// Its data: the ABI encoding of a revert.
    DataSelector,
    /// A phrase in its message.
    MessagePattern,
    /// Its code.
    CodeBased,
}

impl Path {
    /// The name used in events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ProviderRule(_) => "provider_rule",
            Self::DataSelector => "data_selector",
            Self::MessagePattern => "message_pattern",
            Self::CodeBased => "code_based",
        }
    }
}

/// The category of an upstream's error, and what gave it. `data` is a JSON value.
///
/// The first of these that says something decides: the provider's `rules`, top to bottom; revert data; the codes of
/// malformed requests and unknown methods; phrases in the message; the code. Under a code that means "rate limit"
/// only two kinds of phrases are looked for, those that agree and those that say the result is too large, because
/// providers dress rate limits in words that mean something else under other codes ("try again", "limit reached").
///
/// ```
/// use lasso_layers::attempt::classify::{Path, classify};
/// use lasso_layers::catalog::Category;
///
/// let outcome = classify(-32000, "execution reverted: paused", None, &[]);
/// assert_eq!(outcome, (Category::ExecutionRevert, Path::MessagePattern));
/// ```
#[must_use]
pub fn classify(code: i64, message: &str, data: Option<&[u8]>, rules: &[ErrorRule]) -> (Category, Path) {
    let text = phrases::folded(message);
    if let Some((index, category)) = rules::first_match(rules, code, &text) {
        return (category, Path::ProviderRule(index));
    }
    if data.is_some_and(is_revert) {
        return (Category::ExecutionRevert, Path::DataSelector);
    }
    if let Some(category) = table::settled(code) {
        return (category, Path::CodeBased);
    }
    match phrases::find(&text, table::is_rate_limit(code)) {
        Some(category) => (category, Path::MessagePattern),
        None => (table::category(code), Path::CodeBased),
    }
}

/// Whether the data is what Solidity reverts with: the ABI encoding of `Error(string)` or `Panic(uint256)`
/// ([Solidity, "Panic via assert and Error via require"](https://docs.soliditylang.org/en/latest/control-structures.html#panic-via-assert-and-error-via-require)),
/// as a string or as the `data` of an object.
fn is_revert(data: &[u8]) -> bool {
    const SELECTORS: [&str; 2] = ["0x08c379a0", "0x4e487b71"];
    // Numbers, arrays and `null` need no reading.
    if !matches!(data.trim_ascii_start().first(), Some(b'"' | b'{')) {
        return false;
    }
    let Ok(data) = RawJson::parse(data) else { return false };
    let Some(text) = data.member("data").unwrap_or(data).as_str() else { return false };
    let start = text.as_bytes().get(..SELECTORS[0].len());
    start
        .is_some_and(|start| SELECTORS.iter().any(|selector| start.eq_ignore_ascii_case(selector.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attempt::classify::phrases::GROUPS;

    fn category(code: i64, message: &str) -> Category {
        classify(code, message, None, &[]).0
    }

    #[test]
    fn every_code_of_the_table() {
        for (code, expected) in [
            (3, Category::ExecutionRevert),
            (-32700, Category::ParseError),
            (-32600, Category::InvalidRequest),
            (-32601, Category::MethodNotFound),
            (-32602, Category::InvalidParams),
            (-32603, Category::InternalError),
            (-32005, Category::RateLimit),
            (-32004, Category::NetworkError),
            (-32003, Category::ClientError),
            (-32002, Category::ServerError),
            (4001, Category::UserError),
            (4100, Category::AuthError),
            (4200, Category::MethodError),
            (4900, Category::ChainError),
            (4901, Category::NetworkError),
            (14, Category::ServerError),
            (23, Category::ServerError),
            (-31001, Category::ServerError),
            (-31002, Category::ServerError),
            (26, Category::BlockNotAvailable),
            (30, Category::RateLimit),
            (-32046, Category::RateLimit),
            (35, Category::CapabilityViolation),
            (-32701, Category::CapabilityViolation),
            (-32010, Category::ExecutionRevert),
            (-32015, Category::ExecutionRevert),
            (-32016, Category::ExecutionRevert),
            (-32000, Category::UnclassifiedServerError),
            (-32001, Category::ServerError),
            (-32050, Category::ServerError),
            (-32099, Category::ServerError),
            (-32100, Category::UnknownError),
            (429, Category::RateLimit),
            (500, Category::ServerError),
            (599, Category::ServerError),
            (400, Category::ClientError),
            (428, Category::ClientError),
            (430, Category::ClientError),
            (499, Category::ClientError),
            (399, Category::UnknownError),
            (600, Category::UnknownError),
            (0, Category::UnknownError),
            (i64::MIN, Category::UnknownError),
            (i64::MAX, Category::UnknownError),
        ] {
            let outcome = classify(code, "no words that mean anything", None, &[]);
            assert_eq!(outcome, (expected, Path::CodeBased), "{code}");
        }
    }

    #[test]
    fn every_phrase_under_every_kind_of_code() {
        for group in &GROUPS {
            for phrase in group.phrases.iter().copied().chain(group.unless.map(|(phrase, _)| phrase)) {
                let message = format!("Oh no: {}!", phrase.to_uppercase());
                for code in [-32000, -32602, -32603, -32002, 3, 26, 30, 777] {
                    let outcome = classify(code, &message, None, &[]);
                    assert_eq!(outcome, (group.category, Path::MessagePattern), "{code} {phrase}");
                }
            }
        }
        let counts = GROUPS.map(|group| (group.category, group.phrases.len()));
        assert_eq!(
            counts,
            [
                (Category::RateLimit, 16),
                (Category::AuthError, 7),
                (Category::ServerError, 9),
                (Category::InvalidParams, 10),
                (Category::ExecutionRevert, 37),
                (Category::BlockNotAvailable, 5),
                (Category::CapabilityViolation, 5),
                (Category::CapabilityViolation, 53),
            ]
        );
    }

    #[test]
    fn earlier_groups_win() {
        for (message, expected) in [
            ("rate limit, unauthorized", Category::RateLimit),
            ("unauthorized, try again", Category::AuthError),
            ("try again: invalid argument", Category::ServerError),
            ("invalid argument: execution reverted", Category::InvalidParams),
            ("execution reverted: header not found", Category::ExecutionRevert),
            ("header not found, query returned more than 5", Category::BlockNotAvailable),
            ("query returned more than 10000 results, upgrade", Category::CapabilityViolation),
            // Edge case 29: a busy server, not a revert.
            ("execution reverted, please retry", Category::ServerError),
        ] {
            assert_eq!(category(-32000, message), expected, "{message}");
        }
    }

    #[test]
    fn codes_of_malformed_requests_ignore_the_message() {
        // Edge case 30.
        assert_eq!(
            classify(-32601, "the method trace_call is not available", None, &[]),
            (Category::MethodNotFound, Path::CodeBased)
        );
        assert_eq!(category(-32700, "rate limit"), Category::ParseError);
        assert_eq!(category(-32600, "unauthorized"), Category::InvalidRequest);
        // Edge case 25: wrong parameters and internal errors are not in this group.
        assert_eq!(category(-32602, "Unknown block number"), Category::BlockNotAvailable);
        assert_eq!(category(-32602, "bad"), Category::InvalidParams);
        assert_eq!(category(-32603, "rate limit"), Category::RateLimit);
    }

    #[test]
    fn a_rate_limit_code_stands_unless_the_result_is_too_large() {
        for code in [-32005, 429] {
            for message in [
                "rate limited",
                "too fast, try again in 3 seconds",
                "daily request limit reached, upgrade your plan",
                "unauthorized",
                "execution reverted",
                "header not found",
                "",
            ] {
                assert_eq!(category(code, message), Category::RateLimit, "{code} {message}");
            }
            for message in ["query returned more than 10000 results", "result set too large", "too many logs"]
            {
                assert_eq!(category(code, message), Category::CapabilityViolation, "{code} {message}");
            }
            assert_eq!(category(code, "rate limit: too many results"), Category::RateLimit);
        }
        // The other rate limit codes have no such standing.
        assert_eq!(category(30, "upgrade"), Category::CapabilityViolation);
    }

    #[test]
    fn revert_data_beats_words_and_codes() {
        // Edge case 28.
        let error = br#""0x08C379A00000000000000000000000000000000000000000000000000000000000000020""#;
        for (code, message) in [(-32000, "some text"), (-32000, "rate limit"), (-32601, "x"), (-32005, "x")] {
            let outcome = classify(code, message, Some(error), &[]);
            assert_eq!(outcome, (Category::ExecutionRevert, Path::DataSelector), "{code} {message}");
        }
        for data in [
            r#""0x08c379a0""#,
            r#"  "0X4E487B71" "#,
            r#"{"x":1,"data":"0x4e487b710011"}"#,
            r#""\u0030x08c379a0""#,
        ] {
            let outcome = classify(-32000, "x", Some(data.as_bytes()), &[]);
            assert_eq!(outcome, (Category::ExecutionRevert, Path::DataSelector), "{data}");
        }
        for data in [
            r#""0x08c379a""#,
            r#""0x12345678""#,
            r#""""#,
            r#"" 0x08c379a0""#,
            r#"["0x08c379a0"]"#,
            r#"{"data":{"data":"0x08c379a0"}}"#,
            r#"{"result":"0x08c379a0"}"#,
            "null",
            "7",
            "\"0x08c379a0",
            "",
        ] {
            let outcome = classify(-32000, "x", Some(data.as_bytes()), &[]);
            assert_eq!(outcome, (Category::UnclassifiedServerError, Path::CodeBased), "{data}");
        }
    }

    #[test]
    fn provider_rules_come_before_everything() {
        // Edge case 32.
        let rule = |code, texts: &[&str], category| ErrorRule {
            code,
            message_contains: texts.iter().map(|text| (*text).to_owned()).collect(),
            category,
        };
        let rules = [
            rule(Some(30), &[], Category::CapabilityViolation),
            rule(None, &["Special Sauce"], Category::RequiresArchival),
            rule(Some(-32601), &["limit"], Category::RateLimit),
        ];
        assert_eq!(classify(30, "x", None, &rules), (Category::CapabilityViolation, Path::ProviderRule(0)));
        assert_eq!(
            classify(-32005, "no special sauce", Some(br#""0x08c379a0""#), &rules),
            (Category::RequiresArchival, Path::ProviderRule(1))
        );
        assert_eq!(classify(-32601, "LIMIT", None, &rules), (Category::RateLimit, Path::ProviderRule(2)));
        assert_eq!(classify(-32601, "x", None, &rules), (Category::MethodNotFound, Path::CodeBased));
    }

    #[test]
    fn a_missing_block_is_told_from_everything_like_it() {
        for (code, message) in [
            (-32000, "header not found"),
            (-32001, "block not found: 0xabc"),
            (-39001, "Block not found"),
            (-32602, "Unknown block number"),
            (26, "Unknown block"),
            (-32000, "block is out of range"),
            // anvil
            (-32602, "BlockOutOfRangeError: block height is 20 but requested was 21"),
        ] {
            assert_eq!(category(code, message), Category::BlockNotAvailable, "{message}");
        }
        for message in [
            "unknown blockchain",
            "unknown block on unknown blockchain",
            "transaction could not be found",
            "missing trie node 0xabc",
            "blocks are not supported",
        ] {
            assert_ne!(category(-32000, message), Category::BlockNotAvailable, "{message}");
        }
        assert_eq!(category(-32000, "transaction could not be found"), Category::UnclassifiedServerError);
        assert_eq!(category(-32000, "missing trie node 0xabc"), Category::CapabilityViolation);
    }
}
