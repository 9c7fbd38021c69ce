//! Logs out of what nodes push and answer, and the taking back of them.

use bytes::{BufMut, Bytes, BytesMut};
use lasso_layers::wire::RawJson;

use super::{BlockHash, Log, Malformed, hex};

impl Log {
    /// Reads a pushed log or an element of what `eth_getLogs` answers. The payload is `json` itself, shared.
    ///
    /// # Errors
    ///
    /// When it is no JSON object or lacks its block's hash or number or its own index, as the logs of pending blocks do.
    pub fn parse(json: &Bytes) -> Result<Self, Malformed> {
        let object = RawJson::parse(json).map_err(|_| Malformed)?;
        let (mut block, mut number, mut index, mut removed) = (None, None, None, false);
        for (name, value) in object.members() {
            match &*name {
                "blockHash" => block = Some(BlockHash::read(value)?),
                "blockNumber" => number = Some(hex::number(value)?),
                "logIndex" => index = Some(hex::quantity(value)?),
                "removed" => removed = value.as_bool().unwrap_or(false),
                _ => {}
            }
        }
        Ok(Self {
            block: block.ok_or(Malformed)?,
            number: number.ok_or(Malformed)?,
            index: index.ok_or(Malformed)?,
            removed,
            payload: json.clone(),
        })
    }

    /// The same log taken back: its payload says `"removed":true`, all its other bytes stay.
    #[must_use]
    pub fn withdrawn(&self) -> Self {
        let payload = if self.removed { self.payload.clone() } else { marked_removed(&self.payload) };
        Self { removed: true, payload, ..*self }
    }
}

/// An object with `removed` set, where it stands or as the last member.
fn marked_removed(json: &Bytes) -> Bytes {
    let Ok(object) = RawJson::parse(json) else {
        // Only `Log::parse` makes payloads that are not the caller's own; those are valid.
        return json.clone();
    };
    let (at, old, new): (usize, usize, &[u8]) = match object.member("removed") {
        Some(value) => (offset(json, value.bytes()), value.bytes().len(), b"true"),
        None => {
            let close = offset(json, object.bytes()) + object.bytes().len() - 1;
            let is_empty = object.members().next().is_none();
            (close, 0, if is_empty { br#""removed":true"# } else { br#","removed":true"# })
        }
    };
    let mut marked = BytesMut::with_capacity(json.len() - old + new.len());
    marked.put_slice(&json[..at]);
    marked.put_slice(new);
    marked.put_slice(&json[at + old..]);
    marked.freeze()
}

/// Where a part of a text begins in it.
fn offset(whole: &[u8], part: &[u8]) -> usize {
    part.as_ptr().addr() - whole.as_ptr().addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<Log, Malformed> {
        Log::parse(&Bytes::from(json.to_owned()))
    }

    fn with(tail: &str) -> String {
        format!(
            r#"{{"logIndex":"0x2","blockNumber":"0x10","data":"0x" ,"blockHash":"0x{}"{tail}}}"#,
            "ab".repeat(32)
        )
    }

    #[test]
    fn a_log_keeps_its_bytes_without_a_copy() {
        let json = Bytes::from(with(r#", "removed" : false"#));
        let log = Log::parse(&json).unwrap();
        assert_eq!((log.block.0, log.number, log.index, log.removed), ([0xab; 32], 16, 2, false));
        assert_eq!(log.payload.as_ptr(), json.as_ptr(), "shared");
        assert!(parse(&with(r#","removed":true"#)).unwrap().removed);
    }

    #[test]
    fn a_withdrawn_log_differs_in_one_member() {
        let cases = [
            (r#", "removed" : false"#, r#", "removed" : true"#),
            (r#","removed":false,"x":1"#, r#","removed":true,"x":1"#),
            (r#","removed":null"#, r#","removed":true"#),
            ("", r#","removed":true"#),
            (r#","removed":true"#, r#","removed":true"#),
        ];
        for (before, after) in cases {
            let log = parse(&with(before)).unwrap().withdrawn();
            assert!(log.removed);
            assert_eq!(log.payload, with(after).as_bytes(), "{before}");
            assert!(Log::parse(&log.payload).unwrap().removed);
        }
    }

    #[test]
    fn space_around_a_log_does_no_harm() {
        let log = parse(&format!("  {} ", with(""))).unwrap().withdrawn();
        assert_eq!(log.payload, format!("  {} ", with(r#","removed":true"#)).as_bytes());
    }

    #[test]
    fn logs_of_pending_blocks_are_malformed() {
        for name in ["logIndex", "blockNumber", "blockHash"] {
            let null = with("").replace(&format!("\"{name}\""), &format!("\"{name}\":null,\"other\""));
            assert_eq!(parse(&null).err(), Some(Malformed), "{name}");
            let without = with("").replace(&format!("\"{name}\""), "\"other\"");
            assert_eq!(parse(&without).err(), Some(Malformed), "{name}");
        }
        for text in ["", "null", "[]", "{}", "true"] {
            assert_eq!(parse(text).err(), Some(Malformed), "{text}");
        }
    }
}
