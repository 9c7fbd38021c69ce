//! What heights say about candidates.

use tokio::time::Instant;

use super::Heads;
use crate::call::{Candidate, Demotion, Facts, Filter, Subject, Verdict};
use crate::state::heights::{Heights, Standing};

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
        let is_of_interest =
            subject.plan.chain().settings.max_lag_blocks.is_some() || subject.hints.requested_block.is_some();
        let standing = is_of_interest.then(|| standing(self, subject)).flatten();
        standing.map_or(Verdict::Keep, |standing| verdict(standing, subject))
    }

    fn explain(&self, subject: &Subject<'_>) -> (Verdict, Facts) {
        let max_lag = subject.plan.chain().settings.max_lag_blocks;
        let facts = Facts::none().with_known("max_lag", max_lag);
        let Some(standing) = standing(self, subject) else { return (Verdict::Keep, facts) };
        let age = subject.now.saturating_duration_since(standing.observation.at);
        let facts = facts
            .with("height", standing.observation.height)
            .with("height_age_ms", age)
            .with("optimistic_height", standing.optimistic_height)
            .with_known("optimistic_lag", standing.optimistic_lag());
        (verdict(standing, subject), facts)
    }
}

fn standing(heights: &Heights, subject: &Subject<'_>) -> Option<Standing> {
    let chain = subject.plan.chain();
    heights.standing(chain.chain_id, subject.channel.instance, chain.block_time, subject.now)
}

fn verdict(standing: Standing, subject: &Subject<'_>) -> Verdict {
    if let (Some(max), Some(lag)) = (subject.plan.chain().settings.max_lag_blocks, standing.optimistic_lag())
        && lag < 0
        && lag.unsigned_abs() > max
    {
        return Verdict::exclude(Candidate::LAGGING);
    }
    let height = if standing.streams { standing.observation.height } else { standing.optimistic_height };
    if subject.hints.requested_block.is_some_and(|wanted| wanted > height) {
        return Verdict::Demote(Demotion::BEHIND);
    }
    Verdict::Keep
}
