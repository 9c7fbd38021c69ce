//! The JSON-RPC 2.0 envelope: messages in, replies out. Ids travel byte for byte.

use serde::{Deserialize, Deserializer};
use serde_json::json;
use serde_json::value::RawValue;

use super::fault::Fault;
use super::params::RpcError;

/// What one HTTP body or WebSocket message holds.
#[derive(Debug)]
pub(crate) enum Message {
    Single(Item),
    Batch(Vec<Item>),
}

/// One call, or something that is none but may have an id.
#[derive(Debug)]
pub(crate) enum Item {
    Call(Call),
    Invalid { id: Option<Box<RawValue>> },
}

#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: String,
    /// Missing in a notification, which gets no reply. Of any kind otherwise, also `null`.
    pub(crate) id: Option<Box<RawValue>>,
    pub(crate) params: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    jsonrpc: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    method: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    params: Option<&'a RawValue>,
}

/// Tells a member that is `null` from one that is not there.
fn present<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

// === impl Message ===

impl Message {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, RpcError> {
        let raw: &RawValue =
            serde_json::from_slice(bytes).map_err(|_| RpcError::new(-32700, "parse error"))?;
        if !raw.get().starts_with('[') {
            return Ok(Self::Single(Item::parse(raw)));
        }
        let items: Vec<&RawValue> =
            serde_json::from_str(raw.get()).map_err(|_| RpcError::new(-32700, "parse error"))?;
        if items.is_empty() {
            return Err(RpcError::new(-32600, "empty batch"));
        }
        Ok(Self::Batch(items.into_iter().map(Item::parse).collect()))
    }

    pub(crate) fn items(&self) -> &[Item] {
        match self {
            Self::Single(item) => std::slice::from_ref(item),
            Self::Batch(items) => items,
        }
    }
}

// === impl Item ===

impl Item {
    fn parse(raw: &RawValue) -> Self {
        let Ok(wire) = serde_json::from_str::<Wire<'_>>(raw.get()) else {
            return Self::Invalid { id: None };
        };
        let text =
            |raw: Option<&RawValue>| raw.and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
        let id = wire.id.map(ToOwned::to_owned);
        match (text(wire.jsonrpc).as_deref(), text(wire.method)) {
            (Some("2.0"), Some(method)) => {
                Self::Call(Call { method, id, params: wire.params.map(ToOwned::to_owned) })
            }
            _ => Self::Invalid { id },
        }
    }
}

/// A reply in the member order that most nodes use. `id` is `null` where none could be read.
pub(crate) fn reply(id: Option<&RawValue>, outcome: &Result<String, RpcError>) -> String {
    let id = id.map_or("null", RawValue::get);
    match outcome {
        Ok(result) => format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#),
        Err(error) => format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{}}}"#, error.to_json()),
    }
}

/// The reply that an answer fault makes of the right outcome; `None` when there is to be none. Repeating it is up
/// to the caller.
pub(crate) fn faulty_reply(
    fault: Option<&Fault>,
    id: Option<&RawValue>,
    outcome: Result<String, RpcError>,
) -> Option<String> {
    let outcome = match fault {
        None | Some(Fault::Repeat | Fault::Overtaken) => outcome,
        Some(Fault::RpcError { code, message, data }) => {
            Err(RpcError { code: *code, message: message.clone(), data: data.clone() })
        }
        Some(Fault::Result(value)) => Ok(value.to_string()),
        Some(Fault::NullResult) => Ok("null".to_owned()),
        Some(Fault::EmptyObject) => return Some("{}".to_owned()),
        Some(Fault::Omit) => return None,
        Some(Fault::WrongId) => {
            let wrong = json!(format!("not {}", id.map_or("null", RawValue::get))).to_string();
            return Some(reply(RawValue::from_string(wrong).ok().as_deref(), &outcome));
        }
        Some(Fault::ResultAndError) => {
            let id = id.map_or("null", RawValue::get);
            let error = RpcError::new(-32000, "result and error").to_json();
            return Some(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":"0x1","error":{error}}}"#));
        }
        Some(fault) => unreachable!("a plan keeps {fault:?} apart from answers"),
    };
    Some(reply(id, &outcome))
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::{Item, Message, faulty_reply, reply};
    use crate::sim::Fault;
    use crate::sim::params::RpcError;

    fn single(text: &str) -> Item {
        match Message::parse(text.as_bytes()).unwrap() {
            Message::Single(item) => item,
            Message::Batch(_) => panic!("{text} is not a batch"),
        }
    }

    #[test]
    fn ids_of_any_kind_come_back_byte_for_byte() {
        for id in ["1", "1.0", "1e400", "-0", "\"\\u0061\"", "null", "184467440737095516160", "[1, 2]"] {
            let text = format!(r#"{{"id": {id} ,"jsonrpc":"2.0","method":"m"}}"#);
            let Item::Call(call) = single(&text) else { panic!("{text} is a call") };
            let answer = reply(call.id.as_deref(), &Ok("true".to_owned()));
            assert_eq!(answer, format!(r#"{{"jsonrpc":"2.0","id":{id},"result":true}}"#));
        }
    }

    #[test]
    fn a_call_without_id_is_a_notification() {
        let Item::Call(call) = single(r#"{"jsonrpc":"2.0","method":"m"}"#) else { panic!() };
        assert!(call.id.is_none());
    }

    #[test]
    fn what_is_not_a_call_is_invalid_and_keeps_its_id() {
        for text in ["1", "null", "\"x\"", r#"{"id":1}"#, r#"{"id":1,"method":"m"}"#] {
            assert!(matches!(single(text), Item::Invalid { .. }), "{text}");
        }
        let Item::Invalid { id: Some(id) } = single(r#"{"jsonrpc":"2.0","id":7,"method":1}"#) else {
            panic!()
        };
        assert_eq!(id.get(), "7");
    }

    #[test]
    fn what_is_not_json_is_a_parse_error_and_an_empty_batch_an_invalid_request() {
        for bytes in [&b""[..], b"{", b"[1,", b"\xff", b"{} {}"] {
            assert_eq!(Message::parse(bytes).unwrap_err().code, -32700, "{bytes:?}");
        }
        assert_eq!(Message::parse(b" [ ] ").unwrap_err().code, -32600);
        assert_eq!(Message::parse(b"[1,{}]").unwrap().items().len(), 2);
    }

    #[test]
    fn answer_faults_change_the_reply() {
        let id = RawValue::from_string("7".to_owned()).unwrap();
        let faulty = |fault: Fault| faulty_reply(Some(&fault), Some(&id), Ok("true".to_owned()));
        assert_eq!(faulty(Fault::Omit), None);
        assert_eq!(faulty(Fault::EmptyObject).unwrap(), "{}");
        assert_eq!(faulty(Fault::NullResult).unwrap(), r#"{"jsonrpc":"2.0","id":7,"result":null}"#);
        assert_eq!(faulty(Fault::WrongId).unwrap(), r#"{"jsonrpc":"2.0","id":"not 7","result":true}"#);
        assert_eq!(
            faulty(Fault::rpc_error(-32005, "slow down")).unwrap(),
            reply(Some(&id), &Err(RpcError::new(-32005, "slow down")))
        );
        let both = faulty(Fault::ResultAndError).unwrap();
        assert!(both.contains("\"result\"") && both.contains("\"error\""), "{both}");
    }
}
