//! Where random numbers come from.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A source of random generators: the system's by default, a repeatable one in tests and simulations.
#[derive(Clone, Debug, Default)]
pub struct Entropy {
    seed: Option<Arc<AtomicU64>>,
}

impl Entropy {
    /// A source whose generators are the same in every run.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self { seed: Some(Arc::new(AtomicU64::new(seed))) }
    }

    /// A generator for one decision.
    #[must_use]
    pub fn rng(&self) -> fastrand::Rng {
        match &self.seed {
            None => fastrand::Rng::new(),
            // Relaxed: only the numbers must differ, nothing is published with them.
            Some(seed) => fastrand::Rng::with_seed(seed.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed)),
        }
    }
}
