//! Which methods are asked, and with what.

use lasso_layers::catalog::{MethodCategory, MethodId};
use serde::Serialize;

/// How many methods are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// What no client can do without.
    Critical,
    /// What wallets and applications ask besides.
    Standard,
    /// What indexers, explorers and debuggers ask besides.
    Full,
}

/// What is known of the chain before methods are asked: something that exists is a better question than something that
/// does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    /// EIP-155 id.
    pub(super) chain_id: Option<u64>,
    /// Height of the newest block.
    pub(super) height: Option<u64>,
    /// Hash of a block.
    pub(super) block: String,
    /// Hash of a transaction.
    pub(super) transaction: String,
}

/// A method and the parameters to ask it with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) method: &'static str,
    pub(super) category: MethodCategory,
    params: &'static str,
}

/// Address 0, which every chain has.
const NOBODY: &str = "0x0000000000000000000000000000000000000000";

/// A hash that no block and no transaction has.
const NOTHING: &str = "0x0000000000000000000000000000000000000000000000000000000000000000";

/// Parameters by method; a method that is not listed is asked without any. `$block` and `$transaction` are hashes of the
/// [`Sample`], `$nobody` is an address.
///
/// Methods that change anything, or whose answer is long, are asked in a way that every node refuses with "invalid
/// params": without what they need, or with an argument where they take none. That says as much about them as an answer.
const PARAMS: &[(&str, &str)] = &[
    ("eth_call", r#"[{"to":"$nobody","data":"0x"},"latest"]"#),
    ("eth_createAccessList", r#"[{"from":"$nobody","to":"$nobody","data":"0x"},"latest"]"#),
    ("eth_estimateGas", r#"[{"from":"$nobody","to":"$nobody","data":"0x"}]"#),
    ("eth_feeHistory", r#"["0x1","latest",[]]"#),
    ("eth_getBalance", r#"["$nobody","latest"]"#),
    ("eth_getBlockByHash", r#"["$block",false]"#),
    ("eth_getBlockByNumber", r#"["latest",false]"#),
    ("eth_getBlockReceipts", r#"["latest"]"#),
    ("eth_getBlockTransactionCountByHash", r#"["$block"]"#),
    ("eth_getBlockTransactionCountByNumber", r#"["latest"]"#),
    ("eth_getCode", r#"["$nobody","latest"]"#),
    ("eth_getLogs", r#"[{"fromBlock":"latest","toBlock":"latest","address":"$nobody"}]"#),
    ("eth_getProof", r#"["$nobody",[],"latest"]"#),
    ("eth_getStorageAt", r#"["$nobody","0x0","latest"]"#),
    ("eth_getTransactionByBlockHashAndIndex", r#"["$block","0x0"]"#),
    ("eth_getTransactionByBlockNumberAndIndex", r#"["latest","0x0"]"#),
    ("eth_getTransactionByHash", r#"["$transaction"]"#),
    ("eth_getTransactionCount", r#"["$nobody","latest"]"#),
    ("eth_getTransactionReceipt", r#"["$transaction"]"#),
    ("eth_getUncleByBlockHashAndIndex", r#"["$block","0x0"]"#),
    ("eth_getUncleByBlockNumberAndIndex", r#"["latest","0x0"]"#),
    ("eth_getUncleCountByBlockHash", r#"["$block"]"#),
    ("eth_getUncleCountByBlockNumber", r#"["latest"]"#),
    ("eth_newBlockFilter", r#"["$nobody"]"#),
    ("eth_newPendingTransactionFilter", r#"["$nobody"]"#),
    ("txpool_content", r#"["$nobody"]"#),
    ("txpool_inspect", r#"["$nobody"]"#),
    ("web3_sha3", r#"["0x"]"#),
];

impl Level {
    pub(super) fn read(name: &str) -> Option<Self> {
        match name {
            "critical" | "minimal" => Some(Self::Critical),
            "standard" => Some(Self::Standard),
            "full" | "comprehensive" => Some(Self::Full),
            _ => None,
        }
    }

    /// What the level adds to the one before it.
    const fn adds(self) -> &'static [MethodCategory] {
        use MethodCategory::{
            Batch, Core, Debug, Eip1559, Eip4844, Filters, Mempool, Network, State, Subscriptions, Trace,
            Txpool,
        };
        match self {
            Self::Critical => &[Core],
            Self::Standard => &[State, Network, Eip1559, Mempool],
            Self::Full => &[Eip4844, Filters, Subscriptions, Batch, Debug, Trace, Txpool],
        }
    }

    /// The categories of the level, the most important ones first.
    pub(super) fn categories(self) -> impl Iterator<Item = MethodCategory> {
        let levels: &[Self] = match self {
            Self::Critical => &[Self::Critical],
            Self::Standard => &[Self::Critical, Self::Standard],
            Self::Full => &[Self::Critical, Self::Standard, Self::Full],
        };
        levels.iter().flat_map(|level| level.adds()).copied()
    }

    /// The methods of the level, category by category.
    pub(super) fn questions(self) -> impl Iterator<Item = Question> {
        self.categories().flat_map(|category| {
            let methods = MethodId::all().filter(move |method| method.category() == category);
            methods.map(move |method| Question::new(method.name(), category))
        })
    }
}

impl Question {
    fn new(method: &'static str, category: MethodCategory) -> Self {
        let params = PARAMS.iter().find(|(listed, _)| *listed == method).map_or("[]", |(_, params)| params);
        Self { method, category, params }
    }

    /// The parameters as JSON.
    pub(super) fn params(&self, sample: &Sample) -> String {
        self.params
            .replace("$nobody", NOBODY)
            .replace("$block", &sample.block)
            .replace("$transaction", &sample.transaction)
    }
}

impl Default for Sample {
    /// Of a chain of which nothing is known.
    fn default() -> Self {
        Self { chain_id: None, height: None, block: NOTHING.to_owned(), transaction: NOTHING.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn methods(level: Level) -> Vec<&'static str> {
        level.questions().map(|question| question.method).collect()
    }

    #[test]
    fn each_level_adds_to_the_one_before() {
        let [critical, standard, full] = [Level::Critical, Level::Standard, Level::Full].map(methods);
        assert_eq!(critical.len(), 17);
        assert_eq!(standard[..17], critical);
        assert_eq!(full[..standard.len()], standard);
        for method in ["eth_call", "net_version", "eth_feeHistory", "eth_sendRawTransaction"] {
            assert!(standard.contains(&method) && !critical.contains(&method), "{method}");
        }
        for method in [
            "eth_blobBaseFee",
            "eth_getLogs",
            "eth_subscribe",
            "eth_getBlockReceipts",
            "debug_traceCall",
            "trace_block",
            "txpool_status",
        ] {
            assert!(full.contains(&method) && !standard.contains(&method), "{method}");
        }
    }

    #[test]
    fn parameters_are_json_arrays_of_listed_methods() {
        let sample = Sample { block: "0xb".into(), transaction: "0xt".into(), ..Sample::default() };
        for question in Level::Full.questions() {
            let params: Value = serde_json::from_str(&question.params(&sample)).unwrap();
            assert!(params.is_array(), "{question:?}");
            assert!(!params.to_string().contains('$'), "{question:?}");
        }
        for (method, _) in PARAMS {
            assert!(methods(Level::Full).contains(method), "{method}");
        }
        let params =
            |method: &str| Question::new(MethodId::of(method).name(), MethodCategory::Core).params(&sample);
        assert_eq!(params("eth_getBlockByHash"), r#"["0xb",false]"#);
        assert_eq!(params("eth_getTransactionReceipt"), r#"["0xt"]"#);
    }

    #[test]
    fn nothing_that_changes_anything_gets_what_it_needs() {
        let nothing = ["eth_sendRawTransaction", "eth_subscribe", "eth_newFilter", "eth_uninstallFilter"];
        let too_much = ["eth_newBlockFilter", "eth_newPendingTransactionFilter"];
        for question in Level::Full.questions() {
            if nothing.contains(&question.method) {
                assert_eq!(question.params, "[]");
            }
            if too_much.contains(&question.method) {
                assert_ne!(question.params, "[]");
            }
        }
    }
}
