//! The registry of known JSON-RPC methods.

use std::fmt;
use std::time::Duration;

/// Groups of methods that providers support or refuse together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the names are the ones of the Ethereum JSON-RPC namespaces")]
pub enum MethodCategory {
    Core,
    State,
    Network,
    NodeAdmin,
    Eip1559,
    Eip4844,
    Mempool,
    Filters,
    Subscriptions,
    Batch,
    Debug,
    Trace,
    LocalOnly,
    Txpool,
    /// Every method that is not in the registry.
    Unknown,
}

impl MethodCategory {
    /// Every category a profile may name.
    pub const NAMED: [Self; 14] = [
        Self::Core,
        Self::State,
        Self::Network,
        Self::NodeAdmin,
        Self::Eip1559,
        Self::Eip4844,
        Self::Mempool,
        Self::Filters,
        Self::Subscriptions,
        Self::Batch,
        Self::Debug,
        Self::Trace,
        Self::LocalOnly,
        Self::Txpool,
    ];

    /// The name used in profiles.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::State => "state",
            Self::Network => "network",
            Self::NodeAdmin => "node_admin",
            Self::Eip1559 => "eip1559",
            Self::Eip4844 => "eip4844",
            Self::Mempool => "mempool",
            Self::Filters => "filters",
            Self::Subscriptions => "subscriptions",
            Self::Batch => "batch",
            Self::Debug => "debug",
            Self::Trace => "trace",
            Self::LocalOnly => "local_only",
            Self::Txpool => "txpool",
            Self::Unknown => "unknown",
        }
    }

    /// The category of that name; `unknown` cannot be named.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMED.into_iter().find(|category| category.as_str() == name)
    }
}

/// What may be done with a call whose bytes were sent and whose outcome is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Safety {
    /// Reads only: may be sent again anywhere.
    Replay,
    /// A signed transaction: the same bytes have the same hash, so sending them again is harmless, and an
    /// upstream's explicit answer is final.
    Broadcast,
    /// Bound to state inside one node: one dispatch, whatever happens.
    Stateful,
    /// Not in the registry: may move on after a definite refusal, never after an unknown outcome.
    Unknown,
}

/// A method of the registry as a small number, or [`MethodId::OTHER`].
///
/// Series and tables are keyed by it, so that clients cannot grow them with invented names.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MethodId(u8);

impl MethodId {
    /// Every method outside the registry.
    pub const OTHER: Self = Self(u8::MAX);

    /// How many methods the registry holds.
    pub const COUNT: usize = METHODS.len();

    /// Every method of the registry and then [`OTHER`](Self::OTHER), by [`index`](Self::index).
    pub fn all() -> impl Iterator<Item = Self> {
        let known = (0..).take(Self::COUNT).map(Self);
        known.chain([Self::OTHER])
    }

    /// Finds a method by its exact name.
    #[must_use]
    pub fn of(name: &str) -> Self {
        METHODS.binary_search_by(|(known, _)| (*known).cmp(name)).map_or(Self::OTHER, |index| {
            Self(u8::try_from(index).expect("the registry holds fewer than 255 methods"))
        })
    }

    /// The method's name, or `other`.
    #[must_use]
    pub fn name(self) -> &'static str {
        METHODS.get(usize::from(self.0)).map_or("other", |(name, _)| name)
    }

    /// The method's category.
    #[must_use]
    pub fn category(self) -> MethodCategory {
        METHODS.get(usize::from(self.0)).map_or(MethodCategory::Unknown, |(_, category)| *category)
    }

    /// A dense number below [`MethodId::COUNT`] + 1.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0).min(Self::COUNT)
    }

    /// What may be done with a call of this method after an unknown outcome.
    #[must_use]
    pub fn safety(self) -> Safety {
        match self.category() {
            MethodCategory::Unknown | MethodCategory::LocalOnly => Safety::Unknown,
            MethodCategory::Subscriptions => Safety::Stateful,
            MethodCategory::Mempool => Safety::Broadcast,
            MethodCategory::Filters if self.name() == "eth_getLogs" => Safety::Replay,
            MethodCategory::Filters => Safety::Stateful,
            _ => Safety::Replay,
        }
    }
}

impl fmt::Debug for MethodId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Total time a call may take, by method.
#[derive(Clone, Debug)]
pub struct Timeouts {
    default: Duration,
    known: [Option<Duration>; MethodId::COUNT],
    others: Vec<(String, Duration)>,
}

impl Timeouts {
    /// The built-in table with `default` for every method that the table does not list.
    #[must_use]
    pub fn new(default: Duration) -> Self {
        let mut timeouts = Self { default, known: [None; MethodId::COUNT], others: Vec::new() };
        for (millis, methods) in TIMEOUTS {
            for method in *methods {
                timeouts.set(method, Duration::from_millis(*millis));
            }
        }
        timeouts
    }

    /// Sets the timeout of one method, in the registry or not.
    pub fn set(&mut self, method: &str, timeout: Duration) {
        let id = MethodId::of(method);
        match self.known.get_mut(usize::from(id.0)) {
            Some(slot) => *slot = Some(timeout),
            None => {
                self.others.retain(|(name, _)| name != method);
                self.others.push((method.to_owned(), timeout));
            }
        }
    }

    /// The timeout of a method. A method that traces blocks in yet another way (`debug_traceBlockFromFile`) and has no
    /// timeout of its own has that of `debug_traceBlock`.
    #[must_use]
    pub fn of(&self, id: MethodId, name: &str) -> Duration {
        const FAMILY: &str = "debug_traceBlock";
        let configured = match self.known.get(usize::from(id.0)) {
            Some(known) => *known,
            None => self.other(name).or_else(|| self.other(FAMILY).filter(|_| name.starts_with(FAMILY))),
        };
        configured.unwrap_or(self.default)
    }

    fn other(&self, name: &str) -> Option<Duration> {
        self.others.iter().find(|(other, _)| other == name).map(|(_, timeout)| *timeout)
    }

    /// The methods of the built-in table with their timeouts in milliseconds.
    pub fn built_in() -> impl Iterator<Item = (&'static str, u64)> {
        TIMEOUTS.iter().flat_map(|(millis, methods)| methods.iter().map(|method| (*method, *millis)))
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self::new(Duration::from_millis(10_000))
    }
}

const TIMEOUTS: &[(u64, &[&str])] = &[
    (1_000, &["eth_blockNumber", "eth_chainId", "net_version", "web3_clientVersion"]),
    (
        2_000,
        &[
            "eth_gasPrice",
            "eth_getBalance",
            "eth_getTransactionCount",
            "eth_getCode",
            "eth_getTransactionByHash",
            "eth_getBlockByNumber",
            "eth_getBlockByHash",
            "eth_newFilter",
        ],
    ),
    (3_000, &["eth_getTransactionReceipt"]),
    (5_000, &["eth_call", "eth_estimateGas", "eth_getLogs", "eth_getFilterLogs"]),
    (10_000, &["eth_getProof"]),
    (30_000, &["debug_traceTransaction"]),
    (45_000, &["debug_traceBlock", "debug_traceBlockByNumber", "debug_traceBlockByHash"]),
];

/// Sorted by name: [`MethodId::of`] searches it.
const METHODS: &[(&str, MethodCategory)] = {
    use MethodCategory::{
        Batch, Core, Debug, Eip1559, Eip4844, Filters, LocalOnly, Mempool, Network, NodeAdmin, State,
        Subscriptions, Trace, Txpool,
    };
    &[
        ("debug_getBadBlocks", Debug),
        ("debug_getModifiedAccountsByHash", Debug),
        ("debug_getModifiedAccountsByNumber", Debug),
        ("debug_storageRangeAt", Debug),
        ("debug_traceBlockByHash", Debug),
        ("debug_traceBlockByNumber", Debug),
        ("debug_traceCall", Debug),
        ("debug_traceTransaction", Debug),
        ("eth_accounts", LocalOnly),
        ("eth_blobBaseFee", Eip4844),
        ("eth_blockNumber", Core),
        ("eth_call", State),
        ("eth_chainId", Core),
        ("eth_coinbase", LocalOnly),
        ("eth_createAccessList", State),
        ("eth_estimateGas", State),
        ("eth_feeHistory", Eip1559),
        ("eth_gasPrice", Core),
        ("eth_getBalance", Core),
        ("eth_getBlockByHash", Core),
        ("eth_getBlockByNumber", Core),
        ("eth_getBlockReceipts", Batch),
        ("eth_getBlockTransactionCountByHash", Core),
        ("eth_getBlockTransactionCountByNumber", Core),
        ("eth_getCode", Core),
        ("eth_getFilterChanges", Filters),
        ("eth_getFilterLogs", Filters),
        ("eth_getLogs", Filters),
        ("eth_getProof", State),
        ("eth_getStorageAt", State),
        ("eth_getTransactionByBlockHashAndIndex", Core),
        ("eth_getTransactionByBlockNumberAndIndex", Core),
        ("eth_getTransactionByHash", Core),
        ("eth_getTransactionCount", State),
        ("eth_getTransactionReceipt", Core),
        ("eth_getUncleByBlockHashAndIndex", Core),
        ("eth_getUncleByBlockNumberAndIndex", Core),
        ("eth_getUncleCountByBlockHash", Core),
        ("eth_getUncleCountByBlockNumber", Core),
        ("eth_getWork", LocalOnly),
        ("eth_hashrate", LocalOnly),
        ("eth_maxPriorityFeePerGas", Eip1559),
        ("eth_mining", LocalOnly),
        ("eth_newBlockFilter", Filters),
        ("eth_newFilter", Filters),
        ("eth_newPendingTransactionFilter", Filters),
        ("eth_protocolVersion", NodeAdmin),
        ("eth_sendRawTransaction", Mempool),
        ("eth_sendTransaction", LocalOnly),
        ("eth_sign", LocalOnly),
        ("eth_signTransaction", LocalOnly),
        ("eth_submitHashrate", LocalOnly),
        ("eth_submitWork", LocalOnly),
        ("eth_subscribe", Subscriptions),
        ("eth_syncing", Network),
        ("eth_uninstallFilter", Filters),
        ("eth_unsubscribe", Subscriptions),
        ("net_listening", NodeAdmin),
        ("net_peerCount", NodeAdmin),
        ("net_version", Network),
        ("trace_block", Trace),
        ("trace_call", Trace),
        ("trace_callMany", Trace),
        ("trace_filter", Trace),
        ("trace_get", Trace),
        ("trace_rawTransaction", Trace),
        ("trace_replayBlockTransactions", Trace),
        ("trace_replayTransaction", Trace),
        ("trace_transaction", Trace),
        ("txpool_content", Txpool),
        ("txpool_inspect", Txpool),
        ("txpool_status", Txpool),
        ("web3_clientVersion", Network),
        ("web3_sha3", Network),
    ]
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_is_sorted_so_every_name_is_found() {
        assert!(METHODS.is_sorted_by(|left, right| left.0 < right.0));
        for (name, category) in METHODS {
            assert_eq!(MethodId::of(name).name(), *name);
            assert_eq!(MethodId::of(name).category(), *category);
        }
    }

    #[test]
    fn matching_is_exact() {
        for name in ["debug_foo", "ETH_CALL", "eth_call ", ""] {
            assert_eq!(MethodId::of(name), MethodId::OTHER);
            assert_eq!(MethodId::of(name).category(), MethodCategory::Unknown);
        }
    }

    #[test]
    fn only_get_logs_of_the_filters_may_be_replayed() {
        assert_eq!(MethodId::of("eth_getLogs").safety(), Safety::Replay);
        assert_eq!(MethodId::of("eth_getFilterChanges").safety(), Safety::Stateful);
        assert_eq!(MethodId::of("eth_sendRawTransaction").safety(), Safety::Broadcast);
        assert_eq!(MethodId::of("eth_submitWork").safety(), Safety::Unknown);
        assert_eq!(MethodId::of("vendor_x").safety(), Safety::Unknown);
        assert_eq!(MethodId::of("eth_call").safety(), Safety::Replay);
    }

    #[test]
    fn a_timeout_can_be_set_for_any_name() {
        let mut timeouts = Timeouts::default();
        let of = |timeouts: &Timeouts, name: &str| timeouts.of(MethodId::of(name), name).as_millis();
        assert_eq!(of(&timeouts, "eth_call"), 5_000);
        assert_eq!(of(&timeouts, "debug_traceBlock"), 45_000);
        for name in ["debug_traceBlockFromFile", "debug_traceBlockByHash", "debug_traceBlock_x"] {
            assert_eq!(of(&timeouts, name), 45_000, "{name}");
        }
        assert_eq!(of(&timeouts, "debug_traceChain"), 10_000);
        assert_eq!(of(&timeouts, "vendor_x"), 10_000);
        timeouts.set("vendor_x", Duration::from_millis(7));
        timeouts.set("eth_call", Duration::from_millis(8));
        assert_eq!(of(&timeouts, "vendor_x"), 7);
        assert_eq!(of(&timeouts, "eth_call"), 8);
        assert_eq!(of(&timeouts, "vendor_y"), 10_000);
    }
}
