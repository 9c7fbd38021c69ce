//! The name of a subscription.

use std::fmt;

use crate::call::hex;

/// What a client calls one of its subscriptions: `0x` and 32 hexadecimal digits.
///
/// Whoever knows it can do nothing with it on another socket; it is random all the same, so that ids say nothing about
/// each other.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SubscriptionId(pub [u8; 16]);

const HEAD: &[u8] = br#"{"jsonrpc":"2.0","method":"eth_subscription","params":{"subscription":"0x"#;

impl SubscriptionId {
    /// How long the beginning of a push is.
    pub const PUSH_HEAD_LEN: usize = HEAD.len() + 32;

    /// The beginning of a push for this subscription, up to, not including, the quote after the id. One of a
    /// [delivery's events](super::Delivery::events) completes it.
    #[must_use]
    pub fn push_head(self) -> [u8; Self::PUSH_HEAD_LEN] {
        let mut head = [0; Self::PUSH_HEAD_LEN];
        let (fixed, digits) = head.split_at_mut(HEAD.len());
        fixed.copy_from_slice(HEAD);
        digits.copy_from_slice(&self.digits());
        head
    }

    /// Reads what [`Display`](fmt::Display) writes, in digits of either case; `None` for everything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        hex::array(text).map(Self)
    }

    fn digits(self) -> [u8; 32] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut digits = [0; 32];
        for (pair, byte) in digits.as_chunks_mut::<2>().0.iter_mut().zip(self.0) {
            *pair = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 0xf)]];
        }
        digits
    }
}

impl fmt::Display for SubscriptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        self.digits().iter().try_for_each(|digit| fmt::Write::write_char(f, char::from(*digit)))
    }
}

impl fmt::Debug for SubscriptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: SubscriptionId = SubscriptionId([0, 1, 0x2a, 0xff, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xf0]);

    #[test]
    fn it_is_written_as_hexadecimal_data_and_read_back() {
        assert_eq!(ID.to_string(), "0x00012aff0405060708090a0b0c0d0ef0");
        assert_eq!(SubscriptionId::parse(&ID.to_string()), Some(ID));
        assert_eq!(SubscriptionId::parse("0x00012AFF0405060708090A0B0C0D0EF0"), Some(ID));
        for other in
            ["", "0x", "0x1", "00012aff0405060708090a0b0c0d0ef0", "0x00012aff0405060708090a0b0c0d0ef"]
        {
            assert_eq!(SubscriptionId::parse(other), None, "{other}");
        }
        assert_eq!(SubscriptionId::parse("0x00012aff0405060708090a0b0c0d0eg0"), None);
        assert_eq!(SubscriptionId::parse("0x00012aff0405060708090a0b0c0d0ef00"), None);
    }
}
