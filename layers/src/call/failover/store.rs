//! How often calls had to fail over.

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use tokio::time::Instant;

use crate::catalog::ProviderKey;
use crate::state::{CallWindow, Origin, Shared, Table};

/// The failovers of the last minute, by the provider that was left. A handle: clones share the counts.
///
/// One is counted when an attempt begins because the one before it failed upstream. Nothing is counted where a channel
/// is passed by without being asked, nor where a failure is the end of a call.
#[derive(Clone, Copy)]
pub struct Failovers {
    store: Shared<Store>,
}

struct Store {
    providers: Table<OnceLock<Box<CallWindow>>>,
    origin: Origin,
}

impl Failovers {
    /// None so far.
    #[must_use]
    pub fn new() -> Self {
        Self { store: Shared::new(Store { providers: Table::new(), origin: Origin::now() }) }
    }

    /// A call left this provider for another channel.
    pub fn record(&self, left: ProviderKey, now: Instant) {
        let window = self.store.providers.cell(left.index()).get_or_init(Box::default);
        window.add(self.second(now), true);
    }

    /// How often calls left this provider in the last `window`, in whole seconds and at most 64 of them.
    #[must_use]
    pub fn within(&self, left: ProviderKey, window: Duration, now: Instant) -> u64 {
        let counts = self.store.providers.cell(left.index()).get();
        counts.map_or(0, |counts| counts.last(window.as_secs(), self.second(now)).calls)
    }

    fn second(&self, now: Instant) -> u64 {
        self.store.origin.millis(now) / 1_000
    }
}

impl Default for Failovers {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Failovers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failovers").finish_non_exhaustive()
    }
}
