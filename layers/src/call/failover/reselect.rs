//! Choosing anew in the middle of a call.

use std::fmt;
use std::sync::Arc;

use tokio::time::Instant;

use crate::call::{Call, Candidate, Candidates};
use crate::state::Shared;

type Choose = Box<dyn Fn(&Call, Instant) -> Vec<Candidate> + Send + Sync>;

/// How a call that was planned anew chooses its channels.
#[derive(Clone, Copy)]
pub(super) struct Reselect(Shared<Choose>);

impl Reselect {
    pub(super) fn new(choose: impl Fn(&Call, Instant) -> Vec<Candidate> + Send + Sync + 'static) -> Self {
        Self(Shared::new(Box::new(choose)))
    }

    /// The call under the catalogue in force, with candidates that leave out what it tried before. Nothing if its
    /// route is gone.
    pub(super) fn replan(
        self,
        call: &Call,
        before: &Candidates,
        most: u32,
        now: Instant,
    ) -> Option<Arc<Call>> {
        let call = call.replanned(call.plan()?.renewed()?);
        let mut shortlist = (self.0)(&call, now);
        Candidates::bound(&mut shortlist, most);
        call.journal().open_candidates(|| Candidates::resume(shortlist, before));
        Some(Arc::new(call))
    }
}

impl fmt::Debug for Reselect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reselect").finish_non_exhaustive()
    }
}
