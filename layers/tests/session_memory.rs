//! What a client costs that has nothing.

use std::alloc::System;

use lasso_layers::call::session::{OutboxBudget, Session, SessionPolicy, SubscriptionId};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[test]
fn an_idle_client_costs_little_and_one_subscription_not_much_more() {
    let (policy, budget) = (SessionPolicy::default(), OutboxBudget::default());
    let region = Region::new(ALLOCATOR);
    let session = Session::new(policy, budget);
    let idle = region.change().bytes_allocated + size_of::<Session>();
    assert!(idle <= 500, "{idle} bytes");

    let frame = session.for_call();
    frame.reserve(SubscriptionId([1; 16])).unwrap().establish(());
    session.replied(&frame);
    let change = region.change();
    let subscribed = change.bytes_allocated - change.bytes_deallocated;
    assert!(subscribed <= 500, "{subscribed} bytes");
}
