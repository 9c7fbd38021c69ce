//! Ordering candidates without moving them more than once.

use smallvec::SmallVec;

use crate::call::Candidate;

/// One item for each candidate of a call; few calls have more than fit in place.
pub(super) type PerCandidate<T> = SmallVec<[T; 16]>;

/// Puts the candidate that is now at `order[n]` at position `n`, for every `n`. `order` is left as any order.
pub(super) fn arrange(candidates: &mut [Candidate], mut order: PerCandidate<usize>) {
    for at in 0..candidates.len() {
        let mut from = order[at];
        // What stood before `at` has been swapped away, to where its own place took its candidate from.
        while from < at {
            from = order[from];
        }
        order[at] = from;
        candidates.swap(at, from);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::catalog::{ChannelKey, InstanceKey, Transport};

    proptest! {
        #[test]
        fn every_candidate_goes_to_its_place(order in Just((0..40).collect::<Vec<usize>>()).prop_shuffle()) {
            let candidate = |at| Candidate::new(at, ChannelKey(0), InstanceKey(0), Transport::Http);
            let mut candidates: Vec<Candidate> = (0..40).map(candidate).collect();
            arrange(&mut candidates, PerCandidate::from_slice(&order));
            let arranged: Vec<usize> = candidates.iter().map(|candidate| candidate.provider.into()).collect();
            prop_assert_eq!(arranged, order);
        }
    }
}
