//! Follows the heads of all upstreams that push them, for their heights.
//!
//! Each has a standing subscription, which streams share. Heights are polled as well, less often while heads flow.

mod standing;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use lasso_layers::call::subscribe::Topic;
use lasso_layers::catalog::{Catalog, Channel, ChannelKey, Provider};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use self::standing::{Standing, Step};
use super::hub::Shared;
use super::log;
use super::pool::{Signal, Tap, Update};

/// Follows the catalogue in force. Never resolves; dropping the future gives all subscriptions back.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut catalog = shared.generation.subscribe();
    let mut tasks = JoinSet::new();
    // How much silence is borne of each. Dropping that ends the task.
    let mut followed = BTreeMap::<ChannelKey, watch::Sender<Duration>>::new();
    loop {
        catalog.mark_unchanged();
        let mut gone = std::mem::take(&mut followed);
        for (channel, timeout) in targets(&shared.chooser.live.load()) {
            let key = channel.key;
            let known = gone.remove(&key).unwrap_or_else(|| {
                let (sender, receiver) = watch::channel(timeout);
                tasks.spawn(follow(shared.clone(), channel, receiver));
                sender
            });
            known.send_replace(timeout);
            followed.insert(key, known);
        }
        // The tasks of those that are left end with their senders.
        drop(gone);
        // Both are cancel safe. The tasks end by themselves; they are taken as they come.
        loop {
            tokio::select! {
                changed = catalog.changed() => break changed.expect("the sender is shared"),
                Some(ended) = tasks.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "a task that followed heads panicked");
                    }
                }
            }
        }
    }
}

/// The channels whose heads are wanted, each with the least silence that a profile bears.
fn targets(catalog: &Catalog) -> Vec<(Arc<Channel>, Duration)> {
    let mut targets = BTreeMap::<ChannelKey, (Arc<Channel>, Duration)>::new();
    for chain in catalog.profiles().iter().flat_map(|profile| profile.chains()) {
        let timeout = chain.settings.new_heads_timeout;
        let pushes = |provider: &&Provider| provider.subscribe_new_heads;
        for channel in chain.providers.iter().filter(pushes).filter_map(|provider| provider.ws.as_ref()) {
            let target = targets.entry(channel.key).or_insert_with(|| (channel.clone(), timeout));
            target.1 = target.1.min(timeout);
        }
    }
    targets.into_values().collect()
}

/// Follows one upstream for as long as there is a sender of timeouts.
async fn follow(shared: Arc<Shared>, channel: Arc<Channel>, mut timeout: watch::Receiver<Duration>) {
    let links = shared.chooser.links;
    let mut connections = links.changes();
    let mut standing = Standing::new(*timeout.borrow_and_update());
    let mut tap: Option<Tap> = None;
    loop {
        let now = Instant::now();
        standing.link(links.is_up(channel.key), now);
        match standing.tick(now) {
            Some(Step::Subscribe) => tap = Some(shared.pool.join(&channel, &Topic::NewHeads)),
            Some(Step::GiveUp) => {
                log::stale(&channel, &Topic::NewHeads);
                // Streams are not driven by this: they have limits of their own.
                tap.take().inspect(|tap| shared.pool.retire(tap));
            }
            None => {}
        }
        let deadline = standing.deadline();
        let signal = async {
            match &mut tap {
                Some(tap) => tap.next().await,
                None => std::future::pending().await,
            }
        };
        // All branches are cancel safe.
        tokio::select! {
            signal = signal => match signal {
                // A head from before is no news: nobody knows how old it is.
                Ok(Signal::Confirmed(_)) => {}
                Ok(Signal::Update(Update::Head(_))) => note(&shared, &channel, &mut standing),
                Ok(Signal::Update(Update::Log(_) | Update::Transaction(_))) => {}
                Err(_) => {
                    tap = None;
                    standing.lost(Instant::now());
                }
            },
            Ok(()) = connections.changed() => {}
            changed = timeout.changed() => match changed {
                Ok(()) => standing.set_timeout(*timeout.borrow_and_update()),
                Err(_) => return forget(&shared, &channel),
            },
            () = sleep_until(deadline.unwrap_or(now)), if deadline.is_some() => {}
        }
    }
}

/// What an upstream said counts no longer, unless it is still there and polled.
fn forget(shared: &Shared, channel: &Channel) {
    let is_there = shared.chooser.live.load().channels().any(|it| it.instance == channel.instance);
    if !is_there {
        shared.chooser.heights.forget(channel.chain_id, channel.instance);
    }
}

/// A head came. Its height was noted before anybody was told.
fn note(shared: &Shared, channel: &Channel, standing: &mut Standing) {
    let now = Instant::now();
    standing.head(now);
    let chooser = &shared.chooser;
    // What a connection brings that may be gone in a moment is no recovery.
    if !chooser.strangers.contains(channel.instance) && chooser.links.status(channel.key).is_stable {
        chooser.breakers.probe_succeeded(channel, now);
    }
}
