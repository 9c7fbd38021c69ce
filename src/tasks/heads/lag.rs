//! Tells when a node falls behind, and when it is back.

/// Whether a node is further behind than is worth an alert. Tells changes, not states.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LagWatch {
    is_behind: bool,
}

/// A change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LagChange {
    /// It fell behind, by so many blocks.
    Behind(u64),
    /// It is near enough again.
    CaughtUp,
}

impl LagWatch {
    /// Looks at how many blocks a node is ahead of the consensus, negative when it is behind. Behind by `threshold` is
    /// near enough.
    pub(super) fn look(&mut self, lag: i64, threshold: u64) -> Option<LagChange> {
        let behind = if lag < 0 { lag.unsigned_abs() } else { 0 };
        let was_behind = std::mem::replace(&mut self.is_behind, behind > threshold);
        match (was_behind, self.is_behind) {
            (false, true) => Some(LagChange::Behind(behind)),
            (true, false) => Some(LagChange::CaughtUp),
            (false, false) | (true, true) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_falls_behind_and_returns_is_told_of_twice() {
        let mut watch = LagWatch::default();
        let told: Vec<_> = [3, -5, -6, -40, i64::MIN, -6, -5, 0, -7].map(|lag| watch.look(lag, 5)).into();
        let (behind, caught_up) = (|blocks| Some(LagChange::Behind(blocks)), Some(LagChange::CaughtUp));
        assert_eq!(told, [None, None, behind(6), None, None, None, caught_up, None, behind(7)]);
    }
}
