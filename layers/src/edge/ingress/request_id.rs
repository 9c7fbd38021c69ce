//! The name of a request.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue};
use sha2::{Digest, Sha256};
use smol_str::{SmolStr, format_smolstr};

/// The name that one HTTP request goes by, in its response and in logs.
///
/// It is the client's `x-request-id` when that has 20 to 200 characters, and a random text of 20 characters
/// otherwise.
#[derive(Clone, Debug)]
pub struct RequestId {
    /// The client's own, which may not be text. A random one is written out where it is needed: a clone of this
    /// costs nothing then.
    sent: Option<HeaderValue>,
    name: SmolStr,
}

const LENGTH: usize = 20;

/// Names up to this many bytes stand in logs as they are; longer ones as a digest.
const MAX_LOGGED_BYTES: usize = 128;

impl RequestId {
    /// The name of the request with these headers.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        headers.get("x-request-id").and_then(Self::from_client).unwrap_or_else(Self::random)
    }

    /// As it goes into the `x-request-id` of the response.
    #[must_use]
    pub fn header(&self) -> HeaderValue {
        let made = || HeaderValue::from_str(&self.name).expect("letters and digits make a header value");
        self.sent.clone().unwrap_or_else(made)
    }

    /// As it goes into logs and metadata.
    #[must_use]
    pub const fn name(&self) -> &SmolStr {
        &self.name
    }

    fn from_client(header: &HeaderValue) -> Option<Self> {
        let bytes = header.as_bytes();
        let text = std::str::from_utf8(bytes);
        let length = text.map_or(bytes.len(), |text| text.chars().count());
        if !(LENGTH..=200).contains(&length) {
            return None;
        }
        let name = match text {
            Ok(text) if text.len() <= MAX_LOGGED_BYTES => SmolStr::new(text),
            _ => format_smolstr!("sha256:{}", URL_SAFE_NO_PAD.encode(Sha256::digest(bytes))),
        };
        // A copy: a slice would keep the read buffer for as long as the call waits.
        Some(Self { sent: HeaderValue::from_bytes(bytes).ok(), name })
    }

    /// Nothing depends on the name being hard to guess: the fast generator of the thread is good enough.
    fn random() -> Self {
        let mut text = [0; LENGTH];
        text.fill_with(|| fastrand::alphanumeric() as u8);
        let name = SmolStr::new(std::str::from_utf8(&text).expect("letters and digits are UTF-8"));
        Self { sent: None, name }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &[u8]) -> RequestId {
        let mut headers = HeaderMap::new();
        headers.insert("x-request-id", HeaderValue::from_bytes(value).unwrap());
        RequestId::of(&headers)
    }

    #[test]
    fn a_name_of_20_to_200_characters_is_kept() {
        for (length, kept) in [(19, false), (20, true), (200, true), (201, false)] {
            let value = "x".repeat(length);
            let id = of(value.as_bytes());
            assert_eq!(id.header() == value.as_str(), kept, "{length}");
            assert_eq!(id.header().len(), if kept { length } else { 20 });
        }
    }

    #[test]
    fn long_or_odd_names_are_logged_as_a_digest() {
        assert_eq!(of(&[b'x'; 128]).name(), &"x".repeat(128));
        for value in [vec![b'x'; 129], vec![0xff; 30]] {
            let id = of(&value);
            assert!(id.name().starts_with("sha256:"));
            assert_eq!(id.name().len(), "sha256:".len() + 43);
            assert_eq!(id.header().as_bytes(), value);
        }
    }

    #[test]
    fn made_up_names_differ() {
        let (left, right) = (RequestId::of(&HeaderMap::new()), RequestId::of(&HeaderMap::new()));
        assert_ne!(left.name(), right.name());
        assert_eq!(left.name().as_str(), left.header());
    }
}
