use tower::Layer;

use super::{Breakers, CircuitBreaker};

/// Puts attempts behind the breaker of their channel; see the [module](super).
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct CircuitBreakerLayer {
    breakers: Breakers,
}

impl CircuitBreakerLayer {
    /// With these breakers.
    pub const fn new(breakers: Breakers) -> Self {
        Self { breakers }
    }
}

impl<S> Layer<S> for CircuitBreakerLayer {
    type Service = CircuitBreaker<S>;

    fn layer(&self, inner: S) -> CircuitBreaker<S> {
        CircuitBreaker::new(inner, self.breakers)
    }
}
