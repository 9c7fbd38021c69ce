use tower::Layer;

use super::{Stall, Stalls};

/// Counts attempts that wait; see the [module](super).
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct StallLayer {
    stalls: Stalls,
}

impl StallLayer {
    /// Counting here.
    pub const fn new(stalls: Stalls) -> Self {
        Self { stalls }
    }
}

impl<S> Layer<S> for StallLayer {
    type Service = Stall<S>;

    fn layer(&self, inner: S) -> Stall<S> {
        Stall::new(inner, self.stalls)
    }
}
