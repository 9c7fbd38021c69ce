//! What happens to a method before any provider is considered.

/// A method that is not simply forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// Refused, for good. The hint says what to use instead.
    Blocked {
        /// A JSON object for the error's data.
        hint: Option<&'static str>,
    },
    /// Refused unless the policy allows filters that live in one node.
    StatefulFilter,
    /// Served over a client's WebSocket only.
    NeedsWebSocket,
    /// Answered from the configuration where nothing speaks against it.
    ChainId,
}

const NO_KEYS: &str =
    r#"{"hint":"this endpoint holds no keys: sign locally and send with eth_sendRawTransaction"}"#;
const NO_WALLET: &str = r#"{"hint":"this endpoint is not a wallet"}"#;

impl Rule {
    /// The rule for a method, by its exact name. Names are case-sensitive, as everywhere in JSON-RPC.
    pub(super) fn of(method: &str) -> Option<Self> {
        Some(match method {
            "eth_sendTransaction" | "personal_sign" | "eth_sign" | "eth_signTransaction" | "eth_accounts" => {
                Self::Blocked { hint: None }
            }
            "eth_newFilter"
            | "eth_newBlockFilter"
            | "eth_newPendingTransactionFilter"
            | "eth_getFilterChanges"
            | "eth_getFilterLogs"
            | "eth_uninstallFilter" => Self::StatefulFilter,
            "eth_subscribe" | "eth_unsubscribe" => Self::NeedsWebSocket,
            "eth_chainId" => Self::ChainId,
            _ if method.starts_with("personal_") || method.starts_with("eth_signTypedData") => {
                Self::Blocked { hint: Some(NO_KEYS) }
            }
            _ if method.starts_with("wallet_") => Self::Blocked { hint: Some(NO_WALLET) },
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_five_names_everybody_knows_are_blocked_without_a_hint() {
        for method in
            ["eth_sendTransaction", "personal_sign", "eth_sign", "eth_signTransaction", "eth_accounts"]
        {
            assert_eq!(Rule::of(method), Some(Rule::Blocked { hint: None }), "{method}");
        }
    }

    #[test]
    fn wallet_namespaces_are_blocked_by_prefix() {
        for method in [
            "personal_unlockAccount",
            "personal_anything",
            "wallet_addEthereumChain",
            "eth_signTypedData",
            "eth_signTypedData_v3",
            "eth_signTypedData_v4",
        ] {
            assert!(matches!(Rule::of(method), Some(Rule::Blocked { hint: Some(_) })), "{method}");
        }
    }

    #[test]
    fn hints_are_json() {
        for hint in [NO_KEYS, NO_WALLET] {
            assert!(crate::wire::RawJson::parse(hint.as_bytes()).unwrap().member("hint").is_some());
        }
    }

    #[test]
    fn everything_else_is_forwarded() {
        for method in [
            "eth_getLogs",
            "eth_sendRawTransaction",
            "txpool_content",
            "eth_coinbase",
            "vendor_x",
            "ETH_SIGN",
            "personal",
            "",
        ] {
            assert_eq!(Rule::of(method), None, "{method}");
        }
    }
}
