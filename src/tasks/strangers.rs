//! Upstreams that are on another chain than their profile says.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lasso_layers::catalog::InstanceKey;

/// The instances that probes found on another chain. A handle: clones share the set.
///
/// Such a node answers a question for its height as well as any other. Its height means nothing on the chain it was
/// configured for, and that it answers must not count as a recovery.
#[derive(Clone, Debug, Default)]
pub(crate) struct Strangers {
    instances: Arc<Mutex<BTreeSet<InstanceKey>>>,
}

impl Strangers {
    pub(super) fn contains(&self, instance: InstanceKey) -> bool {
        self.lock().contains(&instance)
    }

    pub(super) fn insert(&self, instance: InstanceKey) {
        self.lock().insert(instance);
    }

    pub(super) fn remove(&self, instance: InstanceKey) {
        self.lock().remove(&instance);
    }

    pub(super) fn keep(&self, wanted: impl Fn(InstanceKey) -> bool) {
        self.lock().retain(|instance| wanted(*instance));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<InstanceKey>> {
        // No operation on a set can be interrupted half way by a panic of ours.
        self.instances.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
