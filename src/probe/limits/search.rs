//! Finding a limit in few steps.

/// Looks for the largest accepted value: up a ladder until something is refused, then by halves between the last that
/// was accepted and the first that was not.
///
/// Pure: whoever drives it asks for [`next`](Self::next) and tells it what came of that.
#[derive(Clone, Debug)]
pub(super) struct Search {
    ladder: Vec<u64>,
    accepted: Option<u64>,
    refused: Option<u64>,
}

/// How far the result may be from the true limit.
const PRECISION: u64 = 10;

/// Below this, a tenth more or less matters, and there are few steps left to take.
const SMALL: u64 = 100;

impl Search {
    /// Along this ladder, which goes up.
    pub(super) fn new(ladder: impl IntoIterator<Item = u64>) -> Self {
        Self { ladder: ladder.into_iter().collect(), accepted: None, refused: None }
    }

    /// What to try next; `None` when the limit is found, or when there is none up to the end of the ladder.
    pub(super) fn next(&self) -> Option<u64> {
        let Some(refused) = self.refused else {
            return self
                .ladder
                .iter()
                .copied()
                .find(|step| self.accepted.is_none_or(|accepted| *step > accepted));
        };
        // Everything below it is accepted, so that 0 may turn out to be refused as well.
        let lowest_open = self.accepted.map_or(0, |accepted| accepted + 1);
        let open = refused - lowest_open;
        let precision = if refused <= SMALL { 1 } else { PRECISION };
        let is_found = if self.accepted.is_some() { open < precision } else { open == 0 };
        (!is_found).then(|| lowest_open + open / 2)
    }

    /// Notes what became of a value.
    pub(super) fn record(&mut self, value: u64, is_accepted: bool) {
        if is_accepted {
            self.accepted = self.accepted.max(Some(value));
        } else {
            self.refused = Some(self.refused.map_or(value, |refused| refused.min(value)));
        }
    }

    /// The largest value that was accepted.
    pub(super) const fn accepted(&self) -> Option<u64> {
        self.accepted
    }

    /// Whether anything was refused.
    pub(super) const fn is_limited(&self) -> bool {
        self.refused.is_some()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::probe::limits::block_range::SPANS;

    /// What is found where everything up to `limit` is accepted, and in how many steps.
    fn find(limit: Option<u64>, ladder: &[u64]) -> (Search, usize) {
        let mut search = Search::new(ladder.iter().copied());
        let mut steps = 0;
        while let Some(value) = search.next() {
            search.record(value, limit.is_some_and(|limit| value <= limit));
            steps += 1;
        }
        (search, steps)
    }

    #[test]
    fn without_a_limit_the_ladder_is_climbed_once() {
        let (search, steps) = find(Some(u64::MAX), &SPANS);
        assert_eq!((search.accepted(), search.is_limited(), steps), (Some(100_000), false, SPANS.len()));
    }

    #[test]
    fn limits_that_providers_have_are_found_exactly() {
        for limit in [1, 5, 10, 50, 99, 100, 500, 1_000, 2_000, 10_000, 50_000] {
            assert_eq!(find(Some(limit), &SPANS).0.accepted(), Some(limit));
        }
    }

    #[test]
    fn where_nothing_is_accepted_the_search_ends_at_nought() {
        let (search, steps) = find(None, &SPANS);
        assert_eq!((search.accepted(), search.is_limited()), (None, true));
        assert!(steps <= 8, "{steps}");
        assert_eq!(find(Some(0), &SPANS).0.accepted(), Some(0));
        assert_eq!(Search::new([]).next(), None);
    }

    proptest! {
        #[test]
        fn any_limit_is_found_to_a_precision_of_ten(limit in 0_u64..100_000) {
            let (search, steps) = find(Some(limit), &SPANS);
            let found = search.accepted().unwrap();
            prop_assert!(found <= limit && limit - found <= PRECISION, "{limit}: {found}");
            prop_assert!(limit >= SMALL || found == limit);
            prop_assert!(steps <= 25);
        }
    }
}
