//! What became of one attempt, in a word.

use crate::call::{Candidate, Progress};
use crate::catalog::Category;

/// What one attempt says about the channel it was made on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttemptOutcome {
    /// A result.
    UsableSuccess,
    /// The channel failed: its provider, its node, or the way there.
    ServiceFailure,
    /// No answer in time.
    Timeout,
    /// The provider wants fewer requests.
    CapacityRejection,
    /// An error that says nothing against the channel, such as a revert.
    NeutralError,
    /// Nobody waited for the answer any more.
    Cancelled,
}

impl AttemptOutcome {
    /// The outcome of a candidate that was [tried](Candidate::was_tried), and what kind of error it was. `answer` is
    /// the kind of error that the call was answered with, if it was. Nothing for a candidate that was not tried.
    #[must_use]
    pub fn of(candidate: &Candidate, answer: Option<Category>) -> Option<(Self, Option<Category>)> {
        if !candidate.was_tried() {
            return None;
        }
        Some(match candidate.progress() {
            Progress::Answered if answer.is_none() => (Self::UsableSuccess, None),
            Progress::Answered => (Self::NeutralError, answer),
            Progress::Failed(category) => (Self::failed(category), Some(category)),
            Progress::Untried | Progress::Dropped | Progress::Taken | Progress::Skipped(_) => {
                (Self::Cancelled, Some(Category::Cancelled))
            }
        })
    }

    fn failed(category: Category) -> Self {
        match category {
            Category::Timeout => Self::Timeout,
            Category::RateLimit => Self::CapacityRejection,
            category if category.penalises() => Self::ServiceFailure,
            _ => Self::NeutralError,
        }
    }

    /// The name in logs and pages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UsableSuccess => "usable_success",
            Self::ServiceFailure => "service_failure",
            Self::Timeout => "timeout",
            Self::CapacityRejection => "capacity_rejection",
            Self::NeutralError => "neutral_error",
            Self::Cancelled => "cancelled",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Candidates;
    use crate::catalog::{ChannelKey, InstanceKey, Transport};

    #[test]
    fn every_attempt_has_one_outcome_and_what_was_not_tried_has_none() {
        use AttemptOutcome::*;
        let fresh = Candidate::new(0, ChannelKey(0), InstanceKey(0), Transport::Http);
        let candidates = Candidates::new(vec![fresh; 1]);
        let candidate = &candidates.all()[0];
        assert_eq!(AttemptOutcome::of(candidate, None), None);
        assert_eq!(candidates.draw(), Some(0));
        assert_eq!(AttemptOutcome::of(candidate, None), Some((Cancelled, Some(Category::Cancelled))));
        for (category, outcome) in [
            (Category::Timeout, Timeout),
            (Category::RateLimit, CapacityRejection),
            (Category::ServerError, ServiceFailure),
            (Category::NetworkError, ServiceFailure),
            (Category::AuthError, ServiceFailure),
            (Category::MethodNotFound, NeutralError),
            (Category::InvalidParams, NeutralError),
        ] {
            candidates.failed(0, category);
            let expected = Some((outcome, Some(category)));
            assert_eq!(AttemptOutcome::of(candidate, Some(category)), expected, "{category}");
        }
        candidates.failed(0, Category::LocalCapacityRejection);
        assert_eq!(AttemptOutcome::of(candidate, None), None, "it never left this process");
        candidate.skipped(Category::CircuitOpen);
        assert_eq!(AttemptOutcome::of(candidate, None), None);
        candidate.answered();
        assert_eq!(AttemptOutcome::of(candidate, None), Some((UsableSuccess, None)));
        let revert = Some(Category::ExecutionRevert);
        assert_eq!(AttemptOutcome::of(candidate, revert), Some((NeutralError, revert)));
    }
}
