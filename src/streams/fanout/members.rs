//! Who subscribed to a stream, in rows.

use std::sync::Arc;

use lasso_layers::call::session::Subscriber;

/// Subscribers with their names, by ascending name.
pub(super) type Row = Arc<Vec<(u64, Subscriber)>>;

/// The most subscribers of a row. Writing to all of them keeps a thread for less than a millisecond.
const LONGEST: usize = 128;

/// Subscribers in rows of a size that one thread serves without keeping others waiting.
///
/// A clone is cheap, and whoever comes or goes meanwhile changes a copy of one row.
#[derive(Clone, Debug, Default)]
pub(super) struct Members(Vec<Row>);

impl Members {
    /// Takes one in whose name is higher than that of everybody before.
    pub(super) fn push(&mut self, name: u64, subscriber: Subscriber) {
        match self.0.last_mut() {
            Some(row) if row.len() < LONGEST => Arc::make_mut(row).push((name, subscriber)),
            _ => self.0.push(Arc::new(vec![(name, subscriber)])),
        }
    }

    pub(super) fn remove(&mut self, name: u64) {
        let above = self.0.partition_point(|row| row[0].0 <= name);
        let Some(at) = above.checked_sub(1) else { return };
        let Ok(place) = self.0[at].binary_search_by_key(&name, |(known, _)| *known) else { return };
        Arc::make_mut(&mut self.0[at]).remove(place);
        self.join(at);
    }

    /// Lets a row that has become short go up in the one before, so that there are never many more rows than needed.
    fn join(&mut self, at: usize) {
        let row = &self.0[at];
        match at.checked_sub(1).map(|before| &self.0[before]) {
            _ if row.is_empty() => drop(self.0.remove(at)),
            Some(before) if before.len() + row.len() <= LONGEST / 2 => {
                let row = self.0.remove(at);
                Arc::make_mut(&mut self.0[at - 1]).extend(row.iter().cloned());
            }
            _ => {}
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|row| row.len()).sum()
    }

    pub(super) fn rows(&self) -> &[Row] {
        &self.0
    }

    pub(super) fn into_rows(self) -> Vec<Row> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use lasso_layers::call::session::{OutboxBudget, Session, SessionPolicy, SubscriptionId};

    use super::*;

    fn names(members: &Members) -> Vec<u64> {
        members.rows().iter().flat_map(|row| row.iter().map(|(name, _)| *name)).collect()
    }

    fn subscriber() -> Subscriber {
        let session = Session::new(SessionPolicy::default(), OutboxBudget::default());
        session.for_call().reserve(SubscriptionId([1; 16])).unwrap().subscriber()
    }

    #[test]
    fn whoever_goes_leaves_the_others_in_order_and_in_few_rows() {
        let (mut members, subscriber) = (Members::default(), subscriber());
        let mut expected: Vec<u64> = (0..1000).collect();
        expected.iter().for_each(|name| members.push(*name, subscriber.clone()));
        let mut rng = fastrand::Rng::with_seed(7);
        while !expected.is_empty() {
            let name = expected.swap_remove(rng.usize(..expected.len()));
            members.remove(name);
            expected.sort_unstable();
            assert_eq!(names(&members), expected);
            let rows = members.rows();
            assert!(rows.iter().all(|row| (1..=LONGEST).contains(&row.len())));
            assert!(rows.len() <= 4 * expected.len().div_ceil(LONGEST) + 8, "{} rows", rows.len());
        }
        members.remove(3);
        assert!(members.is_empty());
    }

    #[test]
    fn a_copy_does_not_change_with_the_members() {
        let (mut members, subscriber) = (Members::default(), subscriber());
        (0..3).for_each(|name| members.push(name, subscriber.clone()));
        let copy = members.clone();
        members.remove(1);
        members.push(3, subscriber);
        assert_eq!((names(&copy), names(&members)), (vec![0, 1, 2], vec![0, 2, 3]));
    }
}
