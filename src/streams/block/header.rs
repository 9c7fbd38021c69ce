//! Headers out of what nodes push and answer.

use std::sync::Arc;

use bytes::Bytes;
use lasso_layers::wire::{RawJson, write_string};

use super::{BlockHash, Bloom, Header, Malformed, hex};

/// What a full block has and a pushed head has not: left out, so that heads look alike however they were got.
const OF_BLOCKS: [&str; 5] = ["transactions", "uncles", "withdrawals", "size", "totalDifficulty"];

impl Header {
    /// Reads a pushed head, or a block as `eth_getBlockByNumber` and `eth_getBlockByHash` answer it.
    ///
    /// The payload of a head is `json` itself, shared. That of a block is what a head would have of it, the bytes of
    /// every member kept.
    ///
    /// # Errors
    ///
    /// When it is no JSON object or lacks a number, a hash or a parent, as the pending block does. A bloom may be
    /// absent or `null`.
    pub fn parse(json: &Bytes) -> Result<Self, Malformed> {
        let object = RawJson::parse(json).map_err(|_| Malformed)?;
        let (mut number, mut hash, mut parent, mut bloom) = (None, None, None, None);
        let mut is_block = false;
        for (name, value) in object.members() {
            match &*name {
                "number" => number = Some(hex::number(value)?),
                "hash" => hash = Some(BlockHash::read(value)?),
                "parentHash" => parent = Some(BlockHash::read(value)?),
                "logsBloom" if value.is_null() => bloom = None,
                "logsBloom" => bloom = Some(Arc::new(Bloom(hex::bytes(value)?))),
                other => is_block |= OF_BLOCKS.contains(&other),
            }
        }
        Ok(Self {
            number: number.ok_or(Malformed)?,
            hash: hash.ok_or(Malformed)?,
            parent: parent.ok_or(Malformed)?,
            bloom,
            payload: if is_block { projected(object) } else { json.clone() },
        })
    }
}

/// The members of a block that a head has too.
fn projected(block: RawJson<'_>) -> Bytes {
    let kept = || block.members().filter(|(name, _)| !OF_BLOCKS.contains(&&**name));
    let len = kept().map(|(name, value)| name.len() + value.bytes().len() + 4).sum::<usize>() + 2;
    let mut json = Vec::with_capacity(len);
    for (name, value) in kept() {
        json.push(if json.is_empty() { b'{' } else { b',' });
        write_string(&mut json, &name);
        json.push(b':');
        json.extend_from_slice(value.bytes());
    }
    json.push(b'}');
    json.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex_of(byte: u8, len: usize) -> String {
        format!("\"0x{}\"", format!("{byte:02x}").repeat(len))
    }

    fn head() -> String {
        format!(
            r#" {{ "number" : "0x1f","hash":{},"parentHash":{}, "logsBloom":{},"extra":"\u0041" }}"#,
            hex_of(0xaa, 32),
            hex_of(0xbb, 32),
            hex_of(1, 256)
        )
    }

    #[test]
    fn a_pushed_head_keeps_its_bytes_without_a_copy() {
        let json = Bytes::from(head());
        let header = Header::parse(&json).unwrap();
        assert_eq!((header.number, header.hash.0, header.parent.0), (31, [0xaa; 32], [0xbb; 32]));
        assert_eq!(header.bloom.unwrap().0, [1; 256]);
        assert_eq!(header.payload.as_ptr(), json.as_ptr(), "shared");
        assert_eq!(header.payload, json);
    }

    #[test]
    fn a_block_is_cut_down_to_what_a_head_has() {
        let block = format!(
            r#"{{"number":"0x1f","transactions":[{{"hash":"0x1"}}],"hash":{hash},"uncles":[],"size":"0x1", "parentHash":{hash},"withdrawals":[],"totalDifficulty":"0x0","withdrawalsRoot":"0x5","a\"b" : [1, 2]}}"#,
            hash = hex_of(7, 32)
        );
        let header = Header::parse(&Bytes::from(block)).unwrap();
        let expected = format!(
            r#"{{"number":"0x1f","hash":{hash},"parentHash":{hash},"withdrawalsRoot":"0x5","a\"b":[1, 2]}}"#,
            hash = hex_of(7, 32)
        );
        assert_eq!(header.payload, expected.as_bytes());
        assert_eq!(header.bloom, None);
    }

    #[test]
    fn what_lacks_a_member_is_malformed() {
        for name in ["number", "hash", "parentHash"] {
            let without = head().replace(&format!("\"{name}\""), "\"other\"");
            assert_eq!(Header::parse(&Bytes::from(without)).err(), Some(Malformed), "{name}");
            let null = head().replace(&format!("\"{name}\""), &format!("\"{name}\":null,\"other\""));
            assert_eq!(Header::parse(&Bytes::from(null)).err(), Some(Malformed), "{name}");
        }
        for text in ["", "null", "[]", "7", "{", "{}", "\"0x1\""] {
            assert_eq!(Header::parse(&Bytes::from(text)).err(), Some(Malformed), "{text}");
        }
    }

    #[test]
    fn a_bloom_may_be_missing_but_not_wrong() {
        let null = head().replace("\"logsBloom\"", "\"logsBloom\":null,\"other\"");
        assert_eq!(Header::parse(&Bytes::from(null)).unwrap().bloom, None);
        let short = head().replace("\"logsBloom\"", "\"logsBloom\":\"0x00\",\"other\"");
        assert_eq!(Header::parse(&Bytes::from(short)).err(), Some(Malformed));
    }
}
