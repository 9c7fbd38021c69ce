use tower::util::BoxCloneSyncService;

use super::*;

/// The size of what a function returns.
fn size<A, F>(_: impl FnOnce(A) -> F) -> usize {
    size_of::<F>()
}

/// Thousands of these lie idle.
#[test]
fn a_client_fits_into_a_kilobyte_and_a_half() {
    let size = size(Accepted::<BoxCloneSyncService<Call, Reply, Failure>>::run);
    assert!(size <= 1536, "{size}");
}
