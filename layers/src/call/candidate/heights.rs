//! What heights say about candidates.

use tokio::time::Instant;

use super::Heads;
use crate::call::{Candidate, Demotion, Filter, Subject, Verdict};
use crate::state::heights::Heights;

impl Heads for Heights {
    fn head(&self, chain_id: u64, now: Instant) -> Option<u64> {
        self.consensus(chain_id, now)
    }
}

/// [`Stage::Lag`](crate::call::Stage): a node that is further behind than the chain allows is ruled out,
/// and one that may not have the requested block yet is demoted. A node of unknown height gets the benefit
/// of the doubt.
impl Filter for Heights {
    fn check(&self, subject: &Subject<'_>) -> Verdict {
        let chain = subject.plan.chain();
        let (max_lag, wanted) = (chain.settings.max_lag_blocks, subject.hints.requested_block);
        if max_lag.is_none() && wanted.is_none() {
            return Verdict::Keep;
        }
        let instance = subject.channel.instance;
        let Some(standing) = self.standing(chain.chain_id, instance, chain.block_time, subject.now) else {
            return Verdict::Keep;
        };
        if let (Some(max), Some(lag)) = (max_lag, standing.optimistic_lag())
            && lag < 0
            && lag.unsigned_abs() > max
        {
            return Verdict::exclude(Candidate::LAGGING);
        }
        if wanted.is_some_and(|wanted| wanted > standing.optimistic_height) {
            return Verdict::Demote(Demotion::BEHIND);
        }
        Verdict::Keep
    }
}
