//! What a call's parameters ask of a provider.

use crate::call::Hints;
use crate::catalog::MethodId;
use crate::wire::{Params, RawJson};

/// Blocks to compare parameters with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Horizon {
    /// The consensus height of the chain, if known.
    pub(super) head: Option<u64>,
    /// Blocks behind the head from which old state is needed.
    pub(super) archival_threshold: u64,
}

/// A block parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    Earliest,
    /// `latest` and `pending`: at the head.
    Head,
    Number(u64),
    /// `safe`, `finalized`, a hash, null, absent, or nothing we can read.
    Other,
}

impl Block {
    fn of(value: Option<RawJson<'_>>) -> Self {
        let Some(value) = value else { return Self::Head };
        if value.is_object() {
            // EIP-1898: a block by number is the same as the number alone. An object inside is none: the depth of
            // what a client sends must not be the depth of our stack.
            return value.member("blockNumber").map_or(Self::Other, Self::plain);
        }
        Self::plain(value)
    }

    /// A bound of an `eth_getLogs` call. Numbers are read here that are not written as quantities: a node that takes
    /// them has a range to search all the same.
    fn bound(value: Option<RawJson<'_>>) -> Self {
        match value.and_then(RawJson::as_u64) {
            Some(number) => Self::Number(number),
            None => value.map_or(Self::Head, Self::plain),
        }
    }

    /// A block that is not an object.
    fn plain(value: RawJson<'_>) -> Self {
        match value.as_str().as_deref() {
            Some("earliest") => Self::Earliest,
            Some("latest" | "pending") => Self::Head,
            Some(text) => quantity(text).map_or(Self::Other, Self::Number),
            None => Self::Other,
        }
    }

    fn needs_archive(self, horizon: Horizon) -> bool {
        match (self, horizon.head) {
            (Self::Earliest, _) | (Self::Number(_), None) => true,
            (Self::Number(number), Some(head)) => head.saturating_sub(number) > horizon.archival_threshold,
            (Self::Head | Self::Other, _) => false,
        }
    }

    fn number(self, head: Option<u64>) -> Option<u64> {
        match self {
            Self::Earliest => Some(0),
            Self::Head => head,
            Self::Number(number) => Some(number),
            Self::Other => None,
        }
    }
}

/// A hexadecimal quantity with its `0x`.
fn quantity(text: &str) -> Option<u64> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))?;
    // `from_str_radix` would take a sign.
    if digits.starts_with('+') { None } else { u64::from_str_radix(digits, 16).ok() }
}

/// Reads the hints of a call. Costs nothing for methods that have none.
pub(super) fn of(method: MethodId, params: Params<'_>, horizon: impl FnOnce() -> Horizon) -> Hints {
    match method.name() {
        "eth_getBalance"
        | "eth_getCode"
        | "eth_getTransactionCount"
        | "eth_call"
        | "eth_getStorageAt"
        | "eth_getBlockByNumber" => {}
        "eth_getLogs" => return of_logs(params, horizon()),
        _ => return Hints::default(),
    }
    let block = Block::of(position(method).and_then(|position| params.nth(position)));
    Hints {
        archival: block.needs_archive(horizon()),
        requested_block: if let Block::Number(number) = block { Some(number) } else { None },
        ..Hints::default()
    }
}

/// The position of the block among the parameters of a known method; one that is left out means the latest block. The
/// parameters around it may look like blocks and are none: addresses, slots, indices.
fn position(method: MethodId) -> Option<usize> {
    Some(match method.name() {
        "debug_traceBlockByNumber"
        | "eth_getBlockByNumber"
        | "eth_getBlockReceipts"
        | "eth_getBlockTransactionCountByNumber"
        | "eth_getTransactionByBlockNumberAndIndex"
        | "eth_getUncleByBlockNumberAndIndex"
        | "eth_getUncleCountByBlockNumber"
        | "trace_block"
        | "trace_replayBlockTransactions" => 0,
        "debug_traceCall"
        | "eth_call"
        | "eth_createAccessList"
        | "eth_estimateGas"
        | "eth_feeHistory"
        | "eth_getBalance"
        | "eth_getCode"
        | "eth_getTransactionCount"
        | "trace_callMany" => 1,
        "eth_getProof" | "eth_getStorageAt" | "trace_call" => 2,
        _ => return None,
    })
}

fn of_logs(params: Params<'_>, horizon: Horizon) -> Hints {
    let filter = match params.len() {
        1 => params.nth(0).filter(|filter| filter.is_object()),
        _ => None,
    };
    let Some(filter) = filter else { return Hints::default() };
    let (from, to) = (filter.member("fromBlock"), filter.member("toBlock"));
    let both = from.is_some() && to.is_some();
    let (from, to) = (Block::bound(from), Block::bound(to));
    let range = || Some(from.number(horizon.head)?.abs_diff(to.number(horizon.head)?));
    Hints {
        archival: from.needs_archive(horizon) || to.needs_archive(horizon),
        block_range: if both { range() } else { None },
        address_count: filter
            .member("address")
            .filter(|address| !address.is_null())
            .map(|address| if address.is_array() { address.elements().count() } else { 1 }),
        ..Hints::default()
    }
}

/// How far the block of a call is behind the head, for the age limits that providers declare. Of methods that are not
/// known it is taken to be the last parameter.
pub(super) fn age(method: MethodId, params: Params<'_>, head: Option<u64>) -> Option<u64> {
    let block = match position(method) {
        Some(position) => params.nth(position),
        None if method == MethodId::OTHER => params.last(),
        None => return None,
    };
    let number = match Block::of(block) {
        Block::Earliest => 0,
        Block::Number(number) => number,
        Block::Head | Block::Other => return None,
    };
    Some(head?.saturating_sub(number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Request;

    fn hints(method: &str, params: &str, head: Option<u64>) -> Hints {
        let request = Request::new("1", method, params).unwrap();
        of(MethodId::of(method), request.params(), || Horizon { head, archival_threshold: 128 })
    }

    #[test]
    fn routing_17_case_28_equality_is_not_archival() {
        assert!(!hints("eth_getBalance", r#"["0xab","0x368"]"#, Some(1000)).archival);
        assert!(hints("eth_getBalance", r#"["0xab","0x367"]"#, Some(1000)).archival);
    }

    #[test]
    fn routing_17_case_29_and_api_case_40_unknown_head() {
        assert!(hints("eth_getBalance", r#"["0xab","0x1"]"#, None).archival);
        assert!(!hints("eth_getBalance", r#"["0xab"]"#, None).archival);
        assert!(!hints("eth_getStorageAt", r#"["0xab","0x0"]"#, None).archival);
        assert!(!hints("eth_getBalance", r#"["0xab","latest"]"#, None).archival);
        assert!(hints("eth_getBalance", r#"["0xab","earliest"]"#, Some(5)).archival);
    }

    #[test]
    fn block_objects_count_by_number_and_not_by_hash() {
        assert!(hints("eth_call", r#"[{},{"blockNumber":"0x1"}]"#, Some(1000)).archival);
        assert!(!hints("eth_call", r#"[{},{"blockHash":"0x1"}]"#, Some(1000)).archival);
        assert!(!hints("eth_call", r#"[{},null]"#, None).archival);
    }

    #[test]
    fn objects_in_block_objects_are_no_blocks_however_deep() {
        const DEPTH: usize = 100_000;
        let block = format!("{}\"0x1\"{}", "{\"blockNumber\":".repeat(DEPTH), "}".repeat(DEPTH));
        for (method, params) in [
            ("eth_getBalance", format!("[\"0xab\",{block}]")),
            ("eth_getBlockByNumber", format!("[{block},false]")),
            ("eth_getLogs", format!("[{{\"fromBlock\":{block},\"toBlock\":{block}}}]")),
        ] {
            assert_eq!(hints(method, &params, None), Hints::default(), "{method}");
        }
        let request = Request::new("1", "eth_call", &format!("[{block}]")).unwrap();
        assert_eq!(age(MethodId::of("eth_call"), request.params(), Some(5)), None);
    }

    #[test]
    fn requested_block_is_a_number_only() {
        assert_eq!(hints("eth_getBlockByNumber", r#"["0x10",false]"#, Some(20)).requested_block, Some(16));
        assert_eq!(hints("eth_getBlockByNumber", r#"["latest",false]"#, Some(20)).requested_block, None);
        assert_eq!(hints("eth_getLogs", r#"[{"fromBlock":"0x10"}]"#, Some(20)).requested_block, None);
    }

    #[test]
    fn logs_ranges() {
        let range = |filter: &str, head| hints("eth_getLogs", &format!("[{filter}]"), head).block_range;
        assert_eq!(range(r#"{"fromBlock":"0x1","toBlock":"0x3e9"}"#, None), Some(1000));
        assert_eq!(range(r#"{"fromBlock":"0x3e9","toBlock":"0x1"}"#, None), Some(1000));
        assert_eq!(range(r#"{"fromBlock":"earliest","toBlock":"latest"}"#, Some(7)), Some(7));
        assert_eq!(range(r#"{"fromBlock":"earliest","toBlock":"latest"}"#, None), None);
        assert_eq!(range(r#"{"fromBlock":"0x1"}"#, Some(7)), None);
        assert_eq!(range(r#"{"blockHash":"0x1"}"#, Some(7)), None);
        assert_eq!(range(r#"{"fromBlock":"nonsense","toBlock":"0x5"}"#, Some(7)), None);
    }

    #[test]
    fn address_counts() {
        assert_eq!(hints("eth_getLogs", r#"[{"address":["0x1","0x2"]}]"#, None).address_count, Some(2));
        assert_eq!(hints("eth_getLogs", r#"[{"address":"0x1"}]"#, None).address_count, Some(1));
        assert_eq!(hints("eth_getLogs", r#"[{"address":null}]"#, None).address_count, None);
        assert_eq!(hints("eth_getLogs", "[{}]", None).address_count, None);
    }

    #[test]
    fn a_number_that_is_no_quantity_is_a_block_only_as_a_bound() {
        assert_eq!(hints("eth_getBalance", r#"["0xab",5]"#, Some(1000)), Hints::default());
        assert_eq!(hints("eth_call", r#"[{},{"blockNumber":5}]"#, Some(1000)), Hints::default());
        let logs = hints("eth_getLogs", r#"[{"fromBlock":5,"toBlock":"0x8"}]"#, Some(1000));
        assert_eq!((logs.archival, logs.block_range), (true, Some(3)));
    }

    #[test]
    fn routing_17_case_29_addresses_and_slots_are_no_blocks() {
        // Both fit 64 bits, and so could be heights.
        let (address, slot) = ("0x0000000000000000000000000000000000000001", "0x0");
        for (method, params) in [
            ("eth_getBalance", format!(r#"["{address}"]"#)),
            ("eth_getStorageAt", format!(r#"["{address}","{slot}"]"#)),
        ] {
            for head in [None, Some(1000)] {
                assert_eq!(hints(method, &params, head), Hints::default(), "{method}");
                assert_eq!(age_of(method, &params, head), None, "{method}");
            }
        }
    }

    fn age_of(method: &str, params: &str, head: Option<u64>) -> Option<u64> {
        age(MethodId::of(method), Request::new("1", method, params).unwrap().params(), head)
    }

    #[test]
    fn ages_are_read_where_the_method_has_its_block() {
        assert_eq!(age_of("eth_getTransactionByBlockNumberAndIndex", r#"["0x5","0x0"]"#, Some(15)), Some(10));
        assert_eq!(age_of("debug_traceCall", r#"[{},"0x5",{"tracer":"x"}]"#, Some(15)), Some(10));
        assert_eq!(age_of("eth_getProof", r#"["0x1",[],"0x5"]"#, Some(15)), Some(10));
        assert_eq!(age_of("eth_getUncleByBlockHashAndIndex", r#"["0x1","0x5"]"#, Some(15)), None);
        assert_eq!(age_of("vendor_x", r#"["0x1","0x5"]"#, Some(15)), Some(10));
        let age_of = |params: &str, head| age_of("eth_call", params, head);
        assert_eq!(age_of(r#"[{},"0x5"]"#, Some(15)), Some(10));
        assert_eq!(age_of(r#"[{},"earliest"]"#, Some(15)), Some(15));
        assert_eq!(age_of(r#"[{},"latest"]"#, Some(15)), None);
        assert_eq!(age_of(r#"[{},"0x5"]"#, None), None);
    }
}
