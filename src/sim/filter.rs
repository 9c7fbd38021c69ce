//! The filter object of `eth_getLogs` and of `logs` subscriptions.

use serde_json::Value;

use super::block::Log;
use super::hex::array;
use super::params::RpcError;

/// Addresses and topics a log must have. The default passes everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct LogFilter {
    /// Any of these; empty means any at all.
    addresses: Vec<[u8; 20]>,
    /// Per position any of these; an empty position means any at all.
    topics: Vec<Vec<[u8; 32]>>,
}

// === impl LogFilter ===

impl LogFilter {
    /// Reads `address` and `topics` of a filter object; whatever else it has is the caller's.
    pub(crate) fn parse(object: &Value) -> Result<Self, RpcError> {
        let addresses = one_or_many(&object["address"], "invalid address")?;
        let topics = match &object["topics"] {
            Value::Null => Vec::new(),
            Value::Array(positions) if positions.len() <= 4 => positions
                .iter()
                .map(|position| one_or_many(position, "invalid topic"))
                .collect::<Result<_, _>>()?,
            _ => return Err(RpcError::invalid_params("invalid argument 0: invalid topics")),
        };
        Ok(Self { addresses, topics })
    }

    pub(crate) fn passes(&self, log: &Log) -> bool {
        let address = self.addresses.is_empty() || self.addresses.contains(&log.address);
        address
            && self.topics.iter().enumerate().all(|(position, wanted)| {
                wanted.is_empty() || log.topics.get(position).is_some_and(|topic| wanted.contains(topic))
            })
    }
}

fn one_or_many<const N: usize>(value: &Value, complaint: &str) -> Result<Vec<[u8; N]>, RpcError> {
    let one = |value: &Value| {
        value
            .as_str()
            .and_then(array)
            .ok_or_else(|| RpcError::invalid_params(format!("invalid argument 0: {complaint}")))
    };
    match value {
        Value::Null => Ok(Vec::new()),
        // `null` in a list of alternatives passes everything, as the whole position would.
        Value::Array(values) if values.iter().any(Value::is_null) => Ok(Vec::new()),
        Value::Array(values) => values.iter().map(one).collect(),
        value => Ok(vec![one(value)?]),
    }
}
