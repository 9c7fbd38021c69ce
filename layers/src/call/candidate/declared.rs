//! Limits that a provider declares for the parameters of a call.

use crate::call::{Facts, Hints};
use crate::catalog::Capabilities;

/// The declared limit that the call exceeds, if any. What is not known passes.
pub(super) fn exceeded(capabilities: &Capabilities, method: &str, hints: &Hints) -> Option<&'static str> {
    let over = |value: Option<u64>, limit: Option<u64>| matches!((value, limit), (Some(value), Some(limit)) if value > limit);
    if over(hints.block_range, capabilities.max_block_range) {
        return Some("param_limit");
    }
    let aged = capabilities.block_age_methods.iter().any(|listed| listed == method);
    (aged && over(hints.block_age, capabilities.max_block_age)).then_some("requires_archival")
}

/// The limits that have to do with the call.
pub(super) fn facts(capabilities: &Capabilities, hints: &Hints) -> Facts {
    Facts::none()
        .with_known("max_block_range", hints.block_range.and(capabilities.max_block_range))
        .with_known("max_block_age", hints.block_age.and(capabilities.max_block_age))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_case_31_a_span_equal_to_the_limit_passes() {
        let capabilities = Capabilities { max_block_range: Some(1000), ..Capabilities::default() };
        let range = |range| Hints { block_range: range, ..Hints::default() };
        assert_eq!(exceeded(&capabilities, "eth_getLogs", &range(Some(1000))), None);
        assert_eq!(exceeded(&capabilities, "eth_getLogs", &range(Some(1001))), Some("param_limit"));
        assert_eq!(exceeded(&capabilities, "eth_getLogs", &range(None)), None);
    }

    #[test]
    fn an_age_counts_for_the_listed_methods_only() {
        let capabilities = Capabilities {
            max_block_age: Some(10),
            block_age_methods: vec!["eth_call".to_owned()],
            ..Capabilities::default()
        };
        let age = |age| Hints { block_age: Some(age), ..Hints::default() };
        assert_eq!(exceeded(&capabilities, "eth_call", &age(10)), None);
        assert_eq!(exceeded(&capabilities, "eth_call", &age(11)), Some("requires_archival"));
        assert_eq!(exceeded(&capabilities, "eth_getCode", &age(11)), None);
    }
}
