//! The one pointer to the catalogue in force.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, Guard};

use super::build::Registry;
use super::{Catalog, Problem, ProfileSpec, Severity, validate};

/// A cloneable handle on the current [`Catalog`]. Readers never block and never see a mix of two.
#[derive(Clone)]
pub struct Live {
    // One reference count, because every call clones the stack and this with it.
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    current: ArcSwap<Catalog>,
    registry: Mutex<Registry>,
}

impl Live {
    /// Starts with a set of profiles. Its warnings are those of [`validate`].
    ///
    /// # Errors
    ///
    /// Every problem of the set, warnings included, if at least one is an error.
    pub fn new(profiles: Vec<ProfileSpec>) -> Result<Self, Vec<Problem>> {
        let live = Self { shared: Arc::default() };
        live.publish(profiles)?;
        Ok(live)
    }

    /// The current catalogue, for a short look. Hold the guard for less than a request.
    #[must_use]
    pub fn load(&self) -> Guard<Arc<Catalog>> {
        self.shared.current.load()
    }

    /// The current catalogue, to keep.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Catalog> {
        self.shared.current.load_full()
    }

    /// Puts a new set of profiles in force. Upstreams that occur in both sets keep their keys, and so their
    /// state. Returns the warnings.
    ///
    /// # Errors
    ///
    /// Every problem of the set if at least one is an error; the old catalogue stays in force then.
    pub fn publish(&self, profiles: Vec<ProfileSpec>) -> Result<Vec<Problem>, Vec<Problem>> {
        let problems = validate(&profiles);
        if problems.iter().any(|problem| problem.severity == Severity::Error) {
            return Err(problems);
        }
        // One publication at a time: the generation and the registry must move together.
        let mut registry = self.shared.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let catalog = registry.build(profiles, self.load().generation + 1);
        let replaced = self.shared.current.swap(Arc::new(catalog));
        // A catalogue is replaced once; calls that are routed by it ask before they fail over.
        let _ = replaced.replaced.set(self.clone());
        Ok(problems)
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("generation", &self.load().generation).finish_non_exhaustive()
    }
}
