//! What changed between two looks.

use foldhash::{HashMap, HashSet};
use smol_str::SmolStr;

/// A thing with a name of its own.
pub(crate) trait Keyed {
    /// The name, which no other thing of its kind has.
    fn key(&self) -> &SmolStr;
}

/// The difference of two lists.
#[derive(Debug, PartialEq)]
pub(crate) struct Delta<'a, T> {
    /// Those that are new or different, in the order of the new list.
    pub(crate) changed: Vec<&'a T>,
    /// Names of those that are no longer there, in the order of the old list.
    pub(crate) gone: Vec<SmolStr>,
}

impl<'a, T: Keyed + PartialEq> Delta<'a, T> {
    /// From one list to the next.
    #[must_use]
    pub(crate) fn of(before: &[T], after: &'a [T]) -> Self {
        let known: HashMap<_, _> = before.iter().map(|one| (one.key(), one)).collect();
        let here: HashSet<_> = after.iter().map(Keyed::key).collect();
        Self {
            changed: after.iter().filter(|one| known.get(one.key()) != Some(one)).collect(),
            gone: before.iter().map(Keyed::key).filter(|key| !here.contains(*key)).cloned().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Thing(SmolStr, u8);

    impl Keyed for Thing {
        fn key(&self) -> &SmolStr {
            &self.0
        }
    }

    fn things(all: &[(u8, u8)]) -> Vec<Thing> {
        all.iter().map(|(key, value)| Thing(SmolStr::from(key.to_string()), *value)).collect()
    }

    #[test]
    fn only_what_changed_is_told() {
        let before = things(&[(1, 0), (2, 0), (3, 0)]);
        let after = things(&[(1, 0), (4, 0), (3, 1)]);
        let delta = Delta::of(&before, &after);
        assert_eq!(delta.changed, [&after[1], &after[2]]);
        assert_eq!(delta.gone, ["2"]);
        assert_eq!(Delta::of(&after, &after), Delta { changed: vec![], gone: vec![] });
    }

    proptest! {
        // What a browser does with a delta brings it to the new list.
        #[test]
        fn a_delta_leads_from_one_list_to_the_other(
            before in proptest::collection::hash_map(0_u8..20, 0_u8..3, 0..15),
            after in proptest::collection::hash_map(0_u8..20, 0_u8..3, 0..15),
        ) {
            let lists = [before, after].map(|map| things(&map.into_iter().collect::<Vec<_>>()));
            let delta = Delta::of(&lists[0], &lists[1]);
            let mut state: std::collections::BTreeMap<_, _> =
                lists[0].iter().map(|thing| (thing.0.clone(), thing.1)).collect();
            state.retain(|key, _| !delta.gone.contains(key));
            state.extend(delta.changed.iter().map(|thing| (thing.0.clone(), thing.1)));
            let expected = lists[1].iter().map(|thing| (thing.0.clone(), thing.1)).collect();
            prop_assert_eq!(state, expected);
        }
    }
}
