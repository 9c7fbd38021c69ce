//! Which logs a client wants.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use smallvec::SmallVec;

use super::bloom::Bits;
use crate::call::hex;
use crate::wire::{RawJson, write_string};

/// The filter of a `logs` subscription, in a form that is the same for all filters that mean the same.
///
/// - Members that are `null` are left out, and so are `fromBlock`, `toBlock` and `blockHash`: a subscription has no
///   range. Members that nobody knows are kept, by name.
/// - An address or a topic is written in lower case and begins with `0x`. Nothing else about it is judged here: that
///   is for nodes to do.
/// - Alternatives are sorted, each once; a single one is written without a list, and no addresses at all are left out.
/// - Positions of topics are kept, at the end too: `[a, null]` asks for two topics. Where `null` is among the
///   alternatives any topic will do, as nodes read it; taking it for nothing would withhold logs.
///
/// Cloning is cheap, and so are comparing and hashing, as long as filters are short.
#[derive(Clone)]
pub struct LogFilter(Arc<Normal>);

struct Normal {
    json: Box<[u8]>,
    /// Empty for any address.
    addresses: Vec<Wanted<20>>,
    /// Empty positions are for any topic.
    topics: Vec<Vec<Wanted<32>>>,
}

/// A value that logs may have.
enum Wanted<const N: usize> {
    Known {
        value: [u8; N],
        bits: Bits,
    },
    /// No value of a log. What a node makes of it, it knows alone.
    Malformed,
}

/// What filters and blooms look at in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogKey {
    /// The contract.
    pub address: [u8; 20],
    /// At most four.
    pub topics: SmallVec<[[u8; 32]; 4]>,
}

// === impl LogFilter ===

impl LogFilter {
    /// Reads a filter object; `None` when it is no object, or its addresses and topics are no strings.
    #[must_use]
    pub fn parse(filter: RawJson<'_>) -> Option<Self> {
        if !filter.is_object() {
            return None;
        }
        let (mut address, mut topics) = (Alternatives::any(), Vec::new());
        let mut members: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        for (name, value) in filter.members() {
            // Of members with the same name the last one counts, also when it is null.
            members.remove(name.as_ref());
            match name.as_ref() {
                "fromBlock" | "toBlock" | "blockHash" => continue,
                "address" => address = Alternatives::addresses(value)?,
                "topics" => topics = positions(value)?,
                _ if value.is_null() => continue,
                _ => drop(members.insert(name.into_owned(), value.bytes().to_vec())),
            }
        }
        if !address.is_any() {
            members.insert("address".into(), address.text());
        }
        if !topics.is_empty() {
            let positions: Vec<_> = topics.iter().map(Alternatives::text).collect();
            members.insert("topics".into(), [&b"["[..], &positions.join(&b','), b"]"].concat());
        }
        let mut json = vec![b'{'];
        for (name, text) in members {
            if json.len() > 1 {
                json.push(b',');
            }
            write_string(&mut json, &name);
            json.push(b':');
            json.extend_from_slice(&text);
        }
        json.push(b'}');
        Some(Self(Arc::new(Normal {
            json: json.into(),
            addresses: address.wanted(),
            topics: topics.iter().map(Alternatives::wanted).collect(),
        })))
    }

    /// The filter as it goes upstream: a JSON object.
    #[must_use]
    pub fn json(&self) -> &[u8] {
        &self.0.json
    }

    /// Whether a block with this bloom may have logs that pass. If not, it has none.
    #[must_use]
    pub fn may_match(&self, bloom: &[u8; 256]) -> bool {
        let admits = |bits: Bits| bits.are_in(bloom);
        any_of(&self.0.addresses, |wanted| wanted.may_be(admits))
            && self.0.topics.iter().all(|position| any_of(position, |wanted| wanted.may_be(admits)))
    }

    /// Whether a log with this address and these topics passes, as nodes judge: of every position, `null` included,
    /// there must be a topic.
    #[must_use]
    pub fn matches(&self, log: &LogKey) -> bool {
        self.0.topics.len() <= log.topics.len()
            && any_of(&self.0.addresses, |wanted| wanted.is(&log.address))
            && self
                .0
                .topics
                .iter()
                .zip(&log.topics)
                .all(|(position, topic)| any_of(position, |wanted| wanted.is(topic)))
    }

    /// The parameters of the `eth_getLogs` for the logs of one block that pass
    /// ([EIP-234](https://eips.ethereum.org/EIPS/eip-234)). `block_hash` is the hash as hexadecimal data.
    #[must_use]
    pub fn request(&self, block_hash: impl fmt::Display) -> Bytes {
        let block = format!(r#"[{{"blockHash":"{block_hash}""#);
        let rest = &self.0.json[1..];
        let separator = if rest == b"}" { "" } else { "," };
        [block.as_bytes(), separator.as_bytes(), rest, b"]"].concat().into()
    }
}

impl Default for LogFilter {
    /// Any log.
    fn default() -> Self {
        static ANY: LazyLock<LogFilter> = LazyLock::new(|| {
            LogFilter(Arc::new(Normal { json: b"{}"[..].into(), addresses: Vec::new(), topics: Vec::new() }))
        });
        ANY.clone()
    }
}

impl PartialEq for LogFilter {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.json == other.0.json
    }
}

impl Eq for LogFilter {}

impl Hash for LogFilter {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.json.hash(state);
    }
}

impl fmt::Debug for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogFilter({})", String::from_utf8_lossy(&self.0.json))
    }
}

// === impl LogKey ===

impl LogKey {
    /// Reads a log as nodes write it; `None` when its address or its topics are missing or malformed.
    #[must_use]
    pub fn read(log: RawJson<'_>) -> Option<Self> {
        let address = hex::array(&log.member("address")?.as_str()?)?;
        let topics = log.member("topics").filter(|topics| topics.is_array())?;
        let topics = topics.elements().map(|topic| hex::array(&topic.as_str()?)).collect::<Option<_>>()?;
        Some(Self { address, topics })
    }
}

// === impl Wanted ===

impl<const N: usize> Wanted<N> {
    fn of(text: &str) -> Self {
        match hex::array(text) {
            Some(value) => Self::Known { value, bits: Bits::of(&value) },
            None => Self::Malformed,
        }
    }

    fn is(&self, found: &[u8; N]) -> bool {
        matches!(self, Self::Known { value, .. } if value == found)
    }

    fn may_be(&self, admits: impl Fn(Bits) -> bool) -> bool {
        match self {
            Self::Known { bits, .. } => admits(*bits),
            Self::Malformed => true,
        }
    }
}

/// Whether any will do, or one of them does.
fn any_of<const N: usize>(wanted: &[Wanted<N>], does: impl Fn(&Wanted<N>) -> bool) -> bool {
    wanted.is_empty() || wanted.iter().any(does)
}

/// One position, in a form that is the same for all that mean the same: sorted, each once, none for any.
struct Alternatives(Vec<String>);

impl Alternatives {
    const fn any() -> Self {
        Self(Vec::new())
    }

    const fn is_any(&self) -> bool {
        self.0.is_empty()
    }

    /// `null`, a string, or a list of strings.
    fn addresses(value: RawJson<'_>) -> Option<Self> {
        if value.is_null() {
            return Some(Self::any());
        }
        if value.is_array() { Self::list(value) } else { Some(Self(vec![hex_data(value)?])) }
    }

    /// `null`, a string, or a list of both.
    fn topics(value: RawJson<'_>) -> Option<Self> {
        if value.is_null() {
            Some(Self::any())
        } else if !value.is_array() {
            Some(Self(vec![hex_data(value)?]))
        } else if value.elements().any(RawJson::is_null) {
            // The others must be strings nevertheless.
            let others = value.elements().filter(|topic| !topic.is_null());
            others.map(hex_data).collect::<Option<Vec<_>>>().map(|_| Self::any())
        } else {
            Self::list(value)
        }
    }

    fn list(value: RawJson<'_>) -> Option<Self> {
        let mut texts = value.elements().map(hex_data).collect::<Option<Vec<_>>>()?;
        texts.sort_unstable();
        texts.dedup();
        Some(Self(texts))
    }

    fn text(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match &self.0[..] {
            [] => out.extend_from_slice(b"null"),
            [one] => write_string(&mut out, one),
            several => {
                for (at, one) in several.iter().enumerate() {
                    out.push(if at == 0 { b'[' } else { b',' });
                    write_string(&mut out, one);
                }
                out.push(b']');
            }
        }
        out
    }

    fn wanted<const N: usize>(&self) -> Vec<Wanted<N>> {
        self.0.iter().map(|text| Wanted::of(text)).collect()
    }
}

fn positions(topics: RawJson<'_>) -> Option<Vec<Alternatives>> {
    if topics.is_null() {
        return Some(Vec::new());
    }
    if !topics.is_array() {
        return None;
    }
    topics.elements().map(Alternatives::topics).collect()
}

/// A string as hexadecimal data is written.
fn hex_data(value: RawJson<'_>) -> Option<String> {
    let text = value.as_str()?.to_ascii_lowercase();
    Some(if text.starts_with("0x") { text } else { format!("0x{text}") })
}
