//! How often errors were classified, and by what.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Path;
use crate::catalog::{Category, ProviderKey};
use crate::state::{Shared, Table};

/// How many kinds of [`Path`] there are.
const PATHS: usize = 4;

/// The errors of each provider, by category and by what gave it. A handle: clones share the counts.
#[derive(Clone, Copy)]
pub struct Classifications {
    providers: Shared<Table<OnceLock<Box<Counts>>>>,
}

/// By [`kind`] and by category. Relaxed: each number stands for itself.
type Counts = [[AtomicU64; Category::ALL.len()]; PATHS];

impl Classifications {
    /// None so far.
    #[must_use]
    pub fn new() -> Self {
        Self { providers: Shared::default() }
    }

    /// Every category and path that an error of this provider had, with how many had it. The position of a rule is not
    /// kept apart: it is 0.
    pub fn of(&self, provider: ProviderKey) -> impl Iterator<Item = (Category, Path, u64)> {
        const KINDS: [Path; PATHS] =
            [Path::ProviderRule(0), Path::DataSelector, Path::MessagePattern, Path::CodeBased];
        let counts = self.providers.cell(provider.index()).get();
        KINDS.into_iter().flat_map(move |path| {
            let row = counts.into_iter().flat_map(move |counts| counts[kind(path)].iter().zip(Category::ALL));
            let numbers = row.map(|(count, category)| (category, count.load(Ordering::Relaxed)));
            numbers.filter(|(_, count)| *count > 0).map(move |(category, count)| (category, path, count))
        })
    }

    /// Counts an error.
    pub(super) fn record(&self, provider: ProviderKey, category: Category, path: Path) {
        let counts = self.providers.cell(provider.index()).get_or_init(Box::default);
        counts[kind(path)][category as usize].fetch_add(1, Ordering::Relaxed);
    }
}

const fn kind(path: Path) -> usize {
    match path {
        Path::ProviderRule(_) => 0,
        Path::DataSelector => 1,
        Path::MessagePattern => 2,
        Path::CodeBased => 3,
    }
}

impl Default for Classifications {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Classifications {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Classifications").finish_non_exhaustive()
    }
}
