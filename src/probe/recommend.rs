//! What a profile should say of an endpoint.

use super::report::{ArchiveVerdict, Bound, BoundVerdict, Limits, Method, Methods, Recommendations, Verdict};

/// Where the keys of a provider stand in a profile.
const INDENT: &str = "        ";

/// Draws the conclusions from the probes that ran.
pub(super) fn recommend(methods: Option<&Methods>, limits: Option<&Limits>) -> Recommendations {
    let mut advice = Recommendations::default();
    if let Some(methods) = methods {
        (advice.unsupported_categories, advice.unsupported_methods) = unsupported(&methods.methods);
    }
    if let Some(limits) = limits {
        advice.archival = Some(limits.archive.verdict == ArchiveVerdict::Full);
        advice.max_block_range = most(&limits.block_range);
        advice.max_addresses = most(&limits.address_count);
    }
    advice.yaml = yaml(&advice);
    advice
}

/// The limit, if one was met.
fn most(bound: &Bound) -> Option<u64> {
    bound.max.filter(|_| bound.verdict == BoundVerdict::Limited)
}

/// Categories of which more than four fifths are unsupported, and the unsupported methods of the others.
///
/// A category with a method that works is not excluded, however few of them do: a profile that excludes it would not use
/// that method any more.
fn unsupported(methods: &[Method]) -> (Vec<&'static str>, Vec<&'static str>) {
    let mut categories: Vec<&'static str> = methods.iter().map(|method| method.category).collect();
    categories.dedup();
    categories.retain(|category| {
        let verdicts = methods.iter().filter(|method| method.category == *category);
        let verdicts: Vec<Verdict> = verdicts.map(|method| method.verdict).collect();
        let refused = verdicts.iter().filter(|verdict| **verdict == Verdict::Unsupported).count();
        refused * 5 > verdicts.len() * 4 && !verdicts.contains(&Verdict::Supported)
    });
    let alone = methods
        .iter()
        .filter(|method| method.verdict == Verdict::Unsupported && !categories.contains(&method.category));
    let alone = alone.map(|method| method.method).collect();
    (categories, alone)
}

/// Keys of a provider, indented as they stand in a profile.
fn yaml(advice: &Recommendations) -> Option<String> {
    let mut lines = Vec::new();
    if advice.archival == Some(false) {
        lines.push("archival: false".to_owned());
    }
    let mut capabilities = Vec::new();
    if !advice.unsupported_categories.is_empty() {
        capabilities
            .push(format!("  unsupported_categories: [{}]", advice.unsupported_categories.join(", ")));
    }
    if !advice.unsupported_methods.is_empty() {
        capabilities.push("  unsupported_methods:".to_owned());
        capabilities.extend(advice.unsupported_methods.iter().map(|method| format!("    - {method}")));
    }
    if let Some(range) = advice.max_block_range {
        capabilities.push("  limits:".to_owned());
        capabilities.push(format!("    max_block_range: {range}"));
    }
    if !capabilities.is_empty() {
        lines.push("capabilities:".to_owned());
        lines.extend(capabilities);
    }
    if let Some(addresses) = advice.max_addresses {
        // Nothing routes by it, but whoever reads the profile may want to know.
        lines.push(format!("# max_addresses: {addresses} in one eth_getLogs"));
    }
    let indented = lines.iter().map(|line| format!("{INDENT}{line}\n"));
    Some(indented.collect::<String>()).filter(|block| !block.is_empty())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use lasso_layers::catalog::{Capabilities, MethodCategory, ProviderSpec};

    use super::*;
    use crate::config::{self, Environment};
    use crate::probe::catalogue::Level;
    use crate::probe::report::Archive;

    fn methods(verdicts: &[(&'static str, &'static str, Verdict)]) -> Methods {
        let method = |(category, method, verdict): &(&'static str, &'static str, Verdict)| Method {
            method,
            category,
            verdict: *verdict,
            latency_ms: None,
            note: None,
        };
        Methods { level: Level::Full, methods: verdicts.iter().map(method).collect() }
    }

    fn bound(verdict: BoundVerdict, max: u64) -> Bound {
        Bound { verdict, max: Some(max), note: None }
    }

    fn limits(range: Bound, addresses: Bound, archive: ArchiveVerdict) -> Limits {
        Limits {
            block_range: range,
            address_count: addresses,
            batch: bound(BoundVerdict::Limited, 10),
            block_params: vec![],
            archive: Archive {
                verdict: archive,
                chain: "ethereum",
                block: 100,
                balance: false,
                logs: false,
                note: None,
            },
            rate_limit: None,
        }
    }

    /// The provider that a profile with this block has.
    fn loaded(block: &str) -> ProviderSpec {
        let folder = tempfile::tempdir().unwrap();
        let profile = format!(
            "name: Test\nslug: default\nchains:\n  base:\n    chain_id: 8453\n    providers:\n      - id: a\n        \
             url: http://127.0.0.1:1\n{block}"
        );
        fs::write(folder.path().join("default.yml"), profile).unwrap();
        let environment = Environment::load(Path::new("/nonexistent")).unwrap();
        let loaded = config::load(folder.path(), &environment).unwrap();
        assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
        loaded.profiles[0].chains[0].providers[0].clone()
    }

    #[test]
    fn categories_are_excluded_where_more_than_four_fifths_are_unsupported() {
        use Verdict::{Supported, Timeout, Unknown, Unsupported};
        let mut found = vec![("core", "eth_chainId", Supported), ("core", "eth_gasPrice", Unsupported)];
        found.extend([
            ("debug", "debug_traceCall", Unsupported),
            ("debug", "debug_traceTransaction", Unsupported),
        ]);
        // Five of six, and the sixth said nothing.
        let trace = ["trace_block", "trace_call", "trace_callMany", "trace_filter", "trace_get"];
        found.extend(trace.map(|method| ("trace", method, Unsupported)));
        found.push(("trace", "trace_transaction", Timeout));
        // Four of five are not more than four fifths.
        let txpool = ["txpool_content", "txpool_inspect", "txpool_status", "txpool_x"];
        found.extend(txpool.map(|method| ("txpool", method, Unsupported)));
        found.push(("txpool", "txpool_y", Unknown));
        // Six of seven, but the seventh works.
        let filters = ["a", "b", "c", "d", "e", "f"];
        found.extend(filters.map(|method| ("filters", method, Unsupported)));
        found.push(("filters", "eth_getLogs", Supported));
        let advice = recommend(Some(&methods(&found)), None);
        assert_eq!(advice.unsupported_categories, ["debug", "trace"]);
        let alone = [&["eth_gasPrice"][..], &txpool, &filters].concat();
        assert_eq!(advice.unsupported_methods, alone);
    }

    #[test]
    fn the_block_loads_in_a_profile_and_means_what_was_found() {
        use Verdict::{Supported, Unsupported};
        let methods = methods(&[
            ("core", "eth_chainId", Supported),
            ("core", "eth_getUncleCountByBlockHash", Unsupported),
            ("debug", "debug_traceCall", Unsupported),
            ("eip4844", "eth_blobBaseFee", Unsupported),
        ]);
        let limits = limits(
            bound(BoundVerdict::Limited, 1_000),
            bound(BoundVerdict::Limited, 50),
            ArchiveVerdict::None,
        );
        let advice = recommend(Some(&methods), Some(&limits));
        let block = advice.yaml.unwrap();
        let provider = loaded(&block);
        assert!(!provider.archival, "{block}");
        let expected = Capabilities {
            unsupported_categories: vec![MethodCategory::Debug, MethodCategory::Eip4844],
            unsupported_methods: vec!["eth_getUncleCountByBlockHash".to_owned()],
            max_block_range: Some(1_000),
            ..Capabilities::default()
        };
        assert_eq!(provider.capabilities, expected, "{block}");
        assert!(block.contains("# max_addresses: 50 "), "{block}");
    }

    #[test]
    fn each_part_of_the_block_loads_alone() {
        use BoundVerdict::{Limited, Unlimited};
        let advise = |range, addresses, archive| {
            recommend(None, Some(&limits(bound(range, 7), bound(addresses, 7), archive))).yaml
        };
        let block = advise(Limited, Unlimited, ArchiveVerdict::Full).unwrap();
        assert_eq!(loaded(&block).capabilities.max_block_range, Some(7));
        let block = advise(Unlimited, Limited, ArchiveVerdict::Full).unwrap();
        assert_eq!(loaded(&block).capabilities, Capabilities::default());
        let block = advise(Unlimited, Unlimited, ArchiveVerdict::Partial).unwrap();
        assert!(!loaded(&block).archival);
        let only_methods =
            methods(&[("core", "eth_chainId", Verdict::Supported), ("core", "x", Verdict::Unsupported)]);
        let block = recommend(Some(&only_methods), None).yaml.unwrap();
        assert_eq!(loaded(&block).capabilities.unsupported_methods, ["x"]);
    }

    #[test]
    fn where_nothing_was_met_nothing_is_said() {
        use BoundVerdict::{Inconclusive, Unlimited};
        let limits = limits(bound(Unlimited, 100_000), bound(Inconclusive, 5), ArchiveVerdict::Full);
        let advice = recommend(Some(&methods(&[("core", "eth_chainId", Verdict::Supported)])), Some(&limits));
        let expected = Recommendations { archival: Some(true), ..Recommendations::default() };
        assert_eq!(advice, expected);
        assert_eq!(recommend(None, None), Recommendations::default());
    }
}
