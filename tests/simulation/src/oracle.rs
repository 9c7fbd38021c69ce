//! Who would have been the right choice.

use crate::draw::Luck;
use crate::quota::Quota;
use crate::script::{Actor, Fate, Script, Trouble};
use crate::traffic::Arrival;

/// What somebody who knows the script would have done with a call.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    /// The mean time of the chosen provider for the method at that moment, in milliseconds.
    pub expected: f64,
    /// How long this call takes there.
    pub took: u64,
}

/// The best choice for each call; nothing where no provider is any good.
///
/// It is the provider with the lowest expected latency for the method among those that, by the script, are on the
/// right chain and not too far behind, give no errors, have room for another request of the oracle's in this second,
/// and live until the answer is there. It has no luck that the script does not promise: it does not know what a
/// provider draws for a call before it has chosen.
#[must_use]
pub fn choices(script: &Script, seed: u64, arrivals: &[Arrival]) -> Vec<Option<Choice>> {
    let mut quotas = vec![Quota::default(); script.actors.len()];
    let calls = (0..).zip(arrivals);
    calls.map(|(number, arrival)| choice(script, seed, number, *arrival, &mut quotas)).collect()
}

fn choice(script: &Script, seed: u64, number: u64, arrival: Arrival, quotas: &mut [Quota]) -> Option<Choice> {
    let Arrival { at, method } = arrival;
    let good = script.actors.iter().enumerate().filter_map(|(actor, role)| {
        is_good(script, role, quotas[actor], at).then_some(())?;
        let (fate, took) = role.fate(method, at, Luck::of(seed, actor, number));
        (fate == Fate::Answered).then(|| (actor, Choice { expected: role.expected(method, at), took }))
    });
    let (actor, best) = good.min_by(|(_, left), (_, right)| left.expected.total_cmp(&right.expected))?;
    quotas[actor].take(at);
    Some(best)
}

fn is_good(script: &Script, actor: &Actor, quota: Quota, at: u64) -> bool {
    let condition = actor.at(at);
    condition.trouble == Trouble::None
        && !script.is_too_far_behind(condition)
        && condition.limit.is_none_or(|limit| quota.has_room(limit, at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Condition;
    use crate::traffic::Method;

    fn expected(actors: Vec<Actor>, times: &[u64]) -> Vec<Option<f64>> {
        let script = Script { name: "", about: "", seconds: 10, rate: 1, max_lag_blocks: Some(5), actors };
        let arrivals: Vec<_> =
            times.iter().map(|at| Arrival { at: *at, method: Method::BlockNumber }).collect();
        choices(&script, 1, &arrivals).iter().map(|choice| choice.map(|choice| choice.expected)).collect()
    }

    fn slow() -> Actor {
        Actor::new("slow", Condition::fine(90.0))
    }

    #[test]
    fn only_the_good_are_chosen() {
        for bad in [
            Condition::refused(),
            Condition::silent(),
            Condition::fine(1.0).failing(0.1),
            Condition::fine(1.0).behind(6),
            Condition::fine(1.0).on_another_chain(),
            Condition::fine(1.0).limited(0, None),
        ] {
            assert_eq!(expected(vec![Actor::new("bad", bad), slow()], &[9]), [Some(90.0)], "{bad:?}");
            assert_eq!(expected(vec![Actor::new("bad", bad)], &[9]), [None], "{bad:?}");
        }
        let tolerable = Actor::new("tolerable", Condition::fine(1.0).behind(5));
        assert_eq!(expected(vec![tolerable, slow()], &[9]), [Some(1.0)]);
    }

    #[test]
    fn a_limit_holds_for_the_oracle_too() {
        let quick = Actor::new("quick", Condition::fine(1.0).limited(2, None));
        let all = expected(vec![quick, slow()], &[1, 2, 3, 1_000]);
        assert_eq!(all, [Some(1.0), Some(1.0), Some(90.0), Some(1.0)]);
    }

    #[test]
    fn nobody_is_chosen_who_dies_first() {
        let dying = Actor::new("dying", Condition::fine(50.0)).from(1, Condition::refused());
        assert_eq!(expected(vec![dying, slow()], &[500, 999]), [Some(50.0), Some(90.0)]);
    }
}
