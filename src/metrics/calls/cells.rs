//! Series that come into being when they are first needed.

use std::sync::OnceLock;

use lasso_layers::catalog::{Category, MethodId, Transport};

/// Methods that have series of their own: the registered ones, and all others together.
pub(super) const METHODS: usize = MethodId::COUNT + 1;
/// Categories of errors.
pub(super) const CATEGORIES: usize = Category::ALL.len();
/// Transports.
pub(super) const TRANSPORTS: usize = 2;
/// Outcomes.
pub(super) const STATUSES: usize = 2;

/// A row of `N` cells, each made when it is first asked for; so is the row. Reading takes no lock.
#[derive(Debug)]
pub(super) struct Cells<T, const N: usize>(OnceLock<Box<[OnceLock<T>; N]>>);

impl<T, const N: usize> Cells<T, N> {
    pub(super) const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// The cell at `index`, which is below `N`.
    pub(super) fn at(&self, index: usize, make: impl FnOnce() -> T) -> &T {
        let row = self.0.get_or_init(|| Box::new([const { OnceLock::new() }; N]));
        row[index].get_or_init(make)
    }
}

/// How a call or an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Success,
    Error,
}

impl Status {
    pub(super) const fn of(error: Option<Category>) -> Self {
        if error.is_none() { Self::Success } else { Self::Error }
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Error => "error",
        }
    }

    pub(super) const fn index(self) -> usize {
        self as usize
    }
}

/// A dense number below [`TRANSPORTS`].
pub(super) const fn transport_index(transport: Transport) -> usize {
    match transport {
        Transport::Http => 0,
        Transport::Ws => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_made_once() {
        let cells = Cells::<usize, 3>::new();
        assert_eq!(*cells.at(2, || 7), 7);
        assert_eq!(*cells.at(2, || unreachable!("it is there")), 7);
        assert_eq!(*cells.at(0, || 1), 1);
    }
}
