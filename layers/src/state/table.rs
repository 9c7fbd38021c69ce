//! An append-only table of cells, indexed by a dense key.

use std::fmt;
use std::sync::OnceLock;

/// The first segment holds this many cells; each further one twice as many as the one before.
const FIRST: usize = 64;
/// Enough segments for every `u32` index.
const SEGMENTS: usize = 27;

/// Cells that come into being when first asked for and live as long as the table.
///
/// Reading takes no lock: one load of a segment pointer and an index. Cells are never moved, so a reload of the
/// configuration keeps what they hold. How a table is shared is up to the store that it is a part of.
pub struct Table<T> {
    segments: [OnceLock<Box<[T]>>; SEGMENTS],
}

impl<T: Default> Table<T> {
    /// An empty table.
    #[must_use]
    pub const fn new() -> Self {
        Self { segments: [const { OnceLock::new() }; SEGMENTS] }
    }

    /// The cell at `index`, made with its default if this is the first time anybody asks.
    ///
    /// # Panics
    ///
    /// If `index` is above `u32::MAX`; keys are 32 bits wide.
    #[must_use]
    pub fn cell(&self, index: usize) -> &T {
        let (segment, offset) = locate(index);
        let cells = self.segments[segment]
            .get_or_init(|| std::iter::repeat_with(T::default).take(FIRST << segment).collect());
        &cells[offset]
    }

    /// Every cell that has come into being, by index.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.segments.iter().filter_map(OnceLock::get).flatten()
    }
}

/// Segment `n` starts at index `FIRST * (2^n - 1)`.
fn locate(index: usize) -> (usize, usize) {
    let shifted = index + FIRST;
    let segment = (shifted.ilog2() - FIRST.ilog2()) as usize;
    (segment, shifted - (FIRST << segment))
}

impl<T: Default> Default for Table<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for Table<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cells: usize = self.segments.iter().filter_map(OnceLock::get).map(|cells| cells.len()).sum();
        f.debug_struct("Table").field("cells", &cells).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn every_index_has_a_cell_of_its_own() {
        let table = Table::<AtomicUsize>::new();
        for index in 0..1_000 {
            table.cell(index).store(index + 1, Ordering::Relaxed);
        }
        for index in 0..1_000 {
            assert_eq!(table.cell(index).load(Ordering::Relaxed), index + 1);
        }
    }

    #[test]
    fn segments_follow_each_other_without_gap() {
        assert_eq!(locate(0), (0, 0));
        assert_eq!(locate(63), (0, 63));
        assert_eq!(locate(64), (1, 0));
        assert_eq!(locate(191), (1, 127));
        assert_eq!(locate(192), (2, 0));
        assert!(locate(u32::MAX as usize).0 < SEGMENTS);
    }
}
