//! What all streams need beside their own tasks.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use lasso_layers::catalog::InstanceKey;
use lasso_layers::state::health::Status;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::heads;
use super::hub::Shared;

/// How late a reload is noticed at most, and an upstream that became unfit.
const BEAT: Duration = Duration::from_millis(100);

/// Never resolves; dropping the future ends everything.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut tasks = JoinSet::new();
    tasks.spawn(shared.pool.clone().sweep());
    if shared.policy.track_heights {
        tasks.spawn(heads::run(shared.clone()));
    }
    let mut beats = interval(BEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut unhealthy = BTreeSet::new();
    loop {
        beats.tick().await;
        look(&shared, &mut unhealthy);
    }
}

/// Tells streams what changed since the last look.
fn look(shared: &Shared, unhealthy: &mut BTreeSet<InstanceKey>) {
    let catalog = shared.chooser.live.snapshot();
    shared.generation.send_if_modified(|known| {
        let is_new = *known != catalog.generation();
        *known = catalog.generation();
        is_new
    });
    // What fails its probes is left, once: where there is nobody else, streams may come back to it and find that its
    // subscriptions work.
    let now_unhealthy: BTreeSet<_> =
        catalog.channels().map(|it| it.instance).filter(|it| is_unhealthy(shared, *it)).collect();
    let news: BTreeSet<_> = now_unhealthy.difference(unhealthy).copied().collect();
    *unhealthy = now_unhealthy;
    shared.pool.abandon(|channel| {
        catalog.channel(channel.key).is_none()
            || shared.chooser.strangers.contains(channel.instance)
            || news.contains(&channel.instance)
    });
}

fn is_unhealthy(shared: &Shared, instance: InstanceKey) -> bool {
    shared.health.of(instance).status().is_some_and(|status| status >= Status::Unhealthy)
}
