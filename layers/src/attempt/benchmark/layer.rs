use tower::Layer;

use super::{Benchmark, Benchmarks};

/// Measures attempts; see the [module](super).
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct BenchmarkLayer {
    benchmarks: Benchmarks,
}

impl BenchmarkLayer {
    /// Into these records.
    pub const fn new(benchmarks: Benchmarks) -> Self {
        Self { benchmarks }
    }
}

impl<S> Layer<S> for BenchmarkLayer {
    type Service = Benchmark<S>;

    fn layer(&self, inner: S) -> Benchmark<S> {
        Benchmark::new(inner, self.benchmarks)
    }
}
