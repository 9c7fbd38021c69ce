//! Parameters of a call, and the errors they lead to.

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::hex;
use super::view::View;

/// The `error` member of a reply.
#[derive(Clone, Debug)]
pub(crate) struct RpcError {
    pub(crate) code: i64,
    pub(crate) message: String,
    pub(crate) data: Option<Value>,
}

/// Positional parameters; what is missing reads as `null`.
pub(crate) struct Params(Vec<Value>);

// === impl RpcError ===

impl RpcError {
    pub(crate) fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    pub(crate) fn invalid_params(message: impl Into<String>) -> Self {
        Self::new(-32602, message)
    }

    pub(crate) fn header_not_found() -> Self {
        Self::new(-32000, "header not found")
    }

    pub(crate) fn to_json(&self) -> Value {
        let mut error = json!({"code": self.code, "message": self.message});
        if let Some(data) = &self.data {
            error["data"] = data.clone();
        }
        error
    }
}

// === impl Params ===

impl Params {
    pub(crate) fn parse(raw: Option<&RawValue>) -> Result<Self, RpcError> {
        match raw.map(|raw| serde_json::from_str(raw.get())) {
            None | Some(Ok(Value::Null)) => Ok(Self(Vec::new())),
            Some(Ok(Value::Array(values))) => Ok(Self(values)),
            Some(_) => Err(RpcError::invalid_params("non-array args")),
        }
    }

    /// The argument at `index`, `null` when it is missing.
    pub(crate) fn at(&self, index: usize) -> &Value {
        self.0.get(index).unwrap_or(&Value::Null)
    }

    /// The argument at `index`, which must be there.
    pub(crate) fn required(&self, index: usize) -> Result<&Value, RpcError> {
        match self.at(index) {
            Value::Null => {
                Err(RpcError::invalid_params(format!("missing value for required argument {index}")))
            }
            value => Ok(value),
        }
    }

    /// A byte string of exactly `N` bytes: an address, a hash.
    pub(crate) fn array<const N: usize>(&self, index: usize) -> Result<[u8; N], RpcError> {
        let value = self.required(index)?;
        value
            .as_str()
            .and_then(hex::array)
            .ok_or_else(|| invalid(index, format_args!("want {N} bytes as hex")))
    }

    /// A byte string of any length.
    pub(crate) fn bytes(&self, index: usize) -> Result<Vec<u8>, RpcError> {
        let value = self.required(index)?;
        value.as_str().and_then(hex::bytes).ok_or_else(|| invalid(index, format_args!("want bytes as hex")))
    }

    /// A number or tag, which must be there: the block's number if the view has it.
    pub(crate) fn block(&self, index: usize, view: &View) -> Result<Option<u64>, RpcError> {
        self.required(index)?;
        self.state_block(index, view)
    }

    /// Where a state is read: a number, a tag, or an object of EIP-1898; missing means `latest`.
    pub(crate) fn state_block(&self, index: usize, view: &View) -> Result<Option<u64>, RpcError> {
        let value = self.at(index);
        if let Some(hash) = value.get("blockHash") {
            let hash = hash.as_str().and_then(hex::array);
            let hash = hash.ok_or_else(|| invalid(index, format_args!("want a block hash")))?;
            return Ok(view.number_of(&hash));
        }
        let value = value.get("blockNumber").unwrap_or(value);
        let number =
            block_number(value, view).map_err(|complaint| invalid(index, format_args!("{complaint}")))?;
        Ok((number <= view.height()).then_some(number))
    }
}

/// Reads a number or tag without asking whether the block exists. `null` is `latest`.
pub(crate) fn block_number(value: &Value, view: &View) -> Result<u64, &'static str> {
    match value {
        // The block that would come next is not simulated.
        Value::Null => Ok(view.height()),
        Value::String(text) => match text.as_str() {
            "latest" | "pending" => Ok(view.height()),
            "earliest" => Ok(0),
            "safe" => Ok(view.safe()),
            "finalized" => Ok(view.finalized()),
            text => hex::number(text).ok_or("want a block number as hex or a tag"),
        },
        _ => Err("want a block number as hex or a tag"),
    }
}

fn invalid(index: usize, complaint: std::fmt::Arguments<'_>) -> RpcError {
    RpcError::invalid_params(format!("invalid argument {index}: {complaint}"))
}
