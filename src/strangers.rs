//! Upstreams that are on another chain than their profile says.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use lasso_layers::call::{Filter, Subject, Verdict};
use lasso_layers::catalog::InstanceKey;
use lasso_layers::state::{Shared, Table};

/// The instances that probes found on another chain. A handle: clones share the set.
///
/// Such a node answers every question as well as any other, and every answer is wrong. A breaker does not keep it from
/// doing so: each of its successes ends the row of failures that its probes begin. So it is a filter of
/// [`Stage::Liveness`](lasso_layers::call::Stage): nothing is sent to it, by name neither, until a probe finds it on the
/// right chain. Its height means nothing either, and that it answers must not count as a recovery.
#[derive(Clone, Copy, Default)]
pub struct Strangers {
    /// Relaxed throughout: each flag says everything by itself.
    flags: Shared<Table<AtomicBool>>,
}

impl Strangers {
    /// Whether the instance was last seen on another chain.
    #[must_use]
    pub fn contains(&self, instance: InstanceKey) -> bool {
        self.flags.cell(instance.index()).load(Ordering::Relaxed)
    }

    pub(crate) fn insert(&self, instance: InstanceKey) {
        self.flags.cell(instance.index()).store(true, Ordering::Relaxed);
    }

    pub(crate) fn remove(&self, instance: InstanceKey) {
        self.flags.cell(instance.index()).store(false, Ordering::Relaxed);
    }
}

impl Filter for Strangers {
    fn check(&self, subject: &Subject<'_>) -> Verdict {
        if self.contains(subject.channel.instance) { Verdict::exclude("wrong_chain") } else { Verdict::Keep }
    }
}

impl fmt::Debug for Strangers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Strangers").finish_non_exhaustive()
    }
}
