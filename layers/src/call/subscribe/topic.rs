//! What can be subscribed to.

use bytes::Bytes;

use super::LogFilter;
use crate::wire::{Params, ParamsKind};

/// A stream of events of one chain.
///
/// Equal topics are the same stream, however their parameters were written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    /// The head of each new block.
    NewHeads,
    /// The logs that pass a filter.
    Logs(LogFilter),
    /// The hashes of transactions as they are heard of. No two nodes hear of the same ones.
    NewPendingTransactions,
}

impl Topic {
    /// Reads the parameters of `eth_subscribe`; `None` when they are none of the accepted ones.
    ///
    /// What follows the name of a stream, or the filter of `logs`, is ignored. But whoever wants pending
    /// transactions whole, with a second parameter of `true`, is not served with hashes.
    #[must_use]
    pub fn parse(params: Params<'_>) -> Option<Self> {
        if params.kind() != ParamsKind::Array {
            return None;
        }
        let mut params = params.iter();
        match (params.next()?.as_str()?.as_ref(), params.next()) {
            ("newHeads", _) => Some(Self::NewHeads),
            ("logs", None) => Some(Self::Logs(LogFilter::default())),
            ("logs", Some(filter)) => LogFilter::parse(filter).map(Self::Logs),
            ("newPendingTransactions", option) if option.and_then(|value| value.as_bool()) != Some(true) => {
                Some(Self::NewPendingTransactions)
            }
            _ => None,
        }
    }

    /// The parameters of the `eth_subscribe` that goes upstream: a JSON array.
    #[must_use]
    pub fn params_json(&self) -> Bytes {
        match self {
            Self::NewHeads => Bytes::from_static(br#"["newHeads"]"#),
            Self::NewPendingTransactions => Bytes::from_static(br#"["newPendingTransactions"]"#),
            Self::Logs(filter) => [br#"["logs","#, filter.json(), b"]"].concat().into(),
        }
    }

    /// The name of the stream, as clients write it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::NewHeads => "newHeads",
            Self::Logs(_) => "logs",
            Self::NewPendingTransactions => "newPendingTransactions",
        }
    }
}
