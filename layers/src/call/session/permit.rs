//! Room for a call that is forwarded.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::Shared;

/// One of the calls that a client may have under way. Dropping it makes room for the next one.
#[must_use]
pub struct Permit(Arc<Shared>);

impl Permit {
    pub(super) fn take(session: &Arc<Shared>) -> Option<Self> {
        let room = |taken| (taken < session.policy.max_inflight).then_some(taken + 1);
        session.inflight.fetch_update(Relaxed, Relaxed, room).is_ok().then(|| Self(session.clone()))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.inflight.fetch_sub(1, Relaxed);
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}
