//! What providers write when they refuse, and what they mean by it.

use std::borrow::Cow;

use memchr::memmem;

use crate::catalog::Category;

/// Texts that mean the same.
pub(super) struct Group {
    /// What they mean.
    pub(super) category: Category,
    /// Each in lower case; one of them occurring anywhere in the message is enough.
    pub(super) phrases: &'static [&'static str],
    /// A further phrase, and the longer one in whose presence it means nothing.
    pub(super) unless: Option<(&'static str, &'static str)>,
    /// Whether the texts are looked for under a code that already says "rate limit".
    pub(super) beside_rate_limit_code: bool,
}

impl Group {
    const fn new(category: Category, phrases: &'static [&'static str]) -> Self {
        Self { category, phrases, unless: None, beside_rate_limit_code: false }
    }

    const fn unless(mut self, phrase: &'static str, longer: &'static str) -> Self {
        self.unless = Some((phrase, longer));
        self
    }

    const fn beside_rate_limit_code(mut self) -> Self {
        self.beside_rate_limit_code = true;
        self
    }

    fn matches(&self, text: &str) -> bool {
        self.phrases.iter().any(|phrase| contains(text, phrase))
            || self.unless.is_some_and(|(phrase, longer)| contains(text, phrase) && !contains(text, longer))
    }
}

/// The first group with a phrase in `text`, which is [`folded`].
pub(super) fn find(text: &str, is_rate_limit_code: bool) -> Option<Category> {
    GROUPS
        .iter()
        .filter(|group| !is_rate_limit_code || group.beside_rate_limit_code)
        .find(|group| group.matches(text))
        .map(|group| group.category)
}

/// The message in lower case, as far as it is searched: what a provider has to say, it says at the beginning,
/// and a message of a megabyte must not cost a hundred and fifty searches of a megabyte.
pub(super) fn folded(message: &str) -> String {
    const SEARCHED_BYTES: usize = 4096;
    message[..message.floor_char_boundary(SEARCHED_BYTES)].to_lowercase()
}

/// Whether `phrase` occurs in `text`, which is [`folded`], whatever the case of the phrase.
pub(super) fn contains_any_case(text: &str, phrase: &str) -> bool {
    contains(
        text,
        &if phrase.chars().any(char::is_uppercase) {
            Cow::Owned(phrase.to_lowercase())
        } else {
            Cow::Borrowed(phrase)
        },
    )
}

fn contains(text: &str, phrase: &str) -> bool {
    memmem::find(text.as_bytes(), phrase.as_bytes()).is_some()
}

/// All groups in the order in which they are asked: a revert that says "please retry" is a busy server.
pub(super) const GROUPS: [Group; 8] = [
    Group::new(
        Category::RateLimit,
        &[
            "rate limit",
            "too many requests",
            "throttled",
            "quota exceeded",
            "reached your quota",
            "monthly quota",
            "daily quota",
            "capacity exceeded",
            "request count exceeded",
            "maximum requests",
            "credits quota",
            "requests per second",
            "compute units",
            "cannot fulfill request",
            "request units",
            "timeout on the free tier",
        ],
    )
    .beside_rate_limit_code(),
    Group::new(
        Category::AuthError,
        &[
            "unauthorized",
            "authentication",
            "authenticate",
            "api key",
            "forbidden",
            "access denied",
            "permission denied",
        ],
    ),
    Group::new(
        Category::ServerError,
        &[
            "please retry",
            "temporary internal error",
            "try again",
            "service temporarily unavailable",
            "temporarily unavailable",
            "request timeout",
            "backend timeout",
            "resource unavailable",
            "service overloaded",
        ],
    ),
    Group::new(
        Category::InvalidParams,
        &[
            "invalid argument",
            "cannot unmarshal",
            "unable to decode",
            "invalid hex",
            "odd length hex",
            "hex string without 0x prefix",
            "invalid address",
            "wrong number of arguments",
            "missing value for required argument",
            "abi: cannot marshal",
        ],
    ),
    Group::new(
        Category::ExecutionRevert,
        &[
            "execution reverted",
            "gas required exceeds allowance",
            "out of gas",
            "intrinsic gas too low",
            "gas limit below intrinsic gas",
            "gas too low",
            "gas limit reached",
            "gas uint64 overflow",
            "insufficient gas",
            "exceeds block gas limit",
            "base fee exceeds gas limit",
            "transaction gas limit is too low",
            "nonce too low",
            "nonce too high",
            "insufficient funds",
            "already known",
            "replacement transaction underpriced",
            "transaction underpriced",
            "max fee per gas less than block base fee",
            "fee cap less than block base fee",
            "max priority fee per gas higher than max fee per gas",
            "max fee per blob gas",
            "blob base fee",
            "too many blobs",
            "invalid sender",
            "invalid opcode",
            "stack underflow",
            "stack overflow",
            "invalid jump destination",
            "revert",
            "vm exception",
            "evm error",
            "contract creation code storage out of gas",
            "max initcode size exceeded",
            "upfront cost exceeds",
            "does not match sender account nonce",
            "transaction type not supported",
        ],
    ),
    Group::new(
        Category::BlockNotAvailable,
        &[
            "header not found",
            "block not found",
            "unknown block number",
            "block is out of range",
            "blockoutofrange",
        ],
    )
    .unless("unknown block", "unknown blockchain"),
    // The result would be too large for this provider's plan.
    Group::new(
        Category::CapabilityViolation,
        &[
            "query returned more than",
            "result set too large",
            "result limit exceeded",
            "too many results",
            "too many logs",
        ],
    )
    .beside_rate_limit_code(),
    Group::new(
        Category::CapabilityViolation,
        &[
            "free tier",
            "maximum number of addresses",
            "max addresses",
            "too many addresses",
            "specify less number of addresses",
            "specify an address",
            "block range exceeded",
            "max block range",
            "block range too large",
            "range too large",
            "range not supported",
            "this range of parameters is not supported",
            "exceeds maximum block range",
            "invalid block range",
            "max is 1k blocks",
            "range is too large",
            "blocks are not supported",
            "ranges over",
            "is limited to",
            "archive node required",
            "requires archival",
            "archival data not available",
            "archival not available",
            "historical data not supported",
            "pruned",
            "missing trie node",
            "tracing not enabled",
            "debug not available",
            "trace not supported",
            "method not available",
            "method unavailable",
            "not supported",
            "not available",
            "not enabled",
            "does not support",
            "unsupported parameter range",
            "unsupported param range",
            "limit exceeded for this method",
            "exceeds limit",
            "exceeds maximum",
            "limit reached",
            "dedicated full node",
            "remove restrictions",
            "order a dedicated",
            "upgrade",
            "upgrade your plan",
            "upgrade your tier",
            "premium plan",
            "paid plan",
            "paid tier",
            "feature not enabled",
            "node is syncing",
            "state not available",
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phrase_is_in_lower_case() {
        for phrase in GROUPS.iter().flat_map(|group| group.phrases) {
            assert_eq!(*phrase, phrase.to_lowercase());
        }
    }

    #[test]
    fn a_phrase_counts_only_where_an_honest_provider_would_put_it() {
        let late = format!("{} rate limit", "x".repeat(8192));
        assert_eq!(find(&folded(&late), false), None);
        // The cut falls into the middle of a letter.
        let wide = format!("x{}", "é".repeat(4096));
        assert!(folded(&wide).len() <= 4096);
    }

    #[test]
    fn rule_texts_match_whatever_their_case() {
        assert!(contains_any_case(&folded("Block RANGE"), "block Range"));
        assert!(contains_any_case(&folded("ZU GROẞ"), "groß"));
        assert!(!contains_any_case(&folded("block"), "blocks"));
    }
}
