//! What a provider says it cannot do.

use super::{Category, MethodCategory, MethodId};

/// Declared limits of one provider, and how to read its errors.
///
/// The default declares nothing: every method but the `local_only` ones is supported, without limits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Categories the provider does not serve. `local_only` is never served, listed or not.
    pub unsupported_categories: Vec<MethodCategory>,
    /// Methods the provider does not serve, by exact name, in the registry or not.
    pub unsupported_methods: Vec<String>,
    /// The largest span of an `eth_getLogs` call, in blocks; a span equal to it passes.
    pub max_block_range: Option<u64>,
    /// The oldest block that [`block_age_methods`](Self::block_age_methods) may ask for, in blocks behind
    /// the head; an age equal to it passes.
    pub max_block_age: Option<u64>,
    /// The methods that [`max_block_age`](Self::max_block_age) applies to.
    pub block_age_methods: Vec<String>,
    /// Rules that classify the provider's errors before any built-in rule does, first match wins.
    pub error_rules: Vec<ErrorRule>,
}

impl Capabilities {
    /// Whether the provider declares to serve the method.
    #[must_use]
    pub fn supports(&self, method: MethodId, name: &str) -> bool {
        let category = method.category();
        category != MethodCategory::LocalOnly
            && !self.unsupported_categories.contains(&category)
            && !self.unsupported_methods.iter().any(|unsupported| unsupported == name)
    }
}

/// One line of a provider's `error_rules`: both conditions that are given must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorRule {
    /// The error code, compared exactly.
    pub code: Option<i64>,
    /// Texts of which one must occur in the message, whatever the case; empty means no condition.
    pub message_contains: Vec<String>,
    /// What the error is then.
    pub category: Category,
}
