use tower::Layer;

use super::{Pace, Paces};

/// Puts attempts on limited channels off; see the [module](super).
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct PaceLayer {
    paces: Paces,
}

impl PaceLayer {
    /// With these limits.
    pub const fn new(paces: Paces) -> Self {
        Self { paces }
    }
}

impl<S> Layer<S> for PaceLayer {
    type Service = Pace<S>;

    fn layer(&self, inner: S) -> Pace<S> {
        Pace::new(inner, self.paces)
    }
}
