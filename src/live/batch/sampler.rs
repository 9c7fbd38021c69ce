//! Which calls are told in detail.

use foldhash::HashMap;
use smol_str::SmolStr;
use tokio::time::Instant;

use crate::live::view::DecisionView;

/// Lets so many successes of each chain and origin through every second, and all failures.
#[derive(Debug)]
pub(super) struct Sampler {
    most: u32,
    /// When the second began that is counted.
    since: Option<Instant>,
    /// By chain; the first count is of clients, the other one of the router's own calls.
    counts: HashMap<SmolStr, [u32; 2]>,
}

impl Sampler {
    pub(super) fn new(most: u32) -> Self {
        Self { most, since: None, counts: HashMap::default() }
    }

    /// Whether a call is to be told. It is counted.
    pub(super) fn admits(&mut self, decision: &DecisionView, now: Instant) -> bool {
        if !decision.is_success() {
            return true;
        }
        if self.since.is_none_or(|since| now.saturating_duration_since(since).as_secs() > 0) {
            self.since = Some(now);
            self.counts.clear();
        }
        let counts = match self.counts.get_mut(&decision.chain) {
            Some(counts) => counts,
            None => self.counts.entry(decision.chain.clone()).or_default(),
        };
        let count = &mut counts[usize::from(decision.is_own())];
        *count = count.saturating_add(1);
        *count <= self.most
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::live::testing::decision;

    #[test]
    fn each_chain_and_origin_has_its_own_second() {
        let (mut sampler, now) = (Sampler::new(2), Instant::now());
        let client = decision(1, true);
        let own = DecisionView { origin: "system", ..client.clone() };
        let base = DecisionView { chain: "base".into(), ..client.clone() };
        let failure = decision(2, false);
        let mut admits = |it: &DecisionView, at| sampler.admits(it, at);
        assert_eq!([&client, &client, &client].map(|it| admits(it, now)), [true, true, false]);
        assert_eq!([&own, &own, &own, &base].map(|it| admits(it, now)), [true, true, false, true]);
        assert!((0..100).all(|_| admits(&failure, now)));
        assert!(!admits(&client, now + Duration::from_millis(999)));
        assert!(admits(&client, now + Duration::from_millis(1_000)));
    }
}
