//! How much a provider still puts up with.

use crate::script::Limit;

/// Counts requests by second.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Quota {
    second: u64,
    used: u32,
}

impl Quota {
    /// Whether a request at this time is within the limit.
    pub(crate) const fn has_room(&self, limit: Limit, time: u64) -> bool {
        self.second != time / 1000 || self.used < limit.rate
    }

    /// Counts a request.
    pub(crate) const fn take(&mut self, time: u64) {
        if self.second != time / 1000 {
            self.second = time / 1000;
            self.used = 0;
        }
        self.used += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_second_is_a_new_quota() {
        let limit = Limit { rate: 2, retry_after: None };
        let mut quota = Quota::default();
        quota.take(10);
        assert!(quota.has_room(limit, 900));
        quota.take(900);
        assert!(!quota.has_room(limit, 999));
        assert!(quota.has_room(limit, 1_000));
    }
}
